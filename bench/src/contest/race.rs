//! The rounds of a contest under one demand, and what they say about two servers of it.

use std::time::Duration;

use super::{Contest, Demand, Entrant, Measured, Place};
use crate::statistics::{Interval, Sample};

/// What every server did in every round.
#[derive(Debug)]
pub(crate) struct Race {
    pub(crate) demand: Demand,
    /// In the order of the rounds, and in each in that of the entrants.
    rounds: Vec<Vec<Measured>>,
}

impl Race {
    /// Measures every demand in each of so many rounds, each server for so long. Every round starts every server anew.
    pub(crate) fn run_all(
        place: Place,
        entrants: &[Entrant],
        demands: &[Demand],
        rounds: u32,
        length: Duration,
    ) -> anyhow::Result<Vec<Self>> {
        let race = |demand: &Demand| Self {
            demand: *demand,
            rounds: Vec::new(),
        };
        let mut races: Vec<Self> = demands.iter().map(race).collect();
        for round in 0..rounds {
            let mut contest = Contest::start(place, entrants, round)?;
            for race in &mut races {
                race.rounds.push(contest.measure(race.demand, length)?);
            }
        }
        Ok(races)
    }

    /// The rounds' values of one entrant.
    pub(crate) fn sample(&self, entrant: usize, of: impl Fn(&Measured) -> f64) -> Sample {
        let rounds = self.rounds.iter();
        rounds.map(|round| of(&round[entrant])).collect()
    }

    /// One entrant against another, taken within each round.
    pub(crate) fn ratio(
        &self,
        entrant: usize,
        to: usize,
        of: impl Fn(&Measured) -> f64,
    ) -> Interval {
        let of_rounds = |entrant: usize| self.rounds.iter().map(move |round| &round[entrant]);
        Sample::ratios(of_rounds(entrant).map(&of), of_rounds(to).map(&of)).median_interval()
    }

    pub(crate) fn failed(&self, entrant: usize) -> u64 {
        let failed = |round: &Vec<Measured>| round[entrant].failed;
        self.rounds.iter().map(failed).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contest::Manner;

    #[test]
    fn ratios_are_taken_within_a_round() {
        let measured = |requests| Measured {
            requests,
            failed: 1,
            took: Duration::from_secs(1),
            ..Measured::default()
        };
        // The machine was ten times faster in every other round: each server's own values say nothing.
        let round = |number: u64| {
            let speed = if number.is_multiple_of(2) { 10 } else { 1 };
            vec![measured(1000 * speed), measured(900 * speed)]
        };
        let race = Race {
            demand: Demand::of(Manner::KeepAlive, 1),
            rounds: (0..16).map(round).collect(),
        };
        let ratio = race.ratio(1, 0, Measured::throughput);
        assert_eq!((ratio.low, ratio.median, ratio.high), (0.9, 0.9, 0.9));
        assert_eq!(race.sample(1, Measured::throughput).max(), 9000.0);
        assert_eq!(race.failed(0), 16);
    }
}
