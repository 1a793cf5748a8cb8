//! A pid file that cannot be written.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use everport_tests::{Cluster, Exit};

use crate::small_disk::SmallDisk;
use crate::unprivileged::Unprivileged;

/// The command says why, names the file, and starts nothing.
fn check_refused(command: Command, cause: &str, file: &Path) {
    let mut cluster = Cluster::spawn(command);
    let told = cluster.log().wait_for(&format!(
        "everport: cannot use the pid file {}",
        file.display()
    ));
    assert!(told.contains(&format!(": {cause}")), "{told}");
    assert_eq!(cluster.wait(), Exit::Code(6));
    assert_eq!(cluster.log().matching("started: pid"), [""; 0]);
}

#[test]
fn a_pid_file_where_nobody_may_write_ends_the_command_before_anything_starts() {
    let unprivileged = Unprivileged::new();
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let file = directory.path().join("pid");
    let options = format!("-w 1 --pid-file {}", file.display());
    let command = unprivileged.command(&options, "--listen 127.0.0.1:0");
    check_refused(command, "Permission denied", &file);
    assert!(!file.exists());
}

#[test]
fn a_pid_file_on_a_full_disk_ends_the_command_before_anything_starts() {
    let disk = SmallDisk::new();
    let file = disk.path().join("pid");
    let mut command = Command::new("sh");
    // `dd` says that it was refused the end, as it is meant to be.
    let script = "dd if=/dev/zero of=\"$0.filler\" bs=4096 2>/dev/null; exec \"$@\"";
    let everport = Cluster::command(["-w", "1", "--pid-file"]);
    command
        .args(["-c", script])
        .arg(&file)
        .arg(everport.get_program())
        .args(everport.get_args())
        .arg(&file)
        .args(["--", "true"]);
    check_refused(disk.mounted_for(&command), "No space left on device", &file);
}
