//! Finds out what would keep a cluster from running, without binding, writing or starting anything.

use std::io;
use std::path::Path;

use super::run::{CommandError, check_directory};
use super::{ClusterArgs, PidFileError};
use crate::place::Place;
use crate::watcher::{Credentials, Program};

/// What [`run`](super::run) would fail with before its first worker is started, in the order in which it would find
/// it. Whether a pid file is held or a port is taken is not looked at: a cluster that runs may be the very one whose
/// next start is checked.
///
/// To learn whether workers can be another user and execute the program, a child takes each step up to there.
#[must_use]
pub fn check(args: &ClusterArgs, program: Option<Program>) -> Vec<CommandError> {
    let mut problems = Vec::new();
    problems.extend(check_directory(args).err());
    problems.extend(args.log.check().err().map(CommandError::from));
    let workers = match args.credentials() {
        Ok(workers) => workers,
        Err(error) => {
            problems.push(error.into());
            None
        }
    };
    let pid_file = args.pid_file.as_deref();
    problems.extend(pid_file.and_then(|path| check_pid_file(path, workers.as_ref()).err()));
    problems.extend(
        args.log
            .look(workers.as_ref())
            .err()
            .map(CommandError::from),
    );
    if let Some(program) = program {
        let mut builder = args.builder(program);
        if let Some(workers) = workers {
            builder = builder.credentials(workers);
        }
        problems.extend(builder.build().err().map(CommandError::from));
    }
    problems
}

fn check_pid_file(path: &Path, keep_from: Option<&Credentials>) -> Result<(), CommandError> {
    let absolute = std::path::absolute(path);
    let looked = absolute.and_then(|absolute| {
        let directory = absolute.parent().unwrap_or(Path::new("/"));
        match std::fs::metadata(directory)?.is_dir() {
            true => Ok(absolute),
            false => Err(io::ErrorKind::NotADirectory.into()),
        }
    });
    let absolute = looked.map_err(|source| PidFileError::System {
        path: path.to_path_buf(),
        source,
    })?;
    Place::find(&absolute, keep_from).map_err(PidFileError::Unsafe)?;
    Ok(())
}
