//! Executes a command with descriptors passed to it as a service manager does: from number 3 on, named in the
//! environment: `pass-sockets <number>,… <name>:… <command> …`.

use std::os::fd::{BorrowedFd, IntoRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};

/// Higher than any number that is in the way.
const OUT_OF_THE_WAY: RawFd = 100;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let mut next = || arguments.next().ok_or(std::io::ErrorKind::InvalidInput);
    let (numbers, names, command) = (next()?, next()?, next()?);
    let numbers = numbers.to_string_lossy();
    let numbers: Vec<RawFd> = numbers
        .split(',')
        .filter_map(|text| text.parse().ok())
        .collect();
    let mut moved = Vec::new();
    for number in &numbers {
        // SAFETY: whoever started this holds it open for us.
        let descriptor = unsafe { BorrowedFd::borrow_raw(*number) };
        moved.push(fcntl_dupfd_cloexec(descriptor, OUT_OF_THE_WAY)?.into_raw_fd());
        fcntl_setfd(descriptor, FdFlags::CLOEXEC)?;
    }
    for (target, source) in (3..).zip(&moved) {
        // SAFETY: nothing in this program but the descriptors that were passed to it is open above 2.
        if unsafe { libc::dup2(*source, target) } < 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Err(Command::new(command)
        .args(arguments)
        .env("LISTEN_PID", std::process::id().to_string())
        .env("LISTEN_FDS", numbers.len().to_string())
        .env("LISTEN_FDNAMES", names)
        .exec())
}
