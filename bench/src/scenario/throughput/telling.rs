//! What the races of one place say: tables, figures, plots.

use super::entrants::{BARE, DISPATCH, REFERENCE, REUSEPORT, TRANSFER};
use crate::contest::{Entrant, Manner, Measured, Place, Race};
use crate::plot::{Bar, Bars, Group, Measure};
use crate::statistics::Interval;
use crate::table::{Cell, Figure, Outcome, Table};

/// Tells of races that these have run.
pub(super) struct Telling<'a> {
    place: Place,
    entrants: &'a [Entrant],
}

impl<'a> Telling<'a> {
    pub(super) fn new(place: Place, entrants: &'a [Entrant]) -> Self {
        Self { place, entrants }
    }

    pub(super) fn tell(&self, races: &[Race], outcome: &mut Outcome) {
        for manner in Manner::ALL {
            let of_manner = races.iter().filter(|race| race.demand.manner == manner);
            let of_manner: Vec<&Race> = of_manner.collect();
            outcome.tables.push(self.table(manner, &of_manner));
            outcome.bars.push(self.bars(manner, &of_manner));
        }
        if self.place == Place::Spread {
            // Those that are pinned have been compared slice by slice.
            outcome.tables.push(self.against_reuseport(races));
        }
        outcome.figures.push(self.lost(races));
    }

    /// The ways to share against the default one.
    fn against_reuseport(&self, races: &[Race]) -> Table {
        let title = format!("Against reuseport, {}", self.place);
        let mut table = Table::new(title, &SHARING_COLUMNS);
        let find = |name: &str| self.entrants.iter().position(|it| it.name == name);
        let others = [TRANSFER, DISPATCH].into_iter().filter_map(find);
        let Some(reuseport) = find(REUSEPORT) else {
            return table;
        };
        for race in races {
            for other in others.clone() {
                let ratio = |of| Cell::Interval(race.ratio(other, reuseport, of), 3);
                table.row([
                    (race.demand.connections as u64).into(),
                    race.demand.manner.to_string().into(),
                    self.entrants[other].name.into(),
                    ratio(Measured::throughput as fn(&Measured) -> f64),
                    ratio(Measured::cost),
                ]);
            }
        }
        table
    }

    fn table(&self, manner: Manner, races: &[&Race]) -> Table {
        let title = match self.place.workers() {
            1 => format!("{}, {manner}: 1 worker", self.place),
            workers => format!("{}, {manner}: {workers} workers", self.place),
        };
        let mut table = Table::new(title, &COLUMNS);
        for race in races {
            for entrant in 0..self.entrants.len() {
                table.row(self.row(race, entrant));
            }
        }
        table
    }

    fn row(&self, race: &Race, entrant: usize) -> [Cell; COLUMNS.len()] {
        let spread = |of: fn(&Measured) -> f64, decimals| {
            Cell::Spread(race.sample(entrant, of).spread(), decimals)
        };
        let ratio = |of: fn(&Measured) -> f64| {
            if [BARE, REFERENCE].contains(&entrant) {
                return Cell::from("");
            }
            Cell::Interval(race.ratio(entrant, REFERENCE, of), 3)
        };
        let median = |of: fn(&Measured) -> f64| Cell::Number(race.sample(entrant, of).median(), 2);
        let of_limit = race.ratio(entrant, BARE, Measured::throughput);
        [
            (race.demand.connections as u64).into(),
            self.entrants[entrant].name.into(),
            spread(Measured::throughput, 0),
            ratio(Measured::throughput),
            spread(Measured::cost, 2),
            ratio(Measured::cost),
            median(Measured::busy),
            median(Measured::generator_cost),
            median(Measured::generator_busy),
            Cell::Interval(of_limit, 2),
        ]
    }

    /// What everybody lost: nobody was restarted or killed.
    fn lost(&self, races: &[Race]) -> Figure {
        let of_all = |race: &Race| {
            (0..self.entrants.len())
                .map(|one| race.failed(one))
                .sum::<u64>()
        };
        let failed = races.iter().map(of_all).sum();
        Figure::lost(format!("failed requests, {}", self.place), failed)
    }

    fn bars(&self, manner: Manner, races: &[&Race]) -> Bars {
        Bars {
            name: format!("{}-{}", self.place, manner.slug()),
            title: format!("Throughput and processor time, {manner}, {}", self.place),
            measures: measures(),
            groups: races.iter().map(|race| self.group(race)).collect(),
        }
    }

    fn group(&self, race: &Race) -> Group {
        group(connections(race.demand.connections), self.entrants, race)
    }
}

/// The measures that a plot shows.
pub(super) fn measures() -> Vec<Measure> {
    let measure = |name: &str, decimals| Measure {
        name: name.to_owned(),
        decimals,
    };
    vec![
        measure("requests a second", 0),
        measure("server's processor time per request, µs", 1),
    ]
}

/// The bars of one race.
pub(super) fn group(name: String, entrants: &[Entrant], race: &Race) -> Group {
    let value = |entrant: usize, of: fn(&Measured) -> f64| -> Interval {
        race.sample(entrant, of).median_interval()
    };
    let bar = |(index, entrant): (usize, &Entrant)| Bar {
        name: entrant.name.to_owned(),
        shade: entrant.shade,
        values: vec![
            value(index, Measured::throughput),
            value(index, Measured::cost),
        ],
    };
    Group {
        name,
        bars: entrants.iter().enumerate().map(bar).collect(),
    }
}

fn connections(number: usize) -> String {
    match number {
        1 => "1 connection".to_owned(),
        _ => format!("{number} connections"),
    }
}

const COLUMNS: [&str; 10] = [
    "connections",
    "server",
    "requests/s",
    "to unmanaged",
    "CPU, µs/request",
    "to unmanaged",
    "cores busy",
    "generator's CPU, µs/request",
    "generator busy",
    "of its limit",
];

const SHARING_COLUMNS: [&str; 5] = [
    "connections",
    "requests",
    "sharing",
    "throughput",
    "CPU per request",
];
