//! The handshake, and what it refuses.

use std::sync::Arc;
use std::task::{Context, Waker};

use everport_core::{Generation, SlotId, WorkerId};

use super::harness::{BOUND, Woken, joined, meet, on_both_runtimes, surroundings, watch, within};
use crate::cluster::State;
use crate::link::{FromWatcher, FromWorker, NEWEST_VERSION, OLDEST_VERSION};
use crate::{Cluster, JoinError};

#[test]
fn a_worker_learns_who_it_is() {
    on_both_runtimes(async || {
        let (cluster, _watcher) = joined().await;
        assert!(cluster.is_worker());
        assert_eq!(cluster.id(), Some(WorkerId(7)));
        assert_eq!(cluster.slot(), Some(SlotId(2)));
        assert_eq!(cluster.generation(), Some(Generation(3)));
    });
}

#[test]
fn the_first_frame_names_the_versions_and_the_library() {
    on_both_runtimes(async || {
        let (mut watcher, joining) = meet(Cluster::builder());
        let _joining = tokio::spawn(joining);
        let hello = FromWorker::Hello {
            oldest: OLDEST_VERSION,
            newest: NEWEST_VERSION,
            library: concat!("everport ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        watcher.expect(hello).await;
    });
}

#[test]
fn the_guard_of_a_join_that_is_given_up_ends_with_the_state_that_was_told_of() {
    on_both_runtimes(async || {
        let (mut watcher, theirs) = watch();
        let (sender, met) = std::sync::mpsc::channel();
        let tell = move |state: &Arc<State>| sender.send(Arc::clone(state)).unwrap();
        let joining = Cluster::builder().join_guarded(theirs, surroundings().0, tell);
        let mut joining = Box::pin(joining);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        assert!(joining.as_mut().poll(&mut cx).is_pending());
        watcher.welcome(BOUND).await;
        // The guard guards by now, and nobody takes what it has handed over.
        within(woken.0.notified()).await;
        drop(joining);
        met.recv().unwrap().retire();
        watcher.expect_end_of_link().await;
    });
}

#[test]
fn a_watcher_of_another_version_is_named_with_the_way_out() {
    on_both_runtimes(async || {
        let (mut watcher, joining) = meet(Cluster::builder());
        let joining = tokio::spawn(joining);
        watcher.receive().await;
        watcher.send(&FromWatcher::Refused {
            oldest: 8,
            newest: 9,
        });
        let error = within(joining).await.unwrap().unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, JoinError::Version { .. }), "{text}");
        for part in ["1 to 1", "8 to 9", "upgrade"] {
            assert!(text.contains(part), "{part:?} is missing in {text:?}");
        }
        watcher.expect_end_of_link().await;
    });
}

#[test]
fn a_watcher_that_is_gone_or_confused_is_an_error() {
    on_both_runtimes(async || {
        let (mut watcher, joining) = meet(Cluster::builder());
        let joining = tokio::spawn(joining);
        watcher.receive().await;
        drop(watcher);
        let error = within(joining).await.unwrap().unwrap_err();
        assert!(matches!(error, JoinError::Link(_)), "{error}");

        let (mut watcher, joining) = meet(Cluster::builder());
        let joining = tokio::spawn(joining);
        watcher.receive().await;
        watcher.send(&FromWatcher::Look);
        let error = within(joining).await.unwrap().unwrap_err();
        assert!(matches!(error, JoinError::Link(_)), "{error}");
    });
}

#[test]
fn joining_without_a_runtime_is_an_error() {
    let mut joining = Box::pin(Cluster::join());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let polled = joining.as_mut().poll(&mut context);
    assert!(
        matches!(polled, std::task::Poll::Ready(Err(JoinError::NoRuntime))),
        "{polled:?}"
    );
}
