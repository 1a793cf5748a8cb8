//! Runs a cluster as the command does: files, signals, log, exit code.

use std::convert::Infallible;
use std::future::pending;
use std::io::{self, Write};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;

use everport_core::ExitReason;
use tokio::task::JoinSet;

use super::pid_file::{PidFile, PidFileError};
use super::port_trouble::PortTrouble;
use super::service_manager::{Limits, ServiceManager};
use super::signals::Signals;
use super::{Beside, ClusterArgs, ExitCode, LogArgsError};
use crate::BindError;
use crate::causes::with_causes;
use crate::log::{OpenLogError, Sink, Writer};
use crate::watcher::{Builder, CredentialsError, Program, RunError, StartError};

/// Why the command failed. Each has its own exit code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The workers' directory is not there.
    #[error("cannot use {} as the workers' directory (create it, or correct --chdir)", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Nobody can be who the workers are to be.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The pid file cannot be used.
    #[error(transparent)]
    PidFile(#[from] PidFileError),
    /// Flags of the log do not go together.
    #[error(transparent)]
    LogArgs(#[from] LogArgsError),
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] OpenLogError),
    /// There is no runtime to run it on.
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    /// The signals cannot be taken.
    #[error("cannot install signal handlers")]
    Signals(#[source] io::Error),
    /// The watcher could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The watcher failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// No worker was ever ready.
    #[error("gave up: no worker was ever ready (the log says what each of them did)")]
    NeverReady,
    /// No worker was ever ready, and a port could not be had.
    #[error("gave up: no worker was ever ready")]
    PortRefused(#[source] BindError),
    /// A slot was crash-looping.
    #[error("stopped: a slot was crash-looping (the log says how its workers died)")]
    CrashLoop,
}

impl CommandError {
    /// What the command exits with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Directory { .. }
            | Self::Credentials(_)
            | Self::LogArgs(_)
            | Self::Start(
                StartError::NoWorkers
                | StartError::NotForThreads { .. }
                | StartError::MessageLimit(_)
                | StartError::PanicAborts
                | StartError::OnlyForThreads { .. }
                | StartError::CannotPin(_)
                | StartError::CannotBecome { .. }
                | StartError::CannotEnd { .. },
            ) => ExitCode::Usage,
            Self::PidFile(PidFileError::Locked { .. }) => ExitCode::AlreadyRunning,
            Self::PidFile(_)
            | Self::Log(
                OpenLogError::File { .. }
                | OpenLogError::Unsafe(_)
                | OpenLogError::NotRotatable { .. }
                | OpenLogError::Rotate { .. }
                | OpenLogError::Socket { .. },
            ) => ExitCode::File,
            Self::Start(StartError::NoProgram(_) | StartError::NotInPath(_)) => ExitCode::NotFound,
            Self::Start(
                StartError::NotExecutable(_)
                | StartError::NotExecutableBy { .. }
                | StartError::Directory(_),
            ) => ExitCode::NotExecutable,
            Self::PortRefused(_) => ExitCode::Port,
            Self::NeverReady => ExitCode::NeverReady,
            Self::CrashLoop => ExitCode::CrashLoop,
            Self::Run(RunError::ThreadAbandoned(_)) => ExitCode::AbandonedThread,
            Self::Log(_) | Self::Runtime(_) | Self::Signals(_) | Self::Start(_) | Self::Run(_) => {
                ExitCode::Internal
            }
        }
    }

    /// Tells on standard error what went wrong, in one line with all its causes, and returns what to exit
    /// with.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        // Whoever closed our standard error does not want to know.
        let _ = writeln!(io::stderr(), "everport: {}", with_causes(self));
        self.exit_code()
    }
}

/// Runs a cluster of `program` as the command does, until it ends: takes the process's signals, holds the
/// pid file, writes the log. Call it once per process, on a tokio runtime with I/O and time enabled.
///
/// Cancelled, it leaves the workers to notice that their watcher is gone: they drain and exit. The watcher is a task: the
/// runtime drops it, with its ports and links, a moment after this future, and only if it still runs then.
///
/// # Errors
/// When a file cannot be used, the watcher fails, or the cluster gives up.
pub async fn run(args: &ClusterArgs, program: Program) -> Result<ExitCode, CommandError> {
    run_beside(args, program, async |_| {}).await
}

