//! Threads that fail: what is told, and what follows.

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use everport::log::{Notice, ThreadEnding};
use everport::messages::Message;
use everport::watcher::{CrashLoop, Decision, ExitReason};
use everport::{Cluster, Watcher};

use crate::scene::{Scene, answer, ask_from};

/// How the worker's thread ended, once it has.
async fn ending(scene: &Scene, of: u64) -> ThreadEnding {
    scene
        .see("a thread's end", move |notice| match notice {
            Notice::Ended { worker, ending, .. } if worker.0 == of => ending.thread.clone(),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn a_panic_of_the_main_future_is_a_death_with_its_place_and_its_text() {
    let scene = Scene::start(Watcher::threads(1, async |cluster: Cluster| {
        if cluster.id().is_some_and(|id| id.0 <= 2) {
            tokio::task::yield_now().await;
            panic!("out of {}", "coffee");
        }
        answer(cluster).await
    }));
    let line = line!() - 4;
    let text = scene.see_text(&["worker 1 (slot 0) died"]).await;
    let died = format!(
        "worker 1 (slot 0) died: panicked at {}:{line}:13: out of coffee",
        file!()
    );
    // What it was doing follows, beginning with the function that panicked.
    let way = text.strip_prefix(&died).expect("where and why");
    let first = way.lines().nth(1).unwrap_or_default();
    let place = format!("threads/failures.rs:{line}:13");
    assert!(
        first.starts_with("|  0: ") && first.ends_with(&place),
        "{text}"
    );
    assert!(!way.contains("__rust_begin_short_backtrace"), "{text}");
    // The same back-off as after the death of a process.
    scene
        .see_text(&["slot 0 waits", "2 failures in a row"])
        .await;
    scene.see_text(&["worker 3 (slot 0) is ready"]).await;
    scene.stop().await.unwrap();
}

#[tokio::test]
async fn a_panic_that_somebody_else_caught_keeps_its_place() {
    let scene = Scene::start(Watcher::threads(1, async |_cluster| {
        let task = tokio::spawn(async { panic!("in a task") });
        let payload = task.await.unwrap_err().into_panic();
        if true {
            std::panic::resume_unwind(payload);
        }
        Ok::<(), io::Error>(())
    }));
    let ThreadEnding::Panicked(text) = ending(&scene, 1).await else {
        panic!("it did not panic");
    };
    assert!(
        text.contains("failures.rs:") && text.ends_with(": in a task"),
        "{text}"
    );
    scene.handle.force_stop();
    scene.end().await.unwrap();
}

#[tokio::test]
async fn a_panic_in_a_spawned_task_ends_no_worker() {
    let scene = Scene::start(Watcher::threads(1, async |cluster| {
        let task = tokio::spawn(async { panic!("only this task") });
        assert!(task.await.unwrap_err().is_panic());
        answer(cluster).await
    }));
    let address = scene.address().await;
    assert_eq!(ask_from(address).await.unwrap().worker, 1);
    scene.stop().await.unwrap();
}

#[derive(Debug)]
struct Outer(io::Error);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cannot brew")
    }
}

impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn brew() -> Outer {
    Outer(io::Error::other("no\nwater"))
}

#[tokio::test]
async fn an_error_is_told_with_its_causes_whatever_its_type() {
    let check = async |scene: Scene| {
        let text = scene.see_text(&["worker 1 (slot 0) died"]).await;
        assert_eq!(
            text,
            "worker 1 (slot 0) died: failed: cannot brew: no\\nwater"
        );
        scene.handle.force_stop();
        scene.end().await.unwrap();
    };
    let threads = Watcher::threads(1, async |_| Err(brew()));
    check(Scene::start(threads)).await;
    let threads = Watcher::threads(1, async |_| Err::<(), Box<dyn Error>>(brew().into()));
    check(Scene::start(threads)).await;
    let boxed = async |_| Err::<(), Box<dyn Error + Send + Sync>>(brew().into());
    check(Scene::start(Watcher::threads(1, boxed))).await;
    let text = async |_| Err::<(), _>("cannot brew: no\nwater");
    check(Scene::start(Watcher::threads(1, text))).await;
}

#[tokio::test]
async fn a_main_function_that_returns_at_once_is_started_again_after_a_while() {
    let scene = Scene::start(Watcher::threads(1, async |cluster: Cluster| match cluster
        .id()
        .is_some_and(|id| id.0 <= 2)
    {
        true => Ok(()),
        false => answer(cluster).await,
    }));
    assert_eq!(ending(&scene, 1).await, ThreadEnding::Returned);
    scene.see_text(&["slot 0 waits"]).await;
    scene.see_text(&["worker 3 (slot 0) is ready"]).await;
    scene.stop().await.unwrap();
}

#[tokio::test]
async fn threads_of_which_none_is_ever_ready_are_given_up() {
    let threads = Watcher::threads(1, async |_| Err::<(), _>("no"));
    let scene = Scene::start(threads);
    assert_eq!(scene.end().await.unwrap(), ExitReason::NeverReady);
}

#[tokio::test]
async fn a_crash_loop_ends_the_cluster_if_it_is_to() {
    let threads = Watcher::threads(1, async |cluster: Cluster| {
        let listener = cluster.listen("127.0.0.1:0").await?;
        // Ready, and then gone.
        tokio::select! {
            biased;
            accepted = listener.accept() => drop(accepted),
            () = tokio::task::yield_now() => {}
        }
        Err::<(), Box<dyn Error>>("no beans".into())
    });
    let scene = Scene::start(threads.crash_loop(CrashLoop::Exit));
    scene.see_text(&["slot 0 is crash-looping"]).await;
    assert_eq!(scene.end().await.unwrap(), ExitReason::CrashLoop);
}

#[tokio::test]
async fn a_rollout_whose_new_thread_fails_is_aborted_and_says_why() {
    let threads = Watcher::threads(2, async |cluster: Cluster| {
        match cluster.generation().is_some_and(|it| it.0 > 1) {
            true => panic!("the second edition"),
            false => answer(cluster).await,
        }
    });
    let scene = Scene::start(threads);
    let address = scene.address().await;
    scene.see_text(&["the cluster is ready"]).await;
    scene.handle.restart();
    let text = scene
        .see_text(&["rollout to generation 2 aborted", "the second edition"])
        .await;
    assert!(
        text.contains("died before it was ready (panicked at "),
        "{text}"
    );
    assert_eq!(ask_from(address).await.unwrap().generation, 1);
    scene.stop().await.unwrap();
}

#[tokio::test]
async fn a_thread_that_is_not_ready_in_time_is_ended_at_its_next_await() {
    let threads = Watcher::threads(1, async |_| {
        std::future::pending::<()>().await;
        Ok::<(), io::Error>(())
    });
    let scene = Scene::start(threads.boot_timeout(Duration::from_millis(100)));
    scene
        .see("a boot that took too long", |notice| {
            let Notice::Supervisor(Decision::BootTimedOut { .. }) = notice else {
                return None;
            };
            Some(())
        })
        .await;
    assert_eq!(ending(&scene, 1).await, ThreadEnding::Killed);
    scene.handle.force_stop();
    scene.end().await.unwrap();
}

#[tokio::test]
async fn hooks_that_never_run_and_handlers_are_dropped_with_what_they_hold_however_the_thread_ends()
{
    let held = Arc::new(Mutex::new(Vec::<Weak<()>>::new()));
    let main = {
        let held = Arc::clone(&held);
        async move |cluster: Cluster| {
            let (token, of_hook) = (Arc::new(()), cluster.clone());
            if cluster.id().is_some_and(|id| id.0 <= 3) {
                held.lock().unwrap().push(Arc::downgrade(&token));
                let of_handler = (cluster.clone(), Arc::clone(&token));
                cluster.on_terminate(async move || drop((of_hook, token)));
                let answer = move |_: Message<u8>| {
                    let _held = &of_handler;
                    async {}
                };
                cluster.answer("held", answer).unwrap();
            }
            match cluster.id().map(|id| id.0) {
                Some(1) => Err("no".to_owned()),
                Some(2) => panic!("no"),
                Some(3) => std::future::pending().await,
                _ => answer(cluster).await.map_err(|error| error.to_string()),
            }
        }
    };
    let scene = Scene::start(Watcher::threads(1, main).boot_timeout(Duration::from_secs(2)));
    for (worker, nth) in (1..=3).zip(0..) {
        ending(&scene, worker).await;
        let held = held.lock().unwrap()[nth].upgrade();
        assert!(held.is_none(), "worker {worker}");
    }
    scene.see_text(&["worker 4 (slot 0) is ready"]).await;
    scene.stop().await.unwrap();
}

#[tokio::test]
async fn a_panic_caught_as_the_thread_lets_go_of_its_variables_ends_nothing_else() {
    /// Panics at the very end of its thread, and catches that itself.
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            drop(std::panic::catch_unwind(|| panic!("late")));
        }
    }
    std::thread_local! {
        static LATE: Late = const { Late };
    }
    let scene = Scene::start(Watcher::threads(1, async |cluster: Cluster| {
        if cluster.id().is_some_and(|id| id.0 == 1) {
            // Made before whatever notes the first panic: variables are let go of in the other order.
            LATE.with(|_late| {});
            panic!("early");
        }
        answer(cluster).await
    }));
    let text = scene.see_text(&["worker 1 (slot 0) died"]).await;
    let first = text.lines().next().unwrap();
    assert!(first.ends_with(": early"), "{text}");
    scene.see_text(&["worker 2 (slot 0) is ready"]).await;
    scene.stop().await.unwrap();
}
