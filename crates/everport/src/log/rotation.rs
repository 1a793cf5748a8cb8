//! Log files that were rotated: their names, how many are kept, and their compression.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::SystemTime;

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{FileType, FlockOperation, Gid, Mode, OFlags, Stat, fchmod, fchown, flock, fstat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::day::Day;
use crate::place::Place;
use crate::watcher::Credentials;

/// What a file is called that is compressed.
const COMPRESSED: &str = "gz";

/// What it is called as long as it is not whole.
const UNFINISHED: &str = "gz.unfinished";

/// The numbers of files are below that.
const MOST: u64 = 1 << 40;

/// The compressor makes its tables on the stack unless it is optimised. The thread is gone when it has no work.
const STACK: usize = 1024 * 1024;

/// A file that was rotated: `shop.log.2026-11-22.0003`, or with `.gz` at its end. Ordered by age, as names are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rotated {
    /// The day of its last entry.
    day: Day,
    /// Which of that day's files.
    number: u64,
}

/// What is done with rotated files, by a thread of its own as long as that takes.
#[derive(Debug)]
pub(super) struct Tidying {
    /// How many of them stay.
    pub(super) keep: usize,
    pub(super) compress: bool,
}

/// Why rotated files are not as they should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum TidyError {
    #[error("cannot look for rotated log files beside {}", .path.display())]
    List { path: PathBuf, source: io::Error },
    #[error("cannot remove the rotated log file {}", .path.display())]
    Remove { path: PathBuf, source: io::Error },
    #[error("cannot compress the rotated log file {} (it stays as it is)", .path.display())]
    Compress { path: PathBuf, source: io::Error },
}

impl Rotated {
    /// The next free name for a file whose last entry is of that day. It comes after all that are our own, even if a
    /// clock was ahead when these were named. `files` are the names that are taken, and which of them are our own.
    pub(super) fn next(day: Day, files: &[(OsString, bool)], base: &OsStr) -> Self {
        let mut taken = BTreeSet::new();
        let mut newest: Option<Self> = None;
        for (name, is_ours) in files {
            let Some((rotated, _)) = Self::parse(name, base) else {
                continue;
            };
            if *is_ours && newest.as_ref().is_none_or(|newest| *newest < rotated) {
                newest = Some(rotated.clone());
            }
            taken.insert(rotated);
        }
        let mut next = match newest {
            Some(newest) if newest.day >= day => newest.following(),
            _ => Self { day, number: 1 },
        };
        while taken.contains(&next) {
            next = next.following();
        }
        next
    }

    /// The one after it.
    pub(super) fn following(&self) -> Self {
        Self {
            day: self.day,
            number: self.number + 1, // far from the largest: `parse` takes none that is not
        }
    }

    /// The name of the file whose name was `base`.
    pub(super) fn name(&self, base: &OsStr) -> OsString {
        let mut name = base.to_os_string();
        name.push(format!(".{}.{:04}", self.day, self.number));
        name
    }

    /// The file of that name, and what comes after its number. Names that [`Rotated::name`] would not give are others'.
    fn parse<'a>(name: &'a OsStr, base: &OsStr) -> Option<(Self, &'a [u8])> {
        let rest = name.as_bytes().strip_prefix(base.as_bytes())?;
        let (day, rest) = rest.strip_prefix(b".")?.split_at_checked(Day::LENGTH)?;
        let rest = rest.strip_prefix(b".")?;
        let end = rest.iter().position(|byte| !byte.is_ascii_digit());
        let (digits, rest) = rest.split_at(end.unwrap_or(rest.len()));
        let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let day = Day::parse(std::str::from_utf8(day).ok()?)?;
        let suffix = match rest {
            [] => rest,
            [b'.', suffix @ ..] => suffix,
            _ => return None,
        };
        let rotated = Self { day, number };
        let is_usual = number < MOST && name.as_bytes().starts_with(rotated.name(base).as_bytes());
        is_usual.then_some((rotated, suffix))
    }
}

