//! A program that is its own watcher. This test is such a program: it starts itself as one.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails right there"
)]

use std::io::{BufRead, BufReader, Lines};
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
    without_workers_it_is_standalone();
    a_failure_of_the_watcher_becomes_the_exit_code();
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
        Some(slot) => println!("a worker in slot {slot}"),
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
    let mut seen = Vec::new();
    for expected in [
        "the cluster is ready: 2 workers",
        "a worker in slot 0",
        "a worker in slot 1",
    ] {
        while !seen.iter().any(|line: &String| line.contains(expected)) {
            seen.push(server.next_line());
        }
    }
    assert_eq!(server.stop(), Some(0));
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
}

impl Server {
    fn start(flags: &[&str]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(flags)
            .env(SERVE, "1")
            .env_remove("EVERPORT_LINK")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn next_line(&mut self) -> String {
        self.lines.next().expect("the server ended").unwrap()
    }

    fn stop(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        // What it still prints must not fill the pipe.
        self.lines.by_ref().for_each(drop);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has been waited for is not killed again.
        let _ = self.child.kill();
    }
}
