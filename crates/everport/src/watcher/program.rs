//! The program that workers run: found before anything is bound.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::StartError;
use super::spawn::{find_in_path, is_executable};

/// The program the workers run. On Linux each generation keeps a native executable as it is at the path when
/// its first worker is started; anything else, such as a script, is what is at the path at each start.
#[derive(Debug, Clone)]
pub struct Program {
    /// Where it is, absolute: workers may start in another directory.
    pub(crate) path: PathBuf,
    /// What it is told its name is.
    pub(crate) name: OsString,
    pub(crate) args: Vec<OsString>,
}

impl Program {
    /// A program by its path, or by a name to look for in `PATH`.
    ///
    /// # Errors
    /// When there is no such program or it is not executable.
    pub fn find(name: impl AsRef<Path>) -> Result<Self, StartError> {
        let name = name.as_ref();
        let is_bare = name.components().count() == 1 && !name.starts_with(".");
        let found = if is_bare && !name.as_os_str().is_empty() {
            find_in_path(name.as_os_str(), std::env::var_os("PATH"))
        } else {
            std::path::absolute(name).ok()
        };
        let given = name.to_path_buf();
        let Some(path) = found.filter(|path| path.exists()) else {
            return Err(if is_bare {
                StartError::NotInPath(given)
            } else {
                StartError::NoProgram(given)
            });
        };
        if path.is_dir() {
            return Err(StartError::Directory(given));
        }
        if !is_executable(&path) {
            return Err(StartError::NotExecutable(given));
        }
        Ok(Self {
            path,
            name: name.as_os_str().to_owned(),
            args: Vec::new(),
        })
    }

    /// The program that runs in this process, without its arguments: for one that is the application in one process
    /// and the worker in others, which [`Cluster::is_worker_process`](crate::Cluster::is_worker_process) tells
    /// apart.
    ///
    /// It goes by the path it was called by if that still leads to it: a new release may come by switching a symbolic
    /// link there, which the system's own answer has followed already.
    ///
    /// # Errors
    /// When its file is gone, or the system does not tell.
    pub fn current() -> Result<Self, StartError> {
        let running = std::env::current_exe().map_err(StartError::System)?;
        let called = std::env::args_os().next().unwrap_or_default();
        match Self::find(called) {
            Ok(program) if is_same_file(&program.path, &running).unwrap_or(false) => Ok(program),
            _ => Self::find(running),
        }
    }

    /// Where it was found.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }
}

fn is_same_file(one: &Path, other: &Path) -> io::Result<bool> {
    let identity = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino()));
    Ok(identity(one)? == identity(other)?)
}
