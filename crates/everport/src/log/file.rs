//! The log file: opened safely, opened anew when asked to, rotated.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat};
use rustix::io::Errno;

use super::day::Day;
use super::destination::Remark;
use super::rotation::{Rotated, TidyError, Tidying, day_of, give_access, is_ours, mark_in_use};
use super::{LogFormat, OpenLogError};
use crate::causes::with_causes;
use crate::place::Place;
use crate::watcher::Credentials;

/// After a rotation that failed, the next one is tried this much later: until then the file grows on.
const RETRY: Duration = Duration::from_secs(60);

/// How many rotated files are kept unless somebody says.
const KEPT: usize = 7;

/// How often a name is tried that somebody else takes at that moment.
const ATTEMPTS: u32 = 16;

/// A file that the log is appended to, and when that is rotated.
///
/// A rotated file is called like the log with the day of its last entry, in UTC, and a number:
/// `shop.log.2026-11-22.0001`. So the names sort by age, and none is renamed later. After a clock that was ahead, the day
/// is that of the newest rotated file there is.
#[derive(Debug, Clone)]
pub struct LogFile {
    path: PathBuf,
    format: Option<LogFormat>,
    keep_from: Option<Credentials>,
    rotate_size: Option<u64>,
    rotate_daily: bool,
    keep: usize,
    compress: bool,
}

impl LogFile {
    /// The file at a path; `*` in it becomes our process id. A symbolic link in its place is not followed, except for
    /// `/dev/stdout`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            format: None,
            keep_from: None,
            rotate_size: None,
            rotate_daily: false,
            keep: KEPT,
            compress: false,
        }
    }

    /// The form of its entries; plain lines unless this is called.
    #[must_use]
    pub fn format(mut self, format: LogFormat) -> Self {
        self.format = Some(format);
        self
    }

    /// Workers with these credentials must not be able to exchange it: every directory and symbolic link on the way
    /// to it has to be root's or our own, and out of their reach, and so has the file.
    #[must_use]
    pub fn kept_from(mut self, workers: &Credentials) -> Self {
        self.keep_from = Some(workers.clone());
        self
    }

    /// Rotates it before it becomes larger than so many bytes. Only an entry that is longer than that makes a longer
    /// file.
    #[must_use]
    pub fn rotate_size(mut self, bytes: u64) -> Self {
        self.rotate_size = Some(bytes);
        self
    }

    /// Rotates it before the first entry of a new day, in UTC.
    #[must_use]
    pub fn rotate_daily(mut self) -> Self {
        self.rotate_daily = true;
        self
    }

    /// How many rotated files stay, at least 1; the oldest are removed. 7 unless this is called.
    #[must_use]
    pub fn keep(mut self, files: usize) -> Self {
        self.keep = files.max(1);
        self
    }

    /// Compresses rotated files (gzip), on a thread that is there only meanwhile.
    #[must_use]
    pub fn compress(mut self) -> Self {
        self.compress = true;
        self
    }

    pub(crate) fn log_format(&self) -> Option<LogFormat> {
        self.format
    }

    /// Whether it could be opened, as far as that shows without making or changing anything. Whether somebody reads a
    /// fifo is not looked at: for its reader the look would be the end.
    #[cfg(feature = "cli")]
    pub(crate) fn look(&self) -> Result<(), OpenLogError> {
        self.check_stdout()?;
        if self.is_stdout() {
            return Ok(());
        }
        let path = path_with_pid(&self.path, std::process::id());
        let failed = |errno: Errno| OpenLogError::File {
            path: path.clone(),
            source: errno.into(),
        };
        let absolute = std::path::absolute(&path).map_err(|source| OpenLogError::File {
            path: path.clone(),
            source,
        })?;
        let place = Place::find(&absolute, self.keep_from.as_ref());
        let place = place.map_err(OpenLogError::Unsafe)?;
        match place.stat() {
            Ok(there) => self.look_at(&there, &place, &failed)?,
            Err(Errno::NOENT) => place.look_at_directory().map_err(failed)?,
            Err(errno) => return Err(failed(errno)),
        }
        Ok(())
    }

    /// Looks at what is there.
    #[cfg(feature = "cli")]
    fn look_at(
        &self,
        there: &Stat,
        place: &Place<'_>,
        failed: &dyn Fn(Errno) -> OpenLogError,
    ) -> Result<(), OpenLogError> {
        match FileType::from_raw_mode(there.st_mode) {
            FileType::Symlink => return Err(failed(Errno::LOOP)),
            FileType::Directory => return Err(failed(Errno::ISDIR)),
            FileType::RegularFile => {
                let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NONBLOCK;
                let file = place.open(flags, Mode::empty()).map_err(failed)?;
                place.check(&file).map_err(OpenLogError::Unsafe)?;
            }
            _ => {
                place.look_at_file().map_err(failed)?;
                place.check_owner(there).map_err(OpenLogError::Unsafe)?;
                if self.is_rotated() {
                    let path = place.path().to_path_buf();
                    return Err(OpenLogError::NotRotatable { path });
                }
            }
        }
        Ok(())
    }

    /// Our own standard output is nothing that can be rotated.
    pub(super) fn check_stdout(&self) -> Result<(), OpenLogError> {
        if self.is_stdout() && self.is_rotated() {
            return Err(OpenLogError::NotRotatable {
                path: self.path.clone(),
            });
        }
        Ok(())
    }

    /// A symbolic link, and one that leads to our own standard output wherever that goes.
    pub(super) fn is_stdout(&self) -> bool {
        self.path == Path::new("/dev/stdout")
    }

    pub(super) fn is_rotated(&self) -> bool {
        self.rotate_size.is_some() || self.rotate_daily
    }
}