/// Runs a cluster as [`run`] does, and something beside it: `companion` begins with the cluster, may end before it, and
/// is dropped with its end. It runs on the same task as what takes the signals, so it must not block.
///
/// # Errors
/// As those of [`run`].
pub async fn run_beside(
    args: &ClusterArgs,
    program: Program,
    companion: impl AsyncFnOnce(Beside),
) -> Result<ExitCode, CommandError> {
    let watch = Watch {
        builder: args.builder(program),
        // As process 1, or as the one that orphans come to.
        reaps_orphans: true,
    };
    watch.run(args, companion).await
}

/// Runs a cluster whose workers are threads of this process, as [`run`] does one of processes.
pub(super) async fn run_threads(
    args: &ClusterArgs,
    threads: Builder,
) -> Result<ExitCode, CommandError> {
    let watch = Watch {
        builder: args.configure(threads),
        // Children are the application's, which waits for them itself.
        reaps_orphans: false,
    };
    watch.run(args, async |_| {}).await
}

/// A cluster that is to be watched.
struct Watch {
    builder: Builder,
    /// Whether children that are no workers are reaped.
    reaps_orphans: bool,
}

impl Watch {
    async fn run(
        self,
        args: &ClusterArgs,
        companion: impl AsyncFnOnce(Beside),
    ) -> Result<ExitCode, CommandError> {
        let signals = Signals::install(self.reaps_orphans).map_err(CommandError::Signals)?;
        check_directory(args)?;
        args.log.check()?;
        let workers = args.credentials()?;
        set_title(args);
        if !args.core_dumps {
            keep_memory_private();
        }
        let acquire = |path| PidFile::acquire(path, workers.as_ref());
        let pid_file = args.pid_file.as_deref().map(acquire).transpose()?;
        let writer = args.log.open(args.name.as_deref(), workers.as_ref())?;
        let mut builder = self.builder.inherit_sockets();
        if let Some(workers) = &workers {
            builder = builder.credentials(workers.clone());
        }
        let ended = watch(builder, signals, &writer, companion).await;
        drop(pid_file);
        // A reader that is stuck misses the log's end; there is nobody else to tell.
        let _ = writer.close();
        ended
    }
}

async fn watch(
    builder: Builder,
    signals: Signals,
    writer: &Writer,
    companion: impl AsyncFnOnce(Beside),
) -> Result<ExitCode, CommandError> {
    let ports = Arc::new(PortTrouble::watch(writer.sink()));
    let manager = Arc::new(ServiceManager::watch(ports.clone(), Limits::of(&builder)));
    let log = Arc::clone(&manager) as Arc<dyn Sink>;
    let watcher = builder.sink(Arc::clone(&log)).build()?;
    let handle = watcher.handle();
    let beside = Beside {
        handle: handle.clone(),
        log,
        switches: writer.switches(),
    };
    let company = async {
        companion(beside).await;
        pending::<Infallible>().await
    };
    let ended = tokio::select! {
        // In this order, so that the log can begin with what the companion has to say.
        biased;
        never = company => match never {},
        never = signals.forward(&handle, writer) => match never {},
        never = manager.keep_informed(&handle) => match never {},
        ended = as_a_task(watcher.run()) => ended.unwrap_or_else(|lost| Err(lost.into())),
    };
    manager.say_last().await;
    match ended? {
        ExitReason::Stopped => Ok(ExitCode::Graceful),
        ExitReason::Forced => Ok(ExitCode::Forced),
        ExitReason::NeverReady => Err(match ports.last() {
            Some(error) => CommandError::PortRefused(error),
            None => CommandError::NeverReady,
        }),
        ExitReason::CrashLoop => Err(CommandError::CrashLoop),
    }
}

