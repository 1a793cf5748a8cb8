//! Throughput and processor time against the same program unmanaged.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use everport::Sharing;
use everport_load::Load;
use everport_tests::take_turn;

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
            "{CLIENTS} clients as fast as they can. Each of {rounds} rounds starts every server anew, warms it \
             up for {WARM_UP:?} and measures it for {seconds:?} in {SLICES} slices, in an order that changes \
             with each: those in a cluster in turn around the unmanaged one. Ratios are taken within a round: their median and its 95 % interval. Processor \
             time is that of all server processes, the watcher included, in user and kernel mode. *pinned*: one \
             worker on one core, the generator on another. *spread*: two workers, and the generator, wherever \
             the kernel puts them. The generator is often the slower side: then throughput says little, \
             and processor time per request is the figure to look at."
        ),
        tables: vec![Table::new("", &COLUMNS)],
        figures: Vec::new(),
        plots: Vec::new(),
    };
    for place in [Place::Pinned, Place::Spread] {
        for manner in [Manner::KeepAlive, Manner::OneShot] {
            let rounds: Vec<Round> = (0..rounds)
                .map(|_| Round::measure(place, manner, seconds))
                .collect::<Result<_, _>>()?;
            for (index, sharing) in SHARINGS.into_iter().enumerate() {
                let title = format!("{place}, {manner}, {sharing}");
                // What `dispatch` costs is told, and promised by nobody.
                let is_promised = sharing != Sharing::Dispatch;
                Comparison::new(&rounds, index).tell(&title, is_promised, &mut outcome);
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

/// What one server did in all slices of one round.
#[derive(Debug, Clone, Copy, Default)]
struct Measured {
    requests: u64,
    took: Duration,
    worked: Duration,
}

/// What all servers did in one round.
#[derive(Debug)]
struct Round {
    unmanaged: Measured,
    /// In the order of [`SHARINGS`].
    managed: [Measured; SHARINGS.len()],
}

impl Round {
    fn measure(place: Place, manner: Manner, seconds: Duration) -> anyhow::Result<Self> {
        let _turn = take_turn();
        let mut contest = Contest::start(place, manner)?;
        for slice in 0..SLICES {
            for lane in order_of(slice) {
                contest.run(lane, seconds / SLICES)?;
            }
        }
        let [unmanaged, managed @ ..] = contest.lanes.map(|lane| lane.measured);
        Ok(Self { unmanaged, managed })
    }
}

/// In which order the lanes have their turns: those in a cluster take turns in coming next to the unmanaged one, before
/// and after it.
fn order_of(slice: u32) -> [usize; LANES] {
    let mut managed = [1, 2, 3];
    managed.rotate_left(slice as usize % SHARINGS.len());
    let [before, after, last] = managed;
    let mut order = [before, 0, after, last];
    if (slice / 3) % 2 == 1 {
        order.reverse();
    }
    order
}

/// The servers of one round, each on its own port; all but one are idle at any time.
struct Contest {
    place: Place,
    manner: Manner,
    /// The unmanaged one first.
    lanes: [Lane; LANES],
}

struct Lane {
    server: Box<dyn Subject>,
    measured: Measured,
}

impl Contest {
    fn start(place: Place, manner: Manner) -> anyhow::Result<Self> {
        let servers = start_servers(place)?;
        let lanes = servers.map(|server| Lane {
            server,
            measured: Measured::default(),
        });
        let mut contest = Self {
            place,
            manner,
            lanes,
        };
        for lane in 0..contest.lanes.len() {
            contest.run(lane, WARM_UP)?;
            contest.lanes[lane].measured = Measured::default();
        }
        Ok(contest)
    }

    fn run(&mut self, lane: usize, duration: Duration) -> anyhow::Result<()> {
        let _pinned = self.place.pinned_to(1)?;
        let Lane { server, measured } = &mut self.lanes[lane];
        let load = self.manner.load(server.address()).duration(duration);
        let before = server.processor_time()?;
        let report = load.start()?.wait();
        ensure!(report.failed() == 0 && report.ok > 0, "{report}");
        measured.worked += server.processor_time()? - before;
        measured.took += report.elapsed;
        measured.requests += report.ok;
        Ok(())
    }
}

fn start_servers(place: Place) -> anyhow::Result<[Box<dyn Subject>; LANES]> {
    // The servers keep the core they are started on; the generator has its own when this ends.
    let _pinned = place.pinned_to(0)?;
    let workers = place.workers();
    let [first, second, third] = SHARINGS.map(|sharing| cluster(workers, sharing, ""));
    let unmanaged = Unmanaged::start(workers)?;
    Ok([
        Box::new(unmanaged),
        Box::new(first),
        Box::new(second),
        Box::new(third),
    ])
}

impl Measured {
    /// Requests a second.
    fn throughput(&self) -> f64 {
        self.requests as f64 / self.took.as_secs_f64()
    }

    /// Microseconds of processor time for each request.
    fn cost(&self) -> f64 {
        self.worked.as_secs_f64() * 1e6 / self.requests as f64
    }

    /// How many cores the server kept busy.
    fn busy(&self) -> f64 {
        self.worked.as_secs_f64() / self.took.as_secs_f64()
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

    fn tell(&self, title: &str, is_promised: bool, outcome: &mut Outcome) {
        let throughput = self.ratio(|measured| measured.throughput());
        let cost = self.ratio(|measured| measured.cost());
        outcome.tables[0].row([
            title.into(),
            Cell::Number(self.median(|pair| pair.0.throughput()), 0),
            Cell::Number(self.median(|pair| pair.1.throughput()), 0),
            Cell::Interval(throughput, 3),
            Cell::Number(self.median(|pair| pair.0.cost()), 2),
            Cell::Number(self.median(|pair| pair.1.cost()), 2),
            Cell::Interval(cost, 3),
            Cell::Number(self.median(|pair| pair.1.busy()), 2),
        ]);
        if !is_promised {
            return;
        }
        let figure = |what: &str, limit, measured| Figure {
            what: format!("{what} against unmanaged, {title}"),
            limit,
            measured,
            unit: "",
        };
        let figures = [
            figure("throughput", Limit::AtLeast(1.0), throughput),
            figure("CPU per request", Limit::AtMost(1.01), cost),
        ];
        outcome.figures.extend(figures);
    }
}

impl Manner {
    fn load(self, address: SocketAddr) -> Load {
        let load = Load::new(address)
            .clients(CLIENTS)
            .expect_body("Hello, World!");
        match self {
            Self::KeepAlive => load.keep_alive(),
            Self::OneShot => load.one_shot().source_addresses(SOURCES),
        }
    }
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

/// All ways to share, and the server that is in no cluster.
const LANES: usize = 1 + SHARINGS.len();
/// Enough to keep a worker from ever waiting for work, few enough to fit any queue.
const CLIENTS: usize = 32;
/// Each has port numbers of its own, so that a client never looks long for a free one.
const SOURCES: u8 = 16;
/// Short slices in turn: whatever else the machine does meets all servers alike.
const SLICES: u32 = 10;
/// The processes' pages and caches are warm by then.
const WARM_UP: Duration = Duration::from_millis(200);
