//! A restart whose outcome is waited for.

use std::time::Duration;

use everport::Generation;
use everport::log::Notice;
use everport::watcher::{AbortCause, Decision, RestartError};
use everport_tests::Deployment;

use super::{Embedded, deployed, hear, soon, workers};

#[tokio::test]
async fn a_restart_resolves_when_every_slot_runs_the_new_release() {
    let deployment = Deployment::of("v1");
    let embedded = Embedded::ready(deployed(2, &deployment)).await;
    assert_eq!(embedded.release().await, "v1");
    deployment.put("v2");
    let restarted = soon(embedded.handle.restart()).await.unwrap();
    assert_eq!(restarted.generation, Generation(2));
    let status = embedded.status().await;
    assert_eq!((status.generation, status.rollout), (Generation(2), None));
    for slot in 0..2 {
        let worker = status.serving(everport::SlotId(slot)).unwrap();
        assert_eq!(worker.generation, Generation(2));
    }
    // An old worker that has yet to hear of its drain may accept one more.
    soon(embedded.handle.at_rest()).await.unwrap();
    assert_eq!(embedded.release().await, "v2");
    embedded.stop().await;
}

#[tokio::test]
async fn a_restart_that_is_aborted_says_what_failed() {
    let deployment = Deployment::of("v1");
    let embedded = Embedded::ready(deployed(2, &deployment)).await;
    deployment.put("v2 crashes-at-boot");
    let error = soon(embedded.handle.restart()).await.unwrap_err();
    let text = error.to_string();
    let RestartError::Aborted(aborted) = error else {
        panic!("{text}");
    };
    assert_eq!(
        (aborted.generation, aborted.back_to),
        (Generation(2), Generation(1))
    );
    assert_eq!(aborted.cause, AbortCause::DiedBooting);
    assert_eq!(aborted.ending.unwrap().code, Some(3));
    assert_eq!(aborted.last_lines, ["release v2 is broken"]);
    assert!(
        text.starts_with("rollout to generation 2 aborted: worker "),
        "{text}"
    );
    assert!(!text.contains('\n'), "{text}");
    soon(embedded.handle.at_rest()).await.unwrap();
    assert_eq!(embedded.release().await, "v1");
    embedded.stop().await;
}

#[tokio::test]
async fn a_restart_during_another_waits_for_its_own() {
    let embedded = Embedded::ready(workers(2)).await;
    let mut notices = embedded.handle.notices();
    let first = embedded.handle.restart();
    let has_begun =
        |notice: &Notice| matches!(notice, Notice::Supervisor(Decision::RolloutStarted { .. }));
    hear(&mut notices, has_begun).await;
    let second = embedded.handle.restart();
    let third = embedded.handle.restart();
    assert_eq!(soon(first).await.unwrap().generation, Generation(2));
    assert_eq!(soon(second).await.unwrap().generation, Generation(3));
    assert_eq!(soon(third).await.unwrap().generation, Generation(3));
    embedded.stop().await;
}

#[tokio::test]
async fn nobody_need_wait_for_a_restart() {
    let embedded = Embedded::ready(workers(1)).await;
    let mut notices = embedded.handle.notices();
    drop(embedded.handle.restart());
    let is_over =
        |notice: &Notice| matches!(notice, Notice::Supervisor(Decision::RolloutFinished { .. }));
    hear(&mut notices, is_over).await;
    embedded.stop().await;
}

#[tokio::test]
async fn a_stop_ends_a_restart_and_refuses_the_next() {
    let deployment = Deployment::of("v1");
    let builder = deployed(1, &deployment).shutdown_timeout(Duration::from_secs(2));
    let embedded = Embedded::ready(builder).await;
    let mut notices = embedded.handle.notices();
    deployment.put("v2 hangs-at-boot");
    let running = embedded.handle.restart();
    hear(&mut notices, |notice| {
        matches!(notice, Notice::Spawned { .. })
    })
    .await;
    embedded.handle.stop();
    let refused = embedded.handle.restart();
    assert!(matches!(soon(running).await, Err(RestartError::Stopping)));
    assert!(matches!(soon(refused).await, Err(RestartError::Stopping)));
    soon(embedded.running).await.unwrap().unwrap();
    let late = soon(embedded.handle.restart()).await;
    assert!(matches!(late, Err(RestartError::Ended(_))));
}
