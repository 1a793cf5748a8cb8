//! Where a file of the watcher's own is, and that nobody whom it must be kept from can make it lead elsewhere.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "cli")]
use rustix::fs::{Access, accessat};
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, open, openat, readlinkat, renameat,
    statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::watcher::Credentials;

/// How many symbolic links a path may go through: as many as the kernel follows.
const MOST_LINKS: u32 = 40;

/// Opens something to look at it, whatever it is. Elsewhere a symbolic link cannot be opened, and is refused.
#[cfg(target_os = "linux")]
const LOOK: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const LOOK: OFlags = OFlags::NONBLOCK;

/// Why a path is not safe from somebody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnsafePath {
    /// Somebody may put something else in a directory.
    #[error("{who} can change what is in {} (choose a directory of root's, or take the permission away)", .directory.display())]
    Writable {
        /// The directory.
        directory: PathBuf,
        /// Who: `user www`.
        who: String,
    },
    /// Somebody may write to the file.
    #[error("{who} can write to {} (take the permission away, or choose another file)", .path.display())]
    WritableFile {
        /// The file.
        path: PathBuf,
        /// Who: `user www`.
        who: String,
    },
    /// It belongs to somebody whom we do not know to be harmless.
    #[error("{} belongs to user {owner}, who could make it lead elsewhere (it has to be root's or the watcher's own)", .path.display())]
    Owner {
        /// The file, directory or symbolic link.
        path: PathBuf,
        /// The owner's number.
        owner: u32,
    },
    /// The file has another name as well, which may be a precious one.
    #[error("{} has another name as well (it is a hard link: remove it, or choose another file)", .path.display())]
    OtherName {
        /// The file.
        path: PathBuf,
    },
    /// The path leads nowhere.
    #[error("{}: {}", .path.display(), std::io::Error::from_raw_os_error(*.errno))]
    System {
        /// As far as it was followed.
        path: PathBuf,
        /// The number of the system's reason.
        errno: i32,
    },
}

/// What can be done about a file that cannot be opened, to be told after its path.
pub(crate) fn way_out_of(error: &std::io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => " (create its directory, or choose another file)",
        Some(Errno::NOTDIR) => " (what is to be its directory is none: choose another file)",
        Some(Errno::ISDIR) => " (it is a directory: choose a file in it)",
        Some(Errno::ACCESS | Errno::PERM) => {
            " (let the watcher's user write to it and its directory, or choose another file)"
        }
        Some(Errno::ROFS) => " (its file system is read-only: choose another file)",
        _ => "",
    }
}

/// A file's place: its directory, held open if it must not be exchanged any more, and its name.
#[derive(Debug, Clone)]
pub(crate) struct Place<'keep> {
    directory: Option<Arc<OwnedFd>>,
    /// In the directory, or else from wherever we are.
    name: PathBuf,
    path: PathBuf,
    keep_from: Option<&'keep Credentials>,
}

impl<'keep> Place<'keep> {
    /// The place at a path. If it is to be kept from another user, every directory and symbolic link that leads
    /// there has to be root's or ours and out of that user's reach. One who is the same user as we are cannot be
    /// kept from anything.
    pub(crate) fn find(
        path: &Path,
        keep_from: Option<&'keep Credentials>,
    ) -> Result<Self, UnsafePath> {
        let Some(whom) = keep_from.filter(|whom| whom.is_another_user()) else {
            return Ok(Self {
                directory: None,
                name: path.to_path_buf(),
                path: path.to_path_buf(),
                keep_from: None,
            });
        };
        let absolute = std::path::absolute(path).map_err(|error| UnsafePath::System {
            path: path.to_path_buf(),
            errno: error.raw_os_error().unwrap_or(libc::EINVAL),
        })?;
        let (Some(directory), Some(name)) = (absolute.parent(), absolute.file_name()) else {
            return Err(system(path, Errno::ISDIR));
        };
        Ok(Self {
            directory: Some(Arc::new(Walk::start(whom)?.to(directory)?)),
            name: name.into(),
            path: path.to_path_buf(),
            keep_from: Some(whom),
        })
    }

    /// Opens the file, or makes it. A symbolic link in its place is not followed.
    pub(crate) fn open(&self, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
        openat(self.directory(), &self.name, flags, mode)
    }

