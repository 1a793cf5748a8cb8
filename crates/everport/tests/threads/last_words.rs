//! What workers send last reaches the application, although the watcher ends with them.

use everport::{Cluster, ListenError, Watcher};

use crate::scene::PATIENCE;

const WORKERS: u32 = 16;
const EACH: u32 = 4;

/// As long as a frame, so that no socket takes them all.
const LENGTH: usize = 60_000;

async fn say_goodbye(cluster: Cluster) -> Result<(), ListenError> {
    cluster.send("hello", &1).await.unwrap();
    cluster.ready();
    cluster.draining().await;
    for _ in 0..EACH {
        cluster.send("last", &"x".repeat(LENGTH)).await.unwrap();
    }
    Ok(())
}

async fn hear_everybodys_last_words() {
    let watcher = Watcher::threads(WORKERS, say_goodbye).build().unwrap();
    let handle = watcher.handle();
    let mut last = handle.messages::<String>("last").unwrap();
    let running = tokio::spawn(watcher.run());
    tokio::time::timeout(PATIENCE, handle.ready())
        .await
        .unwrap()
        .unwrap();
    handle.stop();
    let counting = async {
        let mut count = 0;
        while let Some(message) = last.next().await {
            assert_eq!(message.unwrap().value.len(), LENGTH);
            count += 1;
        }
        count
    };
    let count = tokio::time::timeout(PATIENCE, counting).await.unwrap();
    assert_eq!(count, WORKERS * EACH);
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_application_hears_them_on_a_current_thread_runtime() {
    hear_everybodys_last_words().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_hears_them_on_a_multi_thread_runtime() {
    hear_everybodys_last_words().await;
}
