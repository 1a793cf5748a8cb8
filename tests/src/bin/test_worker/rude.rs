//! A worker that speaks the link's protocol badly, byte by byte.

use std::error::Error;
use std::os::fd::{FromRawFd, OwnedFd};

use rustix::net::{SendFlags, send};

/// `Hello` for versions 1 to 1 of a library called `r`.
const HELLO: &[u8] = b"\x01\x00everport\x01\x00\x01\x00\x01\x00r";
const READY: &[u8] = b"\x04\x00";

/// Says what the word stands for, then stays alive and silent.
pub(crate) fn misbehave(word: &str) -> Result<(), Box<dyn Error>> {
    let link = inherited_link()?;
    let oversized = [1; 8192];
    let frames: &[&[u8]] = match word {
        "silent" => &[],
        "closes-link" => {
            drop(link);
            return stay();
        }
        "garbage" => &[b"\xff\xffgarbage"],
        "truncated" => &[b"\x01\x00ever"],
        "oversized" => &[&oversized],
        "empty" => &[b""],
        "out-of-state" => &[READY],
        "other-version" => &[b"\x01\x00everport\x84\x03\x85\x03\x01\x00r"],
        "ready-twice" => &[HELLO, READY, READY],
        "ready-then-garbage" => &[HELLO, READY, b"\xff\xff"],
        "flood" => return flood(&link),
        other => return Err(format!("no such rudeness: {other}").into()),
    };
    for frame in frames {
        send(&link, frame, SendFlags::NOSIGNAL)?;
    }
    say_when_the_link_ends(&link)?;
    stay()
}

/// Legal frames without end, as fast as the watcher takes them.
fn flood(link: &OwnedFd) -> Result<(), Box<dyn Error>> {
    send(link, HELLO, SendFlags::NOSIGNAL)?;
    send(link, READY, SendFlags::NOSIGNAL)?;
    let release_of_no_port: &[u8] = b"\x03\x00\xff\xff\x00\x00";
    loop {
        wait_for_room(link)?;
        match send(link, release_of_no_port, SendFlags::NOSIGNAL) {
            Ok(_) | Err(rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn say_when_the_link_ends(link: &OwnedFd) -> Result<(), Box<dyn Error>> {
    use rustix::event::{PollFd, PollFlags, poll};
    poll(&mut [PollFd::new(link, PollFlags::RDHUP)], None)?;
    println!("the link has ended");
    Ok(())
}

fn wait_for_room(link: &OwnedFd) -> Result<(), Box<dyn Error>> {
    use rustix::event::{PollFd, PollFlags, poll};
    poll(&mut [PollFd::new(link, PollFlags::OUT)], None)?;
    Ok(())
}

fn stay() -> Result<(), Box<dyn Error>> {
    std::thread::sleep(super::FOR_EVER);
    Ok(())
}

fn inherited_link() -> Result<OwnedFd, Box<dyn Error>> {
    let variable = std::env::var("EVERPORT_LINK")?;
    let (descriptor, _) = variable
        .split_once(':')
        .ok_or("no inode in EVERPORT_LINK")?;
    let descriptor = descriptor.parse()?;
    // SAFETY: the watcher opened the descriptor for us, and nobody else in this process uses it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
