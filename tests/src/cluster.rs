//! A cluster under test: the command, its workers and its log.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::log::Log;
use crate::process::{Exit, children_of, program};
use crate::release::release_of;
use crate::{Kind, PATIENCE, inspectable, is_alive, is_stopped};

/// A running `everport run`, or a program that is its own watcher. Killed with all of its workers when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    watcher: Child,
    log: Log,
}

/// A worker as the log tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerSeen {
    /// Its id.
    pub worker: u64,
    /// Its slot.
    pub slot: u32,
    /// Its process: the watcher's for a thread.
    pub pid: u32,
    /// Whether it is a thread.
    pub is_thread: bool,
    /// Its generation.
    pub generation: u64,
}

impl Cluster {
    /// Starts `everport run <options> -- test-worker <arguments>`, each given as words of one string.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(options: &str, arguments: &str) -> Self {
        Kind::Processes.start(options, arguments)
    }

    /// The command without a program.
    pub fn command(options: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(program("everport"));
        command.arg("run");
        Self::watched(command, options)
    }

    /// Test workers that are threads: `-w` among the options says how many.
    pub fn threads<'a>(options: impl IntoIterator<Item = &'a str>) -> Command {
        let options = options.into_iter().map(|word| match word {
            "-w" => "--threads",
            word => word,
        });
        Self::watched(Command::new(program("test-worker")), options)
    }

    /// Adds a watcher's options to a program that is one, and what all tests need.
    pub fn watched(
        mut command: Command,
        options: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Command {
        command.env_remove("NO_COLOR").env_remove("EVERPORT_LINK");
        if !rustix::process::geteuid().is_root() {
            // Some tests look into the watcher, as only root can otherwise.
            command.arg("--core-dumps");
        }
        command.args(options);
        command
    }

    /// Starts any command as a cluster.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn(mut command: Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut watcher = command.spawn().expect("the command starts");
        let log = Log::default();
        log.follow(watcher.stdout.take().expect("stdout is a pipe"));
        log.follow(watcher.stderr.take().expect("stderr is a pipe"));
        Self { watcher, log }
    }

    /// Starts a cluster and waits until every slot has a ready worker.
    #[must_use]
    pub fn ready(options: &str, arguments: &str) -> Self {
        let cluster = Self::start(options, arguments);
        cluster.wait_until_ready();
        cluster
    }

    /// The same with a watcher that shows us its descriptors.
    #[must_use]
    pub fn inspectable(options: &str, arguments: &str) -> Self {
        let cluster = Self::spawn(inspectable(Kind::Processes.command(options, arguments)));
        cluster.wait_until_ready();
        cluster
    }

    /// Waits until every slot has had a ready worker.
    pub fn wait_until_ready(&self) {
        self.log.wait_for("the cluster is ready");
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The watcher's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.watcher.id()
    }

    /// The first TCP address the watcher listens on; a wildcard becomes loopback.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.addresses(1)[0]
    }

    /// The first `count` addresses the watcher listens on.
    #[must_use]
    pub fn addresses(&self, count: usize) -> Vec<SocketAddr> {
        self.log.wait_until("listening on", |lines| {
            let found: Vec<SocketAddr> = lines
                .iter()
                .filter_map(|line| listening_address(line))
                .collect();
            (found.len() >= count).then_some(found)
        })
    }

    /// The workers whose start has been logged and whose end has not.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerSeen> {
        let lines = self.log.lines();
        let ended: HashSet<(u64, u32)> =
            lines.iter().filter_map(|line| ended_worker(line)).collect();
        lines
            .iter()
            .filter_map(|line| started_worker(line, self.pid()))
            .filter(|seen| !ended.contains(&(seen.worker, seen.slot)))
            .collect()
    }

    /// Has a worker die at once: a process is killed, a thread is asked to panic. It must serve on the first address.
    ///
    /// # Panics
    /// When it cannot be reached, or does not die in time.
    pub fn crash(&self, victim: WorkerSeen) {
        if !victim.is_thread {
            return victim.signal(Signal::KILL);
        }
        let request = format!(
            "GET /crash?worker={} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            victim.worker
        );
        // Another one may be asked, and says so; the victim says nothing.
        let is_spared = || {
            let mut connection = TcpStream::connect(self.address()).expect("a port that is open");
            let mut answer = Vec::new();
            let _asked = connection.write_all(request.as_bytes());
            let _closed = connection.read_to_end(&mut answer);
            !answer.is_empty()
        };
        let deadline = Instant::now() + PATIENCE;
        while is_spared() {
            assert!(Instant::now() < deadline, "nobody reaches {victim:?}");
        }
        let died = format!("worker {} (slot {}) died", victim.worker, victim.slot);
        self.log.wait_for(&died);
    }

    /// Sends a signal to the watcher.
    ///
    /// # Panics
    /// When it is gone.
    pub fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Asks for a rolling restart and waits until it has finished.
    pub fn restart(&self) {
        let before = self.log.position();
        self.signal(Signal::USR1);
        self.log.wait_until("a finished rollout", |lines| {
            let is_finished =
                |line: &&String| line.contains("rollout to") && line.contains("finished in");
            lines.get(before..)?.iter().find(is_finished).map(|_| ())
        });
    }

    /// Stops it gracefully and says how it ended.
    #[must_use]
    pub fn stop(mut self) -> Exit {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits for its end and for that of its log.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn wait(&mut self) -> Exit {
        let deadline = Instant::now() + PATIENCE;
        self.log.wait_for_end(2);
        loop {
            if let Some(status) = self.watcher.try_wait().expect("our own child") {
                return status.into();
            }
            assert!(
                Instant::now() < deadline,
                "the watcher closed its log and goes on"
            );
            std::thread::yield_now();
        }
    }
}