    /// Whether what was opened here is nobody else's: where others may make files, they could have made it.
    pub(crate) fn check(&self, file: impl AsFd) -> Result<(), UnsafePath> {
        let Some(whom) = self.keep_from else {
            return Ok(());
        };
        let stat = fstat(&file).map_err(|errno| system(&self.path, errno))?;
        check_owner(&stat, &self.path)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(());
        }
        if stat.st_nlink != 1 {
            return Err(UnsafePath::OtherName {
                path: self.path.clone(),
            });
        }
        if may_write(&stat, whom, || file_has_access_list(&file)) {
            return Err(UnsafePath::WritableFile {
                path: self.path.clone(),
                who: whom.to_string(),
            });
        }
        Ok(())
    }
}

#[cfg(feature = "cli")]
impl Place<'_> {
    /// Whether it is to be kept from another user.
    pub(crate) fn is_kept(&self) -> bool {
        self.keep_from.is_some()
    }

    /// Whether a file could be made here.
    pub(crate) fn look_at_directory(&self) -> rustix::io::Result<()> {
        let directory = self.name.parent();
        let directory = directory.filter(|path| !path.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        self.look_at(directory, Access::WRITE_OK | Access::EXEC_OK)
    }

    /// Whether what is here could be written to. It is not opened, which some devices and all fifos would notice.
    pub(crate) fn look_at_file(&self) -> rustix::io::Result<()> {
        self.look_at(&self.name, Access::WRITE_OK)
    }

    fn look_at(&self, name: &Path, access: Access) -> rustix::io::Result<()> {
        accessat(self.directory(), name, access, AtFlags::EACCESS)
    }

    /// Whether what was seen here, and is no regular file, is nobody else's.
    pub(crate) fn check_owner(&self, stat: &Stat) -> Result<(), UnsafePath> {
        match self.keep_from {
            Some(_) => check_owner(stat, &self.path),
            None => Ok(()),
        }
    }
}

impl Place<'_> {
    /// What is there now; a symbolic link is not followed.
    pub(crate) fn stat(&self) -> rustix::io::Result<Stat> {
        statat(self.directory(), &self.name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Removes the file.
    pub(crate) fn remove(&self) -> rustix::io::Result<()> {
        unlinkat(self.directory(), &self.name, AtFlags::empty())
    }

    /// The place of another file in the same directory.
    pub(crate) fn beside(&self, name: &OsStr) -> Self {
        Self {
            name: self.name.with_file_name(name),
            path: self.path.with_file_name(name),
            ..self.clone()
        }
    }

    /// The names of all that is in the directory.
    pub(crate) fn names_beside(&self) -> rustix::io::Result<Vec<OsString>> {
        let parent = self
            .name
            .parent()
            .filter(|path| !path.as_os_str().is_empty());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = parent.unwrap_or(Path::new("."));
        let directory = openat(self.directory(), parent, flags, Mode::empty())?;
        let mut names = Vec::new();
        for entry in Dir::new(directory)? {
            names.push(OsString::from_vec(entry?.file_name().to_bytes().to_vec()));
        }
        Ok(names)
    }

    /// Gives the file another name, which replaces whatever has it.
    pub(crate) fn rename_over(&self, other: &Self) -> rustix::io::Result<()> {
        renameat(self.directory(), &self.name, other.directory(), &other.name)
    }

    /// Gives the file another name, unless something has it.
    pub(crate) fn rename(&self, other: &Self) -> rustix::io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{RenameFlags, renameat_with};
            let (from, to) = (self.directory(), other.directory());
            let flags = RenameFlags::NOREPLACE;
            match renameat_with(from, &self.name, to, &other.name, flags) {
                // The file system cannot do it in one step.
                Err(Errno::INVAL | Errno::NOSYS) => {}
                done => return done,
            }
        }
        match other.stat() {
            Err(Errno::NOENT) => self.rename_over(other),
            Ok(_) => Err(Errno::EXIST),
            Err(errno) => Err(errno),
        }
    }

    /// The whole path, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_deref().map_or(CWD, AsFd::as_fd)
    }
}

/// Follows a path one name at a time: what was looked at is what is gone on from.
struct Walk<'keep> {
    whom: &'keep Credentials,
    here: OwnedFd,
    /// Where that is, for messages.
    path: PathBuf,
    links: u32,
}

