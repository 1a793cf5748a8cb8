//! A watcher within another program, which keeps its signals and its children.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use everport::log::{Entry, Notice, Sink};
use everport::watcher::{ExitReason, Program};
use everport::{Sharing, Watcher};
use everport_tests::{PATIENCE, get, program};

/// Keeps what the watcher tells.
#[derive(Default)]
pub(crate) struct Told(Mutex<Vec<String>>);

impl Told {
    /// The first line that contains the text.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lines = self.0.lock().unwrap();
            if let Some(line) = lines.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            drop(lines);
            assert!(Instant::now() < deadline, "not told: {text}");
            std::thread::yield_now();
        }
    }
}

impl Sink for Told {
    fn write(&self, entry: Entry) {
        if let Entry::Notice(notice, _) = entry {
            self.0.lock().unwrap().push(notice.to_string());
        }
    }
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
    assert!(runtime.block_on(handle.status()).is_none());
}

#[test]
fn notices_are_typed() {
    // The sink of an embedded watcher can tell notices apart without reading their text.
    fn is_ready(notice: &Notice) -> bool {
        matches!(
            notice,
            Notice::Supervisor(everport::watcher::Decision::ClusterReady { .. })
        )
    }
    let ready = everport::watcher::Decision::ClusterReady {
        workers: 1,
        took: Duration::ZERO,
    };
    assert!(is_ready(&Notice::Supervisor(ready)));
}
