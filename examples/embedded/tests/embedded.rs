//! The example as its readers run it: commands typed, answers read.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};

use everport_tests::{Log, get};

/// The running application; it does not outlive a test that fails.
struct Application {
    process: Child,
    typed: ChildStdin,
    log: Log,
}

impl Application {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_embedded"))
            .arg("127.0.0.1:0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let log = Log::default();
        log.follow(process.stdout.take().expect("stdout is a pipe"));
        log.follow(process.stderr.take().expect("stderr is a pipe"));
        let typed = process.stdin.take().expect("stdin is a pipe");
        Self {
            process,
            typed,
            log,
        }
    }

    fn type_line(&mut self, line: &str) {
        writeln!(self.typed, "{line}").expect("somebody reads it");
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        // One that has been waited for is not killed again. Its workers notice that it is gone.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn address_in(line: &str) -> SocketAddr {
    let (_, rest) = line.split_once("serving on ").expect("the address");
    let (address, _) = rest.split_once(';').expect("the address");
    address.parse().expect("an address")
}

#[test]
fn it_takes_commands_and_tells_what_happens() {
    let mut application = Application::start();
    let address = address_in(&application.log.wait_for("serving on "));
    assert_eq!(get(address, "/Ada").body, "Hello, Ada!\n");
    application.log.wait_for(" greeted Ada: 1 so far");
    application.type_line("scale 3");
    application.log.wait_for("worker 3 serves, pid ");
    application.type_line("status");
    application.log.wait_for("3 of 3 workers serve");
    application.type_line("restart");
    application.log.wait_for("everybody is of generation 2");
    application.log.wait_for("worker 1 has gone: exited");
    application
        .log
        .wait_for("[info] rollout to generation 2 finished");
    application.type_line("dance");
    application
        .log
        .wait_for("say restart, scale N, status or stop");
    application.type_line("stop");
    application.log.wait_for("the cluster has ended: Stopped");
    let status = application.process.wait().expect("our own child");
    assert!(status.success(), "{status}");
}

#[test]
fn it_is_a_short_program() {
    let sources = [
        include_str!("../src/main.rs"),
        include_str!("../src/worker.rs"),
    ];
    let application = include_str!("../src/application.rs")
        .split("#[cfg(test)]")
        .next();
    let lines = sources.into_iter().chain(application).flat_map(str::lines);
    assert!(lines.count() < 150);
}
