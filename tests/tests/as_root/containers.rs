//! The watcher as process 1 of a container that holds nothing but it and its program. Only root can make one.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use everport_tests::{Log, PATIENCE, get, is_alive, needs_root, program};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Nobody in particular, as images without users have it.
const SOMEBODY: &str = "65534:65534";

/// A root directory that cannot be written to, with `/dev` and `/proc` as every container has them, in namespaces
/// of its own for mounts and processes. Killed with all that is in it when it is dropped.
struct Container {
    unshare: Child,
    log: Log,
    _root: TempDir,
}

impl Container {
    /// Runs a command in it, as nobody in particular.
    fn run(arguments: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
        for name in ["everport", "test-worker"] {
            copy(&program(name), root.path());
        }
        for name in ["dev", "proc"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        let script = "root=\"$0\" user=\"$1\"; shift; mount --bind \"$root\" \"$root\" \
                      && mount --bind /dev \"$root/dev\" && mount -t proc proc \"$root/proc\" \
                      && mount -o remount,bind,ro \"$root\" \
                      && exec chroot --userspec=\"$user\" --groups= \"$root\" \"$@\"";
        let mut unshare = Command::new("unshare");
        unshare.args([
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            script,
        ]);
        unshare.arg(root.path()).arg(SOMEBODY).args(arguments);
        unshare
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut unshare = unshare.spawn().unwrap();
        let log = Log::default();
        log.follow(unshare.stdout.take().unwrap());
        log.follow(unshare.stderr.take().unwrap());
        Self {
            unshare,
            log,
            _root: root,
        }
    }

    /// The process that is number 1 inside, by its number outside.
    fn init(&self) -> u32 {
        self.find_init().unwrap()
    }

    fn find_init(&self) -> Option<u32> {
        let unshare = self.unshare.id();
        let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children"));
        children.ok()?.trim().parse().ok()
    }

    /// Whether a process exists, be it a zombie, by its number inside.
    fn has(&self, pid: u32) -> bool {
        Path::new(&format!("/proc/{}/root/proc/{pid}", self.init())).exists()
    }

    fn address(&self) -> SocketAddr {
        let line = self.log.wait_for("watcher  listening on ");
        let (_, rest) = line.split_once("watcher  listening on ").unwrap();
        rest.split_whitespace().next().unwrap().parse().unwrap()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.init().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn wait(&mut self) -> Option<i32> {
        self.log.wait_for_end(2);
        self.unshare.wait().unwrap().code()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // With the first process inside goes the rest. It has become somebody else, and so it does not end with its parent.
        let init = self.find_init().and_then(|pid| pid.try_into().ok());
        if let Some(init) = init.and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _gone = kill_process(init, Signal::KILL);
        }
        drop(self.unshare.kill());
        drop(self.unshare.wait());
    }
}

/// Copies a program and the libraries it needs. A static one needs none.
fn copy(program: &Path, root: &Path) {
    let to = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
    let name = PathBuf::from(program.file_name().unwrap());
    let mut files = vec![(program.to_owned(), to(&name))];
    let needs = Command::new("ldd").arg(program).output().unwrap();
    let needs = String::from_utf8(needs.stdout).unwrap();
    let libraries = needs
        .split_whitespace()
        .filter(|word| word.starts_with('/'));
    files.extend(libraries.map(|library| (library.into(), to(library.as_ref()))));
    for (from, to) in files {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        // By another process: were it still open for writing in a child of another test's, it could not be executed.
        let copied = Command::new("cp").arg(from).arg(to).status().unwrap();
        assert!(copied.success(), "there is room for a copy");
    }
}

const COMMAND: [&str; 6] = ["/everport", "run", "-w", "2", "--", "/test-worker"];

fn serving() -> Container {
    let arguments = [&COMMAND[..], &["--listen", "127.0.0.1:0"]].concat();
    let container = Container::run(&arguments);
    container.log.wait_for("the cluster is ready: 2 workers");
    container
}

#[test]
fn as_process_1_it_serves_from_a_read_only_root_and_ends_when_told_to() {
    needs_root();
    let mut container = serving();
    container.log.wait_for("watcher  pid 1");
    let address = container.address();
    assert_eq!(get(address, "/").body, "Hello, World!");
    container.signal(Signal::USR1);
    container.log.wait_for("rollout to generation 2 finished");
    assert_eq!(get(address, "/").body, "Hello, World!");
    // The kernel gives process 1 only signals that it handles.
    container.signal(Signal::TERM);
    assert_eq!(container.wait(), Some(0));
    container.log.wait_for("stopped after");
}

#[test]
fn as_process_1_it_reaps_orphans() {
    needs_root();
    let container = serving();
    let answer = get(container.address(), "/orphan").body;
    let orphan: u32 = answer.parse().unwrap_or_else(|_| panic!("{answer}"));
    let deadline = Instant::now() + PATIENCE;
    while container.has(orphan) {
        assert!(Instant::now() < deadline, "the orphan was not reaped");
        std::thread::yield_now();
    }
    assert!(is_alive(container.init()), "it goes on");
}
