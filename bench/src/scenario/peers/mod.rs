//! The same load and the same disturbances for everport and for what others use.

mod contestant;
mod telling;
mod trial;

use std::time::Duration;

use everport_tests::take_turn;

use crate::effort::Effort;
use crate::subject::Kind;
use crate::table::Outcome;
use contestant::Contestant;
use trial::{CLIENTS, EVERY, KEPT, RATE, Trial};

pub(crate) const NAME: &str = "peers";

/// Measures every trial with everything that is installed, round by round.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let rounds = effort.rounds(3);
    let seconds = effort.seconds(Duration::from_secs(4));
    let is_wanted = |kind: &Kind| SOON_DONE.contains(kind) || !effort.is_brief();
    let found = Kind::ALL.into_iter().filter(is_wanted);
    let found: Vec<_> = found.map(|kind| (kind, kind.find())).collect();
    let installed = found.iter().filter(|(_, found)| found.is_ok());
    let mut contestants: Vec<_> = installed.map(|(kind, _)| Contestant::new(*kind)).collect();
    for _ in 0..rounds {
        for contestant in &mut contestants {
            let _turn = take_turn();
            contestant.measure(WORKERS, seconds)?;
        }
        // Neither ours nor others are always among the first.
        let a_third = contestants.len().div_ceil(3);
        contestants.rotate_left(a_third);
    }
    contestants
        .sort_by_key(|contestant| Kind::ALL.iter().position(|kind| *kind == contestant.kind));
    let mut outcome = Outcome::new(
        NAME,
        method(rounds, seconds),
        vec![telling::versions(&found)],
    );
    telling::tell(&contestants, &mut outcome);
    Ok(outcome)
}

fn method(rounds: u32, seconds: Duration) -> String {
    let skipped = Trial::ALL.len();
    format!(
        "{WORKERS} workers each, set up as its own documentation advises, but for what `docs/benchmarks.md` says (files: `bench/peers`), one after the other on the same \
         machine; {rounds} rounds, in each of them every subject is started anew and goes through {skipped} trials of \
         {seconds:?}. {RATE} requests a second, one connection each ({CLIENTS} clients), nothing retried; latency from each \
         request's intended start, of those that were answered. everport serves by `everport::http`, the unmanaged \
         processes and the one with threads by `axum::serve`. *Restarts*: a rolling restart every {EVERY:?}, or as soon as the one before has ended. \
         *Kept connections*: the same with the requests on {KEPT} connections that are kept. *Kills*: `kill -9` of the oldest worker \
         every {EVERY:?}. *Stopped*: one worker is stopped for two thirds of the time. In a trial of less than \
         twice that, all that is done every half of its length. Values are \
         medians of the rounds' quantiles with their quartiles (in parentheses), which for three rounds are the least \
         and the greatest; counts and max are those of all rounds. What failed to start, or in a trial, is not tried again, \
         and says so."
    )
}

/// Those that start and restart within a moment.
const SOON_DONE: [Kind; 5] = [
    Kind::Reuseport,
    Kind::Threads,
    Kind::MultiThreaded,
    Kind::Nginx,
    Kind::Haproxy,
];
/// As many as in the other scenarios.
const WORKERS: u32 = 4;
