//! A worker's log with a watcher on the other side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use tracing::{Dispatch, debug, info, trace};
use tracing_subscriber::layer::{Layer, SubscriberExt};

use super::kept::Read;
use crate::Cluster;
use crate::cluster::tests::harness::{BOUND, logging, on_both_runtimes, within};
use crate::link::FromWatcher;
use crate::log::{Level, WhenFull};
use crate::logging::outlet::Outlet;
use crate::record::{LENGTH_PREFIX, Record};
use crate::ring::{Ring, Size};

fn ring() -> Ring {
    Ring::new(Size::DEFAULT).unwrap()
}

/// What is in the ring now, and how many records were dropped.
fn take(ring: &mut Ring) -> (Vec<Read>, u64) {
    let look = ring.consumer.look().unwrap();
    let mut records = Vec::new();
    loop {
        let bytes = ring.consumer.take(look.head).unwrap();
        if bytes.is_empty() {
            return (records, look.lost);
        }
        let mut rest = bytes.as_slice();
        while let Some((length, after)) = rest.split_first_chunk::<LENGTH_PREFIX>() {
            let (record, after) = after.split_at(u32::from_le_bytes(*length) as usize);
            records.push(Read::from(Record::decode(record).unwrap()));
            rest = after;
        }
    }
}

fn dispatch(cluster: &Cluster) -> Dispatch {
    let filter = cluster.log_filter().unwrap();
    let layer = cluster.log_layer().with_filter(filter);
    Dispatch::new(tracing_subscriber::registry().with(layer))
}

fn messages(records: &[Read]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record.message.as_str())
        .collect()
}

fn say() {
    info!("info");
    debug!("debug");
    trace!("trace");
}

#[test]
fn records_are_in_the_ring_once_they_are_logged_and_the_watcher_says_which() {
    on_both_runtimes(async || {
        let mut ring = ring();
        let (cluster, watcher) = logging(Some((&ring, WhenFull::Drop)), Level::Debug, true).await;
        let dispatch = dispatch(&cluster);
        tracing::dispatcher::with_default(&dispatch, say);
        assert_eq!(messages(&take(&mut ring).0), ["info", "debug"]);

        watcher.send(&FromWatcher::LogLevel {
            level: Level::Trace,
        });
        let mut is_in_force = async || {
            while messages(&take(&mut ring).0).last() != Some(&"trace") {
                tracing::dispatcher::with_default(&dispatch, say);
                tokio::task::yield_now().await;
            }
        };
        within(is_in_force()).await;

        cluster.set_log_level(Level::Info);
        tracing::dispatcher::with_default(&dispatch, say);
        assert_eq!(messages(&take(&mut ring).0), ["info"]);
    });
}

#[test]
fn a_filter_that_is_asked_for_late_knows_what_the_watcher_said_before() {
    on_both_runtimes(async || {
        let ring = ring();
        let (cluster, watcher) = logging(Some((&ring, WhenFull::Drop)), Level::Info, false).await;
        watcher.send(&FromWatcher::LogLevel {
            level: Level::Error,
        });
        within(async {
            while cluster.state.log_level.get().level != Level::Error {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(cluster.log_filter().unwrap().to_string(), "error");
    });
}

#[test]
fn without_a_ring_a_worker_prints_its_records() {
    on_both_runtimes(async || {
        let (cluster, _watcher) = logging(None, Level::Info, false).await;
        assert!(matches!(Outlet::of(&cluster.state), Outlet::Console(_)));
    });
}

#[test]
fn each_threads_records_keep_their_order_in_the_ring_and_none_is_lost_that_is_waited_for() {
    const THREADS: u64 = 4;
    const RECORDS: u64 = 20_000; // several times what the ring holds
    on_both_runtimes(async || {
        let mut ring = ring();
        let (cluster, _watcher) = logging(Some((&ring, WhenFull::Block)), Level::Info, true).await;
        let dispatch = dispatch(&cluster);
        let deadline = Instant::now() + BOUND;
        let mut next = [0; THREADS as usize];
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let dispatch = dispatch.clone();
                scope.spawn(move || {
                    tracing::dispatcher::with_default(&dispatch, || {
                        (0..RECORDS).for_each(|number| info!(thread, number, "one of many"));
                    });
                });
            }
            while next.iter().sum::<u64>() < THREADS * RECORDS {
                assert!(Instant::now() < deadline, "{next:?}");
                let (records, lost) = take(&mut ring);
                assert_eq!(lost, 0);
                for record in records {
                    let [thread, number] = numbers(&record);
                    assert_eq!(number, next[thread as usize], "{record:?}");
                    next[thread as usize] += 1;
                }
            }
        });
        assert_eq!(next, [RECORDS; THREADS as usize]);
    });
}

fn numbers(record: &Read) -> [u64; 2] {
    ["thread", "number"].map(|name| {
        let value = |field: &String| {
            let number = field.strip_prefix(name)?.strip_prefix("=Unsigned(")?;
            number.strip_suffix(')')?.parse().ok()
        };
        record.fields.iter().find_map(value).expect("a number")
    })
}

#[test]
fn a_panic_does_not_wait_for_a_log_that_stands_still() {
    on_both_runtimes(async || {
        let ring = ring();
        let (cluster, _watcher) = logging(Some((&ring, WhenFull::Block)), Level::Info, true).await;
        let dispatch = dispatch(&cluster);
        let Outlet::Ring(outlet) = Outlet::of(&cluster.state) else {
            panic!("no ring");
        };
        let is_over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&is_over);
        let flood = thread::spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || {
                while !until.load(Ordering::SeqCst) {
                    info!(long = %"x".repeat(1000), "flood");
                }
            });
        });
        // Once nothing fits any more, the flood waits with the ring's lock in its hands.
        let begun = Instant::now();
        while outlet.hand_over_soon(&[0; 1000]) {
            assert!(begun.elapsed() < BOUND);
        }
        is_over.store(true, Ordering::SeqCst);
        cluster.state.stop_waiting_for_log();
        flood.join().unwrap();
    });
}
