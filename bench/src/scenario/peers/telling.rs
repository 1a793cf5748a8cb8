//! What the trials of all subjects have to say beside each other.

use super::contestant::Contestant;
use super::trial::Trial;
use crate::phase::Phase;
use crate::plot::{Plot, Row};
use crate::subject::{Kind, Missing, Version};
use crate::table::{Cell, Figure, Outcome, Table};

/// What is installed, and what is missing.
pub(super) fn versions(found: &[(Kind, Result<Version, Missing>)]) -> Table {
    let mut table = Table::new("Subjects", &["subject", "version"]);
    for (kind, found) in found {
        let version = match found {
            Ok(version) => version.to_string(),
            Err(missing) => format!("missing: {missing}"),
        };
        table.row([kind.name().into(), version.into()]);
    }
    table
}

/// Tables, figures and plots.
pub(super) fn tell(contestants: &[Contestant], outcome: &mut Outcome) {
    let mut failures = Table::new("Failures", &["subject", "trial", "failure", "requests"]);
    for trial in IN_TABLES {
        let mut table = Table::new(trial.to_string(), &COLUMNS);
        for contestant in contestants {
            table.row(row(contestant, trial));
            if let Some(phase) = contestant.trials.get(&trial) {
                let names = [contestant.kind.name().into(), trial.to_string().into()];
                phase.tell_failures(&names, &mut failures);
                outcome
                    .figures
                    .extend(figure(contestant.kind, trial, phase));
            }
        }
        outcome.tables.push(table);
        outcome.plots.extend(plot(contestants, trial));
    }
    outcome.add_unless_empty(failures);
}

const IN_TABLES: [Trial; 5] = [
    Trial::Calm,
    Trial::Restarts,
    Trial::KeptRestarts,
    Trial::Kills,
    Trial::Stopped,
];

const COLUMNS: [&str; 9] = [
    "subject",
    "requests",
    "disturbances",
    "failed",
    "p50, ms",
    "p99, ms",
    "p99.9, ms",
    "max, ms",
    "not done",
];

fn row(contestant: &Contestant, trial: Trial) -> Vec<Cell> {
    let name = Cell::from(contestant.kind.name());
    let why = contestant.why_not(trial).unwrap_or_default();
    let Some(phase) = contestant.trials.get(&trial) else {
        let nothing = (0..COLUMNS.len() - 2).map(|_| Cell::from(""));
        return [name]
            .into_iter()
            .chain(nothing)
            .chain([why.into()])
            .collect();
    };
    let counts = [phase.requests(), phase.disturbances(), phase.failed()].map(Cell::from);
    let cells = [name].into_iter().chain(counts).chain(phase.quantiles());
    cells.chain([why.into()]).collect()
}

/// What everport may not lose.
fn figure(kind: Kind, trial: Trial, phase: &Phase) -> Option<Figure> {
    let must_not_lose = [Trial::Calm, Trial::Restarts, Trial::KeptRestarts];
    let is_promised = kind.is_everport() && must_not_lose.contains(&trial);
    let what = || format!("failed requests, {trial}, {kind}");
    is_promised.then(|| Figure::lost(what(), phase.failed()))
}

/// Calm beside a trial, for some of them: more would be too small to see.
fn plot(contestants: &[Contestant], trial: Trial) -> Option<Plot> {
    let shown = contestants.iter().filter(|one| SHOWN.contains(&one.kind));
    let rows: Vec<Row> = shown
        .filter_map(|one| {
            let [calm, busy] = [Trial::Calm, trial].map(|trial| one.trials.get(&trial));
            Some(Row {
                name: one.kind.name().to_owned(),
                panels: [calm?.panel("calm"), busy?.panel(&trial.to_string())],
            })
        })
        .collect();
    let is_plotted = trial != Trial::Calm && !rows.is_empty();
    is_plotted.then(|| Plot {
        name: trial.file_name().to_owned(),
        title: trial.title(),
        marks: trial.mark(),
        limit: None,
        rows,
    })
}

const SHOWN: [Kind; 6] = [
    Kind::Reuseport,
    Kind::Nginx,
    Kind::NodeCluster,
    Kind::Gunicorn,
    Kind::Granian,
    Kind::Puma,
];
