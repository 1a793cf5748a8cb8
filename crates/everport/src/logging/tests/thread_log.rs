//! Workers that are threads of one process, each with its own log.

use std::sync::Arc;
use std::thread;

use tracing::{Dispatch, info};
use tracing_subscriber::layer::SubscriberExt;

use super::kept::Kept;
use crate::logging::layer::LogLayer;
use crate::logging::outlet::{Outlet, Ring};
use crate::logging::{InitError, ThreadLog};

/// A worker's thread: what it logs, and where that arrives.
fn on_a_thread(work: impl FnOnce() + Send + 'static) {
    thread::spawn(work).join().unwrap();
}

fn subscriber(kept: &Arc<Kept>) -> Dispatch {
    Dispatch::new(tracing_subscriber::registry().with(kept.layer()))
}

fn outlet(kept: &Arc<Kept>) -> Outlet {
    Outlet::Ring(Arc::clone(kept) as Arc<dyn Ring>)
}

fn messages(kept: &Kept) -> Vec<String> {
    let records = kept.read().into_iter();
    records.map(|record| record.message).collect()
}

#[test]
fn each_worker_logs_for_itself_and_so_do_threads_of_its_runtime() {
    let kept = [Arc::<Kept>::default(), Arc::<Kept>::default()];
    for (number, kept) in kept.iter().enumerate() {
        let (log, kept) = (ThreadLog::default(), Arc::clone(kept));
        on_a_thread(move || {
            log.adopt_this_thread();
            info!("before anything was set up");
            log.begin(|| subscriber(&kept)).unwrap();
            info!("by worker {number}");
            on_a_thread(move || {
                log.adopt_this_thread();
                info!("by its runtime");
            });
            on_a_thread(|| info!("by a thread of nobody"));
        });
    }
    assert_eq!(messages(&kept[0]), ["by worker 0", "by its runtime"]);
    assert_eq!(messages(&kept[1]), ["by worker 1", "by its runtime"]);
}

#[test]
fn a_thread_sets_up_its_log_once_and_each_further_one_may() {
    let kept = Arc::<Kept>::default();
    let into = Arc::clone(&kept);
    on_a_thread(move || {
        let log = ThreadLog::default();
        let begin = |log: &ThreadLog, into: &Arc<Kept>| log.begin(|| subscriber(into));
        begin(&log, &into).unwrap();
        let again = begin(&log, &into).unwrap_err();
        assert!(matches!(again, InitError::SubscriberSet), "{again}");
        on_a_thread(move || {
            begin(&log, &Arc::default()).unwrap();
            info!("by the same subscriber");
        });
    });
    assert_eq!(messages(&kept), ["by the same subscriber"]);
}

#[test]
fn a_thread_that_was_there_before_the_log_is_found_by_its_worker() {
    let (kept, nobodys) = (Arc::<Kept>::default(), Outlet::of_thread());
    let worker = outlet(&kept);
    on_a_thread(move || {
        let log = ThreadLog::default();
        log.adopt_this_thread();
        log.forward_panics(worker);
        let layers = tracing_subscriber::registry().with(LogLayer::with_outlet(nobodys));
        tracing::subscriber::with_default(layers, || info!("late"));
    });
    assert_eq!(messages(&kept), ["late"]);
}

#[test]
fn a_thread_knows_its_worker_and_another_one_has_none() {
    let log = ThreadLog::default();
    assert!(ThreadLog::of_this_thread().is_none());
    on_a_thread(move || {
        log.adopt_this_thread();
        assert!(ThreadLog::of_this_thread().is_some());
        assert!(ThreadLog::outlet_of_this_thread().is_none());
        log.forward_panics(outlet(&Arc::default()));
        assert!(ThreadLog::outlet_of_this_thread().is_some());
        on_a_thread(|| assert!(ThreadLog::outlet_of_this_thread().is_none()));
    });
}
