//! A child: takes the connections of one service from its standard input, and serves them.

use std::io::Cursor;
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::Context;
use everport::transfer::{ReceiveError, Received, Receiver, Socket};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How long a child waits for a descriptor to become free.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until the parent is gone, and then what is left.
pub(crate) async fn serve(service: &str) -> anyhow::Result<()> {
    let answer = match service {
        "upper" => |line: &str| line.to_uppercase(),
        "reverse" => |line: &str| line.chars().rev().collect(),
        _ => anyhow::bail!("'{service}' is not served here"),
    };
    let mut receiver = receiver()?;
    let mut connections = JoinSet::new();
    let end = loop {
        match receiver.receive().await {
            Ok(Some(received)) => drop(connections.spawn(converse(received, answer))),
            Ok(None) => break Ok(()),
            // It stays where it is until a connection has ended.
            Err(ReceiveError::NoDescriptorFree) => sleep(PAUSE).await,
            Err(error @ (ReceiveError::SocketLost { .. } | ReceiveError::Unsupported(_))) => {
                eprintln!("{service}: {error}");
            }
            Err(error) => break Err(error),
        }
        // Those that have ended are forgotten.
        while connections.try_join_next().is_some() {}
    };
    // Nothing more comes, which is no reason to leave those that are served.
    while connections.join_next().await.is_some() {}
    Ok(end?)
}

/// The parent has made standard input a stream of sockets.
fn receiver() -> anyhow::Result<Receiver> {
    let input = std::io::stdin().as_fd().try_clone_to_owned()?;
    let stream = Socket::try_from(input).context("this process is to be started by its parent")?;
    Ok(Receiver::from_std(stream.try_into()?)?)
}

/// Answers each line, of what the parent has read already and of what is still to come.
async fn converse(received: Received, answer: fn(&str) -> String) -> anyhow::Result<()> {
    let mut connection = TcpStream::try_from(received.socket)?;
    let (reading, mut writing) = connection.split();
    let mut lines = BufReader::new(Cursor::new(received.data).chain(reading)).lines();
    // The first one said who is to serve.
    lines.next_line().await?;
    while let Some(line) = lines.next_line().await? {
        let answer = answer(&line) + "\n";
        writing.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}