/// Runs it as a task, which ends with this future. A future that a runtime blocks on is woken by a write to a descriptor,
/// and by the wait that reads of it; a task only by its place in a queue. An error: the runtime has ended before it.
async fn as_a_task<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> io::Result<T> {
    let mut tasks = JoinSet::new();
    tasks.spawn(work);
    match tasks.join_next().await {
        Some(Ok(result)) => Ok(result),
        Some(Err(failure)) => match failure.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(cancelled) => Err(io::Error::other(cancelled)),
        },
        None => pending().await,
    }
}

pub(super) fn check_directory(args: &ClusterArgs) -> Result<(), CommandError> {
    let Some(path) = &args.chdir else {
        return Ok(());
    };
    let refused = |source| CommandError::Directory {
        path: path.clone(),
        source,
    };
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(refused(io::ErrorKind::NotADirectory.into())),
        Err(source) => Err(refused(source)),
    }
}

/// Shows the name in the process list, where the kernel keeps its first 15 bytes.
fn set_title(args: &ClusterArgs) {
    #[cfg(target_os = "linux")]
    if let Some(name) = &args.name {
        // The file names the process's main thread, whichever runs this; a title that is missing is no
        // reason to serve nothing.
        let _ = std::fs::write("/proc/self/comm", name);
    }
}

/// Nobody but root may read our memory, attach to us, or take our descriptors: not even workers of the same
/// user. Set after the title, which only root could change afterwards.
fn keep_memory_private() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // The kernel refuses only values that it does not know.
        let _known = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BindCause, PortAddress, UnsafePath, WorkerId};

    #[test]
    fn a_task_whose_runtime_ends_is_not_waited_for() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let (begin, begun) = std::sync::mpsc::channel();
        let handle = runtime.handle().clone();
        let waiting = std::thread::spawn(move || {
            handle.block_on(as_a_task(async move {
                begin.send(()).unwrap();
                pending::<Infallible>().await
            }))
        });
        begun.recv().unwrap();
        runtime.shutdown_background();
        assert!(waiting.join().unwrap().is_err());
    }

    #[test]
    fn a_failure_is_told_with_its_causes() {
        let error = CommandError::Directory {
            path: PathBuf::from("/srv"),
            source: io::Error::other("gone"),
        };
        let expected =
            "cannot use /srv as the workers' directory (create it, or correct --chdir): gone";
        assert_eq!(with_causes(&error), expected);
    }

    #[test]
    fn every_failure_has_its_exit_code() {
        let check = |error: CommandError, code: u8| {
            assert_eq!(error.exit_code() as u8, code, "{error}");
        };
        let path = PathBuf::from("server");
        check(StartError::NoWorkers.into(), 2);
        check(StartError::PanicAborts.into(), 2);
        check(CredentialsError::NoSuchUser("x".to_owned()).into(), 2);
        let refused = StartError::CannotBecome {
            who: "user x".to_owned(),
            error: io::ErrorKind::PermissionDenied.into(),
        };
        check(refused.into(), 2);
        let who = "user x".to_owned();
        check(StartError::CannotEnd { who }.into(), 2);
        let not_executable = StartError::NotExecutableBy {
            path: path.clone(),
            who: "user x".to_owned(),
            error: io::ErrorKind::PermissionDenied.into(),
        };
        check(not_executable.into(), 126);
        let path_of_directory = UnsafePath::OtherName { path: path.clone() };
        check(OpenLogError::Unsafe(path_of_directory.clone()).into(), 6);
        check(PidFileError::Unsafe(path_of_directory).into(), 6);
        check(CommandError::NeverReady, 3);
        check(CommandError::CrashLoop, 4);
        let address = PortAddress::unix("@x");
        let refused = BindError {
            address,
            cause: BindCause::Live,
        };
        check(CommandError::PortRefused(refused), 5);
        check(PidFileError::NotAFile { path: path.clone() }.into(), 6);
        check(
            PidFileError::Locked {
                path: path.clone(),
                pid: None,
            }
            .into(),
            7,
        );
        check(StartError::NotExecutable(path.clone()).into(), 126);
        check(StartError::NoProgram(path).into(), 127);
        check(RunError::from(io::Error::other("x")).into(), 1);
        check(RunError::ThreadAbandoned(WorkerId(3)).into(), 9);
        let option = "env (--env)";
        check(StartError::NotForThreads { option }.into(), 2);
    }
}
