//! Beside what others use: absolute numbers, because these are other programs in other languages.

use std::time::Duration;

use super::telling::{group, measures};
use crate::contest::{Demand, Entrant, Measured, Place, Race};
use crate::plot::{Bars, Shade};
use crate::subject::{Kind, Missing};
use crate::table::{Cell, Outcome, Table};

/// Measures everybody who is installed, and lists who is not.
pub(super) fn compare(
    demands: &[Demand],
    rounds: u32,
    seconds: Duration,
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    let place = Place::Spread;
    let (entrants, missing) = installed(place.workers());
    let races = Race::run_all(place, &entrants, demands, rounds, seconds)?;
    let mut table = Table::new(
        format!("Beside what others use, {place}, 2 workers each, {rounds} rounds"),
        &COLUMNS,
    );
    for race in &races {
        for (number, entrant) in entrants.iter().enumerate() {
            table.row(row(race, number, entrant.name));
        }
    }
    outcome.tables.push(table);
    outcome.add_unless_empty(missing);
    outcome.bars.push(Bars {
        name: "others".to_owned(),
        title: "Throughput and processor time beside what others use".to_owned(),
        measures: measures(),
        groups: races
            .iter()
            .filter(|race| race.demand.connections == super::PROMISED)
            .map(|race| group(race.demand.to_string(), &entrants, race))
            .collect(),
    });
    Ok(())
}

const COLUMNS: [&str; 7] = [
    "connections",
    "requests",
    "server",
    "requests/s",
    "CPU, µs/request",
    "cores busy",
    "failed",
];

fn row(race: &Race, entrant: usize, name: &str) -> [Cell; COLUMNS.len()] {
    let sample = |of: fn(&Measured) -> f64| race.sample(entrant, of);
    [
        (race.demand.connections as u64).into(),
        race.demand.manner.to_string().into(),
        name.into(),
        Cell::Spread(sample(Measured::throughput).spread(), 0),
        Cell::Spread(sample(Measured::cost).spread(), 2),
        Cell::Number(sample(Measured::busy).median(), 2),
        race.failed(entrant).into(),
    ]
}

/// Those that can be started, and why the others cannot.
fn installed(workers: u32) -> (Vec<Entrant>, Table) {
    let mut entrants = vec![Entrant::bare()];
    let mut missing = Table::new("Missing", &["server", "why"]);
    for kind in Kind::ALL {
        match try_out(kind, workers) {
            Ok(()) => {
                let start = move |workers| kind.start(workers);
                let entrant = Entrant::new(kind.name(), shade(kind), start);
                entrants.push(entrant.warmed_up_long());
            }
            Err(why) => missing.row([kind.name().into(), why.into()]),
        }
    }
    (entrants, missing)
}

/// Starts it once: what does not start must not end the measurement of the others.
fn try_out(kind: Kind, workers: u32) -> Result<(), String> {
    kind.find()
        .map_err(|missing: Missing| missing.to_string())?;
    let started = kind.start(workers).map(drop);
    started.map_err(|error| format!("{error:#}"))
}

fn shade(kind: Kind) -> Shade {
    match kind {
        Kind::Unmanaged | Kind::MultiThreaded => Shade::Same,
        _ if kind.is_everport() => Shade::Everport,
        _ => Shade::Other,
    }
}
