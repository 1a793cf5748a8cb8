//! A watcher within another program, which keeps its signals and its children.

mod ending;
mod hooks;
mod kinds;
mod notices;
mod restarting;
mod waiting;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use everport::log::Notice;
use everport::watcher::{
    Builder, ExitReason, Handle, Notices, Notification as Heard, Program, RunError, Status,
};
use everport::{Sharing, Watcher};
use everport_tests::{Answer, Deployment, Kind, PATIENCE, Told, get, program, worker};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A cluster whose watcher is a task of the test. A test that fails drops it, and its workers leave by themselves.
struct Embedded {
    handle: Handle,
    running: JoinHandle<Result<ExitReason, RunError>>,
}

impl Embedded {
    fn start(builder: Builder) -> Self {
        let watcher = builder.build().unwrap();
        let handle = watcher.handle();
        let running = tokio::spawn(watcher.run());
        Self { handle, running }
    }

    async fn ready(builder: Builder) -> Self {
        let embedded = Self::start(builder);
        soon(embedded.handle.ready()).await.unwrap();
        embedded
    }

    async fn status(&self) -> Status {
        soon(self.handle.status()).await.unwrap()
    }

    async fn address(&self) -> SocketAddr {
        let ports = soon(self.handle.ports()).await.unwrap();
        ports[0].socket_addr().unwrap()
    }

    /// The release that the cluster answers with.
    async fn release(&self) -> String {
        let answer = get_aside(self.address().await, "/").await;
        answer.header("x-release").unwrap().to_owned()
    }

    async fn stop(self) -> ExitReason {
        self.handle.stop();
        soon(self.running).await.unwrap().unwrap()
    }
}

/// Workers that listen on one port of the system's choice.
fn workers(count: u32) -> Builder {
    of_program(count, Program::find(program("test-worker")).unwrap())
}

/// The same of either kind; threads are this test's own.
fn workers_of(kind: Kind, count: u32) -> Builder {
    match kind {
        Kind::Processes => workers(count),
        Kind::Threads => {
            let serve =
                async |cluster| worker::serve_as_told(cluster, "--listen 127.0.0.1:0").await;
            Watcher::threads(count, serve).settle(Duration::ZERO)
        }
    }
}

/// The same of a program that can be deployed anew.
fn deployed(count: u32, deployment: &Deployment) -> Builder {
    of_program(count, Program::find(deployment.path()).unwrap())
}

fn of_program(count: u32, program: Program) -> Builder {
    let program = program.args(["--listen", "127.0.0.1:0"]);
    Watcher::builder(program)
        .workers(count)
        .settle(Duration::ZERO)
}

/// What comes in time.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it takes too long")
}

/// Reads notices up to the first that is wanted, and gives that.
async fn hear(notices: &mut Notices, is_wanted: impl Fn(&Notice) -> bool) -> Heard {
    loop {
        let heard = soon(notices.next()).await.expect("the watcher goes on");
        let heard = heard.expect("nothing is missed");
        if is_wanted(&heard.notice) {
            return heard;
        }
    }
}

/// Asks on a thread of its own, so that the watcher goes on meanwhile.
async fn get_aside(address: SocketAddr, path: &'static str) -> Answer {
    let asked = tokio::task::spawn_blocking(move || get(address, path));
    asked.await.unwrap()
}

/// The lines of the process's status about signals it has handlers for.
fn caught_signals() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status
        .lines()
        .find(|line| line.starts_with("SigCgt"))
        .unwrap()
        .to_owned()
}

#[test]
fn an_application_starts_restarts_scales_and_stops_a_cluster_of_its_own() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let signals_before = caught_signals();
    // A child of the application's own, dead and not yet waited for.
    let mut own_child = Command::new("true").spawn().unwrap();

    let told = Arc::new(Told::default());
    let worker = Program::find(program("test-worker"))
        .unwrap()
        .args(["--listen", "127.0.0.1:0"]);
    let watcher = Watcher::builder(worker)
        .workers(2)
        .settle(Duration::ZERO)
        .sharing(Sharing::Reuseport)
        .sink(told.clone())
        .build()
        .unwrap();
    let handle = watcher.handle();
    let running = runtime.spawn(watcher.run());
    let wait_for = |text: &str| told.wait_for(text);

    wait_for("the cluster is ready: 2 workers");
    let line = wait_for("listening on");
    let address = line.split_whitespace().nth(2).unwrap().parse().unwrap();
    assert_eq!(get(address, "/").body, "Hello, World!");
    handle.restart();
    wait_for("rollout to generation 2 finished");
    handle.scale(3);
    wait_for("scaled from 2 to 3 workers");
    let status = runtime.block_on(handle.status()).unwrap();
    assert_eq!((status.slots, status.generation.0), (3, 2));
    assert_eq!(caught_signals(), signals_before);
    handle.stop();
    assert_eq!(
        runtime.block_on(running).unwrap().unwrap(),
        ExitReason::Stopped
    );
    assert!(
        own_child.wait().unwrap().success(),
        "the application's child is still its own to wait for"
    );
    assert!(runtime.block_on(handle.status()).is_err());
}
