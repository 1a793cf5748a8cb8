//! A service manager of the tests' own: what it is told, and the sockets it passes in.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::{FdFlags, fcntl_setfd};

use crate::log::Log;
use crate::process::program;

/// Reads what a service manager is told, each message as one line with ` | ` between its parts, until the process
/// ends.
///
/// # Panics
/// When the socket cannot be read.
#[must_use]
pub fn notifications(socket: UnixDatagram) -> Log {
    let (theirs, mut ours) = io::pipe().expect("a pipe");
    std::thread::spawn(move || {
        use std::io::Write;
        let mut message = [0; 4096];
        while let Ok(length) = socket.recv(&mut message) {
            let text = String::from_utf8_lossy(&message[..length])
                .trim_end()
                .replace('\n', " | ");
            if writeln!(ours, "{text}").is_err() {
                return;
            }
        }
    });
    let log = Log::default();
    log.follow(theirs);
    log
}

/// A socket that listens, as a service manager has it to pass in, and its address.
///
/// # Panics
/// When there is none to be had.
#[must_use]
pub fn loopback_socket() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    (listener, address)
}

/// The command with these sockets passed in, each by its name, as systemd does it.
#[must_use]
pub fn with_sockets(command: &Command, sockets: &[(&str, BorrowedFd<'_>)]) -> Command {
    let numbers: Vec<i32> = sockets
        .iter()
        .map(|(_, socket)| socket.as_raw_fd())
        .collect();
    let list: Vec<String> = numbers.iter().map(i32::to_string).collect();
    let names: Vec<&str> = sockets.iter().map(|(name, _)| *name).collect();
    let mut passing = Command::new(program("pass-sockets"));
    passing.args([list.join(","), names.join(":")]);
    passing.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => passing.env(name, value),
            None => passing.env_remove(name),
        };
    }
    // SAFETY: between fork and exec it only changes a flag of descriptors that the caller holds open until the command
    // has started.
    unsafe {
        passing.pre_exec(move || {
            for number in &numbers {
                fcntl_setfd(BorrowedFd::borrow_raw(*number), FdFlags::empty())?;
            }
            Ok(())
        });
    }
    passing
}
