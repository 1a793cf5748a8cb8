//! The last step in the child: executes the program, by descriptor or by path, and nothing in its place.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString, c_char};
use std::io;
#[cfg(all(target_os = "linux", not(everport_portable)))]
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::watcher::programs::Executable;

/// Makes the command's child execute this program, under this name, with the command's arguments and
/// environment. To be called when everything else has been asked of the command: what comes later is never
/// reached. The program's descriptor must stay open until the child was spawned.
///
/// The standard library's own way knows paths only, and hands to a shell what the kernel does not recognise,
/// such as a file that was copied by half.
pub(super) fn execute_last(
    command: &mut Command,
    name: &OsStr,
    program: Executable<'_>,
) -> io::Result<()> {
    let execution = Execution {
        target: Target::of(program)?,
        arguments: arguments(command, name)?,
        variables: variables(command)?,
    };
    // SAFETY: between fork and exec only one async-signal-safe system call is made, and nothing is
    // allocated: all that it needs was made before.
    unsafe { command.pre_exec(move || Err(execution.perform())) };
    Ok(())
}

/// All that the system call needs.
struct Execution {
    target: Target,
    arguments: CStrings,
    variables: CStrings,
}

enum Target {
    #[cfg(all(target_os = "linux", not(everport_portable)))]
    Descriptor(RawFd),
    Path(CString),
}

impl Target {
    fn of(program: Executable<'_>) -> io::Result<Self> {
        Ok(match program {
            #[cfg(all(target_os = "linux", not(everport_portable)))]
            Executable::Descriptor(descriptor) => Self::Descriptor(descriptor.as_raw_fd()),
            Executable::Path(path) => Self::Path(CString::new(path.as_os_str().as_bytes())?),
        })
    }
}

impl Execution {
    /// Returns only when it fails.
    fn perform(&self) -> io::Error {
        let (arguments, variables) = (self.arguments.as_ptr(), self.variables.as_ptr());
        match &self.target {
            #[cfg(all(target_os = "linux", not(everport_portable)))]
            Target::Descriptor(descriptor) => {
                // SAFETY: the arrays end with a null pointer, their strings with a zero byte, and both live as
                // long as `self`. The kernel only reads them.
                unsafe {
                    libc::syscall(
                        libc::SYS_execveat,
                        *descriptor,
                        c"".as_ptr(),
                        arguments,
                        variables,
                        libc::AT_EMPTY_PATH,
                    )
                };
            }
            Target::Path(path) => {
                // SAFETY: as above.
                unsafe { libc::execve(path.as_ptr(), arguments, variables) };
            }
        }
        io::Error::last_os_error()
    }
}

/// An array of strings as C has them, ended by a null pointer.
struct CStrings {
    pointers: Vec<*const c_char>,
    /// What they point to.
    _strings: Vec<CString>,
}

// SAFETY: the pointers lead to what the strings own on the heap, which nothing changes while they live.
unsafe impl Send for CStrings {}
// SAFETY: as above.
unsafe impl Sync for CStrings {}

impl CStrings {
    fn new(strings: impl Iterator<Item = Vec<u8>>) -> io::Result<Self> {
        let strings: Vec<CString> = strings.map(CString::new).collect::<Result<_, _>>()?;
        let pointers = strings.iter().map(|string| string.as_ptr());
        Ok(Self {
            pointers: pointers.chain([std::ptr::null()]).collect(),
            _strings: strings,
        })
    }

    fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

fn arguments(command: &Command, name: &OsStr) -> io::Result<CStrings> {
    let all = [name].into_iter().chain(command.get_args());
    CStrings::new(all.map(|argument| argument.as_bytes().to_vec()))
}

/// Our own environment with the command's changes, as the standard library makes it.
fn variables(command: &Command) -> io::Result<CStrings> {
    let mut all: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => all.insert(key.to_owned(), value.to_owned()),
            None => all.remove(key),
        };
    }
    CStrings::new(all.into_iter().map(|(key, value)| {
        let mut entry = key.into_vec();
        entry.push(b'=');
        entry.extend_from_slice(value.as_bytes());
        entry
    }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A variable that every test has.
    const REMOVED: &str = "CARGO_MANIFEST_DIR";
    const TELL: &str = "tr '\\0' '\\n' </proc/$$/cmdline; tr '\\0' '\\n' </proc/$$/environ";

    /// What the standard library and we make of the same command.
    fn both_ways(program: Executable<'_>) -> [String; 2] {
        let name = OsStr::new("a name");
        let command = || {
            let mut command = Command::new("/bin/sh");
            command.arg0(name).args(["-c", TELL, "first", ""]);
            command
                .env("GIVEN", "a=b")
                .env("EMPTY", "")
                .env_remove(REMOVED);
            command
        };
        let mut ours = command();
        execute_last(&mut ours, name, program).unwrap();
        [ours, command()].map(|mut command| {
            let output = command.output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        })
    }

    #[test]
    fn arguments_and_environment_are_those_of_the_command() {
        let [ours, theirs] = both_ways(Executable::Path(Path::new("/bin/sh")));
        assert_eq!(ours, theirs);
        assert!(
            ours.contains("a name\n") && ours.contains("\nGIVEN=a=b\n"),
            "{ours}"
        );
        assert!(!ours.contains(REMOVED), "{ours}");
    }

    #[cfg(all(target_os = "linux", not(everport_portable)))]
    #[test]
    fn by_descriptor_the_program_sees_the_same() {
        use std::os::fd::AsFd;
        let shell = std::fs::File::open("/bin/sh").unwrap();
        let [ours, theirs] = both_ways(Executable::Descriptor(shell.as_fd()));
        assert_eq!(ours, theirs);
    }

    #[test]
    fn what_the_kernel_does_not_recognise_is_not_given_to_a_shell() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("no-program");
        // A file that we ourselves wrote could still be open in what another test has just forked.
        let mut write = Command::new("/bin/sh");
        write
            .args(["-c", "echo exit 0 >$0; chmod +x $0"])
            .arg(&path);
        assert!(write.status().unwrap().success());
        let mut command = Command::new(&path);
        execute_last(&mut command, path.as_os_str(), Executable::Path(&path)).unwrap();
        let error = command.status().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOEXEC), "{error}");
    }

    #[test]
    fn a_zero_byte_is_an_error() {
        let program = Executable::Path(Path::new("/bin/true"));
        let start = |name: &str, argument: &str| {
            let mut command = Command::new("/bin/true");
            command.arg(argument);
            execute_last(&mut command, OsStr::new(name), program)?;
            command.status()
        };
        assert!(start("true", "argument").unwrap().success());
        for (name, argument) in [("tr\0ue", "argument"), ("true", "argu\0ment")] {
            let error = start(name, argument).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }
}
