//! Thousands of transfers that are given up, and a count of what is open afterwards.

use std::error::Error;
use std::os::unix::net::UnixStream;

use everport::transfer::{self, Receiver, Sender};

use crate::patience::poll_times;

fn open_descriptors() -> std::io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}

/// Both ends, dropped with whatever is in them: unread frames, half of one sent, half of one received.
async fn give_up(round: u32) -> Result<(), Box<dyn Error>> {
    let (sender, receiver) = transfer::pair()?;
    let (mut sender, mut receiver) = (sender.limit(1 << 20), receiver.limit(1 << 20));
    for index in 0..round % 4 {
        send(&mut sender, if index == 2 { 1 << 20 } else { 100 }).await?;
        receive(&mut receiver, round / 4 % 5).await?;
    }
    Ok(())
}

async fn send(sender: &mut Sender, length: usize) -> Result<(), Box<dyn Error>> {
    let (socket, _other) = UnixStream::pair()?;
    match poll_times(2, sender.send(socket, &vec![0; length])).await {
        Some(sent) => Ok(sent?),
        None => Ok(()),
    }
}

async fn receive(receiver: &mut Receiver, times: u32) -> Result<(), Box<dyn Error>> {
    match poll_times(times, receiver.receive()).await {
        Some(received) => received?.map(drop).ok_or_else(|| "the end".into()),
        None => Ok(()),
    }
}

pub(crate) async fn churn() -> Result<(), Box<dyn Error>> {
    give_up(0).await?;
    let before = open_descriptors()?;
    for round in 0..10_000 {
        give_up(round).await?;
    }
    // What is half sent keeps a copy in the stream, never here.
    let (mut sender, mut receiver) = transfer::pair()?;
    let (socket, other) = UnixStream::pair()?;
    let open = open_descriptors()?;
    for _ in 0..10_000 {
        if poll_times(1, sender.send(&socket, b"data")).await.is_none() {
            while let Some(received) = poll_times(2, receiver.receive()).await {
                received?;
            }
        }
    }
    let meanwhile = open_descriptors()? - open;
    drop((sender, receiver, socket, other));
    let after = open_descriptors()?;
    println!(
        "{meanwhile} more meanwhile, {} more at the end",
        after - before
    );
    Ok(())
}
