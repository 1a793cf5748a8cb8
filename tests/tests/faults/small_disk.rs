//! A disk of 64 KiB that only one cluster sees: a tmpfs in a mount namespace of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use everport_tests::Cluster;

/// Where the disk is mounted, for those in its namespace.
pub(crate) struct SmallDisk {
    mount_point: tempfile::TempDir,
}

impl SmallDisk {
    pub(crate) fn new() -> Self {
        Self {
            mount_point: tempfile::tempdir().unwrap(),
        }
    }

    /// The disk's folder for those who use it.
    pub(crate) fn path(&self) -> &Path {
        self.mount_point.path()
    }

    /// The same folder for us, who are not in the namespace of the process that uses it.
    pub(crate) fn seen_through(&self, cluster: &Cluster) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", cluster.pid()));
        root.join(self.path().strip_prefix("/").unwrap())
    }

    /// The command, with the disk mounted for it.
    pub(crate) fn mounted_for(&self, command: &Command) -> Command {
        let mut unshared = own_namespace();
        let script = "mount -t tmpfs -o size=64k everport-test \"$0\" && exec \"$@\"";
        unshared
            .args(["sh", "-c", script])
            .arg(self.path())
            .arg(command.get_program())
            .args(command.get_args());
        unshared
    }
}

/// Uses up what is left in a folder's disk; removing the file gives it back.
pub(crate) fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("filler");
    let mut filler = fs::File::create(&path).unwrap();
    let mut nothing = std::io::repeat(0);
    let refused = std::io::copy(&mut nothing, &mut filler).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::StorageFull);
    path
}

/// `unshare` for a mount namespace: as root, or else in a user namespace in which we are root.
fn own_namespace() -> Command {
    let ways: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    let unshare = |way: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(way);
        command
    };
    let works = |way: &&[&str]| {
        let mut probe = unshare(way);
        probe.args(["mount", "-t", "tmpfs", "everport-test", "/mnt"]);
        let silent = probe.stdout(Stdio::null()).stderr(Stdio::null());
        silent.status().is_ok_and(|status| status.success())
    };
    let way = ways.into_iter().find(works).expect(
        "this test mounts a small disk in a mount namespace of its own: run it as root, or where unprivileged \
         users may make user namespaces (user_namespaces(7)), with `unshare` of util-linux",
    );
    unshare(way)
}
