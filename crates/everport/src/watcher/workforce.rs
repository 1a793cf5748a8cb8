//! What workers are made of, as a watcher's builder is told, and how each of them is started.

use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::body::Body;
use super::pinning::Cpu;
use super::programs::Programs;
use super::spawn::{SpawnError, Spawned, Spawner};
use super::worker_thread::{ThreadMain, WorkerThread};
use super::{Builder, Program, StartError};
use crate::link::{self, WatcherEnd};
use crate::{Generation, WorkerId};

/// What the workers of a cluster are.
pub(crate) enum Workforce {
    /// Processes that run a program.
    Processes(Program),
    /// Threads of this process that run a function.
    Threads(ThreadMain),
}

impl fmt::Debug for Workforce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Processes(program) => f.debug_tuple("Processes").field(program).finish(),
            Self::Threads(_) => f.write_str("Threads"),
        }
    }
}

/// Starts workers.
pub(crate) enum Recruiter {
    Processes {
        spawner: Spawner,
        programs: Programs,
    },
    Threads {
        main: ThreadMain,
    },
}

/// A worker just started, and our ends of what leads to it.
pub(crate) struct Recruit {
    pub(crate) body: Body,
    pub(crate) link: WatcherEnd,
    /// What it prints to standard output and standard error; a thread has none of its own.
    pub(crate) output: Option<[OwnedFd; 2]>,
    /// Why the kernel may end the watcher before this worker when memory runs out.
    pub(crate) oom_score_refused: Option<io::Error>,
}

impl Workforce {
    /// The program that workers run, or this one.
    pub(crate) fn program(&self) -> io::Result<PathBuf> {
        match self {
            Self::Processes(program) => Ok(program.path.clone()),
            Self::Threads(_) => std::env::current_exe(),
        }
    }

    /// Who starts them. A program's processes are started with what `spawner` says.
    pub(crate) fn recruiter(self, spawner: impl FnOnce(Program) -> Spawner) -> Recruiter {
        match self {
            Self::Processes(program) => Recruiter::Processes {
                spawner: spawner(program),
                programs: Programs::default(),
            },
            Self::Threads(main) => Recruiter::Threads { main },
        }
    }
}

impl Recruiter {
    /// Starts one worker, on one CPU if it is told which. When it fails, nothing stays behind. `is_run`: whether a living
    /// worker of the generation still runs a file. Needs a tokio runtime.
    pub(crate) fn start(
        &mut self,
        (worker, generation): (WorkerId, Generation),
        cpu: Option<Cpu>,
        is_run: &dyn Fn(&Metadata) -> bool,
    ) -> Result<Recruit, SpawnError> {
        match self {
            Self::Processes { spawner, programs } => {
                let path = &spawner.program.path;
                let program = programs.of(generation, path, is_run)?;
                Ok(spawner.spawn(program, cpu)?.into())
            }
            Self::Threads { main } => Ok(start_thread(worker, cpu, main)?),
        }
    }

    /// Whether workers are threads.
    pub(crate) fn starts_threads(&self) -> bool {
        matches!(self, Self::Threads { .. })
    }

    /// The programs of the generations; threads have none.
    pub(crate) fn programs(&mut self) -> Option<&mut Programs> {
        match self {
            Self::Processes { programs, .. } => Some(programs),
            Self::Threads { .. } => None,
        }
    }
}

impl From<Spawned> for Recruit {
    fn from(spawned: Spawned) -> Self {
        Self {
            body: Body::Process(spawned.process),
            link: spawned.link,
            output: Some([spawned.stdout, spawned.stderr]),
            oom_score_refused: spawned.oom_score_refused,
        }
    }
}

fn start_thread(worker: WorkerId, cpu: Option<Cpu>, main: &ThreadMain) -> io::Result<Recruit> {
    let (ours, theirs) = link::pair()?;
    // The thread is the last that can fail: one that has been started is there, and nobody would wait for it.
    let ours = WatcherEnd::new(ours)?;
    let thread = WorkerThread::start(worker, theirs, cpu, main.clone())?;
    Ok(Recruit {
        body: Body::Thread(thread),
        link: ours,
        output: None,
        oom_score_refused: None,
    })
}

/// Refuses what makes no sense for threads, rather than ignore it.
pub(crate) fn check_for_threads(builder: &Builder) -> Result<(), StartError> {
    refuse_if_panics_abort(cfg!(panic = "abort"))?;
    let privileges = &builder.privileges;
    let asked_for = [
        (!builder.env.is_empty(), "env (--env)"),
        (builder.chdir.is_some(), "chdir (--chdir)"),
        (builder.max_memory.is_some(), "max_memory (--max-memory)"),
        (
            privileges.credentials.is_some(),
            "credentials (--user, --group)",
        ),
        (privileges.umask.is_some(), "umask (--umask)"),
        // The command's --core-dumps, which threads can have, is about its own process: it is not told to the builder.
        (privileges.may_dump_core, "allow_core_dumps"),
        (
            privileges.may_gain_privileges,
            "allow_new_privileges (--new-privileges)",
        ),
    ];
    match asked_for
        .into_iter()
        .find(|(is_asked_for, _)| *is_asked_for)
    {
        Some((_, option)) => Err(StartError::NotForThreads { option }),
        None => Ok(()),
    }
}

/// A panic has to be the end of one thread. Everything is compiled for the same kind of panic, so that ours is the program's.
fn refuse_if_panics_abort(panics_abort: bool) -> Result<(), StartError> {
    match panics_abort {
        true => Err(StartError::PanicAborts),
        false => Ok(()),
    }
}

/// Refuses what only threads need.
pub(crate) fn check_for_processes(builder: &Builder) -> Result<(), StartError> {
    let option = "exit_on_abandoned_thread (--exit-on-abandoned-thread)";
    match builder.exit_on_abandoned_thread {
        true => Err(StartError::OnlyForThreads { option }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_whose_panics_abort_cannot_have_threads_and_is_told_why() {
        refuse_if_panics_abort(false).unwrap();
        let error = refuse_if_panics_abort(true).unwrap_err().to_string();
        assert!(error.contains("panic = \"abort\""), "{error}");
        assert!(error.contains("Cargo.toml"), "{error}");
    }
}
