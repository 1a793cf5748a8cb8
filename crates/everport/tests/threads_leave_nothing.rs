//! Nothing of a worker's thread stays when it has ended: alone in a process, whose threads and descriptors it counts.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use everport::log::{Entry, Notice, Sink};
use everport::watcher::{Decision, ExitReason, Handle};
use everport::{Cluster, Sharing, Watcher};
use tokio::sync::watch;

/// How many rollouts there are; each starts two threads anew.
const ROLLOUTS: u64 = 100;

/// The names of this process's threads, sorted.
fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    // One that ends meanwhile has no name any more.
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
    let mut names: Vec<_> = tasks.flatten().filter_map(name).collect();
    names.sort_unstable();
    names
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Tells how many rollouts have finished, and how many workers have ended.
struct Counter {
    finished: watch::Sender<u64>,
    ended: AtomicU64,
}

impl Sink for Counter {
    fn write(&self, entry: Entry) {
        match entry {
            Entry::Notice(Notice::Supervisor(Decision::RolloutFinished { .. }), _) => {
                self.finished.send_modify(|finished| *finished += 1);
            }
            Entry::Notice(Notice::Ended { .. }, _) => {
                self.ended.fetch_add(1, Ordering::SeqCst);
            }
            _ => {}
        }
    }
}

/// Serves from two ports that are shared in either way, and hears messages, with a blocking task on the side.
async fn serve(cluster: Cluster) -> Result<(), everport::ListenError> {
    let own = cluster.listen("127.0.0.1:0").await?;
    let options = everport::ListenOptions::default().sharing(Sharing::Transfer);
    let shared = cluster.listen_with("127.0.0.1:0", options).await?;
    tokio::task::spawn_blocking(|| {}).await.unwrap();
    cluster.on_terminate(async || {});
    let mut news = cluster.messages::<u32>("news").unwrap();
    cluster.broadcast("news", &1).await.unwrap();
    let accept = async { tokio::join!(own.accept(), shared.accept()) };
    tokio::select! {
        () = cluster.terminated() => {}
        accepted = accept => drop(accepted),
        () = async { while news.next().await.is_some() {} } => {}
    }
    // A watcher that is gone needs no report.
    drop(cluster.leave().await);
    Ok(())
}

async fn restart(handle: &Handle, finished: &mut watch::Receiver<u64>, times: u64) {
    for _ in 0..times {
        let before = *finished.borrow_and_update();
        handle.restart();
        let next = finished.wait_for(|finished| *finished > before);
        tokio::time::timeout(Duration::from_secs(60), next)
            .await
            .expect("a rollout takes no minute")
            .unwrap();
    }
}

/// What a function says once it says what is expected, or at last. The threads of a blocking pool end when they have had
/// nothing to do for a while, and workers of the last rollout may still drain.
async fn settled<T: PartialEq>(expected: &T, look: impl Fn() -> T) -> T {
    for _ in 0..600 {
        if look() == *expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    look()
}

#[tokio::test]
async fn threads_and_descriptors_are_what_they_were_after_hundreds_of_restarts() {
    let before = (threads(), descriptors());
    let counter = Arc::new(Counter {
        finished: watch::Sender::new(0),
        ended: AtomicU64::new(0),
    });
    let watcher = Watcher::threads(2, serve)
        .settle(Duration::ZERO)
        .sink(counter.clone())
        .build()
        .unwrap();
    let handle = watcher.handle();
    let running = tokio::spawn(watcher.run());
    let mut finished = counter.finished.subscribe();
    // Whatever is made once has been made by then.
    restart(&handle, &mut finished, 5).await;
    let ended = || counter.ended.load(Ordering::SeqCst);
    assert_eq!(settled(&10, ended).await, 10);
    let in_between = descriptors();
    restart(&handle, &mut finished, ROLLOUTS).await;
    assert_eq!(
        settled(&(10 + 2 * ROLLOUTS), ended).await,
        10 + 2 * ROLLOUTS
    );
    assert_eq!(settled(&in_between, descriptors).await, in_between);
    handle.stop();
    assert_eq!(running.await.unwrap().unwrap(), ExitReason::Stopped);
    let workers = threads()
        .into_iter()
        .filter(|name| name.starts_with("worker-") || name.starts_with("everport-guard"));
    assert_eq!(workers.count(), 0, "they are joined, not only told to end");
    assert_eq!(settled(&before.0, threads).await, before.0);
    assert_eq!(settled(&before.1, descriptors).await, before.1);
}
