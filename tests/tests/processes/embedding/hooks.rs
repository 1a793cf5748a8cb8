//! Hooks in the lives of an embedded watcher's workers.

use std::sync::{Arc, Mutex, OnceLock};

use everport::Generation;
use everport::log::Notice;
use everport::watcher::{
    AbortCause, Builder, Decision, ExitReason, Handle, RestartError, Spawning,
};
use rustix::process::{Pid, Signal, kill_process};

use super::{Embedded, hear, soon, workers};

/// What hooks have seen, in words.
type Seen = Arc<Mutex<Vec<String>>>;

/// Notes every call.
fn watched(builder: Builder, seen: &Seen) -> Builder {
    let note = || {
        let seen = Arc::clone(seen);
        move |text: String| seen.lock().unwrap().push(text)
    };
    let (before, ready, after) = (note(), note(), note());
    builder
        .before_spawn(move |it| {
            before(format!(
                "spawn {} in {} of {}",
                it.worker, it.slot, it.generation
            ));
            Ok::<(), String>(())
        })
        .on_ready(move |it| ready(format!("ready {} of {}", it.worker, it.generation)))
        .after_end(move |end| {
            let (worker, ending, expected) = (end.source.worker, &end.ending, end.expected);
            after(format!("end {worker}: {ending}, expected: {expected}"));
        })
}

fn lines(seen: &Seen) -> Vec<String> {
    seen.lock().unwrap().clone()
}

#[tokio::test]
async fn hooks_see_a_workers_life_in_its_order() {
    let seen = Seen::default();
    let embedded = Embedded::ready(watched(workers(1), &seen)).await;
    let pid = embedded.status().await.workers[0].pid.unwrap();
    let mut notices = embedded.handle.notices();
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    let is_ready =
        |notice: &Notice| matches!(notice, Notice::Supervisor(Decision::WorkerReady { .. }));
    hear(&mut notices, is_ready).await;
    assert_eq!(embedded.stop().await, ExitReason::Stopped);
    let expected = [
        "spawn 1 in 0 of 1",
        "ready 1 of 1",
        "end 1: killed by SIGKILL, expected: false",
        "spawn 2 in 0 of 1",
        "ready 2 of 1",
        "end 2: exited, expected: true",
    ];
    assert_eq!(lines(&seen), expected);
}

#[tokio::test]
async fn a_hook_knows_the_process() {
    let pids = Arc::new(Mutex::new(Vec::new()));
    let (ready, ended) = (Arc::clone(&pids), Arc::clone(&pids));
    let builder = workers(1)
        .on_ready(move |worker| ready.lock().unwrap().push(worker.pid))
        .after_end(move |end| ended.lock().unwrap().push(end.source.pid));
    let embedded = Embedded::ready(builder).await;
    let pid = embedded.status().await.workers[0].pid.unwrap();
    embedded.stop().await;
    assert_eq!(*pids.lock().unwrap(), [pid, pid]);
}

#[tokio::test]
async fn what_a_hook_refuses_is_tried_again_after_a_pause() {
    let mut attempts = 0;
    let refuse_twice = move |worker: &Spawning| {
        if worker.slot.0 == 1 {
            attempts += 1;
        }
        match attempts {
            1 | 2 => Err("no room yet"),
            _ => Ok(()),
        }
    };
    let watcher = workers(2).before_spawn(refuse_twice).build().unwrap();
    let handle = watcher.handle();
    let mut notices = handle.notices();
    let embedded = Embedded {
        handle,
        running: tokio::spawn(watcher.run()),
    };
    let failed = hear(&mut notices, |it| matches!(it, Notice::SpawnFailed { .. })).await;
    let expected =
        "worker 2 (slot 1) could not be started: a before_spawn hook refuses it: no room yet";
    assert_eq!(failed.notice.to_string(), expected);
    let waits = |notice: &Notice| matches!(notice, Notice::Supervisor(Decision::BackingOff { .. }));
    hear(&mut notices, waits).await;
    soon(embedded.handle.ready()).await.unwrap();
    assert_eq!(embedded.status().await.ready(), 2);
    embedded.stop().await;
}

#[tokio::test]
async fn a_generation_that_a_hook_refuses_is_not_rolled_out() {
    let only_the_first = |worker: &Spawning| match worker.generation {
        Generation(1) => Ok(()),
        other => Err(format!("generation {other} is not wanted")),
    };
    let embedded = Embedded::ready(workers(1).before_spawn(only_the_first)).await;
    let error = soon(embedded.handle.restart()).await.unwrap_err();
    let RestartError::Aborted(aborted) = error else {
        panic!("{error}");
    };
    assert_eq!(aborted.cause, AbortCause::SpawnFailed);
    let expected = "a before_spawn hook refuses it: generation 2 is not wanted";
    assert_eq!(aborted.error.as_deref(), Some(expected));
    assert_eq!(embedded.release().await, "v1");
    embedded.stop().await;
}

#[tokio::test]
async fn a_hook_that_panics_is_told_and_the_cluster_goes_on() {
    let mut has_panicked = false;
    let watcher = workers(1)
        .before_spawn(move |_| -> Result<(), String> {
            assert!(std::mem::replace(&mut has_panicked, true), "before");
            Ok(())
        })
        .on_ready(|_| panic!("then"))
        .after_end(|_| panic!("after"))
        .build()
        .unwrap();
    let handle = watcher.handle();
    let mut notices = handle.notices();
    let running = tokio::spawn(watcher.run());
    soon(handle.ready()).await.unwrap();
    handle.stop();
    assert_eq!(soon(running).await.unwrap().unwrap(), ExitReason::Stopped);
    let mut panics = Vec::new();
    while let Some(told) = soon(notices.next()).await {
        let told = told.unwrap();
        if let Notice::HookPanicked { hook, worker, .. } = told.notice {
            panics.push((hook, worker.0, told.about.is_some()));
        }
    }
    let expected = [
        ("before_spawn", 1, false), // it has no process
        ("on_ready", 2, true),
        ("after_end", 2, true),
    ];
    assert_eq!(panics, expected);
}

#[tokio::test]
async fn a_hook_may_use_the_handle() {
    let handle = Arc::new(Mutex::new(None::<everport::watcher::Handle>));
    let used = Arc::clone(&handle);
    let watcher = workers(1)
        .on_ready(move |worker| {
            if worker.slot.0 == 0
                && let Some(handle) = used.lock().unwrap().as_ref()
            {
                handle.scale(2);
            }
        })
        .build()
        .unwrap();
    *handle.lock().unwrap() = Some(watcher.handle());
    let embedded = Embedded {
        handle: watcher.handle(),
        running: tokio::spawn(watcher.run()),
    };
    soon(async {
        while embedded.status().await.ready() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    embedded.stop().await;
}

#[tokio::test]
async fn a_stop_that_comes_while_many_are_started_starts_no_more_of_them() {
    let (seen, handle) = (Seen::default(), Arc::new(OnceLock::<Handle>::new()));
    let (started, stop) = (Arc::clone(&seen), Arc::clone(&handle));
    let watcher = workers(64).before_spawn(move |worker| {
        started.lock().unwrap().push(worker.worker.to_string());
        stop.get().unwrap().stop();
        Ok::<(), String>(())
    });
    let watcher = watcher.build().unwrap();
    handle.set(watcher.handle()).unwrap();
    assert_eq!(soon(watcher.run()).await.unwrap(), ExitReason::Stopped);
    // The loop looks at commands, and at what else there is, between two starts.
    let started = lines(&seen).len();
    assert!((1..64).contains(&started), "{started}");
}
