//! Measuring calm and busy in turn, and what the two have to say beside each other.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use everport_load::{FailureKind, Report, RunningLoad, Trace};
use everport_tests::take_turn;

use crate::plot::{Mark, Panel, Request, Row};
use crate::statistics::{Interval, Sample, millis};
use crate::table::{Cell, Table};

/// Something measured with and without a disturbance, in turn, so that whatever else the machine does meets
/// both alike.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) calm: Phase,
    pub(crate) busy: Phase,
}

/// All rounds with the disturbance, or all without.
#[derive(Debug, Default)]
pub(crate) struct Phase {
    pub(crate) rounds: Vec<Round>,
}

/// One load, and what was done to the server meanwhile.
#[derive(Debug)]
pub(crate) struct Round {
    /// What the load found out. The quantiles are its own.
    pub(crate) report: Report,
    /// A second load of the same time: its requests are plotted, and its losses count.
    pub(crate) beside: Option<Report>,
    /// How long it was meant to take.
    pub(crate) length: Duration,
    /// How often the server was disturbed.
    pub(crate) disturbances: u64,
    /// From when to when something happened to the server, as the plot shows it; from the load's begin on.
    pub(crate) marks: Vec<(Duration, Duration)>,
}

impl Comparison {
    /// Measures both once more; neither is always the first.
    pub(crate) fn take_round(
        &mut self,
        calm: impl FnOnce() -> anyhow::Result<Round>,
        busy: impl FnOnce() -> anyhow::Result<Round>,
    ) -> anyhow::Result<()> {
        thread::sleep(GIVE_WAY);
        let _turn = take_turn();
        if self.calm.rounds.len().is_multiple_of(2) {
            self.calm.rounds.push(calm()?);
            self.busy.rounds.push(busy()?);
        } else {
            self.busy.rounds.push(busy()?);
            self.calm.rounds.push(calm()?);
        }
        Ok(())
    }

    /// How much longer the slowest of a thousand took when busy, round by round.
    pub(crate) fn slowdown(&self) -> Interval {
        self.busy.ratio(&self.calm, 99.9)
    }

    /// The row of a plot that shows them side by side.
    pub(crate) fn row(&self, name: &str, busy: &str) -> Row {
        Row {
            name: name.to_owned(),
            panels: [self.calm.panel("calm"), self.busy.panel(busy)],
        }
    }
}

impl Phase {
    pub(crate) fn requests(&self) -> u64 {
        self.reports().map(|report| report.total).sum()
    }

    pub(crate) fn failed(&self) -> u64 {
        self.reports().map(Report::failed).sum()
    }

    /// Requests of the second load.
    pub(crate) fn requests_beside(&self) -> u64 {
        let reports = self.rounds.iter().filter_map(|round| round.beside.as_ref());
        reports.map(|report| report.total).sum()
    }

    pub(crate) fn disturbances(&self) -> u64 {
        self.rounds.iter().map(|round| round.disturbances).sum()
    }

    /// How much longer a quantile was than in the other's round of the same number.
    pub(crate) fn ratio(&self, to: &Self, percent: f64) -> Interval {
        let latency = |round: &Round| round.report.latency.percentile(percent).as_secs_f64();
        let of = self.rounds.iter().map(latency);
        Sample::ratios(of, to.rounds.iter().map(latency)).median_interval()
    }

    /// Adds a row for each kind of failure behind `names`, and one for requests that no client was free to send.
    pub(crate) fn tell_failures(&self, names: &[Cell], table: &mut Table) {
        let mut sums: BTreeMap<FailureKind, u64> = BTreeMap::new();
        for (kind, count) in self.reports().flat_map(|report| &report.failures) {
            *sums.entry(*kind).or_default() += count;
        }
        for (kind, count) in sums {
            let what = [kind.to_string().into(), count.into()];
            table.row(names.iter().cloned().chain(what));
        }
        let unsent: u64 = self.reports().map(|report| report.unsent).sum();
        if unsent > 0 {
            let what = ["due, but never sent".into(), unsent.into()];
            table.row(names.iter().cloned().chain(what));
        }
    }

    /// The median of the rounds' quantiles with its quartiles, and the greatest of all rounds: p50, p99, p99.9, max, in
    /// milliseconds. Only requests that were answered are in them.
    pub(crate) fn quantiles(&self) -> [Cell; 4] {
        let latency = |round: &Round, percent| millis(round.report.latency.percentile(percent));
        let quantile = |percent| {
            let of_rounds = self.rounds.iter().map(|round| latency(round, percent));
            Cell::Spread(of_rounds.collect::<Sample>().spread(), 2)
        };
        let maxima = self.rounds.iter().map(|round| latency(round, 100.0));
        let max = Cell::Number(maxima.collect::<Sample>().max(), 2);
        [quantile(50.0), quantile(99.0), quantile(99.9), max]
    }

    fn reports(&self) -> impl Iterator<Item = &Report> {
        let of_rounds = self.rounds.iter();
        of_rounds.flat_map(|round| [&round.report].into_iter().chain(&round.beside))
    }

    /// All rounds one after the other.
    pub(crate) fn panel(&self, name: &str) -> Panel {
        let mut panel = Panel {
            heading: format!(
                "{name}: {} requests, {} failed",
                self.requests(),
                self.failed()
            ),
            ..Panel::default()
        };
        for round in &self.rounds {
            panel.append(round.panel());
        }
        panel
    }
}

impl Round {
    /// Waits for the end of a load that nothing was done to.
    pub(crate) fn calm(load: RunningLoad, length: Duration) -> Self {
        Self::busy(load, length, 0, [])
    }

    /// Waits for the load's end.
    pub(crate) fn busy(
        load: RunningLoad,
        length: Duration,
        disturbances: u64,
        marks: impl IntoIterator<Item = (Instant, Instant)>,
    ) -> Self {
        let begin = load.begin();
        let since = |at: Instant| at.saturating_duration_since(begin);
        let marks = marks.into_iter();
        Self {
            report: load.wait(),
            beside: None,
            length,
            disturbances,
            marks: marks.map(|(from, to)| (since(from), since(to))).collect(),
        }
    }

    /// Waits for the second load, too.
    pub(crate) fn beside(mut self, load: RunningLoad) -> Self {
        self.beside = Some(load.wait());
        self
    }

    /// How often something happened to the server while the load was there, in a second.
    pub(crate) fn marks_a_second(&self) -> f64 {
        let during = self.marks.iter().filter(|(at, _)| *at < self.length);
        during.count() as f64 / self.length.as_secs_f64()
    }

    fn panel(&self) -> Panel {
        let request = |trace: &Trace| Request {
            at: trace.intended.as_secs_f64(),
            latency: millis(trace.latency),
            failed: trace.failed,
        };
        let mark = |(begin, end): &(Duration, Duration)| Mark {
            begin: begin.as_secs_f64(),
            end: end.as_secs_f64(),
        };
        let beside = self.beside.iter().flat_map(|report| &report.traces);
        let traces = self.report.traces.iter().chain(beside);
        Panel {
            heading: String::new(),
            length: self.length.as_secs_f64(),
            requests: traces.map(request).collect(),
            marks: self.marks.iter().map(mark).collect(),
        }
    }
}

/// How many requests of a load are kept for its plot: more than the longest measurement at the highest rate sends.
pub(crate) const TRACES: usize = 8_000_000;
/// Long enough for tests that wait for their turn to see that it is free: they look every 20 ms.
const GIVE_WAY: Duration = Duration::from_millis(100);