impl<'keep> Walk<'keep> {
    fn start(whom: &'keep Credentials) -> Result<Self, UnsafePath> {
        let path = PathBuf::from("/");
        let here = open_root().map_err(|errno| system(&path, errno))?;
        let stat = fstat(&here).map_err(|errno| system(&path, errno))?;
        check_owner(&stat, &path)?;
        check_out_of_reach(&stat, &path, whom)?;
        Ok(Self {
            whom,
            here,
            path,
            links: 0,
        })
    }

    fn to(mut self, directory: &Path) -> Result<OwnedFd, UnsafePath> {
        let mut ahead = names(directory);
        while let Some(name) = ahead.pop_front() {
            if let Some(target) = self.step(&name)? {
                for name in names(&target).into_iter().rev() {
                    ahead.push_front(name);
                }
            }
        }
        Ok(self.here)
    }

    /// Goes on to a directory, or returns where a symbolic link leads.
    fn step(&mut self, name: &OsStr) -> Result<Option<PathBuf>, UnsafePath> {
        let path = self.path.join(name);
        let failed = |errno| system(&path, errno);
        let flags = LOOK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let next = openat(&self.here, name, flags, Mode::empty()).map_err(failed)?;
        let stat = fstat(&next).map_err(failed)?;
        check_owner(&stat, &path)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                check_out_of_reach(&stat, &path, self.whom)?;
                (self.here, self.path) = (next, path);
                Ok(None)
            }
            FileType::Symlink => {
                let target = readlinkat(&next, "", Vec::new()).map_err(failed)?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                self.links += 1;
                if self.links > MOST_LINKS {
                    return Err(failed(Errno::LOOP));
                }
                if target.is_absolute() {
                    self.here = open_root().map_err(failed)?;
                    self.path = PathBuf::from("/");
                }
                Ok(Some(target))
            }
            _ => Err(failed(Errno::NOTDIR)),
        }
    }
}

fn open_root() -> rustix::io::Result<OwnedFd> {
    let flags = LOOK | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open("/", flags, Mode::empty())
}

/// The names in a path. `..` is one, too: the kernel knows where it leads, and that is looked at as well.
fn names(path: &Path) -> VecDeque<OsString> {
    let is_name = |part: &Component| matches!(part, Component::Normal(_) | Component::ParentDir);
    let parts = path.components().filter(is_name);
    parts.map(|part| part.as_os_str().to_owned()).collect()
}

fn check_owner(stat: &Stat, path: &Path) -> Result<(), UnsafePath> {
    if stat.st_uid == 0 || stat.st_uid == geteuid().as_raw() {
        return Ok(());
    }
    Err(UnsafePath::Owner {
        path: path.to_path_buf(),
        owner: stat.st_uid,
    })
}

/// In a sticky directory, such as `/tmp`, everybody may make files, but nobody may exchange those of others.
fn check_out_of_reach(stat: &Stat, path: &Path, whom: &Credentials) -> Result<(), UnsafePath> {
    let is_sticky = Mode::from_raw_mode(stat.st_mode).contains(Mode::SVTX);
    if !is_sticky && may_write(stat, whom, || has_access_list(path)) {
        return Err(UnsafePath::Writable {
            directory: path.to_path_buf(),
            who: whom.to_string(),
        });
    }
    Ok(())
}

/// Whether somebody who is not the owner may write to it. Where there is a list of more users and groups
/// (acl(5)), the group's permissions are their upper bound.
fn may_write(stat: &Stat, whom: &Credentials, has_access_list: impl FnOnce() -> bool) -> bool {
    let mode = Mode::from_raw_mode(stat.st_mode);
    let by_group = mode.contains(Mode::WGRP) && (whom.has_group(stat.st_gid) || has_access_list());
    mode.contains(Mode::WOTH) || by_group
}

#[cfg(target_os = "linux")]
const ACCESS_LIST: &str = "system.posix_acl_access";

#[cfg(target_os = "linux")]
fn has_access_list(path: &Path) -> bool {
    rustix::fs::lgetxattr(path, ACCESS_LIST, &mut [0_u8; 0]).is_ok()
}

#[cfg(target_os = "linux")]
fn file_has_access_list(file: impl AsFd) -> bool {
    rustix::fs::fgetxattr(file, ACCESS_LIST, &mut [0_u8; 0]).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn has_access_list(_path: &Path) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
fn file_has_access_list(_file: impl AsFd) -> bool {
    false
}

fn system(path: &Path, errno: Errno) -> UnsafePath {
    UnsafePath::System {
        path: path.to_path_buf(),
        errno: errno.raw_os_error(),
    }
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
