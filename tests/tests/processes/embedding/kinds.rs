//! Clusters of both kinds beside each other in one process, told apart by nothing but what they are.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use everport::watcher::{Builder, ExitReason};
use everport::{Cluster, Generation, Watcher};
use everport_tests::is_alive;
use tokio::io::AsyncWriteExt;

use super::{Embedded, soon, workers};

/// Greets whoever connects, as a thread.
async fn greet(cluster: Cluster) -> std::io::Result<()> {
    let listener = cluster.listen("127.0.0.1:0").await;
    let listener = listener.map_err(std::io::Error::other)?;
    loop {
        tokio::select! {
            accepted = listener.accept() => accepted?.0.write_all(b"hello").await?,
            () = cluster.terminated() => break,
        }
    }
    cluster.leave().await.map_err(std::io::Error::other)
}

fn threads(count: u32) -> Builder {
    Watcher::threads(count, greet).settle(Duration::ZERO)
}

#[tokio::test]
async fn threads_are_waited_for_and_hooked_into_as_processes_are() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (before, ready, after) = (seen.clone(), seen.clone(), seen.clone());
    let builder = threads(1)
        .before_spawn(move |it| {
            before.lock().unwrap().push(format!("spawn {}", it.worker));
            Ok::<(), String>(())
        })
        .on_ready(move |it| ready.lock().unwrap().push(format!("ready {}", it.worker)))
        .after_end(move |end| {
            let end = format!("end {}: {}", end.source.worker, end.expected);
            after.lock().unwrap().push(end);
        });
    let embedded = Embedded::ready(builder).await;
    let status = embedded.status().await;
    assert_eq!(status.workers[0].pid, Some(std::process::id()));
    let restarted = soon(embedded.handle.restart()).await.unwrap();
    assert_eq!(restarted.generation, Generation(2));
    soon(embedded.handle.at_rest()).await.unwrap();
    assert_eq!(embedded.stop().await, ExitReason::Stopped);
    let expected = [
        "spawn 1",
        "ready 1",
        "spawn 2",
        "ready 2",
        "end 1: true",
        "end 2: true",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn several_clusters_live_in_one_process() {
    let one = Embedded::ready(workers(1)).await;
    let other = Embedded::ready(workers(2)).await;
    let third = Embedded::ready(threads(1)).await;
    assert_ne!(one.address().await, other.address().await);
    let ended = one.status().await.workers[0].pid.unwrap();
    assert_eq!(one.stop().await, ExitReason::Stopped);
    assert!(!is_alive(ended));
    assert_eq!(other.status().await.ready(), 2);
    assert_eq!(third.status().await.ready(), 1);
    assert_eq!(other.release().await, "v1");
    other.stop().await;
    third.stop().await;
}
