//! What rounds of calm, restarts and unrelated starts say.

use super::Measured;
use super::way::Way;
use crate::phase::Phase;
use crate::statistics::Sample;
use crate::table::{Cell, Figure, Limit, Outcome, Table};

pub(super) const COLUMNS: [&str; 12] = [
    "restarts",
    "sharing",
    "phase",
    "requests",
    "failed",
    "number of restarts",
    "programs started",
    "p50, ms",
    "p99, ms",
    "p99.9, ms",
    "max, ms",
    "p99.9 to calm",
];

pub(super) const RATIO_COLUMNS: [&str; 5] = ["restarts", "sharing", "p50", "p99", "p99.9"];

impl Measured {
    pub(super) fn tell(&self, outcome: &mut Outcome) {
        let Self {
            way,
            sharing,
            compared,
            unrelated,
            ..
        } = self;
        let (calm, busy) = (&compared.calm, &compared.busy);
        let slowdown = compared.slowdown();
        let mut row = |what: &str, phase: &Phase, counts: [u64; 2], ratio| {
            let names = [way.name().into(), sharing.to_string().into(), what.into()];
            let [restarts, programs] = counts;
            let counts = [phase.requests(), phase.failed(), restarts, programs].map(Cell::from);
            let cells = names.into_iter().chain(counts).chain(phase.quantiles());
            outcome.tables[0].row(cells.chain([ratio]));
        };
        row("calm", calm, [0, 0], "".into());
        let replaced = busy.rounds.iter().map(|round| round.marks.len() as u64);
        let counts = [busy.disturbances(), replaced.sum()];
        row("restarts", busy, counts, Cell::Interval(slowdown, 2));
        if *way == Way::Endless {
            let ratio = unrelated.ratio(calm, 99.9);
            let counts = [0, unrelated.disturbances()];
            row(
                "unrelated starts",
                unrelated,
                counts,
                Cell::Interval(ratio, 2),
            );
        }
        let title = |what| format!("{what}, {}, {sharing}", way.name());
        let lost = |what, phase: &Phase| Figure::lost(title(what), phase.failed());
        outcome
            .figures
            .push(lost("failed one-connection requests", busy));
        if *way == Way::Endless {
            let what = "failed beside unrelated starts";
            outcome.figures.push(lost(what, unrelated));
        }
        if way.has_limit() {
            outcome.figures.push(Figure {
                what: title("p99.9 during restarts against calm"),
                limit: Limit::AtMost(1.5),
                measured: slowdown,
                unit: "",
            });
        }
    }

    pub(super) fn tell_failures(&self, table: &mut Table) {
        let names = |way: &str| [way.into(), self.sharing.to_string().into()];
        let busy = &self.compared.busy;
        busy.tell_failures(&names(self.way.name()), table);
        self.unrelated.tell_failures(&names(UNRELATED), table);
    }

    /// Its restarts against those of another way to share.
    pub(super) fn tell_ratio_to(&self, other: &Self, table: &mut Table) {
        if self.sharing != other.sharing {
            let names = [self.way.name().into(), self.sharing.to_string().into()];
            let ratios = ratios(&self.compared.busy, &other.compared.busy);
            table.row(names.into_iter().chain(ratios));
        }
    }
}

/// What restarts do beyond what starting as many programs does.
pub(super) fn of_unrelated(all: &[Measured]) -> Table {
    let title = "Restarts one after the other, against as many starts of unrelated programs";
    let mut table = Table::new(title, &UNRELATED_COLUMNS);
    for measured in all {
        let (restarts, unrelated) = (&measured.compared.busy, &measured.unrelated);
        let replaced = restarts.rounds.iter().map(|round| round.marks_a_second());
        let started = unrelated
            .rounds
            .iter()
            .map(|round| round.disturbances as f64 / round.length.as_secs_f64());
        let median = |sample: Sample| Cell::Number(sample.median(), 0);
        let numbers = [
            measured.sharing.to_string().into(),
            median(replaced.collect()),
            median(started.collect()),
        ];
        table.row(numbers.into_iter().chain(ratios(restarts, unrelated)));
    }
    table
}

/// How tables call starts of programs that have nothing to do with the cluster.
const UNRELATED: &str = "unrelated starts";

const UNRELATED_COLUMNS: [&str; 6] = [
    "sharing",
    "restarts: programs/s",
    "unrelated: programs/s",
    "p50",
    "p99",
    "p99.9",
];

fn ratios(phase: &Phase, to: &Phase) -> [Cell; 3] {
    [50.0, 99.0, 99.9].map(|percent| Cell::Interval(phase.ratio(to, percent), 2))
}
