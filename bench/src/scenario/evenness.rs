//! How evenly connections are spread over the workers.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use everport::Sharing;
use everport_load::Load;
use everport_tests::{PATIENCE, take_turn};

use crate::absent::Absent;
use crate::accounting::connections;
use crate::effort::Effort;
use crate::evenness::{Fair, Shares};
use crate::statistics::Sample;
use crate::subject::{Kind, Subject, lossless_cluster};
use crate::table::{Cell, Figure, Outcome, Table};
use crate::turns::in_turn;

pub(crate) const NAME: &str = "evenness";

/// Has long and short connections made to everything that is installed, in turn.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let (rounds, others) = (effort.rounds(SHARINGS_ROUNDS), effort.rounds(OTHERS_ROUNDS));
    let seconds = effort.seconds(Duration::from_secs(2));
    let loads = [
        Lasting::Held(64),
        Lasting::Held(if effort.is_brief() { 100 } else { 1000 }),
        Lasting::Short((f64::from(RATE) * seconds.as_secs_f64()) as u64),
    ];
    let mut table = Table::new("", &COLUMNS);
    let (mut subjects, mut absent) = subjects(effort);
    in_turn(&mut subjects, rounds, |subject| {
        let _turn = take_turn();
        subject.take(loads, &mut absent)
    })?;
    for (index, load) in loads.iter().enumerate() {
        for subject in &subjects {
            // There is none of one that failed before.
            if !subject.rounds[index].is_empty() {
                table.row(subject.cells(index, *load));
            }
        }
        table.row(fair_cells(*load));
    }
    let tables = vec![table, against_reuseport(&subjects, loads)];
    let mut outcome = Outcome::new(NAME, method(rounds, others), tables);
    outcome.add_unless_empty(absent.into_table());
    outcome.figures = subjects.iter().filter_map(Measured::lost).collect();
    Ok(outcome)
}

fn method(rounds: u32, others: u32) -> String {
    format!(
        "{WORKERS} workers, started anew in each round: {rounds} for the ways to share a port, {others} for everybody else, \
         all in turn. Held: so many connections, made by \
         {OPENERS} clients at a time; each gets one answer and is kept while the workers' open connections are \
         counted in `/proc`, or for threads by the worker's name in the answer. everport serves by `everport::http`, \
         the unmanaged processes by `axum::serve`. Short: {RATE} requests a second with \
         a connection each, counted by that name. The least and the most that any worker had in any round; then the \
         greatest of a round to its mean, and the standard deviation to the mean: the median of the rounds, and the \
         worst. Fair random choice: the same for dice, {} times; the worst of 95 %. Against reuseport: within a round, the \
         median with its 95 % interval.",
        Fair::THROWS
    )
}

/// The ways to share against the default one: below 1 is more even.
fn against_reuseport(subjects: &[Measured], loads: [Lasting; 3]) -> Table {
    let mut table = Table::new("Against reuseport", &RATIO_COLUMNS);
    let find = |kind| subjects.iter().find(|it| it.kind == Some(kind));
    let Some(reuseport) = find(Kind::Reuseport) else {
        return table;
    };
    for (index, load) in loads.into_iter().enumerate() {
        for subject in [Kind::Transfer, Kind::Dispatch]
            .into_iter()
            .filter_map(find)
        {
            let ratio = |of| {
                let ratios = Sample::ratios(subject.values(index, of), reuseport.values(index, of));
                Cell::Interval(ratios.median_interval(), 2)
            };
            let ratios = [Shares::greatest_to_mean, Shares::deviation_to_mean].map(ratio);
            let names = [load.name(), subject.name.clone().into()];
            table.row(names.into_iter().chain(ratios));
        }
    }
    table
}

const RATIO_COLUMNS: [&str; 4] = [
    "connections",
    "subject",
    "greatest to mean",
    "deviation to mean",
];

const COLUMNS: [&str; 10] = [
    "connections",
    "subject",
    "rounds",
    "least",
    "most",
    "greatest to mean",
    "worst",
    "deviation to mean",
    "worst",
    "failed",
];

/// What connections are made.
#[derive(Debug, Clone, Copy)]
enum Lasting {
    /// So many at the same time.
    Held(u64),
    /// So many one after the other.
    Short(u64),
}

impl Lasting {
    fn count(self) -> u64 {
        match self {
            Self::Held(count) | Self::Short(count) => count,
        }
    }

    fn name(self) -> Cell {
        match self {
            Self::Held(count) => format!("{count} held").into(),
            Self::Short(count) => format!("{count} short").into(),
        }
    }
}

/// How those are told apart who hold connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Workers {
    /// Each has the sockets of its connections.
    Processes,
    /// They share one process; each puts its name into its answers.
    Threads,
}

