//! What a watcher is told once, at its start.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use everport_core::{CrashLoop, Policy};
use rustix::fs::Mode;
use rustix::process::geteuid;

use super::hooks::Hooks;
use super::inherited_sockets::{Refused, inherited};
use super::privileges::Privileges;
use super::workforce::Workforce;
use super::{Credentials, Placement, Spawning, Watcher, WorkerEnd};
use crate::Sharing;
use crate::bind::PassedSocket;
use crate::log::{Level, Sink, Source, WhenFull};
use crate::messages::{DEFAULT_LIMIT, LIMITS};
use crate::ring::Size;

/// Why a watcher could not be started. Nothing has been bound or spawned yet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no such program.
    #[error("no such program: {} (a name is looked for in PATH; for a file here write ./{})", .0.display(), .0.display())]
    NotInPath(PathBuf),
    /// There is no such file.
    #[error("no such program: {} (correct the path, or build the program)", .0.display())]
    NoProgram(PathBuf),
    /// It is a directory.
    #[error("not a program but a directory: {} (name the file in it)", .0.display())]
    Directory(PathBuf),
    /// The program is there but cannot be executed.
    #[error("not executable: {} (chmod +x it, or name the interpreter: everport run -- python3 {})", .0.display(), .0.display())]
    NotExecutable(PathBuf),
    /// A worker needs at least one slot.
    #[error("a cluster needs at least one worker (asked for 0)")]
    NoWorkers,
    /// Workers cannot become the user they are to be.
    #[error("cannot become {who}: {error}{}", way_out(.error))]
    CannotBecome {
        /// Who: `user www`.
        who: String,
        /// The system's reason.
        error: io::Error,
    },
    /// Workers could become the user they are to be, but nobody could end them then.
    #[error(
        "no worker could be ended as {who}: that takes CAP_KILL (grant it to the watcher beside CAP_SETUID and CAP_SETGID, or leave --user out)"
    )]
    CannotEnd {
        /// Who: `user www`.
        who: String,
    },
    /// The user that workers are to be cannot execute the program.
    #[error("{who} cannot execute {}: {error} (the file and every directory above it have to be executable for it)", .path.display())]
    NotExecutableBy {
        /// The program.
        path: PathBuf,
        /// Who: `user www`.
        who: String,
        /// The system's reason.
        error: io::Error,
    },
    /// Something was asked for that a thread cannot have for itself.
    #[error(
        "{option} makes no sense for workers that are threads: they share their process with the watcher (leave it out, or let the workers be processes)"
    )]
    NotForThreads {
        /// What was asked for: the builder's method, and the command's option.
        option: &'static str,
    },
    /// Something was asked for that only threads need.
    #[error(
        "{option} makes no sense for workers that are processes (leave it out, or let the workers be threads)"
    )]
    OnlyForThreads {
        /// What was asked for: the builder's method, and the command's option.
        option: &'static str,
    },
    /// The limit of messages is out of bounds.
    #[error(
        "messages cannot have a limit of {0} bytes (give {low} to {high})", low = LIMITS.start(), high = LIMITS.end()
    )]
    MessageLimit(u64),
    /// Workers cannot be bound to CPUs.
    #[error("workers cannot be pinned to CPUs: {0} (leave --pin out)")]
    CannotPin(io::Error),
    /// The program was compiled so that any panic ends the process.
    #[error(
        "workers cannot be threads in a program that was compiled with panic = \"abort\": the first panic would end all of them (remove that from the profile in Cargo.toml, or let the workers be processes)"
    )]
    PanicAborts,
    /// The system refused something the watcher itself needs.
    #[error("cannot start the watcher")]
    System(#[from] io::Error),
}

fn way_out(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied if geteuid().is_root() => {
            " (this root lacks CAP_SETUID or CAP_SETGID: grant both, and CAP_KILL, which ends workers; or leave --user and --group out)"
        }
        io::ErrorKind::PermissionDenied => {
            " (only root can; leave --user and --group out, or start as root)"
        }
        _ => "",
    }
}

/// Builds a [`Watcher`].
#[must_use]
pub struct Builder {
    pub(crate) workforce: Workforce,
    pub(crate) workers: u32,
    pub(crate) policy: Policy,
    pub(crate) sharing: Sharing,
    pub(crate) placement: Placement,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) chdir: Option<PathBuf>,
    pub(crate) sink: Option<Arc<dyn Sink>>,
    pub(crate) max_connections: Option<u64>,
    pub(crate) max_memory: Option<u64>,
    pub(crate) privileges: Privileges,
    pub(crate) passed: Vec<PassedSocket>,
    /// What was passed in and cannot be used, to be told of at the start.
    pub(crate) refused: Vec<Refused>,
    pub(crate) log_ring: Size,
    pub(crate) log_when_full: WhenFull,
    pub(crate) log_level: Level,
    pub(crate) hooks: Hooks,
    pub(crate) exit_on_abandoned_thread: bool,
    pub(crate) pin: bool,
    pub(crate) message_limit: u64,
}

