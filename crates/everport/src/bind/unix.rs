//! Listening Unix sockets: by path, with care for files that are there already, and abstract.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::{BindCause, tcp};
use crate::ListenOptions;

/// Removes a Unix socket's file when dropped, if it is still the one that was made.
#[derive(Debug)]
pub(crate) struct PathGuard {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// Listens at a path. A file that is there already is replaced only if it is a socket on which nothing
/// answers.
pub(crate) fn listen_at(
    path: &Path,
    options: &ListenOptions,
) -> Result<(OwnedFd, PathGuard), BindCause> {
    let address = SocketAddrUnix::new(path)?;
    let socket = new_socket()?;
    if let Some(mode) = options.unix_mode {
        narrow(&socket, mode)?;
    }
    match net::bind(&socket, &address) {
        Err(Errno::ADDRINUSE) => {
            remove_stale(path, &address)?;
            net::bind(&socket, &address)?;
        }
        bound => bound?,
    }
    let guard = PathGuard::of(path)?;
    if let Some(mode) = options.unix_mode {
        rustix::fs::chmod(path, Mode::from_raw_mode(mode))?;
    }
    tcp::listen(&socket, options)?;
    Ok((socket, guard))
}

/// Listens on a name of Linux's abstract name space, which has no file.
#[cfg(target_os = "linux")]
pub(crate) fn listen_abstract(name: &[u8], options: &ListenOptions) -> Result<OwnedFd, BindCause> {
    let socket = new_socket()?;
    net::bind(&socket, &SocketAddrUnix::new_abstract_name(name)?)?;
    tcp::listen(&socket, options)?;
    Ok(socket)
}

/// Abstract names are Linux's alone.
#[cfg(not(target_os = "linux"))]
pub(crate) fn listen_abstract(
    _name: &[u8],
    _options: &ListenOptions,
) -> Result<OwnedFd, BindCause> {
    Err(BindCause::System(Errno::OPNOTSUPP.raw_os_error()))
}

/// The file gets the socket's mode less the umask, so it is never open wider than asked for.
#[cfg(all(target_os = "linux", not(everport_portable)))]
fn narrow(socket: &OwnedFd, mode: u32) -> Result<(), BindCause> {
    Ok(rustix::fs::fchmod(socket, Mode::from_raw_mode(mode))?)
}

/// Elsewhere a socket has no mode of its own. The file gets its mode before anybody can connect.
#[cfg(any(not(target_os = "linux"), everport_portable))]
fn narrow(_socket: &OwnedFd, _mode: u32) -> Result<(), BindCause> {
    Ok(())
}

fn new_socket() -> Result<OwnedFd, BindCause> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        flags,
        None,
    )?)
}

fn remove_stale(path: &Path, address: &SocketAddrUnix) -> Result<(), BindCause> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(BindCause::NotASocket);
    }
    match net::connect(new_socket()?, address) {
        Err(Errno::CONNREFUSED) => Ok(fs::remove_file(path)?),
        // A full queue (EAGAIN) is a sign of life, too.
        Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE) => Err(BindCause::Live),
        Err(errno) => Err(errno.into()),
    }
}

impl PathGuard {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self {
            path: path.to_path_buf(),
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    fn is_still_ours(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|found| found.dev() == self.device && found.ino() == self.inode)
    }
}

impl Drop for PathGuard {
    fn drop(&mut self) {
        if self.is_still_ours() {
            // Nobody is left to be told, and the next start replaces a stale file.
            drop(fs::remove_file(&self.path));
        }
    }
}

impl From<io::Error> for BindCause {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(errno) => errno.into(),
            None => Self::System(Errno::IO.raw_os_error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let stale = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(
            listen_at(&path, &ListenOptions::new()).unwrap_err(),
            BindCause::Live
        );
        drop(stale);
        let (_socket, _guard) = listen_at(&path, &ListenOptions::new()).unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn a_path_that_is_not_a_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "precious").unwrap();
        assert_eq!(
            listen_at(&path, &ListenOptions::new()).unwrap_err(),
            BindCause::NotASocket
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn the_file_is_removed_at_the_end_only_if_it_is_still_ours() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        drop(listen_at(&path, &ListenOptions::new()).unwrap());
        assert!(!path.exists());
        let (_socket, guard) = listen_at(&path, &ListenOptions::new()).unwrap();
        // A renamed-in successor gets another inode because the first one still exists elsewhere.
        fs::rename(&path, directory.path().join("old")).unwrap();
        let _successor = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(guard);
        assert!(path.exists());
    }

    #[test]
    fn the_file_has_the_mode_asked_for_whatever_the_umask() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let options = ListenOptions::new().unix_mode(0o666);
        let _bound = listen_at(&path, &options).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o666
        );
    }
}
