//! What `TERM` and `INT` sent to this process mean.

use std::io;
use std::sync::Arc;

use everport_core::ReplaceCause;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::ending::end_process;
use super::state::State;
use crate::link::FromWorker;

/// The signals, caught from now on.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// What a signal leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Ask the watcher for a successor that is ready first.
    Replace,
    /// Drain now.
    Drain,
    /// End now.
    End,
    /// What it asks for is under way.
    Nothing,
}

impl Signals {
    /// Needs a tokio runtime.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Obeys them for as long as the runtime lives.
    pub(crate) async fn obey(mut self, state: Arc<State>) {
        let mut count = 0_u32;
        loop {
            let signal = self.next().await;
            count = count.saturating_add(1);
            match meaning(count, state.is_worker(), state.is_draining()) {
                // Without a link the drain has begun by itself.
                Meaning::Replace => drop(state.outbox.push(FromWorker::Replace {
                    cause: ReplaceCause::Asked,
                })),
                Meaning::Drain => state.leave_alone(),
                Meaning::End => end_process(128 + signal.as_raw_value()),
                Meaning::Nothing => {}
            }
        }
    }

    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            Some(()) = self.terminate.recv() => SignalKind::terminate(),
            Some(()) = self.interrupt.recv() => SignalKind::interrupt(),
            else => std::future::pending().await,
        }
    }
}

/// In a cluster the first signal asks for a successor and the second one drains; standalone the first one
/// drains. One more ends the process.
fn meaning(count: u32, is_worker: bool, is_draining: bool) -> Meaning {
    match (count, is_worker) {
        (1, true) if !is_draining => Meaning::Replace,
        (2, true) | (1, false) if !is_draining => Meaning::Drain,
        (1 | 2, true) | (1, false) => Meaning::Nothing,
        _ => Meaning::End,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workers_signals_replace_drain_and_end_it() {
        assert_eq!(meaning(1, true, false), Meaning::Replace);
        assert_eq!(meaning(2, true, false), Meaning::Drain);
        assert_eq!(meaning(3, true, true), Meaning::End);
    }

    #[test]
    fn a_draining_worker_needs_no_successor() {
        assert_eq!(meaning(1, true, true), Meaning::Nothing);
        assert_eq!(meaning(2, true, true), Meaning::Nothing);
    }

    #[test]
    fn standalone_the_first_signal_drains_and_the_second_one_ends() {
        assert_eq!(meaning(1, false, false), Meaning::Drain);
        assert_eq!(meaning(1, false, true), Meaning::Nothing);
        assert_eq!(meaning(2, false, true), Meaning::End);
    }
}
