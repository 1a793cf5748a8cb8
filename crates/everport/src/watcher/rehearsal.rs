//! Finds out, before anything is bound, whether workers can become what they are to be.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::fs::{Access, access};

use super::privileges::{Privileges, explain, may_signal};
use super::{Program, StartError};

/// Has a child take each step of a worker up to its program, if workers are somebody else than we are.
pub(super) fn rehearse(privileges: &Privileges, program: &Program) -> Result<(), StartError> {
    let Some(credentials) = &privileges.credentials else {
        return Ok(());
    };
    let path = CString::new(program.path.as_os_str().as_bytes()).map_err(io::Error::from)?;
    let first = privileges.clone();
    in_child(move || first.apply()).map_err(|error| StartError::CannotBecome {
        who: credentials.to_string(),
        error: explain(error),
    })?;
    if !may_signal(credentials) {
        return Err(StartError::CannotEnd {
            who: credentials.to_string(),
        });
    }
    let second = privileges.clone();
    let look = move || {
        second.apply()?;
        Ok(access(path.as_c_str(), Access::EXEC_OK)?)
    };
    in_child(look).map_err(|error| StartError::NotExecutableBy {
        path: program.path.clone(),
        who: credentials.to_string(),
        error,
    })
}

/// What a child reports that has come to the end; no system call fails like this.
const DONE: i32 = libc::ECANCELED;

/// Takes a step where a worker would be between fork and exec. The child always ends there, with an error that tells
/// how it went: nothing is ever executed.
fn in_child(step: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> io::Result<()> {
    let mut command = Command::new("/");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let rehearse = move || {
        step()?;
        Err(io::Error::from_raw_os_error(DONE))
    };
    // SAFETY: the steps make system calls only, and nothing is allocated: errors are plain numbers.
    unsafe { command.pre_exec(rehearse) };
    match command.spawn() {
        Err(error) if error.raw_os_error() == Some(DONE) => Ok(()),
        Err(error) => Err(error),
        // A directory cannot be executed, even if the child had tried.
        Ok(mut child) => child.wait().map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_fails_says_why_and_one_that_does_not_is_gone() {
        in_child(|| Ok(())).unwrap();
        let refused = || Err(io::Error::from_raw_os_error(libc::EPERM));
        let error = in_child(refused).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    }
}
