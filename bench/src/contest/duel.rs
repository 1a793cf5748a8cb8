//! Servers against one of them, each slice between two of the other: what makes a ratio sharp.

use std::time::Duration;

use super::{Contest, Demand, Entrant, Measured, Place};
use crate::statistics::{Interval, Sample};
use crate::turns::order;

/// How every server did against the first one, in every round.
#[derive(Debug)]
pub(crate) struct Duel {
    pub(crate) demand: Demand,
    /// In the order of the rounds, and in each in that of the entrants but the first.
    rounds: Vec<Vec<Against>>,
    /// The requests that failed, those of the first included.
    pub(crate) failed: u64,
}

/// How one did against the first: each value is divided by the first's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Against {
    pub(crate) throughput: f64,
    pub(crate) cost: f64,
}

impl Duel {
    /// Compares all with the first under every demand, in each of so many rounds. Every round starts every server anew:
    /// what a process is lucky with, such as where its memory lies, it keeps for as long as it lives, so that many short
    /// lives say more than few long ones.
    pub(crate) fn run_all(
        place: Place,
        entrants: &[Entrant],
        demands: &[Demand],
        rounds: u32,
        slice: Duration,
    ) -> anyhow::Result<Vec<Self>> {
        let duel = |demand: &Demand| Self {
            demand: *demand,
            rounds: Vec::new(),
            failed: 0,
        };
        let mut duels: Vec<Self> = demands.iter().map(duel).collect();
        for round in 0..rounds {
            let contest = Contest::start(place, entrants, round)?;
            for duel in &mut duels {
                let passes = contest.passes(duel.demand, slice, round as usize)?;
                duel.take(&passes);
            }
        }
        Ok(duels)
    }

    fn take(&mut self, passes: &[Vec<Trio>]) {
        let servers = passes.first().map_or(0, Vec::len);
        let usual = |server: usize| Against::usual(passes.iter().map(|pass| pass[server]));
        self.rounds.push((0..servers).map(usual).collect());
        let slices = passes.iter().flatten();
        self.failed += slices.map(Trio::failed).sum::<u64>();
    }

    /// How one of the entrants but the first did.
    pub(crate) fn to_first(&self, entrant: usize, of: fn(&Against) -> f64) -> Interval {
        self.sample(entrant, of).median_interval()
    }

    /// How one of the entrants but the first did against another of these, in the same rounds.
    pub(crate) fn ratio(&self, entrant: usize, to: usize, of: fn(&Against) -> f64) -> Interval {
        Sample::ratios(self.values(entrant, of), self.values(to, of)).median_interval()
    }

    fn sample(&self, entrant: usize, of: fn(&Against) -> f64) -> Sample {
        self.values(entrant, of).collect()
    }

    fn values(&self, entrant: usize, of: fn(&Against) -> f64) -> impl Iterator<Item = f64> {
        self.rounds.iter().map(move |round| of(&round[entrant - 1]))
    }
}

impl Contest {
    /// So many passes, in each of which every server but the first has its slice. For each pass: their slices in the
    /// order of the entrants, each with those of the first beside it.
    fn passes(
        &self,
        demand: Demand,
        slice: Duration,
        round: usize,
    ) -> anyhow::Result<Vec<Vec<Trio>>> {
        let _turn = everport_tests::take_turn();
        let others = self.servers.len() - 1;
        let mut before = self.load(FIRST, demand, slice)?;
        let mut passes = Vec::new();
        for pass in 0..PASSES {
            let mut trios = vec![Trio::default(); others];
            for other in order(others, round * PASSES + pass) {
                let own = self.load(other + 1, demand, slice)?;
                let after = self.load(FIRST, demand, slice)?;
                trios[other] = Trio { before, own, after };
                before = after;
            }
            passes.push(trios);
        }
        Ok(passes)
    }
}

/// A slice of a server, and those of the first before and after it.
#[derive(Debug, Clone, Copy, Default)]
struct Trio {
    before: Measured,
    own: Measured,
    after: Measured,
}

impl Trio {
    /// Against the mean of both: a machine that gets faster or slower meanwhile changes nothing.
    fn ratio(&self, of: fn(&Measured) -> f64) -> f64 {
        of(&self.own) / f64::midpoint(of(&self.before), of(&self.after))
    }

    /// Those after it are before the next.
    fn failed(&self) -> u64 {
        self.before.failed + self.own.failed
    }
}

impl Against {
    /// The median of the passes: what else the machine did in one of the slices does not count.
    fn usual(trios: impl Iterator<Item = Trio>) -> Self {
        let trios: Vec<Trio> = trios.collect();
        let median = |of: fn(&Measured) -> f64| {
            let ratios: Sample = trios.iter().map(|trio| trio.ratio(of)).collect();
            ratios.median()
        };
        Self {
            throughput: median(Measured::throughput),
            cost: median(Measured::cost),
        }
    }
}

const FIRST: usize = 0;
/// How often each has its slice in a round: an odd number, so that one of them is in the middle.
const PASSES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contest::Manner;

    fn slice(requests: u64) -> Measured {
        Measured {
            requests,
            failed: 1,
            took: Duration::from_secs(1),
            server: Duration::from_secs(1),
            generator: Duration::from_secs(1),
        }
    }

    fn trio(before: u64, own: u64, after: u64) -> Trio {
        Trio {
            before: slice(before),
            own: slice(own),
            after: slice(after),
        }
    }

    #[test]
    fn a_machine_that_gets_slower_changes_no_ratio() {
        let passes = [1000, 700, 400].map(|speed| vec![trio(speed, speed - 100, speed - 200)]);
        let mut duel = Duel {
            demand: Demand::of(Manner::KeepAlive, 1),
            rounds: Vec::new(),
            failed: 0,
        };
        duel.take(&passes);
        let ratio = duel.to_first(1, |against| against.throughput);
        assert_eq!((ratio.median, duel.failed), (1.0, 6));
    }

    #[test]
    fn a_slice_in_which_the_machine_did_something_else_does_not_count() {
        let trios = [
            trio(1000, 900, 1000),
            trio(1000, 300, 1000),
            trio(1000, 910, 1000),
        ];
        let usual = Against::usual(trios.into_iter());
        assert_eq!(usual.throughput, 0.9);
    }

    #[test]
    fn others_are_compared_within_a_round() {
        let round = |speed: f64| {
            [1.0, 1.2].map(|throughput| Against {
                throughput: throughput * speed,
                cost: 1.0,
            })
        };
        let duel = Duel {
            demand: Demand::of(Manner::OneShot, 64),
            rounds: (1..=16)
                .map(|speed| round(f64::from(speed)).to_vec())
                .collect(),
            failed: 0,
        };
        let ratio = duel.ratio(2, 1, |against| against.throughput);
        assert!((ratio.low - 1.2).abs() < 1e-9 && (ratio.high - 1.2).abs() < 1e-9);
    }
}
