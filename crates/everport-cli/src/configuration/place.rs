//! Which file to read, and whether it can be trusted.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::{getegid, geteuid};

/// What is read when it is there and nothing else was asked for.
pub(crate) const USUAL: &str = "everport.toml";

/// No configuration is this long: such a file is another one.
const LONGEST: u64 = 1024 * 1024;

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("cannot read the configuration file {}: {source}{}", .path.display(), way_out(.is_usual))]
    System {
        path: PathBuf,
        source: io::Error,
        is_usual: bool,
    },
    #[error("cannot read the configuration file {}: it is not a regular file (name one, or give --no-config)", .0.display())]
    NotAFile(PathBuf),
    #[error("cannot read the configuration file {}: it is longer than 1 MiB (name another one, or give --no-config)", .0.display())]
    TooLong(PathBuf),
    #[error("cannot read the configuration file {}: it is not UTF-8 text (name another one, or give --no-config)", .0.display())]
    NotText(PathBuf),
    #[error("cannot trust the configuration file {}: it belongs to user {owner} (it has to be root's or your own: chown it, or give --no-config)", .path.display())]
    Owner { path: PathBuf, owner: u32 },
    #[error("cannot trust the configuration file {}: others than its owner can write to it (chmod go-w it, or give --no-config)", .0.display())]
    Writable(PathBuf),
}

fn way_out(is_usual: &bool) -> &'static str {
    match is_usual {
        true => " (it is read because it is here: mend it, or give --no-config)",
        false => " (correct --config, or leave it out)",
    }
}

/// The usual file, if there is one. One that is there and cannot be read is not passed over.
pub(crate) fn usual() -> Option<PathBuf> {
    std::fs::symlink_metadata(USUAL)
        .is_ok()
        .then(|| PathBuf::from(USUAL))
}

/// The text of a file that nobody but root and ourselves can have written.
pub(crate) fn read(path: &Path) -> Result<String, FileError> {
    let failed = |source| FileError::System {
        path: path.to_path_buf(),
        source,
        is_usual: path == Path::new(USUAL),
    };
    // A symbolic link is followed, but not one that a stranger has put there.
    let link = std::fs::symlink_metadata(path).map_err(failed)?;
    check_owner(path, &link)?;
    let mut options = File::options();
    // A fifo must not be waited for.
    options
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path).map_err(failed)?;
    check(path, &file.metadata().map_err(failed)?)?;
    let mut bytes = Vec::new();
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > LONGEST {
        return Err(FileError::TooLong(path.to_path_buf()));
    }
    let text = String::from_utf8(bytes).map_err(|_| FileError::NotText(path.to_path_buf()))?;
    // Some editors begin a file with a mark that they do not show, and do not count.
    Ok(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    })
}

/// Looks at what was opened, not at the path: that may lead elsewhere by now.
fn check(path: &Path, file: &Metadata) -> Result<(), FileError> {
    if !file.is_file() {
        return Err(FileError::NotAFile(path.to_path_buf()));
    }
    check_owner(path, file)?;
    let by_all = file.mode() & 0o002 != 0;
    let by_group = file.mode() & 0o020 != 0 && !is_our_own_group(file.gid());
    if by_all || by_group {
        return Err(FileError::Writable(path.to_path_buf()));
    }
    Ok(())
}

fn check_owner(path: &Path, file: &Metadata) -> Result<(), FileError> {
    let owner = file.uid();
    if owner == 0 || owner == geteuid().as_raw() {
        return Ok(());
    }
    Err(FileError::Owner {
        path: path.to_path_buf(),
        owner,
    })
}

/// Whether it is the group that an ordinary user has alone. Where users have such groups, of their own number, their
/// files can usually be written to by them (login.defs(5), `USERGROUPS_ENAB`).
fn is_our_own_group(group: u32) -> bool {
    let user = geteuid();
    !user.is_root() && group == user.as_raw() && group == getegid().as_raw()
}
