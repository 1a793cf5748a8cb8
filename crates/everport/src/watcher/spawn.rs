//! Starts a worker's process with exactly what it is meant to have.

mod execution;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustix::fs::fstat;
use rustix::io::FdFlags;
use rustix::process::{Pid, Resource, Rlimit};
use rustix::stdio::{stderr, stdout};

use super::Program;
use super::hooks::Refusal;
use super::oom_score::OomScore;
use super::pinning::Cpu;
use super::privileges::{self, Privileges};
use super::process_handle::ProcessHandle;
use super::programs::{Executable, ProgramError};
use crate::link::{self, LINK_VARIABLE, WatcherEnd};

/// What the names of variables begin with by which our own supervisor speaks to us alone (sd_notify(3),
/// sd_watchdog_enabled(3), sd_listen_fds(3)).
const NOT_FOR_WORKERS: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_"];

fn is_for_us_alone(variable: &OsStr) -> bool {
    NOT_FOR_WORKERS
        .iter()
        .any(|prefix| variable.as_encoded_bytes().starts_with(prefix.as_bytes()))
}

/// What every worker is started with.
#[derive(Debug)]
pub(crate) struct Spawner {
    pub(crate) program: Program,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) chdir: Option<PathBuf>,
    /// The limit on open files that the watcher itself was started with.
    pub(crate) open_files: Rlimit,
    pub(crate) privileges: Arc<Privileges>,
    pub(crate) oom_score: Option<OomScore>,
}

/// A worker's process just started, and our ends of what leads to it.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) process: ProcessHandle,
    pub(crate) link: WatcherEnd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    /// Why the kernel may end the watcher before this worker when memory runs out.
    pub(crate) oom_score_refused: Option<io::Error>,
}

/// Why a worker could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    /// The application does not want it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its program cannot be executed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The system refused something else.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl Spawner {
    /// Starts one worker in a session of its own, on one CPU if it is told which. When it fails, no process stays behind. Needs a tokio
    /// runtime.
    pub(crate) fn spawn(
        &self,
        program: Executable<'_>,
        cpu: Option<Cpu>,
    ) -> Result<Spawned, SpawnError> {
        let (ours, theirs) = link::pair()?;
        let ours = WatcherEnd::new(ours)?;
        let mut command = self.command(&theirs, cpu)?;
        execution::execute_last(&mut command, &self.program.name, program)?;
        let mut child = command.spawn().map_err(|error| self.explain(error))?;
        match attach(&mut child) {
            Ok((process, stdout, stderr)) => {
                let score = self.oom_score;
                let oom_score_refused = score.and_then(|score| score.give(process.pid()).err());
                Ok(Spawned {
                    process,
                    link: ours,
                    stdout,
                    stderr,
                    oom_score_refused,
                })
            }
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error.into())
            }
        }
    }

    fn explain(&self, error: io::Error) -> SpawnError {
        match ProgramError::of_execution(&error, &self.program.path) {
            Some(explained) => explained.into(),
            None => privileges::explain(error).into(),
        }
    }

    fn command(&self, link: &OwnedFd, cpu: Option<Cpu>) -> io::Result<Command> {
        let mut command = Command::new(&self.program.path);
        command.args(&self.program.args);
        for (variable, _) in std::env::vars_os().filter(|(name, _)| is_for_us_alone(name)) {
            command.env_remove(variable);
        }
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        command.env(
            LINK_VARIABLE,
            format!("{}:{}", link.as_raw_fd(), fstat(link)?.st_ino),
        );
        if let Some(directory) = &self.chdir {
            command.current_dir(directory);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let (link, open_files) = (link.as_raw_fd(), self.open_files);
        let privileges = Arc::clone(&self.privileges);
        // SAFETY: between fork and exec only async-signal-safe system calls are made, and nothing is
        // allocated: the closure reads values that were made before.
        unsafe {
            command.pre_exec(move || {
                become_worker(link, open_files)?;
                cpu.map_or(Ok(()), Cpu::take_this_thread)?;
                privileges.hand_over([stdout(), stderr()]);
                privileges.apply()
            })
        };
        Ok(command)
    }
}

