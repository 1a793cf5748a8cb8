//! What the watcher tells an application as a stream.

use std::sync::Arc;

use everport::log::{Level, Notice};
use everport::watcher::Decision;
use everport_tests::{Kind, for_each_kind, is_alive};
use rustix::process::{Pid, Signal, kill_process};

use super::{Embedded, Told, hear, soon, workers, workers_of};

for_each_kind!(
    async a_stream_taken_before_the_run_has_every_notice_up_to_the_last,
    a_notice_says_whom_it_is_about,
    a_reader_that_is_too_slow_is_told_and_holds_nobody_up,
    a_stream_that_is_dropped_and_one_that_is_taken_late_cost_nobody_anything,
);

async fn a_stream_taken_before_the_run_has_every_notice_up_to_the_last(kind: Kind) {
    let sink = Arc::new(Told::default());
    let watcher = workers_of(kind, 2).sink(sink.clone()).build().unwrap();
    let handle = watcher.handle();
    let mut notices = handle.notices();
    let running = tokio::spawn(watcher.run());
    soon(handle.ready()).await.unwrap();
    handle.stop();
    let mut heard = Vec::new();
    while let Some(told) = soon(notices.next()).await {
        heard.push(told.unwrap().notice);
    }
    soon(running).await.unwrap().unwrap();
    assert!(matches!(heard[0], Notice::Started { workers: 2, .. }));
    assert!(matches!(heard[heard.len() - 1], Notice::Stopped { .. }));
    let texts: Vec<String> = heard.iter().map(Notice::to_string).collect();
    assert_eq!(texts, sink.all(), "the sink has the same");
}

async fn a_notice_says_whom_it_is_about(kind: Kind) {
    let watcher = workers_of(kind, 1).build().unwrap();
    let handle = watcher.handle();
    let mut notices = handle.notices();
    let embedded = Embedded {
        handle,
        running: tokio::spawn(watcher.run()),
    };
    let spawned = hear(&mut notices, |it| matches!(it, Notice::Spawned { .. })).await;
    let Notice::Spawned { worker, pid, .. } = spawned.notice else {
        panic!("{}", spawned.notice);
    };
    let about = spawned.about.unwrap();
    assert_eq!((about.worker, about.pid, about.slot.0), (worker, pid, 0));
    assert!(is_alive(pid));
    let is_ready =
        |notice: &Notice| matches!(notice, Notice::Supervisor(Decision::ClusterReady { .. }));
    assert!(hear(&mut notices, is_ready).await.about.is_none());
    embedded.stop().await;
}

async fn a_reader_that_is_too_slow_is_told_and_holds_nobody_up(kind: Kind) {
    let embedded = Embedded::ready(workers_of(kind, 1)).await;
    let mut slow = embedded.handle.notices();
    let mut quick = embedded.handle.notices();
    for turn in 0..1_100 {
        let levels = [Level::Warn, Level::Info];
        embedded.handle.set_log_level(levels[turn % 2]);
        let is_level = |notice: &Notice| matches!(notice, Notice::LogLevelSet { .. });
        hear(&mut quick, is_level).await;
    }
    embedded.stop().await;
    let missed = soon(slow.next()).await.unwrap().unwrap_err();
    assert!(missed.count >= 76, "{missed}");
    let mut kept = 0;
    while let Some(told) = soon(slow.next()).await {
        told.unwrap();
        kept += 1;
    }
    assert_eq!(kept, 1_024);
}

async fn a_stream_that_is_dropped_and_one_that_is_taken_late_cost_nobody_anything(kind: Kind) {
    let embedded = Embedded::ready(workers_of(kind, 1)).await;
    drop(embedded.handle.notices());
    let mut late = embedded.handle.notices();
    embedded.handle.scale(2);
    let is_scaled = |notice: &Notice| matches!(notice, Notice::Supervisor(Decision::Scaled { .. }));
    hear(&mut late, is_scaled).await;
    embedded.stop().await;
}

#[tokio::test]
async fn who_tells_of_changed_children_is_told_of_a_stopped_one() {
    let embedded = Embedded::ready(workers(1)).await;
    let mut notices = embedded.handle.notices();
    let pid = embedded.status().await.workers[0].pid.unwrap();
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    for (signal, text) in [
        (Signal::STOP, "was stopped by a signal"),
        (Signal::CONT, "runs again"),
    ] {
        kill_process(pid, signal).unwrap();
        // As on `SIGCHLD`, which this program does not wait for.
        let telling = async {
            loop {
                embedded.handle.children_changed();
                tokio::task::yield_now().await;
            }
        };
        let is_it = |notice: &Notice| notice.to_string().contains(text);
        tokio::select! {
            _told = hear(&mut notices, is_it) => {}
            () = telling => {}
        }
    }
    embedded.stop().await;
}
