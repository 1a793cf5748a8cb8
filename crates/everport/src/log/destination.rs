//! Where the log goes: standard output or a file.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::place::{Place, UnsafePath};
use crate::watcher::Credentials;

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenLogError {
    /// The log file could not be opened.
    #[error("cannot open the log file {}{}", .path.display(), way_out(.source))]
    File {
        /// Its path, with the process id in place of `*`.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Somebody whom the log must be kept from could make it lead elsewhere.
    #[error("cannot keep the log file out of the workers' reach")]
    Unsafe(#[source] UnsafePath),
    /// Standard output is not open.
    #[error("cannot write to standard output")]
    Stdout(#[source] io::Error),
    /// The thread that writes could not be started.
    #[error("cannot start the thread that writes the log")]
    Thread(#[source] io::Error),
}

/// An open log.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) file: File,
    /// Whether a terminal shows it and colour is welcome.
    pub(super) colour: bool,
}

impl Destination {
    /// Our standard output.
    pub(super) fn stdout() -> Result<Self, OpenLogError> {
        let stdout = io::stdout();
        let colour = stdout.is_terminal() && terminal_takes_colour();
        let copy = stdout.as_fd().try_clone_to_owned();
        Ok(Self {
            file: File::from(copy.map_err(OpenLogError::Stdout)?),
            colour,
        })
    }

    /// A file that lines are appended to; `*` in its path becomes our process id. A symbolic link in place
    /// of the file is refused: it could lead our lines anywhere. So is a place that the user it is to be kept
    /// from could change.
    pub(super) fn file(path: &Path, keep_from: Option<&Credentials>) -> Result<Self, OpenLogError> {
        // A symbolic link, and one that leads to our own standard output wherever that goes.
        if path == Path::new("/dev/stdout") {
            return Self::stdout();
        }
        let path = path_with_pid(path, std::process::id());
        let place = Place::find(&path, keep_from).map_err(OpenLogError::Unsafe)?;
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NONBLOCK; // a fifo without a reader is an error, not a wait
        let opened = place.open(flags, Mode::from_raw_mode(0o644));
        let file = opened.map_err(|errno| OpenLogError::File {
            path: path.clone(),
            source: errno.into(),
        })?;
        place.check(&file).map_err(OpenLogError::Unsafe)?;
        Ok(Self {
            file: File::from(file),
            colour: false,
        })
    }
}

fn way_out(error: &io::Error) -> &'static str {
    match rustix::io::Errno::from_io_error(error) {
        Some(rustix::io::Errno::LOOP) => {
            " (it is a symbolic link, which is never followed: name the file itself)"
        }
        Some(rustix::io::Errno::NXIO) => " (it is a fifo that nobody reads)",
        _ => "",
    }
}

/// A path with our process id in place of each `*`.
pub(crate) fn path_with_pid(path: &Path, pid: u32) -> PathBuf {
    let pid = pid.to_string();
    let mut bytes = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'*' => bytes.extend_from_slice(pid.as_bytes()),
            byte => bytes.push(*byte),
        }
    }
    OsString::from_vec(bytes).into()
}

/// The two wishes that count: `NO_COLOR` (<https://no-color.org>) and a terminal that has none.
pub(crate) fn terminal_takes_colour() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    !no_color && !dumb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_becomes_the_process_id() {
        let check = |path: &str, expected: &str| {
            assert_eq!(path_with_pid(Path::new(path), 4711), Path::new(expected));
        };
        check("/var/log/everport.log", "/var/log/everport.log");
        check("/var/log/everport-*.log", "/var/log/everport-4711.log");
        check("*/*", "4711/4711");
    }

    #[test]
    fn a_symbolic_link_is_never_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (directory.path().join("t"), directory.path().join("l"));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let error = Destination::file(&link, None).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
        assert!(!target.exists());
    }

    #[test]
    fn dev_stdout_is_our_own_standard_output_although_it_is_a_symbolic_link() {
        let log = Destination::file(Path::new("/dev/stdout"), None).unwrap();
        let inode =
            |file: &dyn Fn() -> rustix::io::Result<rustix::fs::Stat>| file().unwrap().st_ino;
        assert_eq!(
            inode(&|| rustix::fs::fstat(&log.file)),
            inode(&|| rustix::fs::fstat(io::stdout()))
        );
    }

    #[test]
    fn what_somebody_else_could_redirect_is_refused_and_a_device_is_not() {
        let whom = Credentials::find("3999999999", Some("3999999998")).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        Destination::file(&path, Some(&whom)).unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(directory.path(), open).unwrap();
        let error = Destination::file(&path, Some(&whom)).unwrap_err();
        assert!(matches!(error, OpenLogError::Unsafe(_)), "{error}");
        Destination::file(Path::new("/dev/null"), Some(&whom)).unwrap();
    }

    #[test]
    fn a_fifo_without_reader_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RWXU).unwrap();
        let error = Destination::file(&path, None).unwrap_err();
        assert!(error.to_string().contains("nobody reads"), "{error}");
    }

    #[test]
    fn a_file_is_appended_to() {
        use std::io::Write;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        std::fs::write(&path, "before\n").unwrap();
        let mut log = Destination::file(&path, None).unwrap();
        log.file.write_all(b"after\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before\nafter\n");
    }
}
