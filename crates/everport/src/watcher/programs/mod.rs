//! The program of each generation: what its first worker ran, its later ones run, too.

#[cfg(all(target_os = "linux", not(everport_portable)))]
mod descriptor;
#[cfg(any(not(target_os = "linux"), everport_portable))]
mod path_only;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

#[cfg(all(target_os = "linux", not(everport_portable)))]
use descriptor::Kept;
#[cfg(any(not(target_os = "linux"), everport_portable))]
use path_only::Kept;

use crate::Generation;

/// What a worker executes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Executable<'kept> {
    /// The file that was opened for its generation, whatever is at the path now.
    #[cfg(all(target_os = "linux", not(everport_portable)))]
    Descriptor(std::os::fd::BorrowedFd<'kept>),
    /// What is at the path.
    Path(&'kept Path),
}

/// Why a generation's program cannot be executed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    /// Nothing is at the path.
    #[error("there is no {} (put the program there, then restart)", .path.display())]
    Missing { path: PathBuf },
    /// It cannot be opened.
    #[error("cannot open {}: {source}", .path.display())]
    Open { path: PathBuf, source: io::Error },
    /// Somebody wrote to the file that the generation runs.
    #[cfg(all(target_os = "linux", not(everport_portable)))]
    #[error(
        "the program of generation {generation} was changed in place: {} \
         (deploy by moving a new file to the path (mv), then restart)",
        .path.display()
    )]
    ChangedInPlace {
        path: PathBuf,
        generation: Generation,
    },
    /// The file that was opened does not even tell its size any more.
    #[cfg(all(target_os = "linux", not(everport_portable)))]
    #[error(
        "the program of generation {generation} can no longer be read: {}: {source} \
         (move a new file to the path (mv), then restart)",
        .path.display()
    )]
    Unreadable {
        path: PathBuf,
        generation: Generation,
        source: io::Error,
    },
    /// The kernel does not know what kind of program it is.
    #[error(
        "{} is no program that this system executes: it is cut off, built for another system, or a \
         script without #! in its first line",
        .path.display()
    )]
    Format { path: PathBuf },
    /// Somebody has it open for writing.
    #[error(
        "{} is being written to (deploy by moving a finished file to the path (mv), then restart)",
        .path.display()
    )]
    BeingWritten { path: PathBuf },
}

impl ProgramError {
    fn of_opening(source: io::Error, path: &Path) -> Self {
        let path = path.to_path_buf();
        if source.kind() == io::ErrorKind::NotFound {
            Self::Missing { path }
        } else {
            Self::Open { path, source }
        }
    }

    /// What the failure to start a program says about its file, if it says something: these codes come from
    /// the execution only.
    pub(crate) fn of_execution(error: &io::Error, path: &Path) -> Option<Self> {
        let path = path.to_path_buf();
        match error.raw_os_error() {
            Some(libc::ENOEXEC) => Some(Self::Format { path }),
            Some(libc::ETXTBSY) => Some(Self::BeingWritten { path }),
            _ => None,
        }
    }
}

/// Whether a live worker of a generation still runs a file.
pub(crate) type IsRun<'look> = dyn Fn(&Metadata) -> bool + 'look;

/// The programs of the generations that may still get workers.
#[derive(Debug, Default)]
pub(crate) struct Programs(BTreeMap<Generation, Kept>);

impl Programs {
    /// What a worker of this generation executes. The generation's first worker settles that: what is at the
    /// path then. `is_run`: whether one that was started here before still runs the file.
    pub(crate) fn of<'kept>(
        &'kept mut self,
        generation: Generation,
        path: &'kept Path,
        is_run: &IsRun<'_>,
    ) -> Result<Executable<'kept>, ProgramError> {
        let kept = match self.0.entry(generation) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let opened = Kept::open(path);
                new.insert(opened.map_err(|source| ProgramError::of_opening(source, path))?)
            }
        };
        kept.executable(generation, path, is_run)
    }

    /// How many generations' programs are kept.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets the programs of all other generations.
    pub(crate) fn keep_only(&mut self, is_needed: impl Fn(Generation) -> bool) {
        self.0.retain(|generation, _| is_needed(*generation));
    }
}