/// Without values of variables, which may be secrets.
impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("workforce", &self.workforce)
            .field("workers", &self.workers)
            .field("policy", &self.policy)
            .field("sharing", &self.sharing)
            .finish_non_exhaustive()
    }
}

/// How many CPUs there are for us.
pub(crate) fn cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(1))
}

impl Builder {
    pub(crate) fn new(workforce: Workforce) -> Self {
        Self {
            workforce,
            workers: cpus(),
            policy: Policy::default(),
            sharing: Sharing::DEFAULT,
            placement: Placement::default(),
            env: Vec::new(),
            chdir: None,
            sink: None,
            max_connections: None,
            max_memory: None,
            privileges: Privileges::default(),
            passed: Vec::new(),
            refused: Vec::new(),
            log_ring: Size::DEFAULT,
            log_when_full: WhenFull::default(),
            log_level: Level::Info,
            hooks: Hooks::default(),
            exit_on_abandoned_thread: false,
            pin: false,
            message_limit: u64::from(DEFAULT_LIMIT),
        }
    }

    /// How many workers serve. Default: the available parallelism.
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// How TCP ports are shared unless a worker asks otherwise.
    pub fn sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = sharing;
        self
    }

    /// Which worker gets the next connection of a port that is shared by [`Sharing::Dispatch`]. Default: each in turn. Other
    /// ports know nothing of it.
    pub fn placement(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self
    }

    /// How long a worker may take to be ready, from when its process or thread exists. Default 30 s.
    pub fn boot_timeout(mut self, timeout: Duration) -> Self {
        self.policy.boot_timeout = timeout;
        self
    }

    /// How long a worker may drain before it is killed. Default 30 s.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.policy.drain_timeout = timeout;
        self
    }

    /// How long a worker may be silent while somebody waits for it, until it is killed; zero: for ever.
    /// Default 30 s.
    pub fn hang_timeout(mut self, timeout: Duration) -> Self {
        self.policy.hang_timeout = timeout;
        self
    }

    /// How long the workers go on serving once a graceful stop was asked for, so that a load balancer can
    /// notice that they are leaving. Default zero.
    pub fn drain_delay(mut self, delay: Duration) -> Self {
        self.policy.drain_delay = delay;
        self
    }

    /// How long a worker may live before it is replaced, less up to a tenth. Default: for ever.
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.policy.max_lifetime = Some(lifetime);
        self
    }

    /// How many connections a worker may accept before it is replaced. Default: any number.
    pub fn max_connections(mut self, connections: u64) -> Self {
        self.max_connections = Some(connections);
        self
    }

    /// How many bytes of memory a worker may use before it is replaced. Default: any number.
    pub fn max_memory(mut self, bytes: u64) -> Self {
        self.max_memory = Some(bytes);
        self
    }

    /// How long a new worker must stay ready before a rollout moves on. Default 1 s.
    pub fn settle(mut self, settle: Duration) -> Self {
        self.policy.settle = settle;
        self
    }

    /// How many workers more than usual there may be during a rollout. Default 1.
    pub fn surge(mut self, workers: u32) -> Self {
        self.policy.surge = workers;
        self
    }

    /// What a crash-looping slot leads to once a generation has been ready.
    pub fn crash_loop(mut self, then: CrashLoop) -> Self {
        self.policy.crash_loop = then;
        self
    }

    /// Sets a variable in the workers' environment.
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    /// The workers' working directory. Default: the watcher's.
    pub fn chdir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.chdir = Some(directory.into());
        self
    }

    /// Who the workers are. Only root can have them be somebody else, or who has `CAP_SETUID`, `CAP_SETGID` and
    /// `CAP_KILL`. Default: who the watcher is.
    ///
    /// Whoever the workers are could attach to a watcher of the same user as a debugger does, or read its memory,
    /// unless the kernel was told otherwise: the command makes its process undumpable (`PR_SET_DUMPABLE`),
    /// an embedded watcher leaves its program as it is.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.privileges.credentials = Some(credentials);
        self
    }

    /// Which permissions files that workers make lack, as umask(2) takes them; bits beyond `0o777` do not
    /// count. Default: the watcher's.
    pub fn umask(mut self, mask: u32) -> Self {
        self.privileges.umask = Some(Mode::from_raw_mode((mask & 0o777) as _));
        self
    }

    /// Lets the kernel write a crashed worker's memory to disk, within the watcher's limit on the size of
    /// such files. Default: it does not, because that memory may hold secrets. Processes only: threads are dumped, or not,
    /// with the process that they are in, which is the program's to decide.
    pub fn allow_core_dumps(mut self) -> Self {
        self.privileges.may_dump_core = true;
        self
    }

    /// Lets programs that workers execute gain privileges, as `sudo` does, and the workers' own program have
    /// those of its file. Default: nothing gains any (`no_new_privs`; Linux only).
    pub fn allow_new_privileges(mut self) -> Self {
        self.privileges.may_gain_privileges = true;
        self
    }

    /// Sockets that somebody else has bound: one that is bound to exactly the address that a worker asks for is that
    /// port, shared by `transfer`. They stay with whoever passes them in. They are never shut down, no file
    /// is removed, and at a stop what waits there is left to the next one who serves it.
    pub fn passed_sockets(mut self, sockets: impl IntoIterator<Item = PassedSocket>) -> Self {
        self.passed.extend(sockets);
        self
    }

    /// The same with the sockets that a service manager has passed to this process, as systemd does for a socket
    /// unit: `LISTEN_FDS` and `LISTEN_FDNAMES`, if `LISTEN_PID` is this process. What cannot be used is told
    /// of as a notice.
    pub fn inherit_sockets(mut self) -> Self {
        for socket in inherited() {
            match socket {
                Ok(socket) => self.passed.push(socket),
                Err(refused) => self.refused.push(refused),
            }
        }
        self
    }

    /// Where entries go. Default: nowhere.
    pub fn sink(mut self, sink: Arc<dyn Sink>) -> Self {
        self.sink = Some(sink);
        self
    }

    /// How many bytes of records each worker may have waiting for the watcher: the next power of two, from 256 KiB to
    /// 64 MiB. They take that much memory once as many have been logged. Default 1 MiB.
    ///
    /// A limit on the size of files counts for it, too. Beyond that a worker goes without, and prints its records; but
    /// unless the program takes or ignores `SIGXFSZ`, the kernel ends the program instead.
    pub fn log_ring(mut self, bytes: u64) -> Self {
        self.log_ring = Size::at_least(bytes);
        self
    }

    /// What a worker does with a record when that many wait. Default: it drops the record, and the stream says
    /// how many are missing.
    pub fn log_when_full(mut self, when_full: WhenFull) -> Self {
        self.log_when_full = when_full;
        self
    }

    /// Which records workers hand over unless their own `RUST_LOG` says otherwise: those that matter at least as much.
    /// Default [`Level::Info`]. Entries of the watcher's own are for the sink to choose.
    pub fn log_level(mut self, level: Level) -> Self {
        self.log_level = level;
        self
    }

    /// Called before each worker is spawned, in every generation. An error refuses it, which counts as a worker that
    /// could not be started: the slot tries again, after growing pauses, and a rollout is aborted. So does a panic.
    ///
    /// Like every hook it is called on the watcher's own task, which does nothing else meanwhile: it must not block.
    /// To have more done, hand it to another task. Several hooks of a kind are called in the order in which they were
    /// given; here the first error is the last call. A panic is caught, unless panics abort the program, and told as
    /// [`Notice::HookPanicked`](crate::log::Notice::HookPanicked).
    pub fn before_spawn<E>(
        mut self,
        hook: impl FnMut(&Spawning) -> Result<(), E> + Send + 'static,
    ) -> Self
    where
        E: Into<Box<dyn Error>>,
    {
        self.hooks.before_spawn(hook);
        self
    }

    /// Called when a worker has become ready. As with every hook, see [`Builder::before_spawn`].
    pub fn on_ready(mut self, hook: impl FnMut(&Source) + Send + 'static) -> Self {
        self.hooks.on_ready(hook);
        self
    }

    /// Called when a worker has ended, however, and whether it was ever ready; once for each that was spawned, unless the
    /// watcher's run is dropped before that. As with every hook, see [`Builder::before_spawn`].
    pub fn after_end(mut self, hook: impl FnMut(&WorkerEnd) + Send + 'static) -> Self {
        self.hooks.after_end(hook);
        self
    }

    /// Has each worker run on one CPU, with all of its threads: that of slot *i* on the *i*-th of those that this process
    /// may use at the start, and from the first on again when there are more slots. A CPU that is taken away from the
    /// process later is not insisted on. Linux and FreeBSD; elsewhere [`Builder::build`] fails.
    pub fn pin(mut self) -> Self {
        self.pin = true;
        self
    }

    /// Stops the cluster gracefully when a worker's thread hangs and cannot be ended, and has
    /// [`Watcher::run`] fail with [`RunError::ThreadAbandoned`](super::RunError::ThreadAbandoned), so that whoever looks
    /// after the process starts it anew. Default: the thread is abandoned, and another takes its place. Threads only.
    pub fn exit_on_abandoned_thread(mut self) -> Self {
        self.exit_on_abandoned_thread = true;
        self
    }

    /// How many bytes one [message](crate::messages) may have, from 64 KiB to 1 GiB; with less or more
    /// [`Builder::build`] fails. A longer message is an error for whoever sends it. Default 16 MiB.
    pub fn message_limit(mut self, bytes: u64) -> Self {
        self.message_limit = bytes;
        self
    }

    /// Makes the watcher. Nothing is spawned before [`Watcher::run`].
    ///
    /// # Errors
    /// When a value makes no sense or the system refuses what the watcher needs.
    pub fn build(self) -> Result<Watcher, StartError> {
        Watcher::new(self)
    }
}