impl Cluster {
    /// Kills all that the watcher has started, also what its log has not told of yet. It is made to stand still first: then it
    /// starts nothing more, and does not reap any of them, so that none of their process ids can be somebody else's.
    fn kill_children(&mut self) {
        if !matches!(self.watcher.try_wait(), Ok(None)) {
            return; // it has no children any more, nor this process id
        }
        let pid = self.pid();
        send(pid, Signal::STOP);
        let deadline = Instant::now() + PATIENCE;
        while is_alive(pid) && !is_stopped(pid) && Instant::now() < deadline {
            std::thread::yield_now();
        }
        for child in children_of(pid) {
            send(child, Signal::KILL);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let workers = self.workers();
        self.kill_children();
        // A watcher that has ended already is just as well; it is reaped in either case.
        drop(self.watcher.kill());
        drop(self.watcher.wait());
        let workers: Vec<_> = workers.iter().filter(|worker| !worker.is_thread).collect();
        for worker in &workers {
            if is_alive(worker.pid) {
                send(worker.pid, Signal::KILL);
            }
        }
        // The next test may want their ports. One that does not end is not this test's to complain of.
        let deadline = Instant::now() + PATIENCE;
        while workers.iter().any(|worker| is_alive(worker.pid)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Sends a signal to a process of this test's own.
fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .expect("a process id");
    // A process that has just ended needs no signal.
    let _ended = kill_process(pid, signal);
}

impl WorkerSeen {
    /// The release it runs, as its executable tells, wherever that file is now.
    #[must_use]
    pub fn release(&self) -> Option<String> {
        release_of(format!("/proc/{}/exe", self.pid).as_ref())
    }

    /// Sends it a signal, as only a process can be sent one.
    ///
    /// # Panics
    /// When it is a thread.
    pub fn signal(&self, signal: Signal) {
        assert!(
            !self.is_thread,
            "a signal would reach all workers: {self:?}"
        );
        send(self.pid, signal);
    }
}

/// The address in a watcher's line `… listening on 127.0.0.1:8080 (reuseport)`.
fn listening_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("watcher  listening on ")?;
    let mut address: SocketAddr = rest.split_whitespace().next()?.parse().ok()?;
    if address.ip().is_unspecified() {
        let loopback = if address.is_ipv4() {
            "127.0.0.1"
        } else {
            "::1"
        };
        address.set_ip(loopback.parse().ok()?);
    }
    Some(address)
}

/// The worker in a watcher's line `… worker 7 (slot 2) started: pid 4711, generation 1`, or of a thread
/// `… started: thread worker-7, generation 1`.
fn started_worker(line: &str, watcher: u32) -> Option<WorkerSeen> {
    let (before, after) = line.split_once(" started: ")?;
    let (worker, slot) = worker_at_end(before)?;
    let (body, generation) = after.split_once(", generation ")?;
    let pid = body.strip_prefix("pid ");
    let is_thread = pid.is_none() && body.starts_with("thread ");
    Some(WorkerSeen {
        worker,
        slot,
        pid: match is_thread {
            true => watcher,
            false => pid?.parse().ok()?,
        },
        is_thread,
        generation: generation.parse().ok()?,
    })
}

/// The worker and slot in a watcher's line `… worker 7 (slot 2) died: killed by SIGKILL`.
fn ended_worker(line: &str) -> Option<(u64, u32)> {
    let mut verbs = [" ended: ", " died: "].into_iter();
    verbs.find_map(|verb| worker_at_end(line.split_once(verb)?.0))
}

/// The worker and slot in `… worker 7 (slot 2)`.
fn worker_at_end(text: &str) -> Option<(u64, u32)> {
    let (_, name) = text.rsplit_once("worker ")?;
    let (worker, slot) = name.strip_suffix(')')?.split_once(" (slot ")?;
    Some((worker.parse().ok()?, slot.parse().ok()?))
}
