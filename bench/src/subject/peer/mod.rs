//! Servers of other people, each as its own documentation advises for production.

mod granian;
mod group;
mod gunicorn;
mod haproxy;
mod installed;
mod nginx;
mod node_cluster;
mod pm2;
mod puma;
mod recipe;

use std::cell::Cell;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use everport_tests::{Log, PATIENCE, is_alive};
use tempfile::TempDir;

use super::Subject;
use group::Group;
use recipe::Place;

pub(super) use granian::Granian;
pub(super) use gunicorn::Gunicorn;
pub(super) use haproxy::Haproxy;
pub(super) use nginx::Nginx;
pub(super) use node_cluster::NodeCluster;
pub(super) use pm2::Pm2;
pub(super) use puma::Puma;
pub(super) use recipe::Recipe;

/// A running peer. It ends with everything it has started, and its directory, when it is dropped.
pub(crate) struct Peer {
    name: &'static str,
    recipe: &'static dyn Recipe,
    group: Group,
    place: Place,
    log: Log,
    /// Dropped after the processes that use it.
    _directory: TempDir,
}

impl Peer {
    /// Starts it on a port of its own, and waits until it serves with all of its workers.
    pub(super) fn start(
        name: &'static str,
        recipe: &'static dyn Recipe,
        workers: u32,
    ) -> anyhow::Result<Self> {
        let peer = Self::launch(name, recipe, workers, free_port()?)?;
        peer.wait_until_complete()?;
        Ok(peer)
    }

    /// Starts it on this port, and waits for nothing.
    pub(super) fn launch(
        name: &'static str,
        recipe: &'static dyn Recipe,
        workers: u32,
        port: u16,
    ) -> anyhow::Result<Self> {
        let directory = TempDir::new().context("cannot make a directory")?;
        let place = Place {
            port,
            workers,
            directory: directory.path().to_owned(),
        };
        let command = recipe.command(&place)?;
        let mut group = Group::start(command).with_context(|| format!("cannot start {name}"))?;
        let log = Log::default();
        let manager = group.manager();
        log.follow(manager.stdout.take().context("stdout is a pipe")?);
        log.follow(manager.stderr.take().context("stderr is a pipe")?);
        Ok(Self {
            name,
            recipe,
            group,
            place,
            log,
            _directory: directory,
        })
    }

    /// Waits until it serves with all of its workers.
    pub(crate) fn wait_until_complete(&self) -> anyhow::Result<()> {
        self.wait_until("serve", || self.is_complete() && answers(self.address()))
    }

    fn is_complete(&self) -> bool {
        self.serving().len() == self.recipe.processes(self.place.workers)
    }

    fn serving(&self) -> Vec<u32> {
        let serves = |pid: &u32| self.recipe.serves(&command_line(*pid));
        self.group.others().into_iter().filter(serves).collect()
    }

    fn ask_to_restart(&self) -> anyhow::Result<()> {
        self.recipe
            .restart(&self.place, self.group.manager_pid())
            .with_context(|| format!("cannot restart {}", self.name))
    }

    /// Asks again while nobody is there but the old ones.
    fn ask_until_heard(&self, old: &[u32]) -> anyhow::Result<()> {
        let asked = Cell::new(Instant::now());
        self.wait_until("start a new worker", || {
            let is_heard = self.group.others().iter().any(|pid| !old.contains(pid));
            if !is_heard && asked.get().elapsed() > HEARD_WITHIN {
                asked.set(Instant::now());
                // A manager that cannot be asked has ended, which is seen with the next look.
                let _ended = self.ask_to_restart();
            }
            is_heard
        })
    }

    /// Looks again and again, seldom enough to cost next to nothing.
    fn wait_until(&self, what: &str, condition: impl Fn() -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            let name = self.name;
            if !is_alive(self.group.manager_pid()) {
                bail!("{name} has ended and does not {what}:\n{}", self.said());
            }
            if Instant::now() > deadline {
                bail!("{name} does not {what} in {PATIENCE:?}:\n{}", self.said());
            }
            thread::sleep(GLANCE);
        }
        Ok(())
    }

    /// The last of what it has said.
    fn said(&self) -> String {
        let lines = self.log.lines();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }
}

impl Subject for Peer {
    fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.place.port))
    }

    fn pids(&self) -> Vec<u32> {
        let manager = [self.group.manager_pid()];
        manager.into_iter().chain(self.group.others()).collect()
    }

    fn workers(&self) -> Vec<u32> {
        match self.recipe.can_lose_a_process() {
            true => self.serving(),
            false => Vec::new(),
        }
    }

    fn restart(&self) -> anyhow::Result<bool> {
        let old = self.group.others();
        self.ask_to_restart()?;
        if self.recipe.may_miss_a_restart() {
            self.ask_until_heard(&old)?;
        }
        self.wait_until("replace its workers", || {
            !old.iter().any(|pid| is_alive(*pid)) && self.is_complete()
        })?;
        Ok(true)
    }
}

/// A port that nobody listens on.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}

/// Whether it says hello.
fn answers(address: SocketAddr) -> bool {
    let ask = || {
        let mut connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(Duration::from_secs(1)))?;
        connection.write_all(b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        std::io::Result::Ok(answer)
    };
    ask().is_ok_and(|answer| {
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("Hello, World!")
    })
}

/// As a line; nothing of a process that is gone.
fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// Between two looks at the processes of the machine, each of which takes about a millisecond.
const GLANCE: Duration = Duration::from_millis(50);
/// Longer than a machine that is busy with everything else takes to start a process.
const HEARD_WITHIN: Duration = Duration::from_secs(5);
/// Enough to find out why something does not start.
const SHOWN_LINES: usize = 40;