/// The log file, open.
#[derive(Debug)]
pub(super) struct OpenFile {
    wanted: LogFile,
    file: File,
    size: u64,
    /// The day of its last entry.
    day: Day,
    /// When a rotation may be tried again that failed.
    not_before: Option<Instant>,
    tidying: Option<JoinHandle<Result<(), TidyError>>>,
    /// Files were rotated since tidying began.
    is_untidy: bool,
    /// What the log's reader should know.
    remarks: Vec<Remark>,
}

impl OpenFile {
    pub(super) fn open(mut wanted: LogFile) -> Result<Self, OpenLogError> {
        let path = path_with_pid(&wanted.path, std::process::id());
        // The path stays right when somebody changes the working directory.
        wanted.path =
            std::path::absolute(&path).map_err(|source| OpenLogError::File { path, source })?;
        let file = open(&wanted)?;
        if wanted.is_rotated() && !is_regular(&file) {
            return Err(OpenLogError::NotRotatable { path: wanted.path });
        }
        let is_untidy = wanted.is_rotated();
        let mut log = Self {
            size: size_of_file(&file),
            day: day_of(&file),
            wanted,
            file,
            not_before: None,
            tidying: None,
            is_untidy,
            remarks: Vec::new(),
        };
        log.tidy();
        Ok(log)
    }

    /// Where it is, whatever the working directory.
    pub(super) fn path(&self) -> &Path {
        &self.wanted.path
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// So many bytes were written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.size += bytes as u64;
    }

    /// Removes so many bytes from the end, if these are the last that were written, and whether it did.
    pub(super) fn take_back(&mut self, bytes: usize) -> bool {
        let Some(size) = self.size.checked_sub(bytes as u64) else {
            return false;
        };
        let is_ours = is_regular(&self.file) && size_of_file(&self.file) == self.size;
        if !is_ours || self.file.set_len(size).is_err() {
            return false;
        }
        self.size = size;
        true
    }

    /// What should be told in the log itself.
    pub(super) fn take_remarks(&mut self) -> Vec<Remark> {
        std::mem::take(&mut self.remarks)
    }

    /// How much may still be written to this file; that may be less than an entry needs.
    pub(super) fn room(&self) -> usize {
        let room = self
            .wanted
            .rotate_size
            .map(|most| most.saturating_sub(self.size));
        room.map_or(usize::MAX, |room| {
            usize::try_from(room).unwrap_or(usize::MAX)
        })
    }

    /// Rotates the file if an entry of so many bytes should not go into it any more. Whether what is open is another
    /// file now.
    pub(super) fn make_room(&mut self, bytes: usize) -> bool {
        self.tidy();
        let today = Day::of(SystemTime::now());
        let is_new_day = self.wanted.rotate_daily && today > self.day;
        let is_due = self.size > 0 && (is_new_day || self.room() < bytes);
        if !is_due {
            self.day = today;
            return false;
        }
        if self.not_before.is_some_and(|then| Instant::now() < then) {
            return false;
        }
        match self.rotate() {
            Ok(()) => {
                self.not_before = None;
                self.is_untidy = true;
                self.tidy();
                true
            }
            Err(error) => {
                self.put_off(&error);
                false
            }
        }
    }

    /// Opens the file anew: somebody has renamed or removed it. Whether what is open is another file now.
    pub(super) fn reopen(&mut self) -> bool {
        match open(&self.wanted) {
            Ok(file) => {
                let is_another = !is_same_file(&file, &self.file);
                self.go_on_with(file);
                is_another
            }
            Err(error) => {
                let error = with_causes(&error);
                let text = format!("{error}; the log goes on in the file that is open");
                self.remarks.push(Remark::for_all(text));
                false
            }
        }
    }

