//! Users: who runs the tests, and another one to run something as.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;

use crate::process::program;

/// A user that every system has and that owns nothing.
pub const NOBODY: &str = "nobody";

/// For tests of what only root can do. A test that could not show its promise must not pass, and a user namespace of an
/// ordinary user has but one user.
///
/// # Panics
/// When somebody else runs the tests.
pub fn needs_root() {
    assert!(
        geteuid().is_root(),
        "only root can start workers as another user: run `cargo test --test as_root` as root"
    );
}

/// Makes the command an ordinary user's if the tests are run by root.
pub fn without_privileges(command: &mut Command) -> &mut Command {
    if geteuid().is_root() {
        let (uid, gid) = (id(&["-u", NOBODY]), id(&["-g", NOBODY]));
        command.uid(uid).gid(gid);
    }
    command
}

/// The command in a user namespace in which we are root, unless we are root anyway: a watcher is not dumpable, so that
/// `/proc` shows its descriptors to root only.
#[must_use]
pub fn inspectable(command: Command) -> Command {
    if geteuid().is_root() {
        return command;
    }
    let mut unshared = Command::new("unshare");
    unshared
        .args(["--user", "--map-root-user"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => unshared.env(name, value),
            None => unshared.env_remove(name),
        };
    }
    unshared
}

fn id(arguments: &[&str]) -> u32 {
    let output = Command::new("id")
        .args(arguments)
        .output()
        .expect("id is there");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().expect("id knows the user")
}

/// A copy of a program in a directory that everybody can enter, as that of the build may not be.
///
/// # Panics
/// When it cannot be copied.
#[must_use]
pub fn program_for_everybody(name: &str, directory: &Path) -> PathBuf {
    let copy = directory.join(name);
    let open = Permissions::from_mode(0o755);
    fs::set_permissions(directory, open).expect("the directory is ours");
    // By another process: were it still open for writing in a child of another test's, it could not be executed.
    let copied = Command::new("cp").arg(program(name)).arg(&copy).status();
    assert!(
        copied.expect("cp is there").success(),
        "there is room for a copy"
    );
    copy
}