/// One subject, and what came of each load in each round.
struct Measured {
    name: String,
    kind: Option<Kind>,
    start: Box<dyn Fn() -> anyhow::Result<Box<dyn Subject>>>,
    is_everport: bool,
    is_ours: bool,
    workers: Workers,
    /// In how many rounds it takes part.
    wanted: u32,
    /// It has failed, and is not started again.
    is_out: bool,
    rounds: [Vec<Shares>; 3],
    failed: [u64; 3],
}

impl Measured {
    fn of(kind: Kind, effort: Effort) -> Self {
        let measured = Self::new(kind.to_string(), effort, move || kind.start(WORKERS));
        let rounds = match kind {
            Kind::Reuseport | Kind::Transfer | Kind::Dispatch => SHARINGS_ROUNDS,
            _ => OTHERS_ROUNDS,
        };
        let workers = match kind {
            Kind::Threads => Workers::Threads,
            _ => Workers::Processes,
        };
        Self {
            is_everport: kind.is_everport(),
            is_ours: kind.is_ours(),
            workers,
            kind: Some(kind),
            wanted: effort.rounds(rounds),
            ..measured
        }
    }

    /// Dispatch by another rule than its default.
    fn fewest(effort: Effort) -> Self {
        let name = "everport, dispatch, fewest".to_owned();
        Self::new(name, effort, || {
            let options = "--placement fewest";
            Ok(Box::new(lossless_cluster(
                WORKERS,
                Sharing::Dispatch,
                options,
            )))
        })
    }

    /// Processes of everport's.
    fn new(
        name: String,
        effort: Effort,
        start: impl Fn() -> anyhow::Result<Box<dyn Subject>> + 'static,
    ) -> Self {
        Self {
            name,
            kind: None,
            wanted: effort.rounds(OTHERS_ROUNDS),
            start: Box::new(start),
            is_everport: true,
            is_ours: true,
            workers: Workers::Processes,
            is_out: false,
            rounds: Default::default(),
            failed: Default::default(),
        }
    }

    /// One round, if it has not failed before and not had all of its rounds.
    fn take(&mut self, loads: [Lasting; 3], absent: &mut Absent) -> anyhow::Result<()> {
        if self.is_out || self.rounds[0].len() >= self.wanted as usize {
            return Ok(());
        }
        let measured = self.measure(loads);
        self.is_out = measured.is_err();
        absent.excuse(&self.name, self.is_ours, measured)
    }

    fn measure(&mut self, loads: [Lasting; 3]) -> anyhow::Result<()> {
        let subject = (self.start)().with_context(|| format!("cannot start {}", self.name))?;
        for (index, load) in loads.into_iter().enumerate() {
            let (shares, failed) = match load {
                Lasting::Held(count) => held(&*subject, self.workers, count)?,
                Lasting::Short(count) => short(&*subject, count)?,
            };
            self.rounds[index].push(shares);
            self.failed[index] += failed;
        }
        Ok(())
    }

    fn cells(&self, index: usize, load: Lasting) -> impl Iterator<Item = Cell> {
        let rounds = &self.rounds[index];
        let of = |value: fn(&Shares) -> f64| rounds.iter().map(value).collect::<Sample>();
        let (least, most) = (of(Shares::least), of(Shares::most));
        let (peak, deviation) = (of(Shares::greatest_to_mean), of(Shares::deviation_to_mean));
        let count = rounds.len() as u64;
        let names = [load.name(), self.name.clone().into(), count.into()];
        let numbers = [
            Cell::Number(least.quantile(0.0), 0),
            Cell::Number(most.max(), 0),
            Cell::Number(peak.median(), 2),
            Cell::Number(peak.max(), 2),
            Cell::Number(deviation.median(), 3),
            Cell::Number(deviation.max(), 3),
            self.failed[index].into(),
        ];
        names.into_iter().chain(numbers)
    }

    fn values(&self, index: usize, of: fn(&Shares) -> f64) -> impl Iterator<Item = f64> {
        self.rounds[index].iter().map(of)
    }

    fn lost(&self) -> Option<Figure> {
        let failed = self.failed.iter().sum();
        let what = format!("failed requests while spread over workers, {}", self.name);
        self.is_everport.then(|| Figure::lost(what, failed))
    }
}

/// Everything that is installed and whose workers can be told apart, and what is not.
fn subjects(effort: Effort) -> (Vec<Measured>, Absent) {
    let mut absent = Absent::new();
    let mut subjects = Vec::new();
    let is_wanted = |kind: &Kind| kind.is_ours() || !effort.is_brief();
    for kind in Kind::ALL.into_iter().filter(is_wanted) {
        match (why_not(kind), kind.find()) {
            (Some(why), _) => absent.note(kind.name(), why),
            (None, Ok(_)) => subjects.push(Measured::of(kind, effort)),
            (None, Err(why)) => absent.note(kind.name(), &why.to_string()),
        }
        if kind == Kind::Dispatch {
            subjects.push(Measured::fewest(effort));
        }
    }
    (subjects, absent)
}

