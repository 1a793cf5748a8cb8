//! Several threads that log.

use std::sync::Arc;
use std::thread;

use tracing::{Dispatch, info};
use tracing_subscriber::layer::SubscriberExt;

use super::kept::Kept;

fn logging(name: Option<&str>, work: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    let builder = thread::Builder::new();
    let builder = match name {
        Some(name) => builder.name(name.to_owned()),
        None => builder,
    };
    builder.spawn(work).unwrap()
}

#[test]
fn a_record_names_its_thread() {
    let kept = Arc::<Kept>::default();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(kept.layer()));
    for name in [Some("cashier"), None] {
        let dispatch = dispatch.clone();
        let work = move || tracing::dispatcher::with_default(&dispatch, || info!("hello"));
        logging(name, work).join().unwrap();
    }
    let threads: Vec<_> = kept
        .read()
        .into_iter()
        .map(|record| record.thread)
        .collect();
    assert_eq!(threads[0], "cashier");
    assert!(threads[1].starts_with("ThreadId("), "{threads:?}");
}

#[test]
fn a_thread_can_log_until_its_very_end() {
    struct LastWords(Dispatch);
    impl Drop for LastWords {
        fn drop(&mut self) {
            tracing::dispatcher::with_default(&self.0, || info!("the last words"));
        }
    }
    thread_local!(static LAST: std::cell::OnceCell<LastWords> = const { std::cell::OnceCell::new() });
    let kept = Arc::<Kept>::default();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(kept.layer()));
    let work = move || {
        // Registered first, so it is dropped after what logging keeps for the thread.
        LAST.with(|last| last.set(LastWords(dispatch.clone())).unwrap_or_default());
        tracing::dispatcher::with_default(&dispatch, || info!("the first ones"));
    };
    logging(Some("mortal"), work).join().unwrap();
    assert_eq!(kept.read()[0].message, "the first ones");
}
