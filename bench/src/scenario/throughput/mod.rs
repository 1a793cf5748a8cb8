//! Throughput and processor time against the same program unmanaged, and beside what others use.

mod entrants;
mod others;
mod paired;
mod telling;

use std::time::Duration;

use crate::absent::failure;
use crate::contest::{Demand, Manner, Place, Race};
use crate::effort::Effort;
use crate::table::{Outcome, Table};

use entrants::{among_several, on_one_core};
use telling::Telling;

pub(crate) const NAME: &str = "throughput";

/// Compares the servers where the kernel puts them, then on one core, then with others.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let rounds = effort.rounds(16);
    let seconds = effort.seconds(Duration::from_millis(300));
    let paired_rounds = effort.rounds(PAIRED_ROUNDS);
    let connections: &[usize] = if effort.is_brief() {
        &[PROMISED]
    } else {
        &CONNECTIONS
    };
    let mut outcome = Outcome::new(NAME, method(rounds, seconds, paired_rounds), Vec::new());

    let entrants = among_several();
    let demands = demands(connections);
    let races = Race::run_all(Place::Spread, &entrants, &demands, rounds, seconds)?;
    Telling::new(Place::Spread, &entrants).tell(&races, &mut outcome);

    let entrants = on_one_core();
    let demands = self::demands(&[PROMISED]);
    let races = Race::run_all(Place::Pinned, &entrants, &demands, rounds, seconds)?;
    Telling::new(Place::Pinned, &entrants).tell(&races, &mut outcome);

    for place in Place::ALL {
        paired::compare(place, &demands, paired_rounds, &mut outcome)?;
    }
    if !effort.is_brief() {
        compare_with_others(effort.rounds(6), seconds, &mut outcome);
    }
    Ok(outcome)
}

/// Other people's programs must not take with them what was measured of ours; and whoever cannot bear all connections not
/// what can be measured with fewer.
fn compare_with_others(rounds: u32, seconds: Duration, outcome: &mut Outcome) {
    let mut failures = Table::new("Beside what others use", &["could not be measured"]);
    for connections in [&CONNECTIONS[..], &[PROMISED]] {
        match others::compare(&demands(connections), rounds, seconds, outcome) {
            Ok(()) => break,
            Err(error) => failures.row([failure("beside what others use", &error).into()]),
        }
    }
    outcome.add_unless_empty(failures);
}

fn method(rounds: u32, seconds: Duration, paired_rounds: u32) -> String {
    format!(
        "Clients that send their next request as soon as they have an answer. Each of {rounds} rounds starts every server \
         anew, warms it up, and measures it for {seconds:?} under each demand, in slices, one \
         server after the other in an order that changes with each slice. The clock runs while every client is connected \
         and busy. Values are medians of the rounds with their quartiles (in parentheses); ratios are taken within a \
         round: their median and its 95 % interval [in brackets]. Processor time is that of all processes of a server, \
         its manager included, in user and kernel mode. *Spread*: two workers, and the generator, wherever the kernel \
         puts them. *Pinned*: one worker on one core, the generator on another: the steadiest figure of processor time. \
         The bare responder answers without looking at the request, with one thread: what the generator reaches against \
         it is the generator's limit under that demand. At a server that comes close to it, throughput says nothing about \
         the server, and processor time per request is the figure to look at. *In short slices*: {paired_rounds} rounds \
         with new processes each; every slice lies between two of the unmanaged server, against whose mean it counts; the \
         median of a round's slices is the round's value. The figures are these. A second unmanaged server takes part: by as \
         much as its interval is wide, equal servers seem to differ. All serve by `axum::serve`, but for the one \
         that is said to serve by `everport::http`; beside what others use, all of everport's serve by `everport::http`."
    )
}

fn demands(connections: &[usize]) -> Vec<Demand> {
    let of = |manner| {
        let connections = connections.iter();
        connections.map(move |connections| Demand::of(manner, *connections))
    };
    Manner::ALL.into_iter().flat_map(of).collect()
}

const CONNECTIONS: [usize; 4] = [1, 16, 64, 512];
/// Under so many connections the figures are promised: enough to keep every worker busy, few enough to fit any queue.
const PROMISED: usize = 64;
/// Of the comparison in short slices: the interval of so many is half as wide as what one round differs from the next by.
const PAIRED_ROUNDS: u32 = 30;