/// The watcher's ends; taken before anything else can wait for the child, so the pid is still its own.
fn attach(child: &mut Child) -> io::Result<(ProcessHandle, OwnedFd, OwnedFd)> {
    let process = ProcessHandle::open(Pid::from_child(child))?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    Ok((process, stdout.into(), stderr.into()))
}

/// In the child, before the program is executed: a session of its own, no signal blocked or ignored, the
/// limit on open files it would have without us, and no descriptor but the standard ones and the link.
fn become_worker(link: RawFd, open_files: Rlimit) -> io::Result<()> {
    rustix::process::setsid()?;
    reset_signals()?;
    rustix::process::setrlimit(Resource::Nofile, open_files)?;
    close_on_exec_from(3, open_files)?;
    keep_through_exec(link)
}

fn keep_through_exec(descriptor: RawFd) -> io::Result<()> {
    // SAFETY: the descriptor is open: the parent holds it across the fork.
    let descriptor = unsafe { std::os::fd::BorrowedFd::borrow_raw(descriptor) };
    Ok(rustix::io::fcntl_setfd(descriptor, FdFlags::empty())?)
}

/// The highest signal number: 64 on Linux, 126 on FreeBSD, fewer elsewhere. Setting one that does not exist
/// fails without harm.
const HIGHEST_SIGNAL: i32 = if cfg!(target_os = "linux") { 64 } else { 126 };

fn reset_signals() -> io::Result<()> {
    for signal in 1..=HIGHEST_SIGNAL {
        reset_disposition(signal);
    }
    // SAFETY: an all-zero set is a valid argument for sigemptyset, which fills it in.
    let failed = unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) != 0
    };
    if failed {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// The kernel is asked directly: the C library refuses to touch the signals it uses itself (32 and 33), and
/// whoever started us may have ignored them, too.
#[cfg(all(target_os = "linux", not(everport_portable)))]
fn reset_disposition(signal: i32) {
    /// As large as the kernel's `sigaction` is anywhere; all zero it means the default, without flags.
    const DEFAULT: [u64; 8] = [0; 8];
    /// What the kernel calls the size of a set of 64 signals.
    const SET_SIZE: usize = 8;
    // SAFETY: the kernel only reads the action. It refuses KILL and STOP, which always have the default.
    unsafe {
        let nothing = std::ptr::null_mut::<u64>();
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            DEFAULT.as_ptr(),
            nothing,
            SET_SIZE,
        )
    };
}

#[cfg(any(not(target_os = "linux"), everport_portable))]
fn reset_disposition(signal: i32) {
    // SAFETY: sets a default disposition. It fails for KILL and STOP, which have it anyway.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// Marks every descriptor from `first` on close-on-exec, those that somebody else leaked to us included.
#[cfg(all(target_os = "linux", not(everport_portable)))]
fn close_on_exec_from(first: RawFd, open_files: Rlimit) -> io::Result<()> {
    // SAFETY: changes flags of this process's own descriptors only; it is between fork and exec.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if result == 0 {
        return Ok(());
    }
    // Linux 5.10 does not know the flag yet.
    close_on_exec_one_by_one(first, open_files)
}

#[cfg(any(not(target_os = "linux"), everport_portable))]
fn close_on_exec_from(first: RawFd, open_files: Rlimit) -> io::Result<()> {
    close_on_exec_one_by_one(first, open_files)
}

/// The highest descriptor looked at where they have to be gone through one by one.
const MANY_DESCRIPTORS: u64 = 65_536;

fn close_on_exec_one_by_one(first: RawFd, open_files: Rlimit) -> io::Result<()> {
    let limit = open_files
        .maximum
        .unwrap_or(MANY_DESCRIPTORS)
        .min(MANY_DESCRIPTORS);
    for descriptor in first..RawFd::try_from(limit).unwrap_or(RawFd::MAX) {
        // SAFETY: sets a flag; where there is no such descriptor the call fails, as it may.
        unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

/// Finds a program by its path, or by its name in `PATH`.
pub(super) fn find_in_path(name: &OsStr, path: Option<OsString>) -> Option<PathBuf> {
    let directories = path?;
    std::env::split_paths(&directories)
        .map(|directory| directory.join(name))
        .find(|candidate| is_executable(candidate))
}

/// Whether we may execute the file.
pub(super) fn is_executable(path: &std::path::Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}
