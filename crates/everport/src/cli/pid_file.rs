//! The file that holds the watcher's process id and keeps a second instance out.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::UnsafePath;
use crate::place::{Place, way_out_of};
use crate::watcher::Credentials;

/// Everybody may read it, to know whom to signal.
const FOR_EVERYBODY: Mode = Mode::from_raw_mode(0o644);
/// Whoever can open a file can lock it, and so keep the next instance from starting.
const FOR_US_ALONE: Mode = Mode::from_raw_mode(0o600);

/// How often a file is opened again that an ending instance removes at that moment.
const ATTEMPTS: u32 = 16;

/// Why a pid file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    /// Another instance holds it.
    #[error("{} is held by {}: it runs already (stop it, or choose another --pid-file)", .path.display(), holder(.pid))]
    Locked {
        /// The file.
        path: PathBuf,
        /// The process id in the file, if there is one.
        pid: Option<u32>,
    },
    /// Its path leads to something else.
    #[error("{} is not a regular file (choose another --pid-file)", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Somebody whom it must be kept from could make it lead elsewhere.
    #[error("cannot keep the pid file out of the workers' reach")]
    Unsafe(#[source] UnsafePath),
    /// The system refused it.
    #[error("cannot use the pid file {}{}", .path.display(), way_out_of(.source))]
    System {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// A pid file that is ours. Dropped, it is removed, if the path still leads to it.
#[derive(Debug)]
pub(super) struct PidFile<'keep> {
    place: Place<'keep>,
    file: File,
}

impl<'keep> PidFile<'keep> {
    /// Locks the file and writes our process id into it, in place. A symbolic link is never followed, and the
    /// user that it is to be kept from must not be able to exchange it.
    pub(super) fn acquire(
        path: &Path,
        keep_from: Option<&'keep Credentials>,
    ) -> Result<Self, PidFileError> {
        let system = |source| PidFileError::System {
            path: path.to_path_buf(),
            source,
        };
        // The path stays right when somebody changes the working directory.
        let path = std::path::absolute(path).map_err(system)?;
        for _ in 0..ATTEMPTS {
            let place = Place::find(&path, keep_from).map_err(PidFileError::Unsafe)?;
            if let Some(pid_file) = Self::try_acquire(&path, place)? {
                return Ok(pid_file);
            }
        }
        Err(system(io::Error::other("it is removed again and again")))
    }

    /// `None` when the file was removed between being opened and being locked.
    fn try_acquire(path: &Path, place: Place<'keep>) -> Result<Option<Self>, PidFileError> {
        let system = |errno: Errno| PidFileError::System {
            path: path.to_path_buf(),
            source: errno.into(),
        };
        // Opening something that is not a file must not wait.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NONBLOCK;
        let mode = if place.is_kept() {
            FOR_US_ALONE
        } else {
            FOR_EVERYBODY
        };
        let opened = place.open(flags, mode);
        let mut file = File::from(opened.map_err(system)?);
        let stat = rustix::fs::fstat(&file).map_err(system)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(PidFileError::NotAFile {
                path: path.to_path_buf(),
            });
        }
        place.check(&file).map_err(PidFileError::Unsafe)?;
        if place.is_kept() {
            // One that was there before may be open to more.
            rustix::fs::fchmod(&file, mode).map_err(system)?;
        }
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(PidFileError::Locked {
                    path: path.to_path_buf(),
                    pid: read_pid(&mut file),
                });
            }
            Err(errno) => return Err(system(errno)),
        }
        let pid_file = Self { place, file };
        if !pid_file.is_still_ours() {
            return Ok(None);
        }
        pid_file.write().map_err(|source| PidFileError::System {
            path: path.to_path_buf(),
            source,
        })?;
        Ok(Some(pid_file))
    }

    fn write(&self) -> io::Result<()> {
        let mut file = &self.file;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(format!("{}\n", std::process::id()).as_bytes())
    }

    /// Whether the path leads to the file that is locked.
    fn is_still_ours(&self) -> bool {
        let same = |a: &Stat, b: &Stat| (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino);
        let there = self.place.stat();
        let here = rustix::fs::fstat(&self.file);
        matches!((there, here), (Ok(there), Ok(here)) if same(&there, &here))
    }
}

impl Drop for PidFile<'_> {
    fn drop(&mut self) {
        if self.is_still_ours() {
            // A file that stays is harmless: its lock is gone, and the next instance takes it over.
            let _ = self.place.remove();
        }
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    let bound = 32; // more than any process id and its line feed have
    file.take(bound).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn holder(pid: &Option<u32>) -> String {
    match pid {
        Some(pid) => format!("pid {pid}"),
        None => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        (directory, path)
    }

    #[test]
    fn it_holds_our_process_id_and_goes_with_us() {
        let (_directory, path) = directory();
        std::fs::write(&path, "123456789 and more than that").unwrap();
        let pid_file = PidFile::acquire(&path, None).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
        drop(pid_file);
        assert!(!path.exists());
    }

    #[test]
    fn a_second_instance_learns_who_holds_it() {
        let (_directory, path) = directory();
        let first = PidFile::acquire(&path, None).unwrap();
        let error = PidFile::acquire(&path, None).unwrap_err().to_string();
        assert!(
            error.contains(&format!("held by pid {}", std::process::id())),
            "{error}"
        );
        drop(first);
        PidFile::acquire(&path, None).unwrap();
    }

    #[test]
    fn a_file_that_is_no_longer_ours_stays() {
        let (_directory, path) = directory();
        let pid_file = PidFile::acquire(&path, None).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "somebody else's").unwrap();
        drop(pid_file);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody else's");
    }

    #[test]
    fn a_symbolic_link_is_never_followed() {
        let (directory, path) = directory();
        let target = directory.path().join("target");
        std::fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(matches!(
            PidFile::acquire(&path, None),
            Err(PidFileError::System { .. })
        ));
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    }

    #[test]
    fn a_path_that_is_no_file_is_refused() {
        let error = PidFile::acquire(Path::new("/dev/null"), None).unwrap_err();
        assert!(matches!(error, PidFileError::NotAFile { .. }), "{error:?}");
    }

    #[test]
    fn who_it_is_kept_from_cannot_open_and_so_not_lock_it() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        let whom = Credentials::find("3999999999", Some("3999999998")).unwrap();
        let (_directory, path) = directory();
        let kept = PidFile::acquire(&path, Some(&whom)).unwrap();
        assert_eq!(mode(&path), 0o600);
        drop(kept);
        // One that a killed watcher left behind.
        std::fs::write(&path, "1\n").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        let _kept = PidFile::acquire(&path, Some(&whom)).unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn what_somebody_else_could_redirect_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let whom = Credentials::find("3999999999", Some("3999999998")).unwrap();
        let (directory, path) = directory();
        drop(PidFile::acquire(&path, Some(&whom)).unwrap());
        assert!(!path.exists());
        let open = PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(directory.path(), open).unwrap();
        let error = PidFile::acquire(&path, Some(&whom)).unwrap_err();
        assert!(matches!(error, PidFileError::Unsafe(_)), "{error:?}");
        assert!(!path.exists());
    }
}
