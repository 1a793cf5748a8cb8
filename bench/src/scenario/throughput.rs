//! Throughput and processor time against the same program unmanaged.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::ensure;
use everport_load::Load;

use crate::effort::Effort;
use crate::pinning::Pinned;
use crate::statistics::{Interval, Sample};
use crate::subject::{SHARINGS, Subject, Unmanaged, cluster};
use crate::table::{Cell, Figure, Limit, Outcome, Table};

pub(crate) const NAME: &str = "throughput";

/// Compares each way of connecting in each place.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let rounds = effort.rounds(16);
    let seconds = effort.seconds(Duration::from_secs(1));
    let mut outcome = Outcome {
        scenario: NAME,
        method: format!(
            "{CLIENTS} clients as fast as they can. Each round starts every server anew and measures it for \
             {seconds:?} after {WARM_UP:?} of warming up; {rounds} rounds, in the order reuseport, unmanaged, \
             transfer and back. Ratios are taken within a round: their median and its 95 % interval. Processor \
             time is that of all server processes, the watcher included, in user and kernel mode. *pinned*: one \
             worker on one core, the generator on another. *spread*: two workers, and the generator, wherever \
             the kernel puts them. The generator is often the slower side: then throughput says little, \
             and processor time per request is the figure to look at."
        ),
        tables: vec![Table::new("", &COLUMNS)],
        figures: Vec::new(),
    };
    for place in [Place::Pinned, Place::Spread] {
        for manner in [Manner::KeepAlive, Manner::OneShot] {
            let rounds: Vec<Round> = (0..rounds)
                .map(|number| Round::measure(number, place, manner, seconds))
                .collect::<Result<_, _>>()?;
            for (index, sharing) in SHARINGS.into_iter().enumerate() {
                let title = format!("{place}, {manner}, {sharing}");
                Comparison::new(&rounds, index).tell(&title, &mut outcome);
            }
        }
    }
    Ok(outcome)
}

const COLUMNS: [&str; 8] = [
    "servers, requests, sharing",
    "unmanaged, 1/s",
    "everport, 1/s",
    "ratio",
    "unmanaged, CPU µs/request",
    "everport, CPU µs/request",
    "ratio",
    "everport, cores busy",
];

/// Where servers and generator run.
#[derive(Debug, Clone, Copy)]
enum Place {
    Pinned,
    Spread,
}

/// How clients connect.
#[derive(Debug, Clone, Copy)]
enum Manner {
    KeepAlive,
    OneShot,
}

/// What one server did in one round.
#[derive(Debug, Clone, Copy)]
struct Measured {
    /// Requests a second.
    throughput: f64,
    /// Microseconds.
    processor_time: f64,
    /// How many cores the servers kept busy.
    busy: f64,
}

/// What all servers did in one round.
#[derive(Debug)]
struct Round {
    unmanaged: Measured,
    /// In the order of [`SHARINGS`].
    managed: [Measured; 2],
}

impl Round {
    fn measure(
        number: u32,
        place: Place,
        manner: Manner,
        seconds: Duration,
    ) -> anyhow::Result<Self> {
        let managed = |sharing| {
            let start = || Ok(cluster(place.workers(), sharing, ""));
            measure(start, place, manner, seconds)
        };
        let unmanaged = || measure(|| Unmanaged::start(place.workers()), place, manner, seconds);
        // Each managed server is measured next to the unmanaged one, as often before as after it.
        let [first, second] = SHARINGS;
        Ok(if number.is_multiple_of(2) {
            let first = managed(first)?;
            let unmanaged = unmanaged()?;
            Self {
                unmanaged,
                managed: [first, managed(second)?],
            }
        } else {
            let second = managed(second)?;
            let unmanaged = unmanaged()?;
            Self {
                unmanaged,
                managed: [managed(first)?, second],
            }
        })
    }
}

/// One way to share against unmanaged, over all rounds.
struct Comparison {
    pairs: Vec<(Measured, Measured)>,
}

