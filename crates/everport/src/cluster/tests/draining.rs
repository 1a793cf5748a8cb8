//! Drains: what still is accepted, and when it is safe to close what is idle.

use std::time::{Duration, Instant};

use super::harness::{
    BOUND, are_connected, joined, joined_mortally, listening, on_both_runtimes, pends, within,
};
use crate::link::FromWatcher;
use crate::{Cluster, ListenError, Sharing};

const BOTH: [Sharing; 2] = [Sharing::Reuseport, Sharing::Transfer];

#[test]
fn accept_pends_for_ever_once_the_drain_begins() {
    for sharing in BOTH {
        on_both_runtimes(async || {
            let (cluster, watcher, listener, socket) = listening(sharing).await;
            assert!(pends(listener.accept()).await);
            watcher.drain(BOUND, &[]);
            within(cluster.terminated()).await;
            let _client = socket.connect().await;
            assert!(pends(listener.accept()).await);
        });
    }
}

#[test]
fn a_worker_without_connections_terminates_at_once() {
    on_both_runtimes(async || {
        let (cluster, watcher) = joined().await;
        assert!(pends(cluster.draining()).await);
        assert!(pends(cluster.terminated()).await);
        watcher.drain(BOUND, &[]);
        within(cluster.draining()).await;
        within(cluster.terminated()).await;
    });
}

#[test]
fn an_announced_stop_is_known_before_the_drain_and_changes_nothing_yet() {
    for sharing in BOTH {
        on_both_runtimes(async || {
            let (cluster, watcher, listener, socket) = listening(sharing).await;
            assert!(pends(cluster.leaving()).await);
            assert!(!cluster.is_leaving());
            watcher.send(&FromWatcher::Announce { delay: BOUND });
            within(cluster.leaving()).await;
            assert!(cluster.is_leaving() && !cluster.is_draining());
            assert!(pends(cluster.draining()).await);
            let mut client = socket.connect().await;
            let (mut server, _) = within(listener.accept()).await.unwrap();
            assert!(are_connected(&mut client, &mut server).await);
            watcher.drain(BOUND, &[]);
            within(cluster.terminated()).await;
            assert!(cluster.is_leaving() && cluster.is_draining());
        });
    }
}

#[test]
fn a_drain_without_announcement_resolves_leaving_too() {
    on_both_runtimes(async || {
        let (cluster, watcher) = joined().await;
        let leaving = cluster.leaving();
        watcher.drain(BOUND, &[]);
        within(leaving.clone()).await;
        within(leaving).await;
        assert!(cluster.is_leaving());
        // An announcement that comes too late takes nothing back.
        watcher.send(&FromWatcher::Announce { delay: BOUND });
        within(cluster.terminated()).await;
        assert!(cluster.is_draining());
    });
}

#[test]
fn the_futures_of_a_drain_can_be_cloned_and_sent() {
    on_both_runtimes(async || {
        let (cluster, watcher) = joined().await;
        let draining = cluster.draining();
        let both = [tokio::spawn(draining.clone()), tokio::spawn(draining)];
        let terminated = tokio::spawn(cluster.terminated());
        drop(cluster);
        watcher.drain(BOUND, &[]);
        for task in both {
            within(task).await.unwrap();
        }
        within(terminated).await.unwrap();
    });
}

#[test]
fn a_port_to_be_emptied_is_accepted_from_until_it_is_quiet() {
    for sharing in BOTH {
        on_both_runtimes(async || {
            let (cluster, watcher, listener, socket) = listening(sharing).await;
            let mut early = socket.connect().await;
            watcher.drain_until_quiet(BOUND, &[1], Duration::from_secs(2));
            within(cluster.draining()).await;
            let (mut server, _) = within(listener.accept()).await.unwrap();
            assert!(are_connected(&mut early, &mut server).await);
            let mut late = socket.connect().await;
            let (mut server, _) = within(listener.accept()).await.unwrap();
            assert!(are_connected(&mut late, &mut server).await);
            within(async {
                tokio::select! {
                    _ = listener.accept() => panic!("nothing was to be accepted"),
                    () = cluster.terminated() => {}
                }
            })
            .await;
            let _too_late = socket.connect().await;
            assert!(pends(listener.accept()).await);
        });
    }
}

#[test]
fn a_port_is_not_quiet_while_a_connection_waits_for_a_busy_application() {
    for sharing in BOTH {
        on_both_runtimes(async || {
            let (cluster, watcher, listener, socket) = listening(sharing).await;
            let mut client = socket.connect().await;
            watcher.drain_until_quiet(BOUND, &[1], Duration::from_millis(1));
            within(cluster.draining()).await;
            assert!(pends(cluster.terminated()).await);
            let (mut server, _) = within(listener.accept()).await.unwrap();
            assert!(are_connected(&mut client, &mut server).await);
            within(cluster.terminated()).await;
        });
    }
}

#[test]
fn a_drain_ends_its_emptying_at_its_deadline() {
    on_both_runtimes(async || {
        let (cluster, watcher, listener, socket) = listening(Sharing::Reuseport).await;
        let mut accept = Box::pin(listener.accept());
        assert!(pends(&mut accept).await);
        let _client = socket.connect().await;
        watcher.drain(Duration::from_millis(100), &[1]);
        // The accept is under way, but never polled: the application is busy.
        within(cluster.terminated()).await;
    });
}

#[test]
fn an_application_that_accepts_no_more_does_not_hold_up_its_own_end() {
    for sharing in BOTH {
        on_both_runtimes(async || {
            let (cluster, watcher, _listener, socket) = listening(sharing).await;
            let _client = socket.connect().await;
            watcher.drain(BOUND * 10, &[1]);
            within(cluster.draining()).await;
            within(cluster.leave()).await.unwrap();
        });
    }
}

