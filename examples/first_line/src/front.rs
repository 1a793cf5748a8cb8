//! Accepts, reads the first line of each connection, and finds its owner.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::owner::Owner;

/// How long the first line may be, and how long it may take to come.
const LONGEST_LINE: usize = 1024;
const LINE_TIMEOUT: Duration = Duration::from_secs(5);
/// How many connections may be without a first line. Further ones wait in the listener's queue.
const MOST_UNDECIDED: usize = 256;

/// Accepts for ever.
pub(crate) async fn accept(
    listener: TcpListener,
    owners: HashMap<&'static str, Owner>,
) -> anyhow::Result<()> {
    let owners = Arc::new(owners);
    let undecided = Arc::new(Semaphore::new(MOST_UNDECIDED));
    loop {
        let permit = Arc::clone(&undecided).acquire_owned().await?;
        let connection = match listener.accept().await {
            Ok((connection, _client)) => connection,
            Err(error) => {
                // No descriptors or no memory are left; others may give some back.
                eprintln!("cannot accept: {error}");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let owners = Arc::clone(&owners);
        tokio::spawn(async move {
            decide(connection, &owners).await;
            drop(permit);
        });
    }
}

/// Hands the connection to its owner, or tells it why it has none.
async fn decide(mut connection: TcpStream, owners: &HashMap<&'static str, Owner>) {
    let read = read_first_line(&mut connection).await;
    let refusal = match read.and_then(|read| Ok((owner_of(&read, owners)?, read))) {
        Ok((owner, read)) => match owner.hand_over(connection, read) {
            Ok(()) => return,
            Err(refused) => {
                connection = refused;
                anyhow::anyhow!("too many wait for this service, try again later")
            }
        },
        Err(refusal) => refusal,
    };
    refuse(connection, &refusal).await;
}

/// All that was read until there was a line: what comes behind it belongs to the owner, too.
async fn read_first_line(connection: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let mut read = Vec::with_capacity(LONGEST_LINE);
    let has_line = async {
        while !read.contains(&b'\n') {
            let room = (LONGEST_LINE - read.len()) as u64;
            anyhow::ensure!(
                room > 0,
                "the first line has more than {LONGEST_LINE} bytes"
            );
            let more = connection.take(room).read_buf(&mut read).await?;
            anyhow::ensure!(more > 0, "there was no first line");
        }
        Ok(())
    };
    let in_time = timeout(LINE_TIMEOUT, has_line).await;
    in_time.context("the first line did not come in time")??;
    Ok(read)
}

fn owner_of<'a>(
    read: &[u8],
    owners: &'a HashMap<&'static str, Owner>,
) -> anyhow::Result<&'a Owner> {
    let line = read.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let service = std::str::from_utf8(line.trim_ascii())?;
    let owner = owners.get(service);
    owner.with_context(|| format!("nobody serves '{}' here", service.escape_default()))
}

/// Answers, and closes the connection so that the answer is not lost: unread bytes would make it a reset.
async fn refuse(mut connection: TcpStream, refusal: &anyhow::Error) {
    let answer = format!("error: {refusal}\n");
    let closed = async {
        connection.write_all(answer.as_bytes()).await?;
        connection.shutdown().await?;
        tokio::io::copy(&mut connection, &mut tokio::io::sink()).await
    };
    // A client that does not listen misses its answer.
    let _in_time = timeout(Duration::from_secs(1), closed).await;
}
