//! Releases of the test worker that differ as real ones do: by what is in the executable.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::process::program;

/// What stands between the executable and the release's name and words, which come last in the file.
const MARK: &[u8] = b"\0release of the test worker: ";

/// How much of an executable's end is searched: more than any release's name and words take.
const TAIL: u64 = 256;

/// A place that the test worker is deployed to.
#[derive(Debug)]
pub struct Deployment {
    directory: TempDir,
}

impl Deployment {
    /// Deploys a first release: a name, then words that say how it behaves.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn of(release: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let deployment = Self { directory };
        deployment.put(release);
        deployment
    }

    /// Where the program is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("server")
    }

    /// Deploys another release as it should be done: the finished file is moved to the path.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn put(&self, release: &str) {
        let tail = [MARK, release.as_bytes()].concat();
        self.put_with("cp \"$0\" \"$1\" && cat >> \"$1\"", &tail);
    }

    /// Moves the first bytes of the test worker to the path, as if a copy had been interrupted.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn put_part(&self, bytes: usize) {
        let script = format!("cp \"$0\" \"$1\" && head -c {bytes} \"$0\" > \"$1\"");
        self.put_with(&script, b"");
    }

    /// Moves a script to the path.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn put_script(&self, script: &str) {
        // A copy for its mode.
        self.put_with("cp \"$0\" \"$1\" && cat > \"$1\"", script.as_bytes());
    }

    /// Has a shell make the new file `$1` of the test worker `$0` and this input. By another process: were it still open for
    /// writing in a child of another test's, it could not be executed.
    fn put_with(&self, script: &str, input: &[u8]) {
        let new = self.directory.path().join("server.new");
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).arg(program("test-worker"));
        let mut shell = shell
            .arg(&new)
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh is there");
        let mut stdin = shell.stdin.take().expect("stdin is a pipe");
        stdin.write_all(input).expect("the shell reads it");
        drop(stdin);
        let written = shell.wait().expect("our own child");
        assert!(written.success(), "there is no room for a new release");
        fs::rename(&new, self.path()).expect("the new release is moved to its path");
    }
}

/// The release that an executable is, with its words; nothing if it was not deployed.
#[must_use]
pub fn release_of(executable: &Path) -> Option<String> {
    let mut file = File::open(executable).ok()?;
    let size = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL))).ok()?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).ok()?;
    let mark = tail
        .windows(MARK.len())
        .rposition(|window| window == MARK)?;
    String::from_utf8(tail.split_off(mark + MARK.len())).ok()
}
