//! How an embedded watcher ends when nobody stops it: dropped while it runs, or before.

use everport::watcher::{RestartError, WatcherEnded};
use everport_tests::is_alive;

use super::{Embedded, soon, workers};

#[tokio::test]
async fn workers_leave_by_themselves_when_the_run_is_dropped_and_nobody_waits_in_vain() {
    let embedded = Embedded::ready(workers(2)).await;
    let pids = embedded.status().await.workers.into_iter();
    let pids: Vec<u32> = pids.map(|worker| worker.pid.unwrap()).collect();
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
    soon(async {
        while pids.iter().any(|pid| is_alive(*pid)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn who_waits_for_a_watcher_that_is_never_run_is_told() {
    let watcher = workers(1).build().unwrap();
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

#[tokio::test]
async fn commands_given_before_the_run_wait_for_it() {
    let watcher = workers(1).build().unwrap();
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