impl Comparison {
    fn new(rounds: &[Round], index: usize) -> Self {
        let pairs = rounds
            .iter()
            .map(|round| (round.unmanaged, round.managed[index]));
        Self {
            pairs: pairs.collect(),
        }
    }

    fn ratio(&self, of: impl Fn(&Measured) -> f64) -> Interval {
        let ratios = self
            .pairs
            .iter()
            .map(|(unmanaged, managed)| of(managed) / of(unmanaged));
        ratios.collect::<Sample>().median_interval()
    }

    fn median(&self, of: impl Fn(&(Measured, Measured)) -> f64) -> f64 {
        self.pairs.iter().map(of).collect::<Sample>().median()
    }

    fn tell(&self, title: &str, outcome: &mut Outcome) {
        let throughput = self.ratio(|measured| measured.throughput);
        let processor_time = self.ratio(|measured| measured.processor_time);
        outcome.tables[0].row([
            title.into(),
            Cell::Number(self.median(|pair| pair.0.throughput), 0),
            Cell::Number(self.median(|pair| pair.1.throughput), 0),
            Cell::Interval(throughput, 3),
            Cell::Number(self.median(|pair| pair.0.processor_time), 2),
            Cell::Number(self.median(|pair| pair.1.processor_time), 2),
            Cell::Interval(processor_time, 3),
            Cell::Number(self.median(|pair| pair.1.busy), 2),
        ]);
        let figure = |what: &str, limit, measured| Figure {
            what: format!("{what} against unmanaged, {title}"),
            limit,
            measured,
            unit: "",
        };
        let figures = [
            figure("throughput", Limit::AtLeast(1.0), throughput),
            figure("CPU per request", Limit::AtMost(1.01), processor_time),
        ];
        outcome.figures.extend(figures);
    }
}

/// Starts a server, warms it up and measures it.
fn measure<S: Subject>(
    start: impl FnOnce() -> anyhow::Result<S>,
    place: Place,
    manner: Manner,
    duration: Duration,
) -> anyhow::Result<Measured> {
    let server = {
        // The server keeps the core it was started on; we have ours back when this block ends.
        let _pinned = place.pinned_to(0)?;
        start()?
    };
    let _pinned = place.pinned_to(1)?;
    let load = || -> anyhow::Result<Load> {
        let load = Load::new(server.address());
        let load = load.clients(CLIENTS).expect_body("Hello, World!");
        Ok(match manner {
            Manner::KeepAlive => load.keep_alive(),
            Manner::OneShot => load.one_shot().source_addresses(SOURCES),
        })
    };
    let warm = load()?.duration(WARM_UP).start()?.wait();
    ensure!(warm.failed() == 0, "{warm}");
    let (worked, begin) = (server.processor_time()?, Instant::now());
    let report = load()?.duration(duration).start()?.wait();
    let (worked, took) = (server.processor_time()? - worked, begin.elapsed());
    ensure!(report.failed() == 0 && report.ok > 0, "{report}");
    Ok(Measured {
        throughput: report.throughput(),
        processor_time: worked.as_secs_f64() * 1e6 / report.ok as f64,
        busy: worked.as_secs_f64() / took.as_secs_f64(),
    })
}

impl Place {
    fn workers(self) -> u32 {
        match self {
            Self::Pinned => 1,
            Self::Spread => 2,
        }
    }

    fn pinned_to(self, core: usize) -> anyhow::Result<Option<Pinned>> {
        match self {
            Self::Pinned => Pinned::to(core).map(Some),
            Self::Spread => Ok(None),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pinned => "1 pinned",
            Self::Spread => "2 spread",
        })
    }
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeepAlive => "keep-alive",
            Self::OneShot => "one connection each",
        })
    }
}

/// Enough to keep a worker from ever waiting for work, few enough to fit any queue.
const CLIENTS: usize = 32;
/// Each has port numbers of its own, so that a client never looks long for a free one.
const SOURCES: u8 = 16;
/// The processes' pages and caches are warm by then.
const WARM_UP: Duration = Duration::from_millis(200);
