//! A worker that speaks the link's protocol badly, byte by byte.

use std::error::Error;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::net::{SendFlags, send};

use super::{rude_channel, rude_messages, rude_ring};

/// `Hello` for versions 1 to 1 of a library called `r`.
const HELLO: &[u8] = b"\x01\x00everport\x01\x00\x01\x00\x01\x00r";
const READY: &[u8] = b"\x04\x00";
const OPEN_RING: &[u8] = b"\x09\x00";
const OPEN_MESSAGES: &[u8] = b"\x0a\x00";
const RELEASE_OF_NO_PORT: &[u8] = b"\x03\x00\xff\xff\x00\x00";

/// Says what the word stands for, then stays alive and silent.
pub(super) fn misbehave(word: &str) -> Result<(), Box<dyn Error>> {
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
        "messages-nonsense" => return speak_badly(&link, "nonsense"),
        "messages-overdrawn" => return speak_badly(&link, "overdrawn"),
        "messages-overcredited" => return speak_badly(&link, "overcredited"),
        "ring-of-garbage" => return spoil_ring(&link),
        "ring-by-hand" => return log_by_hand(&link),
        "messages-twice" => &[HELLO, OPEN_MESSAGES, OPEN_MESSAGES],
        "report-of-garbage" | "report-of-too-many" | "channel-shut-down" => {
            send(&link, HELLO, SendFlags::NOSIGNAL)?;
            rude_channel::misuse(&link, word)?;
            send(&link, READY, SendFlags::NOSIGNAL)?;
            say_when_the_link_ends(&link)?;
            return stay();
        }
        "ring-twice" => &[HELLO, OPEN_RING, OPEN_RING],
        other => return Err(format!("no such rudeness: {other}").into()),
    };
    for frame in frames {
        send(&link, frame, SendFlags::NOSIGNAL)?;
    }
    say_when_the_link_ends(&link)?;
    stay()
}

/// Leaves in its ring what no record is, and is well otherwise.
fn spoil_ring(link: &OwnedFd) -> Result<(), Box<dyn Error>> {
    send(link, HELLO, SendFlags::NOSIGNAL)?;
    let ring = rude_ring::open(link)?;
    ring.fill_with_garbage()?;
    send(link, READY, SendFlags::NOSIGNAL)?;
    say_when_the_link_ends(link)?;
    stay()
}

/// Breaks the rules of messages, and is well otherwise.
fn speak_badly(link: &OwnedFd, word: &str) -> Result<(), Box<dyn Error>> {
    send(link, HELLO, SendFlags::NOSIGNAL)?;
    send(link, READY, SendFlags::NOSIGNAL)?;
    rude_messages::misbehave(link, word)?;
    say_when_the_link_ends(link)?;
    stay()
}

/// Logs without the library, without waking the watcher, and dies of `KILL` at once.
fn log_by_hand(link: &OwnedFd) -> Result<(), Box<dyn Error>> {
    send(link, HELLO, SendFlags::NOSIGNAL)?;
    rude_ring::open(link)?.log("logged by hand")?;
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)?;
    stay()
}

/// Legal frames without end, as fast as the watcher takes them.
fn flood(link: &OwnedFd) -> Result<(), Box<dyn Error>> {
    send(link, HELLO, SendFlags::NOSIGNAL)?;
    send(link, READY, SendFlags::NOSIGNAL)?;
    loop {
        wait_for_room(link)?;
        match send(link, RELEASE_OF_NO_PORT, SendFlags::NOSIGNAL) {
            Ok(_) | Err(rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Has a thread send legal frames without end over the link of a worker that goes on serving.
pub(super) async fn flood_meanwhile() -> &'static str {
    // SAFETY: the worker's guard keeps the link open as long as there is a watcher.
    let link = inherited_number().map(|number| unsafe { BorrowedFd::borrow_raw(number) });
    let Some(copy) = link.ok().and_then(|link| link.try_clone_to_owned().ok()) else {
        return "no link";
    };
    std::thread::spawn(move || {
        for sent in 0.. {
            match send(&copy, RELEASE_OF_NO_PORT, SendFlags::NOSIGNAL) {
                Ok(_) if sent == 1000 => println!("a thousand frames"),
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN) => drop(wait_for_room(&copy)),
                Err(_) => break, // the link has ended
            }
        }
    });
    "flooding"
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
    let number = inherited_number()?;
    // SAFETY: the watcher opened the descriptor for us, and nobody else in this process uses it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

fn inherited_number() -> Result<RawFd, Box<dyn Error>> {
    let variable = std::env::var("EVERPORT_LINK")?;
    let (number, _) = variable
        .split_once(':')
        .ok_or("no inode in EVERPORT_LINK")?;
    Ok(number.parse()?)
}
