//! A worker can be written to as soon as anybody can know of it.

use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};

use everport::log::{Entry, Notice, Sink};
use everport::messages::SendError;
use everport::watcher::Handle;
use everport::{Cluster, ListenError, Watcher};

use crate::scene::PATIENCE;

/// Writes to each worker at the moment when it is told of.
#[derive(Default)]
struct Writes {
    handle: OnceLock<Handle>,
    sent: Mutex<Vec<Poll<Result<(), SendError>>>>,
}

impl Sink for Writes {
    fn write(&self, entry: Entry) {
        if let Entry::Notice(Notice::Spawned { worker, .. }, _) = entry
            && let Some(handle) = self.handle.get()
        {
            let sending = pin!(handle.send_to(worker, "welcome", &1));
            let sent = sending.poll(&mut Context::from_waker(Waker::noop()));
            self.sent.lock().unwrap().push(sent);
        }
    }
}

async fn wait_for_the_end(cluster: Cluster) -> Result<(), ListenError> {
    let mut notes = cluster.messages::<u32>("note").unwrap();
    cluster.ready();
    tokio::spawn(async move { while notes.next().await.is_some() {} });
    cluster.draining().await;
    Ok(())
}

#[tokio::test]
async fn a_worker_can_be_written_to_when_its_start_is_told() {
    let writes = Arc::new(Writes::default());
    let watcher = Watcher::threads(1, wait_for_the_end)
        .sink(writes.clone())
        .build()
        .unwrap();
    let handle = watcher.handle();
    let running = tokio::spawn(watcher.run());
    let run = async {
        handle.ready().await.unwrap();
        // From now on the application is attached.
        handle.broadcast("note", &1).await.unwrap();
        assert!(writes.handle.set(handle.clone()).is_ok());
        handle.scale(4);
        handle.at_rest().await.unwrap();
        handle.stop();
        running.await.unwrap().unwrap();
    };
    tokio::time::timeout(PATIENCE, run).await.unwrap();
    let sent = writes.sent.lock().unwrap();
    assert_eq!(sent.len(), 3);
    for sent in sent.iter() {
        assert!(matches!(sent, Poll::Ready(Ok(()))), "{sent:?}");
    }
}
