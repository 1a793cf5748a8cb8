//! What the load generator itself can do, and how punctual it is.

use std::time::Duration;

use everport_load::Load;
use everport_tests::take_turn;

use crate::contest::{Demand, Entrant, Manner, Measured, Place, Race};
use crate::effort::Effort;
use crate::statistics::{Sample, micros};
use crate::subject::{Subject, Unmanaged};
use crate::table::{Cell, Figure, Outcome, Table};

pub(crate) const NAME: &str = "generator";

/// Measures the generator against a server that does next to nothing: as fast as it can, then at constant rates.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let rounds = effort.rounds(6);
    let seconds = effort.seconds(Duration::from_millis(500));
    let method = format!(
        "The generator against a responder that answers without looking at the request. Of {rounds} rounds of \
         {seconds:?} each: medians with their quartiles. *Pinned*: responder and generator have a core each. *Spread*: \
         wherever the kernel puts them. Then at constant rates, over {CLIENTS} clients: how late requests start, against \
         the moment at which each is due. Latency counts from that moment, so that it includes this."
    );
    let mut outcome = Outcome::new(NAME, method, Vec::new());
    let failed = limits(effort, rounds, seconds, &mut outcome)?;
    let failed = failed + delays(rounds, seconds, &mut outcome)?;
    let what = "failed requests against a responder that does next to nothing";
    outcome.figures.push(Figure::lost(what.to_owned(), failed));
    Ok(outcome)
}

fn limits(
    effort: Effort,
    rounds: u32,
    seconds: Duration,
    outcome: &mut Outcome,
) -> anyhow::Result<u64> {
    let connections: &[usize] = if effort.is_brief() {
        &[CLIENTS]
    } else {
        &CONNECTIONS
    };
    let mut table = Table::new("As fast as it can", &COLUMNS);
    let mut failed = 0;
    for place in Place::ALL {
        let of = |manner| {
            let connections = connections.iter();
            connections.map(move |connections| Demand::of(manner, *connections))
        };
        let demands: Vec<Demand> = Manner::ALL.into_iter().flat_map(of).collect();
        for race in Race::run_all(place, &[Entrant::bare()], &demands, rounds, seconds)? {
            table.row(row(place, &race));
            failed += race.failed(0);
        }
    }
    outcome.tables.push(table);
    Ok(failed)
}

fn row(place: Place, race: &Race) -> [Cell; COLUMNS.len()] {
    let spread =
        |of: fn(&Measured) -> f64, decimals| Cell::Spread(race.sample(0, of).spread(), decimals);
    let median = |of: fn(&Measured) -> f64| Cell::Number(race.sample(0, of).median(), 2);
    [
        place.to_string().into(),
        race.demand.manner.to_string().into(),
        (race.demand.connections as u64).into(),
        spread(Measured::throughput, 0),
        spread(Measured::generator_cost, 2),
        median(Measured::generator_busy),
        spread(Measured::cost, 2),
        median(Measured::busy),
    ]
}

const COLUMNS: [&str; 8] = [
    "place",
    "requests",
    "connections",
    "requests/s",
    "generator's CPU, µs/request",
    "generator busy",
    "responder's CPU, µs/request",
    "responder busy",
];

/// How late requests start at the rates at which other scenarios measure latency.
fn delays(rounds: u32, seconds: Duration, outcome: &mut Outcome) -> anyhow::Result<u64> {
    let server = Unmanaged::bare()?;
    let mut table = Table::new("Late starts at constant rates", &DELAY_COLUMNS);
    let mut failed = 0;
    for manner in Manner::ALL {
        for rate in RATES {
            let mut lateness = Lateness::default();
            for _ in 0..rounds {
                let load = load(&server, manner, rate).duration(seconds);
                lateness.add(load)?;
            }
            failed += lateness.failed;
            table.row(lateness.row(manner, rate));
        }
    }
    outcome.tables.push(table);
    Ok(failed)
}

/// What the rounds at one rate have shown, in microseconds.
#[derive(Default)]
struct Lateness {
    requests: u64,
    failed: u64,
    /// For each of [`PERCENTS`] the rounds' values.
    quantiles: [Vec<f64>; PERCENTS.len()],
}

impl Lateness {
    fn add(&mut self, load: Load) -> anyhow::Result<()> {
        let _turn = take_turn();
        let report = load.start()?.wait();
        self.requests += report.total;
        self.failed += report.failed();
        for (values, percent) in self.quantiles.iter_mut().zip(PERCENTS) {
            values.push(micros(report.start_delay.percentile(percent)));
        }
        Ok(())
    }

    fn row(&self, manner: Manner, rate: u32) -> Vec<Cell> {
        let [usual @ .., greatest] = &self.quantiles;
        let median = |values: &Vec<f64>| {
            let sample: Sample = values.iter().copied().collect();
            Cell::Number(sample.median(), 0)
        };
        let greatest: Sample = greatest.iter().copied().collect();
        let names = [
            manner.to_string().into(),
            u64::from(rate).into(),
            self.requests.into(),
        ];
        let quantiles = usual.iter().map(median);
        let max = Cell::Number(greatest.max(), 0);
        names.into_iter().chain(quantiles).chain([max]).collect()
    }
}

fn load(server: &Unmanaged, manner: Manner, rate: u32) -> Load {
    let load = Load::new(Subject::address(server))
        .clients(CLIENTS)
        .rate(f64::from(rate));
    match manner {
        Manner::KeepAlive => load.keep_alive(),
        Manner::OneShot => load.one_shot().source_addresses(8),
    }
}

const DELAY_COLUMNS: [&str; 7] = [
    "requests",
    "rate, 1/s",
    "sent",
    "p50, µs",
    "p99, µs",
    "p99.9, µs",
    "max, µs",
];

/// Of these the last is the greatest.
const PERCENTS: [f64; 4] = [50.0, 99.0, 99.9, 100.0];
const CONNECTIONS: [usize; 4] = [1, 16, 64, 512];
const CLIENTS: usize = 32;
/// Those of the scenarios under load.
const RATES: [u32; 3] = [500, 1000, 2000];
