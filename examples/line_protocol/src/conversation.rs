//! One client's lines and their answers, and how they end when the worker drains.

use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::lines::Lines;

/// How long after `bye` lines are still read: those that were sent before the client knew.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long a client may leave its answers unread.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client has for closing its side after the last answer.
const LINGER: Duration = Duration::from_secs(1);

/// Answers lines until the client has sent its last one, or the drain waits for no more.
pub(crate) async fn hold(
    client: impl AsyncRead + AsyncWrite,
    draining: impl Future<Output = ()>,
) -> io::Result<()> {
    let (reading, mut writing) = tokio::io::split(client);
    let mut lines = Lines::of(reading);
    if !answer_until(draining, &mut lines, &mut writing).await? {
        send(&mut writing, b"bye\n").await?;
        answer_the_last(&mut lines, &mut writing).await?;
    }
    writing.shutdown().await?;
    // To close a connection with something unread in it is to reset it: answers that are on their way would be lost.
    let mut unread = lines.into_rest();
    let mut nowhere = tokio::io::sink();
    let copied = timeout(LINGER, tokio::io::copy(&mut unread, &mut nowhere));
    copied.await?.map(drop)
}

/// Returns whether there was a last line: otherwise the drain has begun.
async fn answer_until(
    draining: impl Future<Output = ()>,
    lines: &mut Lines<impl AsyncRead + Unpin>,
    writing: &mut (impl AsyncWrite + Unpin),
) -> io::Result<bool> {
    let mut draining = pin!(draining);
    loop {
        // Only the wait for a line is given up, never an answer by half.
        let line = tokio::select! {
            line = lines.next() => line?,
            () = &mut draining => return Ok(false),
        };
        match line {
            Some(line) => answer(&line, writing).await?,
            None => return Ok(true),
        }
    }
}

async fn answer_the_last(
    lines: &mut Lines<impl AsyncRead + Unpin>,
    writing: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    let end = Instant::now() + FAREWELL;
    while Instant::now() < end {
        match timeout_at(end, lines.next()).await {
            Ok(Ok(Some(line))) => answer(&line, writing).await?,
            Ok(Ok(None)) | Err(_) => return Ok(()),
            Ok(Err(error)) => return Err(error),
        }
    }
    Ok(())
}

/// This is what the server is there for.
async fn answer(line: &[u8], writing: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let answer = [b"ok ", line.to_ascii_uppercase().as_slice()].concat();
    send(writing, &answer).await
}

async fn send(writing: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    timeout(ANSWER_TIMEOUT, writing.write_all(bytes)).await?
}
