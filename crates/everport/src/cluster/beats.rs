//! Answers the watcher's beats on the runtime that serves, so that one that hangs is seen.

use std::sync::Arc;

use super::state::State;
use crate::link::FromWorker;

/// Answers each beat that the guard thread passes on. A beat that another one has overtaken needs no answer.
pub(super) async fn answer_beats(state: Arc<State>) {
    let mut beats = state.beats.subscribe();
    loop {
        let beat = *beats.borrow_and_update();
        if let Some(beat) = beat {
            // Without a link nobody asks, and one that is full has been asked for other things before.
            state.outbox.push(FromWorker::Alive { beat }).ok();
        }
        if beats.changed().await.is_err() {
            return;
        }
    }
}
