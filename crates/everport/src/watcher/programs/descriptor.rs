//! A native executable is kept open and executed through its descriptor; anything else goes by its path.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::{Executable, IsRun, ProgramError};
use crate::Generation;

/// How a generation's program is kept.
#[derive(Debug)]
pub(super) enum Kept {
    /// Open, with what it looked like when it was opened.
    Native { file: File, state: State },
    /// An interpreter, or whatever the system has registered for such files, opens it by its path; or it may
    /// be executed but not read, so that nobody can say.
    ByPath,
}

impl Kept {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // Something that is no file must not make us wait.
        let file = match File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
        {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(Self::ByPath),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() || !is_native(&file)? {
            return Ok(Self::ByPath);
        }
        let state = State::of(&metadata);
        Ok(Self::Native { file, state })
    }

    /// What to execute; an error if it is not what was opened.
    pub(super) fn executable<'kept>(
        &'kept mut self,
        generation: Generation,
        path: &'kept Path,
        is_run: &IsRun<'_>,
    ) -> Result<Executable<'kept>, ProgramError> {
        let Self::Native { file, state } = self else {
            return Ok(Executable::Path(path));
        };
        let file: &'kept File = file;
        let path = path.to_path_buf();
        match file.metadata() {
            Ok(metadata) if state.still_holds(&metadata, is_run) => {
                Ok(Executable::Descriptor(file.as_fd()))
            }
            Ok(_) => Err(ProgramError::ChangedInPlace { path, generation }),
            Err(source) => Err(ProgramError::Unreadable {
                path,
                generation,
                source,
            }),
        }
    }
}

/// What changes when a file is written to. Its device and inode can't: the descriptor stands for them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct State {
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

impl State {
    fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    /// Whether the content is what it was. The time can be changed alone, as `touch` and `rsync` do. While a worker
    /// runs the file the kernel lets nobody write to it, and it was looked at before each worker was started; so if
    /// one of them still runs it, a new time does not mean new content.
    fn still_holds(&mut self, metadata: &Metadata, is_run: &IsRun<'_>) -> bool {
        let now = Self::of(metadata);
        if now != *self && (now.size != self.size || !is_run(metadata)) {
            return false;
        }
        *self = now;
        true
    }
}

/// What an ELF file begins with (elf(5)), and where in it the machine's number is.
const MAGIC: &[u8] = b"\x7fELF";
const MACHINE: std::ops::Range<usize> = 18..20;

