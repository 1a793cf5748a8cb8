//! The task that conducts a drain on the runtime, from its beginning to its deadline.

use std::sync::Arc;
use std::time::{Duration, Instant};

use everport_core::PortId;

use super::drain::{Drain, Draining};
use super::state::State;
use crate::listener::Port;

/// How long the first byte of a connection is waited for after the last accept: the request of a client
/// on the other side of the world is on its way for a third of it.
const FIRST_BYTE: Duration = Duration::from_secs(1);

/// How often it is looked whether this process has run meanwhile.
const SLICE: Duration = Duration::from_millis(100);

/// What such a look counts at most, however late it is. So there are at least two of them, and a runtime whose handlers
/// block for less is late without waiting any longer for it.
const SLICE_COUNTS: Duration = Duration::from_millis(500);

/// How often ports are looked at that have nothing to say themselves when they stop.
const BEAT: Duration = Duration::from_millis(10);

/// Waits for the drain, conducts it, and runs the hooks at its deadline if they did not run before.
pub(crate) async fn conduct(state: Arc<State>) {
    Draining::new(state.watch_phase()).await;
    let Some(drain) = state.drain() else { return };
    stop_accepting(&state).await;
    hear_first_bytes(&state, drain.deadline).await;
    state.terminate();
    wait_for_deadline(&state).await;
    state.expire();
    state.hooks.run().await;
    if state.is_worker() {
        // Whoever is too late for it, or without a link, has nobody to tell.
        state.report_left().await.ok();
    }
}

/// Stops every port, those to be emptied when they are empty, and returns when all have stopped.
async fn stop_accepting(state: &State) {
    loop {
        // Looked at anew each time: a drain can become shorter.
        let Some(drain) = state.drain() else { return };
        let accepting: Vec<_> = state
            .ports()
            .into_iter()
            .filter(|(_, port)| !port.is_stopped())
            .collect();
        let now = Instant::now();
        let mut next = drain.deadline.max(now + BEAT);
        for (id, port) in &accepting {
            let look_again =
                stops_at(state, (*id, port.as_ref()), &drain, now).unwrap_or_else(|| {
                    port.stop();
                    now + BEAT
                });
            next = next.min(look_again);
        }
        if accepting.iter().all(|(_, port)| port.is_stopped()) {
            return;
        }
        drop(accepting); // a listener that is dropped meanwhile closes its socket
        wait(state, next).await;
    }
}

/// When to look at the port again; `None` when it must stop now.
fn stops_at(
    state: &State,
    (id, port): (PortId, &dyn Port),
    drain: &Drain,
    now: Instant,
) -> Option<Instant> {
    if !drain.empties(id) || now >= drain.deadline {
        return None;
    }
    let quiet = drain.quiet.max(port.least_quiet());
    let quiet_at = port.last_accept().max(drain.began) + quiet;
    if quiet_at > now {
        return Some(quiet_at);
    }
    // Quiet, but only because the application is busy: what waits is waited for, unless it is done.
    let is_wanted = !(state.wants_to_leave() && port.is_unwanted());
    (port.has_waiting() && is_wanted).then_some(now + quiet.max(BEAT))
}

/// Waits until every accepted connection has said something, is gone, or had its time. Of time in which this did not run
/// most is left out: what came meanwhile has yet to be read, and on a machine that stood still nothing could come.
async fn hear_first_bytes(state: &State, deadline: Instant) {
    let mut left_out = Duration::ZERO;
    loop {
        let until = (state.connections.last_accept() + FIRST_BYTE + left_out).min(deadline);
        let now = Instant::now();
        if state.connections.silent() == 0 || now >= until {
            return;
        }
        wait(state, until.min(now + SLICE)).await;
        left_out += not_counted(now.elapsed());
    }
}

/// How much of a look that took so long is left out.
fn not_counted(took: Duration) -> Duration {
    took.saturating_sub(SLICE_COUNTS)
}

async fn wait_for_deadline(state: &State) {
    while let Some(drain) = state.drain() {
        if Instant::now() >= drain.deadline {
            return;
        }
        wait(state, drain.deadline).await;
    }
}

/// Waits until the moment, or until something changed.
async fn wait(state: &State, until: Instant) {
    tokio::select! {
        () = tokio::time::sleep_until(until.into()) => {}
        () = state.connections.changed() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many looks there are, and for how long first bytes are waited for, when each look takes that long.
    fn looks_of(took: Duration) -> (u32, Duration) {
        let (mut looks, mut waited, mut left_out) = (0, Duration::ZERO, Duration::ZERO);
        while waited < FIRST_BYTE + left_out {
            looks += 1;
            waited += took;
            left_out += not_counted(took);
        }
        (looks, waited)
    }

    #[test]
    fn handlers_that_block_for_less_than_half_a_second_prolong_no_wait_for_first_bytes() {
        let ms = Duration::from_millis;
        assert_eq!(looks_of(SLICE), (10, FIRST_BYTE));
        // Late by 400 ms each time, which is no more than the last look's own lateness.
        assert_eq!(looks_of(SLICE + ms(400)), (2, FIRST_BYTE));
        assert_eq!(looks_of(SLICE + ms(300)), (3, ms(1_200)));
    }

    #[test]
    fn a_machine_that_stands_still_leaves_two_looks_and_no_more() {
        for stood_still in [1, 5, 3600].map(Duration::from_secs) {
            assert_eq!(looks_of(SLICE + stood_still).0, 2, "{stood_still:?}");
        }
    }
}