impl Tidying {
    /// Tidies on a thread of its own. What came before was killed in the midst of it, perhaps.
    pub(super) fn start(
        &self,
        path: PathBuf,
        keep_from: Option<Credentials>,
    ) -> io::Result<JoinHandle<Result<(), TidyError>>> {
        let Self { keep, compress } = *self;
        std::thread::Builder::new()
            .name("everport-tidy".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let found = Place::find(&path, keep_from.as_ref());
                let place = found.map_err(|error| TidyError::List {
                    path: path.clone(),
                    source: io::Error::other(error),
                })?;
                Self { keep, compress }.tidy(&place, path.file_name().unwrap_or_default())
            })
    }

    /// Removes what is too old or was never finished, and compresses the rest. The first thing that fails is told, and
    /// holds up nothing else.
    fn tidy(&self, log: &Place<'_>, base: &OsStr) -> Result<(), TidyError> {
        let names = log.names_beside().map_err(|errno| TidyError::List {
            path: log.path().to_path_buf(),
            source: errno.into(),
        })?;
        let mut done = Ok(());
        let mut whole = Vec::new();
        for name in &names {
            let place = log.beside(name);
            match Rotated::parse(name, base) {
                Some((rotated, b"")) if is_ours(&place) => whole.push((rotated, false, place)),
                Some((rotated, suffix)) if suffix == COMPRESSED.as_bytes() && is_ours(&place) => {
                    whole.push((rotated, true, place));
                }
                Some((_, suffix)) if suffix == UNFINISHED.as_bytes() && is_ours(&place) => {
                    done = done.and(remove(&place));
                }
                _ => {}
            }
        }
        let oldest_kept = self.oldest_kept(whole.iter().map(|(rotated, ..)| rotated.clone()));
        whole.sort_by(|(one, ..), (other, ..)| other.cmp(one));
        for (rotated, is_compressed, place) in &whole {
            let is_old = oldest_kept.as_ref().is_some_and(|oldest| rotated < oldest);
            done = done.and(if is_old {
                remove_unused(place)
            } else if self.compress && !is_compressed {
                compress(log, place, &rotated.name(base))
            } else {
                Ok(())
            });
        }
        done
    }

    /// The oldest file that stays, if others do not.
    fn oldest_kept(&self, files: impl Iterator<Item = Rotated>) -> Option<Rotated> {
        let newest: BTreeSet<Rotated> = files.collect();
        newest.into_iter().rev().nth(self.keep.saturating_sub(1))
    }
}

/// Whether it is a file of ours: where others may make files, they could have made one of that name.
pub(super) fn is_ours(place: &Place<'_>) -> bool {
    place.stat().is_ok_and(|stat| {
        stat.st_uid == geteuid().as_raw()
            && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
    })
}

fn remove(place: &Place<'_>) -> Result<(), TidyError> {
    match place.remove() {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(TidyError::Remove {
            path: place.path().to_path_buf(),
            source: errno.into(),
        }),
    }
}

/// Removes a file, unless somebody still appends to it.
fn remove_unused(place: &Place<'_>) -> Result<(), TidyError> {
    // What cannot be opened was never locked by us, and can be removed.
    let file = open_to_read(place);
    match &file {
        Ok(file) if is_in_use(file) => Ok(()),
        _ => remove(place),
    }
}

/// Compresses a file, and removes it once what it became is whole, on the disk, and has its name. One that somebody
/// still appends to stays for the next time.
fn compress(log: &Place<'_>, plain: &Place<'_>, name: &OsStr) -> Result<(), TidyError> {
    let unfinished = log.beside(&with_suffix(name, UNFINISHED));
    let finished = log.beside(&with_suffix(name, COMPRESSED));
    let compressed = (|| {
        let file = open_to_read(plain)?;
        if is_in_use(&file) {
            return Ok(());
        }
        write_compressed(&file, &unfinished)?;
        unfinished.rename_over(&finished)?;
        io::Result::Ok(plain.remove()?)
    })();
    compressed.map_err(|source| {
        // The next one to tidy removes it otherwise.
        let _ = unfinished.remove();
        TidyError::Compress {
            path: plain.path().to_path_buf(),
            source,
        }
    })
}

fn open_to_read(place: &Place<'_>) -> rustix::io::Result<File> {
    let file = place.open(OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty());
    file.map(File::from)
}

/// Says that a log file is appended to, as long as it is open: another watcher with the same log may have rotated it
/// meanwhile, and must not remove it then.
pub(super) fn mark_in_use(file: &File) {
    // A file system without locks is none to share a log on.
    let _ = flock(file, FlockOperation::NonBlockingLockShared);
}

/// Whether somebody appends to a rotated file. If not, nobody will: who opens the log and finds that it was rotated
/// opens the next one.
fn is_in_use(file: &File) -> bool {
    flock(file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK)
}

fn write_compressed(mut plain: &File, unfinished: &Place<'_>) -> io::Result<()> {
    let stat = fstat(plain)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let target = File::from(unfinished.open(flags, Mode::RUSR | Mode::WUSR)?);
    let mut encoder = GzEncoder::new(target, Compression::default());
    io::copy(&mut plain, &mut encoder)?;
    let target = encoder.finish()?;
    give_access(&target, &stat)?;
    // Its age is that of its last entry.
    if let Ok(modified) = plain.metadata().and_then(|file| file.modified()) {
        target.set_modified(modified)?;
    }
    target.sync_all()
}

/// Who may read the one file may read the other.
pub(super) fn give_access(file: &File, as_of: &Stat) -> rustix::io::Result<()> {
    let group = Gid::from_raw(as_of.st_gid);
    let mut mode = Mode::from_raw_mode(as_of.st_mode);
    if fstat(file)?.st_gid != as_of.st_gid && fchown(file, None, Some(group)).is_err() {
        // What the one group may do is nothing that another may.
        mode -= Mode::RWXG;
    }
    fchmod(file, mode)
}

fn with_suffix(name: &OsStr, suffix: &str) -> OsString {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(b'.');
    bytes.extend_from_slice(suffix.as_bytes());
    OsString::from_vec(bytes)
}

/// The day on which a file was written to last.
pub(super) fn day_of(file: &File) -> Day {
    let modified = file.metadata().and_then(|file| file.modified());
    Day::of(modified.unwrap_or_else(|_| SystemTime::now()))
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
