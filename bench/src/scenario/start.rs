//! How long it takes from the start of a server to its first answer, and until all of its workers serve.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::Instant;

use anyhow::Context;
use everport::Sharing;
use everport_tests::take_turn;

use crate::ask::{ASK_EVERY, first_answer};
use crate::effort::Effort;
use crate::statistics::{Sample, millis};
use crate::subject::{Kind, SHARINGS, Subject, Unmanaged, launch, launch_threads};
use crate::table::{Cell, Outcome, Table};

pub(crate) const NAME: &str = "start";

/// Starts everything in turn.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let rounds = effort.rounds(15);
    let sizes: &[u32] = if effort.is_brief() {
        &[2]
    } else {
        &[1, 10, 100]
    };
    let mut groups: Vec<Group> = sizes.iter().map(|workers| Group::new(*workers)).collect();
    let mut missing = Table::new("Missing", &["subject", "why"]);
    let mut peers = peers(effort, &mut missing);
    for _ in 0..rounds {
        let _turn = take_turn();
        groups.iter_mut().try_for_each(Group::measure)?;
        peers.iter_mut().try_for_each(Peer::measure)?;
    }
    let mut table = Table::new("", &COLUMNS);
    for group in &groups {
        group.tell(&mut table);
    }
    let mut others = Table::new("Others", &["subject", "workers", "first answer, ms"]);
    for peer in &peers {
        others.row(peer.cells());
    }
    let mut outcome = Outcome::new(NAME, method(rounds), vec![table]);
    outcome.add_unless_empty(others);
    outcome.add_unless_empty(missing);
    Ok(outcome)
}

fn method(rounds: u32) -> String {
    format!(
        "{rounds} starts of each, in turn. From the spawn of the command, or of the first unmanaged process, to the \
         first whole answer over HTTP, asked for every {ASK_EVERY:?} from the begin on, and until all workers serve: \
         by the watcher's log line, or by what each unmanaged process says. Ratios to unmanaged are taken within a \
         round. Others start as in `peers`, and are asked as soon as that is through. Medians with their 95 % \
         interval."
    )
}

const COLUMNS: [&str; 6] = [
    "workers",
    "subject",
    "first answer, ms",
    "to unmanaged",
    "all serve, ms",
    "to unmanaged",
];

/// The server under test with everport, in each way, and without.
#[derive(Debug, Clone, Copy)]
enum Way {
    Unmanaged,
    Processes(Sharing),
    Threads,
}

/// The first is what the others are compared with.
const WAYS: [Way; 5] = [
    Way::Unmanaged,
    Way::Processes(SHARINGS[0]),
    Way::Processes(SHARINGS[1]),
    Way::Processes(SHARINGS[2]),
    Way::Threads,
];

/// All ways with the same number of workers.
struct Group {
    workers: u32,
    /// For each way, one value of each round.
    rounds: [Vec<Times>; WAYS.len()],
}

/// In milliseconds.
#[derive(Debug, Clone, Copy)]
struct Times {
    first: f64,
    all: f64,
}

impl Group {
    fn new(workers: u32) -> Self {
        let rounds = Default::default();
        Self { workers, rounds }
    }

    fn measure(&mut self) -> anyhow::Result<()> {
        for (way, rounds) in WAYS.iter().zip(&mut self.rounds) {
            let times = way.start(self.workers);
            rounds.push(times.with_context(|| format!("{way} of {}", self.workers))?);
        }
        Ok(())
    }

    fn tell(&self, table: &mut Table) {
        for (way, rounds) in WAYS.iter().zip(&self.rounds) {
            let interval = |of: fn(&Times) -> f64| {
                let sample: Sample = rounds.iter().map(of).collect();
                Cell::Interval(sample.median_interval(), 1)
            };
            let ratio = |of: fn(&Times) -> f64| {
                let pairs = rounds.iter().zip(&self.rounds[0]);
                let sample: Sample = pairs.map(|(ours, bare)| of(ours) / of(bare)).collect();
                match way {
                    Way::Unmanaged => "".into(),
                    _ => Cell::Interval(sample.median_interval(), 2),
                }
            };
            let first = |it: &Times| it.first;
            let all = |it: &Times| it.all;
            table.row([
                u64::from(self.workers).into(),
                way.to_string().into(),
                interval(first),
                ratio(first),
                interval(all),
                ratio(all),
            ]);
        }
    }
}

impl Way {
    fn start(self, workers: u32) -> anyhow::Result<Times> {
        let address = free_address()?;
        let begin = Instant::now();
        let asker = thread::spawn(move || first_answer(address));
        // It serves until the answer is there.
        let (_server, all) = self.launch(address, workers)?;
        let first = asker.join().ok().flatten();
        let first = first.with_context(|| format!("nobody answers on {address}"))?;
        let since = |at: Instant| millis(at.duration_since(begin));
        Ok(Times {
            first: since(first),
            all: since(all),
        })
    }

    /// Waits until all workers serve, and says when that was.
    fn launch(
        self,
        address: SocketAddr,
        workers: u32,
    ) -> anyhow::Result<(Box<dyn Subject>, Instant)> {
        let cluster = match self {
            Self::Unmanaged => {
                let server = Unmanaged::start_together(address, workers)?;
                return Ok((Box::new(server), Instant::now()));
            }
            Self::Processes(sharing) => launch(workers, sharing, address),
            Self::Threads => launch_threads(workers, address),
        };
        let ready = cluster.log().arrival_after(0, "the cluster is ready");
        Ok((Box::new(cluster), ready))
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unmanaged => Kind::Unmanaged.fmt(f),
            Self::Processes(sharing) => write!(f, "everport, {sharing}"),
            Self::Threads => Kind::Threads.fmt(f),
        }
    }
}

/// Something else that is installed.
struct Peer {
    kind: Kind,
    rounds: Vec<f64>,
}

impl Peer {
    fn measure(&mut self) -> anyhow::Result<()> {
        let begin = Instant::now();
        let subject = self.kind.start(PEERS_WORKERS)?;
        let answered = first_answer(subject.address());
        let answered = answered.with_context(|| format!("{} does not answer", self.kind))?;
        self.rounds.push(millis(answered.duration_since(begin)));
        Ok(())
    }

    fn cells(&self) -> [Cell; 3] {
        let sample: Sample = self.rounds.iter().copied().collect();
        let took = Cell::Interval(sample.median_interval(), 0);
        [
            self.kind.to_string().into(),
            u64::from(PEERS_WORKERS).into(),
            took,
        ]
    }
}

/// What is installed; what is not goes to the table.
fn peers(effort: Effort, missing: &mut Table) -> Vec<Peer> {
    let others = Kind::ALL.into_iter().filter(|kind| !kind.is_ours());
    let mut peers = Vec::new();
    for kind in others.filter(|_| !effort.is_brief()) {
        match kind.find() {
            Ok(_) => peers.push(Peer {
                kind,
                rounds: Vec::new(),
            }),
            Err(why) => missing.row([kind.to_string().into(), why.to_string().into()]),
        }
    }
    peers
}

/// A port that nobody has at the moment.
fn free_address() -> anyhow::Result<SocketAddr> {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(probe.local_addr()?)
}

const PEERS_WORKERS: u32 = 4;
