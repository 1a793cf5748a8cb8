//! A program that is its own watcher. This test is such a program: it starts itself as one.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails right there"
)]

use std::io::{BufRead, BufReader, Lines};
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

use clap::Parser;
use everport::cli::{ClusterArgs, Role};

/// Tells this program to be the server, and not the test of it.
const SERVE: &str = "EVERPORT_TEST_SERVE";

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    cluster: ClusterArgs,
}

fn main() -> ExitCode {
    if std::env::var_os(SERVE).is_some() {
        return serve();
    }
    with_workers_it_is_its_own_watcher();
    with_workers_it_tells_its_service_manager_how_it_is();
    without_workers_it_is_standalone();
    a_failure_of_the_watcher_becomes_the_exit_code();
    a_rollout_runs_what_was_moved_to_the_path();
    a_rollout_runs_what_the_symbolic_link_leads_to_by_then();
    ExitCode::SUCCESS
}

#[tokio::main(flavor = "current_thread")]
async fn serve() -> ExitCode {
    let cluster = match Flags::parse().cluster.join().await.unwrap() {
        Role::Watched(code) => return code,
        Role::Worker(cluster) => cluster,
    };
    let listener = cluster.listen("127.0.0.1:0").await.unwrap();
    match cluster.slot() {
        Some(slot) => println!(
            "a worker in slot {slot} of release {}",
            release(Path::new("/proc/self/exe"))
        ),
        None => println!("standalone"),
    }
    loop {
        tokio::select! {
            accepted = listener.accept() => drop(accepted),
            () = cluster.terminated() => break,
        }
    }
    cluster.leave().await.unwrap();
    ExitCode::SUCCESS
}

fn with_workers_it_is_its_own_watcher() {
    let mut server = Server::start(&["--workers", "2"]);
    server.tells("the cluster is ready: 2 workers");
    server.tells("a worker in slot 0");
    server.tells("a worker in slot 1");
    assert_eq!(server.stop(), Some(0));
}

fn with_workers_it_tells_its_service_manager_how_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let ourselves = std::env::current_exe().unwrap();
    let mut command = Server::command(&ourselves, &["--workers", "1"]);
    let mut server = Server::spawn(command.env("NOTIFY_SOCKET", &path));
    let is_told = |expected: &str| {
        let mut message = [0; 1024];
        loop {
            let length = manager.recv(&mut message).unwrap();
            if String::from_utf8_lossy(&message[..length]).contains(expected) {
                return;
            }
        }
    };
    is_told("READY=1\n");
    assert_eq!(server.stop(), Some(0));
    is_told("STOPPING=1\n");
}

/// What tells two copies of this program apart.
fn release(executable: &Path) -> u64 {
    executable.metadata().unwrap().ino()
}

fn copy_ourselves(to: &Path) {
    std::fs::copy(std::env::current_exe().unwrap(), to).unwrap();
}

/// Starts a cluster at the path, has something else put there, and restarts it.
fn check_rollout(path: &Path, replace: impl FnOnce()) {
    let mut server = Server::start_at(path, &["--workers", "1", "--settle", "0"]);
    let old = release(path);
    server.tells("the cluster is ready");
    replace();
    server.signal(rustix::process::Signal::USR1);
    server.tells("rollout to generation 2 finished");
    assert_eq!(server.stop(), Some(0));
    for release in [old, release(path)] {
        let expected = format!("a worker in slot 0 of release {release}");
        let is_told = server.seen.iter().any(|line| line.contains(&expected));
        assert!(is_told, "{expected}: {:#?}", server.seen);
    }
}

fn a_rollout_runs_what_was_moved_to_the_path() {
    let directory = tempfile::tempdir().unwrap();
    let (path, new) = (
        directory.path().join("server"),
        directory.path().join("new"),
    );
    copy_ourselves(&path);
    copy_ourselves(&new);
    check_rollout(&path, || std::fs::rename(&new, &path).unwrap());
}

fn a_rollout_runs_what_the_symbolic_link_leads_to_by_then() {
    let directory = tempfile::tempdir().unwrap();
    let [path, one, two] = ["current", "one", "two"].map(|name| directory.path().join(name));
    copy_ourselves(&one);
    copy_ourselves(&two);
    symlink(&one, &path).unwrap();
    check_rollout(&path, || {
        std::fs::remove_file(&path).unwrap();
        symlink(&two, &path).unwrap();
    });
}

fn without_workers_it_is_standalone() {
    let mut server = Server::start(&[]);
    assert_eq!(server.next_line(), "standalone");
    assert_eq!(server.stop(), Some(0));
}

fn a_failure_of_the_watcher_becomes_the_exit_code() {
    let mut server = Server::start(&["-w", "1", "--pid-file", "/nonexistent/pid"]);
    assert!(server.lines.next().is_none());
    assert_eq!(server.child.wait().unwrap().code(), Some(6));
}

/// This program as a server; it does not outlive a test that fails.
struct Server {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<String>,
}

impl Server {
    fn start(flags: &[&str]) -> Self {
        Self::start_at(&std::env::current_exe().unwrap(), flags)
    }

    fn start_at(path: &Path, flags: &[&str]) -> Self {
        Self::spawn(&mut Self::command(path, flags))
    }

    fn command(path: &Path, flags: &[&str]) -> Command {
        let mut command = Command::new(path);
        command
            .args(flags)
            .env(SERVE, "1")
            .env_remove("EVERPORT_LINK")
            .stdout(Stdio::piped());
        command
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    fn next_line(&mut self) -> String {
        self.lines.next().expect("the server ended").unwrap()
    }

    /// Waits for a line that contains this, unless it has come already.
    fn tells(&mut self, expected: &str) {
        while !self.seen.iter().any(|line| line.contains(expected)) {
            let line = self.next_line();
            self.seen.push(line);
        }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    fn stop(&mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        // What it still prints must not fill the pipe.
        self.seen.extend(self.lines.by_ref().map_while(Result::ok));
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has been waited for is not killed again.
        let _ = self.child.kill();
    }
}
