//! Processes that may have few descriptors.

use std::error::Error;
use std::os::unix::net::UnixStream;

use everport::transfer::{self, Receiver, SendError};

fn limit_descriptors(most: libc::rlim_t) -> std::io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: most,
        rlim_max: most,
    };
    // SAFETY: the call reads a structure of ours.
    match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Receives while it has no descriptor left, and once it has one again.
pub(crate) async fn run_out(mut receiver: Receiver) -> Result<(), Box<dyn Error>> {
    limit_descriptors(24)?;
    let mut hoard = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        hoard.push(file);
    }
    for _ in 0..2 {
        match receiver.receive().await {
            Ok(_) => println!("received all the same"),
            Err(error) => println!("{error}"),
        }
    }
    // One is enough.
    hoard.pop();
    while let Some(received) = receiver.receive().await? {
        println!("received {}", String::from_utf8_lossy(&received.data));
    }
    Ok(())
}

/// Sends more than this user may have on the way, and goes on once something of it was received.
pub(crate) async fn overload() -> Result<(), Box<dyn Error>> {
    limit_descriptors(24)?;
    let (mut sender, mut receiver) = transfer::pair()?;
    let (socket, _other) = UnixStream::pair()?;
    let error = loop {
        match sender.send(&socket, b"").await {
            Ok(()) if sender.sent() > 100 => return Err("there is no limit".into()),
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    println!("{error}");
    let sent = sender.sent();
    for _ in 0..sent {
        receiver.receive().await?.ok_or("too little was sent")?;
    }
    match sender.send(&socket, b"").await {
        Ok(()) => println!("went on after {sent}"),
        Err(SendError::TooManyOnTheWay) => println!("did not go on"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