/// Whether the kernel itself executes the file: an ELF file for the machine we are built for. What is for
/// another one is run by an emulator, which opens it by its path.
fn is_native(file: &File) -> io::Result<bool> {
    let mut header = [0; MACHINE.end];
    match file.read_exact_at(&mut header, 0) {
        Ok(()) => Ok(header.starts_with(MAGIC) && header[MACHINE] == machine().to_ne_bytes()),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The number of the machine we are built for; none for one that is not in the list.
fn machine() -> u16 {
    match std::env::consts::ARCH {
        "x86_64" => libc::EM_X86_64,
        "x86" => libc::EM_386,
        "aarch64" => libc::EM_AARCH64,
        "arm" => libc::EM_ARM,
        "powerpc64" => libc::EM_PPC64,
        "s390x" => libc::EM_S390,
        "riscv64" => libc::EM_RISCV,
        _ => libc::EM_NONE,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::Programs;
    use super::*;

    const FIRST: Generation = Generation(1);
    const SECOND: Generation = Generation(2);

    /// A file that begins as a native executable does; then come the given bytes.
    fn write_native(path: &Path, rest: &[u8]) {
        let mut bytes = vec![0; MACHINE.end];
        bytes[..MAGIC.len()].copy_from_slice(MAGIC);
        bytes[MACHINE].copy_from_slice(&machine().to_ne_bytes());
        bytes.extend_from_slice(rest);
        fs::write(path, bytes).unwrap();
    }

    fn nobody_runs(_file: &Metadata) -> bool {
        false
    }

    fn goes_by_path(path: &Path) -> bool {
        let mut programs = Programs::default();
        matches!(
            programs.of(FIRST, path, &nobody_runs),
            Ok(Executable::Path(_))
        )
    }

    fn last_byte(executable: Executable<'_>) -> u8 {
        let Executable::Descriptor(descriptor) = executable else {
            panic!("it goes by path");
        };
        let file = File::from(descriptor.try_clone_to_owned().unwrap());
        let mut last = [0];
        file.read_exact_at(&mut last, file.metadata().unwrap().len() - 1)
            .unwrap();
        last[0]
    }

    #[test]
    fn a_generation_keeps_its_program_and_the_next_takes_what_is_at_the_path() {
        let directory = tempfile::tempdir().unwrap();
        let (path, new) = (
            directory.path().join("server"),
            directory.path().join("new"),
        );
        let mut programs = Programs::default();
        write_native(&path, b"1");
        assert_eq!(
            last_byte(programs.of(FIRST, &path, &nobody_runs).unwrap()),
            b'1'
        );
        write_native(&new, b"2");
        fs::rename(&new, &path).unwrap();
        assert_eq!(
            last_byte(programs.of(FIRST, &path, &nobody_runs).unwrap()),
            b'1'
        );
        assert_eq!(
            last_byte(programs.of(SECOND, &path, &nobody_runs).unwrap()),
            b'2'
        );
        fs::remove_file(&path).unwrap();
        assert_eq!(
            last_byte(programs.of(FIRST, &path, &nobody_runs).unwrap()),
            b'1'
        );
        assert_eq!(
            last_byte(programs.of(SECOND, &path, &nobody_runs).unwrap()),
            b'2'
        );
    }

    #[test]
    fn one_that_was_written_to_is_not_executed_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server");
        write_native(&path, b"1");
        let mut programs = Programs::default();
        programs.of(SECOND, &path, &nobody_runs).unwrap();
        write_native(&path, b"longer");
        // Not even while somebody runs it, which the kernel would not have let happen.
        programs.of(SECOND, &path, &|_| true).unwrap_err();
        let error = programs
            .of(SECOND, &path, &nobody_runs)
            .unwrap_err()
            .to_string();
        let expected = format!(
            "the program of generation 2 was changed in place: {} (deploy by moving a new file to the path (mv), then restart)",
            path.display()
        );
        assert_eq!(error, expected);
    }

    #[test]
    fn one_whose_time_alone_has_changed_is_executed_while_somebody_runs_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server");
        write_native(&path, b"1");
        let mut programs = Programs::default();
        programs.of(FIRST, &path, &nobody_runs).unwrap();
        let touch = |seconds| {
            let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            File::open(&path).unwrap().set_modified(at).unwrap();
        };
        touch(1);
        let error = programs.of(FIRST, &path, &nobody_runs).unwrap_err();
        assert!(matches!(error, ProgramError::ChangedInPlace { .. }));
        let inode = fs::metadata(&path).unwrap().ino();
        programs
            .of(FIRST, &path, &|file| file.ino() == inode)
            .unwrap();
        // From now on it is the time that counts.
        programs.of(FIRST, &path, &nobody_runs).unwrap();
        touch(2);
        programs.of(FIRST, &path, &nobody_runs).unwrap_err();
    }

    #[test]
    fn a_generation_without_a_program_gets_the_first_that_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server");
        let mut programs = Programs::default();
        assert!(matches!(
            programs.of(FIRST, &path, &nobody_runs),
            Err(ProgramError::Missing { .. })
        ));
        write_native(&path, b"1");
        assert_eq!(
            last_byte(programs.of(FIRST, &path, &nobody_runs).unwrap()),
            b'1'
        );
    }

    #[test]
    fn only_a_native_executable_goes_by_descriptor() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server");
        for content in [&b""[..], b"#!/bin/sh\n", b"\x7fELF", &[0; 64]] {
            fs::write(&path, content).unwrap();
            assert!(goes_by_path(&path), "{content:?}");
        }
        let mut foreign = [0; 64];
        foreign[..MAGIC.len()].copy_from_slice(MAGIC);
        foreign[MACHINE].copy_from_slice(&0xfeed_u16.to_ne_bytes());
        fs::write(&path, foreign).unwrap();
        assert!(goes_by_path(&path), "it is for another machine");
        write_native(&path, b"1");
        assert!(!goes_by_path(&path));
    }

    #[test]
    fn what_is_no_file_or_cannot_be_read_goes_by_path_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        assert!(goes_by_path(&path));
        let path = directory.path().join("unreadable");
        write_native(&path, b"1");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o111)).unwrap();
        // Root reads everything.
        let is_root = rustix::process::geteuid().is_root();
        assert_eq!(goes_by_path(&path), !is_root);
    }

    #[test]
    fn a_generation_that_is_not_needed_any_more_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server");
        write_native(&path, b"1");
        let mut programs = Programs::default();
        programs.of(FIRST, &path, &nobody_runs).unwrap();
        programs.of(SECOND, &path, &nobody_runs).unwrap();
        programs.keep_only(|generation| generation == SECOND);
        assert_eq!(programs.len(), 1);
    }
}