/// Those of whom nobody can say which worker has a connection.
fn why_not(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::MultiThreaded => Some("one process without workers"),
        Kind::Haproxy => Some("one process, whose threads are not told apart from outside"),
        _ => None,
    }
}

/// Who holds how many of so many connections, and how many could not be made or used.
fn held(subject: &dyn Subject, told: Workers, count: u64) -> anyhow::Result<(Shares, u64)> {
    let address = subject.address();
    let open = |number: u64| (0..number).map(|_| Held::open(address)).collect::<Vec<_>>();
    let shares = (0..OPENERS).map(|index| (count + index) / OPENERS);
    let opened: Vec<_> = thread::scope(|scope| {
        let openers: Vec<_> = shares
            .map(|share| scope.spawn(move || open(share)))
            .collect();
        let opened = openers
            .into_iter()
            .map(|opener| opener.join().unwrap_or_default());
        opened.flatten().collect()
    });
    let held: Vec<Held> = opened.into_iter().flatten().collect();
    let failed = count - held.len() as u64;
    let shares = match told {
        Workers::Processes => by_process(subject)?,
        Workers::Threads => by_name(&held)?,
    };
    ensure!(shares.most() > 0.0, "none of its workers has a connection");
    Ok((shares, failed))
}

fn by_process(subject: &dyn Subject) -> anyhow::Result<Shares> {
    let workers = subject.workers();
    let count = workers.len();
    ensure!(
        count >= WORKERS as usize,
        "only {count} of {WORKERS} workers are there"
    );
    Ok(Shares::new(connections(
        &workers,
        subject.address().port(),
    )?))
}

fn by_name(held: &[Held]) -> anyhow::Result<Shares> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for connection in held {
        ensure!(
            !connection.worker.is_empty(),
            "an answer does not say whose it is"
        );
        *counts.entry(&connection.worker).or_default() += 1;
    }
    Ok(Shares::of_workers(counts.into_values(), WORKERS as usize))
}

/// A connection that has got an answer and is kept.
struct Held {
    _stream: TcpStream,
    worker: String,
}

impl Held {
    fn open(address: SocketAddr) -> Option<Self> {
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
            .ok()?;
        let mut answer = Vec::new();
        let mut piece = [0; 1024];
        while !answer.ends_with(GREETING) {
            let read = stream.read(&mut piece).ok().filter(|read| *read > 0)?;
            answer.extend_from_slice(&piece[..read]);
        }
        let text = String::from_utf8_lossy(&answer);
        let headers = text.lines().filter_map(|line| line.split_once(": "));
        let mut workers = headers.filter(|(name, _)| name.eq_ignore_ascii_case("x-worker"));
        let worker = workers
            .next()
            .map_or_else(String::new, |(_, worker)| worker.to_owned());
        Some(Self {
            _stream: stream,
            worker,
        })
    }
}

/// Who has answered how many of so many requests, and how many failed.
fn short(subject: &dyn Subject, count: u64) -> anyhow::Result<(Shares, u64)> {
    let load = Load::new(subject.address())
        .clients(64)
        .one_shot()
        .rate(RATE)
        .requests(count)
        .expect_body(GREETING);
    let report = load.start()?.wait();
    ensure!(!report.workers.is_empty(), "no answer says whose it is");
    let counts = report.workers.values().copied();
    Ok((
        Shares::of_workers(counts, WORKERS as usize),
        report.failed(),
    ))
}

fn fair_cells(load: Lasting) -> impl Iterator<Item = Cell> {
    let fair = Fair::of(load.count(), WORKERS as usize);
    let number = |value, decimals| Cell::Number(value, decimals);
    let [least, most] = fair.range.map(|value| number(value, 0));
    let throws = u64::from(Fair::THROWS).into();
    let names = [
        load.name(),
        "fair random choice".into(),
        throws,
        least,
        most,
    ];
    let [peak, worst_peak] = fair.greatest_to_mean.map(|value| number(value, 2));
    let [deviation, worst_deviation] = fair.deviation_to_mean.map(|value| number(value, 3));
    let measures = [peak, worst_peak, deviation, worst_deviation, "".into()];
    names.into_iter().chain(measures)
}

const GREETING: &[u8] = b"Hello, World!";
const WORKERS: u32 = 4;
/// Enough for the interval of a ratio.
const SHARINGS_ROUNDS: u32 = 15;
const OTHERS_ROUNDS: u32 = 5;
/// Requests a second: what each peer can do with time to spare, so that it shows whom they choose and not who is free.
const RATE: u32 = 2000;
/// As many clients connect at the same time as a page has resources.
const OPENERS: u64 = 8;