    fn rotate(&mut self) -> Result<(), OpenLogError> {
        let path = &self.wanted.path;
        let failed = |errno: Errno| OpenLogError::Rotate {
            path: path.clone(),
            source: errno.into(),
        };
        let keep_from = self.wanted.keep_from.as_ref();
        let place = Place::find(path, keep_from).map_err(OpenLogError::Unsafe)?;
        let here = fstat(&self.file).map_err(failed)?;
        let is_there = place.stat().is_ok_and(|there| is_same(&there, &here));
        if !is_there || is_small_again(&here, self.size) {
            // Somebody else has rotated it.
            let file = open(&self.wanted)?;
            self.go_on_with(file);
            return Ok(());
        }
        let rotated = set_aside(&place, path, self.day).map_err(failed)?;
        match open(&self.wanted) {
            Ok(file) => {
                // Who could read the log can read it still, or the log goes on without them.
                let _ = give_access(&file, &here);
                self.go_on_with(file);
                Ok(())
            }
            Err(error) => {
                // Its name is free: nobody has made another file meanwhile, or it stays as it is.
                let _ = rotated.rename(&place);
                Err(error)
            }
        }
    }

    fn go_on_with(&mut self, file: File) {
        self.size = size_of_file(&file);
        self.day = day_of(&file);
        self.file = file;
    }

    /// Tells once that the file grows on.
    fn put_off(&mut self, error: &OpenLogError) {
        if self.not_before.is_none() {
            let error = with_causes(error);
            let text = format!("{error}; the log grows on, and this is tried again every minute");
            self.remarks.push(Remark::for_all(text));
        }
        self.not_before = Some(Instant::now() + RETRY);
    }

    /// Starts what has to be done with rotated files, unless it is being done.
    fn tidy(&mut self) {
        if self
            .tidying
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
        {
            return;
        }
        if let Some(Ok(Err(error))) = self.tidying.take().map(JoinHandle::join) {
            self.remarks.push(Remark::for_all(with_causes(&error)));
        }
        if !std::mem::take(&mut self.is_untidy) {
            return;
        }
        let tidying = Tidying {
            keep: self.wanted.keep,
            compress: self.wanted.compress,
        };
        match tidying.start(self.wanted.path.clone(), self.wanted.keep_from.clone()) {
            Ok(thread) => self.tidying = Some(thread),
            Err(error) => {
                let text =
                    format!("cannot start the thread that tidies rotated log files: {error}");
                self.remarks.push(Remark::for_all(text));
            }
        }
    }
}

/// Gives the file a name that sorts after those that are there, and returns where it is now.
fn set_aside<'keep>(
    place: &Place<'keep>,
    path: &Path,
    day: Day,
) -> rustix::io::Result<Place<'keep>> {
    let base = path.file_name().unwrap_or_default();
    let names = place.names_beside()?.into_iter();
    let files: Vec<_> = names
        .map(|name| {
            let is_ours = is_ours(&place.beside(&name));
            (name, is_ours)
        })
        .collect();
    let mut rotated = Rotated::next(day, &files, base);
    for _ in 0..ATTEMPTS {
        let aside = place.beside(&rotated.name(base));
        match place.rename(&aside) {
            Ok(()) => return Ok(aside),
            Err(Errno::EXIST) => rotated = rotated.following(),
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::EXIST)
}

/// Opens the file to append to it, or makes it, unless the user it is to be kept from could change its place.
fn open(wanted: &LogFile) -> Result<File, OpenLogError> {
    let keep_from = wanted.keep_from.as_ref();
    let place = Place::find(&wanted.path, keep_from).map_err(OpenLogError::Unsafe)?;
    let mut file = open_at(&place)?;
    for _ in 1..ATTEMPTS {
        mark_in_use(&file);
        // Rotated before it was marked, it may be compressed already.
        if place.stat().is_ok_and(|there| is_at(&there, &file)) {
            break;
        }
        file = open_at(&place)?;
    }
    Ok(file)
}

fn open_at(place: &Place<'_>) -> Result<File, OpenLogError> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NONBLOCK; // a fifo without a reader is an error, not a wait
    let opened = place.open(flags, Mode::from_raw_mode(0o644));
    let file = opened.map_err(|errno| OpenLogError::File {
        path: place.path().to_path_buf(),
        source: errno.into(),
    })?;
    place.check(&file).map_err(OpenLogError::Unsafe)?;
    Ok(File::from(file))
}

/// Somebody has copied and truncated it.
fn is_small_again(here: &Stat, size: u64) -> bool {
    u64::try_from(here.st_size).is_ok_and(|now| now < size)
}

fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

fn is_same_file(one: &File, other: &File) -> bool {
    fstat(one).is_ok_and(|one| is_at(&one, other))
}

fn is_at(there: &Stat, file: &File) -> bool {
    fstat(file).is_ok_and(|file| is_same(there, &file))
}

fn is_regular(file: &File) -> bool {
    fstat(file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

fn size_of_file(file: &File) -> u64 {
    file.metadata().map_or(0, |metadata| metadata.len())
}

/// The path with our process id in place of each `*`.
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

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
