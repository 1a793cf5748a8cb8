//! The server under test without everport: each process binds by itself.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use everport_tests::program;

use super::Subject;
use crate::ask::answers;

/// So many processes on one port, each with `SO_REUSEPORT`. Killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Unmanaged {
    processes: Vec<Child>,
    address: SocketAddr,
}

impl Unmanaged {
    /// Starts so many processes on one port and waits until each listens.
    pub(crate) fn start(processes: u32) -> anyhow::Result<Self> {
        let mut server = Self {
            processes: Vec::new(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        };
        for _ in 0..processes {
            server.add(command(server.address))?;
        }
        Ok(server)
    }

    /// Starts so many processes at once on a port that nobody has, and waits until all of them listen.
    pub(crate) fn start_together(address: SocketAddr, processes: u32) -> anyhow::Result<Self> {
        let mut server = Self {
            processes: Vec::new(),
            address,
        };
        let mut outputs = Vec::new();
        for _ in 0..processes {
            outputs.push(server.spawn(command(address))?);
        }
        for output in outputs {
            server.hear(output)?;
        }
        Ok(server)
    }

    /// Starts one process that serves by so many threads of one runtime.
    pub(super) fn multi_threaded(threads: u32) -> anyhow::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = Self {
            processes: Vec::new(),
            address,
        };
        let mut command = command(address);
        command.arg("--multi-threaded").arg(threads.to_string());
        server.add(command)?;
        Ok(server)
    }

    /// Starts the responder that does next to nothing: what the generator reaches against it is the generator's limit.
    pub(crate) fn bare() -> anyhow::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = Self {
            processes: Vec::new(),
            address,
        };
        let mut command = Command::new(program("bench-bare"));
        command.stdin(Stdio::null());
        server.add(command)?;
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    fn add(&mut self, command: Command) -> anyhow::Result<()> {
        let output = self.spawn(command)?;
        self.hear(output)
    }

    fn spawn(&mut self, mut command: Command) -> anyhow::Result<ChildStdout> {
        let mut process = command
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start bench-server")?;
        let stdout = process.stdout.take();
        // From here on it is killed with the others, whatever happens.
        self.processes.push(process);
        stdout.context("stdout is a pipe")
    }

    /// Waits until the process says where it listens.
    fn hear(&mut self, output: ChildStdout) -> anyhow::Result<()> {
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim_end().strip_prefix("listening on ");
        let address = address.with_context(|| format!("bench-server said: {line:?}"))?;
        self.address = address.parse()?;
        Ok(())
    }
}

/// From the spawn of the program, one process, to its first answer.
pub(crate) fn own_start() -> anyhow::Result<Duration> {
    let begin = Instant::now();
    let server = Unmanaged::start(1)?;
    let answered = answers(server.address());
    let took = begin.elapsed();
    ensure!(answered, "the unmanaged server does not answer");
    Ok(took)
}

/// The server under test without everport, to be started.
pub(crate) fn command(address: SocketAddr) -> Command {
    let mut command = Command::new(program("bench-server"));
    command.arg("--unmanaged").arg(address.to_string());
    command.stdin(Stdio::null());
    command
}

impl Drop for Unmanaged {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // One that has ended already is just as well.
            drop(process.kill());
            drop(process.wait());
        }
    }
}

/// Nobody manages it: all of its processes serve, and none is ever replaced.
impl Subject for Unmanaged {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn pids(&self) -> Vec<u32> {
        self.processes.iter().map(Child::id).collect()
    }

    fn workers(&self) -> Vec<u32> {
        self.pids()
    }

    fn restart(&self) -> anyhow::Result<bool> {
        Ok(false)
    }
}