#[test]
fn an_application_that_is_busy_gets_what_waits_when_it_accepts_again() {
    for sharing in BOTH {
        on_both_runtimes(async || {
            let (cluster, watcher, listener, socket) = listening(sharing).await;
            let _client = socket.connect().await;
            watcher.drain(BOUND * 10, &[1]);
            within(cluster.draining()).await;
            // Longer than the port has to be quiet; nobody accepts meanwhile.
            assert!(pends(cluster.terminated()).await);
            let accepted = within(listener.accept()).await.unwrap();
            drop(accepted);
            within(cluster.terminated()).await;
        });
    }
}

#[test]
fn a_fresh_connection_is_given_time_for_its_first_byte() {
    for sharing in BOTH {
        on_both_runtimes(async || {
            let (cluster, watcher, listener, socket) = listening(sharing).await;
            let mut client = socket.connect().await;
            let (mut server, _) = within(listener.accept()).await.unwrap();
            watcher.drain(BOUND, &[]);
            within(cluster.draining()).await;
            assert!(pends(cluster.terminated()).await);
            assert_eq!(cluster.state.connections.silent(), 1);
            assert!(are_connected(&mut client, &mut server).await);
            assert_eq!(cluster.state.connections.silent(), 0);
            within(cluster.terminated()).await;
        });
    }
}

#[test]
fn a_fresh_connection_that_is_dropped_is_not_waited_for() {
    on_both_runtimes(async || {
        let (cluster, watcher, listener, socket) = listening(Sharing::Reuseport).await;
        let _client = socket.connect().await;
        let accepted = within(listener.accept()).await.unwrap();
        watcher.drain(BOUND, &[]);
        within(cluster.draining()).await;
        assert!(pends(cluster.terminated()).await);
        drop(accepted);
        assert_eq!(cluster.state.connections.silent(), 0);
        within(cluster.terminated()).await;
    });
}

#[test]
fn a_silent_connection_is_waited_for_no_longer_than_its_time() {
    on_both_runtimes(async || {
        let (cluster, watcher, listener, socket) = listening(Sharing::Reuseport).await;
        let _client = socket.connect().await;
        let before = Instant::now();
        let _server = within(listener.accept()).await.unwrap();
        watcher.drain(BOUND, &[]);
        within(cluster.terminated()).await;
        assert!(before.elapsed() >= Duration::from_secs(1));
    });
}

/// Nothing else runs on a runtime with one thread while that sleeps. Where the machine stands still besides, it has had its
/// looks by then.
#[tokio::test]
async fn time_in_which_the_worker_did_not_run_is_left_out_of_the_wait_for_a_first_byte() {
    let (cluster, watcher, listener, socket) = listening(Sharing::Reuseport).await;
    let _client = socket.connect().await;
    let begin = Instant::now();
    let _server = within(listener.accept()).await.unwrap();
    watcher.drain(BOUND, &[]);
    within(cluster.draining()).await;
    assert!(pends(cluster.terminated()).await);
    let slept = Duration::from_millis(1500);
    std::thread::sleep(slept);
    let still_waits = pends(cluster.terminated()).await;
    let besides = begin.elapsed() - slept;
    assert!(
        still_waits || besides > Duration::from_millis(300),
        "{besides:?}"
    );
    within(cluster.terminated()).await;
}

#[test]
fn the_watchers_death_begins_a_drain_that_empties_every_port() {
    for sharing in BOTH {
        on_both_runtimes(async || {
            let (cluster, watcher, listener, socket) = listening(sharing).await;
            let mut client = socket.connect().await;
            drop(watcher);
            within(cluster.draining()).await;
            let (mut server, _) = within(listener.accept()).await.unwrap();
            assert!(are_connected(&mut client, &mut server).await);
            within(cluster.terminated()).await;
        });
    }
}

#[test]
fn a_process_that_outstays_its_deadline_is_ended() {
    on_both_runtimes(async || {
        let (_cluster, watcher, mut ended) = joined_mortally(Cluster::builder(), BOUND).await;
        watcher.drain(Duration::from_millis(1), &[]);
        assert_eq!(within(ended.recv()).await, Some(70));
    });
}

#[test]
fn nothing_that_waits_for_the_watcher_outlives_the_guard_of_what_outstays_its_deadline() {
    on_both_runtimes(async || {
        let (cluster, mut watcher, mut ended) = joined_mortally(Cluster::builder(), BOUND).await;
        let listening = tokio::spawn(async move { cluster.listen("127.0.0.1:0").await });
        watcher.receive().await;
        watcher.drain(Duration::from_millis(1), &[]);
        assert_eq!(within(ended.recv()).await, Some(70));
        // Left alone, it would wait for longer than that.
        let listening = within(listening).await.unwrap();
        assert!(matches!(listening, Err(ListenError::LinkLost(_))));
    });
}

#[test]
fn a_hung_runtime_does_not_outlive_its_watcher() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let joined = joined_mortally(Cluster::builder(), Duration::from_millis(1));
    let (_cluster, watcher, mut ended) = runtime.block_on(joined);
    drop(watcher);
    // Nothing runs the runtime any more: this is how it hangs.
    assert_eq!(ended.blocking_recv(), Some(70));
}

#[test]
fn a_second_drain_can_only_be_shorter() {
    on_both_runtimes(async || {
        let (cluster, watcher, mut ended) = joined_mortally(Cluster::builder(), BOUND).await;
        watcher.drain(BOUND * 10, &[]);
        within(cluster.draining()).await;
        watcher.drain(Duration::from_millis(1), &[]);
        assert_eq!(within(ended.recv()).await, Some(70));
    });
}
