//! How an embedded watcher ends when nobody stops it: dropped while it runs, or before.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use everport::Sharing;
use everport::log::{Entry, Sink};
use everport::watcher::{RestartError, WatcherEnded};
use everport_tests::{Kind, PATIENCE, for_each_kind, is_alive};

use super::{Embedded, soon, workers, workers_of};

for_each_kind!(
    async who_waits_for_a_watcher_that_is_never_run_is_told,
    commands_given_before_the_run_wait_for_it,
);

#[tokio::test]
async fn workers_leave_by_themselves_when_the_run_is_dropped_and_nobody_waits_in_vain() {
    let called = Arc::new(AtomicUsize::new(0));
    let ends = Arc::clone(&called);
    let builder = workers(2).after_end(move |_| {
        ends.fetch_add(1, Ordering::SeqCst);
    });
    let embedded = Embedded::ready(builder).await;
    let pids = pids_of(&embedded).await;
    let mut notices = embedded.handle.notices();
    let restart = embedded.handle.restart();
    embedded.running.abort();
    assert!(soon(embedded.running).await.unwrap_err().is_cancelled());
    let handle = embedded.handle;
    assert!(matches!(soon(restart).await, Err(RestartError::Ended(_))));
    assert_eq!(soon(handle.ready()).await, Err(WatcherEnded));
    assert_eq!(soon(handle.at_rest()).await, Err(WatcherEnded));
    assert_eq!(soon(handle.ports()).await, Err(WatcherEnded));
    assert_eq!(soon(handle.status()).await, Err(WatcherEnded));
    while soon(notices.next()).await.is_some() {}
    all_gone(&pids).await;
    assert_eq!(called.load(Ordering::SeqCst), 0, "no hook is called");
    assert_eq!(Arc::strong_count(&called), 1, "nor can it be any more");
}

async fn pids_of(embedded: &Embedded) -> Vec<u32> {
    let workers = embedded.status().await.workers.into_iter();
    workers.map(|worker| worker.pid.unwrap()).collect()
}

async fn all_gone(pids: &[u32]) {
    soon(async {
        while pids.iter().any(|pid| is_alive(*pid)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Told when a worker says that it is about to block.
#[derive(Default)]
struct Blocking(tokio::sync::Notify);

impl Sink for Blocking {
    fn write(&self, entry: Entry) {
        if let Entry::Line(line) = entry
            && line.text.contains("block begins")
        {
            self.0.notify_one();
        }
    }
}

#[tokio::test]
async fn what_nobody_had_accepted_is_reset_when_the_run_is_dropped_and_nobody_new_is_let_in() {
    for sharing in [Sharing::Reuseport, Sharing::Transfer, Sharing::Dispatch] {
        let blocking = Arc::new(Blocking::default());
        let builder = workers(1).sharing(sharing).sink(blocking.clone());
        let embedded = Embedded::ready(builder.shutdown_timeout(Duration::from_secs(1))).await;
        let (pids, address) = (pids_of(&embedded).await, embedded.address().await);
        let _serving = tokio::spawn(get_aside_unanswered(address));
        soon(blocking.0.notified()).await;
        // Its runtime hangs from now on.
        let mut queued = TcpStream::connect(address).unwrap();
        queued.set_read_timeout(Some(PATIENCE)).unwrap();
        embedded.running.abort();
        assert!(soon(embedded.running).await.unwrap_err().is_cancelled());
        all_gone(&pids).await;
        let read = queued.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(read, Err(ErrorKind::ConnectionReset), "{sharing:?}");
        let refused = TcpStream::connect(address).map(drop);
        let refused = refused.map_err(|error| error.kind());
        assert_eq!(refused, Err(ErrorKind::ConnectionRefused), "{sharing:?}");
    }
}

/// Has the worker hang, and is cut off.
async fn get_aside_unanswered(address: SocketAddr) {
    let asked = tokio::task::spawn_blocking(move || {
        use std::io::Write;

        let mut connection = TcpStream::connect(address).unwrap();
        connection
            .write_all(b"GET /block?ms=3600000 HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let _cut_off = connection.read(&mut [0]);
    });
    asked.await.unwrap();
}

async fn who_waits_for_a_watcher_that_is_never_run_is_told(kind: Kind) {
    let watcher = workers_of(kind, 1).build().unwrap();
    let handle = watcher.handle();
    let mut notices = handle.notices();
    let waiting = handle.clone();
    let ready = tokio::spawn(async move { waiting.ready().await });
    let restart = handle.restart();
    drop(watcher);
    assert_eq!(soon(ready).await.unwrap(), Err(WatcherEnded));
    assert!(matches!(soon(restart).await, Err(RestartError::Ended(_))));
    assert_eq!(soon(handle.status()).await, Err(WatcherEnded));
    assert!(soon(notices.next()).await.is_none());
    // What is asked for now changes nothing any more.
    handle.scale(3);
    handle.stop();
}

async fn commands_given_before_the_run_wait_for_it(kind: Kind) {
    let watcher = workers_of(kind, 1).build().unwrap();
    let handle = watcher.handle();
    handle.scale(2);
    let embedded = Embedded {
        handle,
        running: tokio::spawn(watcher.run()),
    };
    soon(embedded.handle.ready()).await.unwrap();
    assert_eq!(embedded.status().await.ready(), 2);
    embedded.stop().await;
}
