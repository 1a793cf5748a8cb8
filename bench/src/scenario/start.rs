//! How long it takes from the start of a server to its first answer, and until all of its workers serve.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::Instant;

use anyhow::Context;
use everport::Sharing;
use everport_tests::take_turn;

use crate::absent::Absent;
use crate::ask::{ASK_EVERY, first_answer};
use crate::effort::Effort;
use crate::statistics::{Sample, millis};
use crate::subject::{Kind, SHARINGS, Subject, Unmanaged, launch, launch_threads};
use crate::table::{Cell, Outcome, Table};
use crate::turns::order;

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
    let mut absent = Absent::new();
    let mut peers = peers(effort, &mut absent);
    for round in 0..rounds {
        let _turn = take_turn();
        groups
            .iter_mut()
            .try_for_each(|group| group.measure(round))?;
        for index in order(peers.len(), round as usize) {
            peers[index].take(&mut absent)?;
        }
    }
    let mut table = Table::new("", &COLUMNS);
    for group in &groups {
        group.tell(&mut table);
    }
    let mut others = Table::new("Others", &["subject", "workers", "first answer, ms"]);
    for peer in peers.iter().filter(|peer| !peer.rounds.is_empty()) {
        others.row(peer.cells());
    }
    let mut outcome = Outcome::new(NAME, method(rounds), vec![table]);
    outcome.add_unless_empty(others);
    outcome.add_unless_empty(absent.into_table());
    Ok(outcome)
}

fn method(rounds: u32) -> String {
    format!(
        "{rounds} starts of each, in turn, in an order that changes. From the spawn of the command, or of the first \
         unmanaged process, to the first whole answer over HTTP, asked for every {ASK_EVERY:?} from the begin on, and \
         until all workers serve: by the watcher's log line, or by what each unmanaged process says. All of them serve by \
         `axum::serve`. Ratios to unmanaged are taken within a round. Others are set up as in `peers`, and asked in the \
         same way; how soon all of their workers serve is not measured. Medians with their 95 % interval."
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

    /// Starts each once; neither those without everport nor others are always first.
    fn measure(&mut self, round: u32) -> anyhow::Result<()> {
        for index in order(WAYS.len(), round as usize) {
            let way = WAYS[index];
            let times = way.start(self.workers);
            self.rounds[index].push(times.with_context(|| format!("{way} of {}", self.workers))?);
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
        let asked = Asked::launch(|address| self.launch(address, workers))?;
        let (_server, all) = &asked.launched;
        Ok(Times {
            first: asked.first,
            all: millis(all.duration_since(asked.begin)),
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

/// A server that was asked from its begin on, until it answered.
struct Asked<T> {
    /// It still runs.
    launched: T,
    begin: Instant,
    /// From the begin to the first answer, in milliseconds.
    first: f64,
}

impl<T> Asked<T> {
    /// Has a server started on an address that nobody has.
    fn launch(launch: impl FnOnce(SocketAddr) -> anyhow::Result<T>) -> anyhow::Result<Self> {
        let address = free_address()?;
        let begin = Instant::now();
        let asker = thread::spawn(move || first_answer(address));
        let launched = launch(address);
        // Nobody asks any more when the next one starts, whatever became of this one.
        let first = asker.join().ok().flatten();
        let launched = launched?;
        let first = first.with_context(|| format!("nobody answers on {address}"))?;
        Ok(Self {
            launched,
            begin,
            first: millis(first.duration_since(begin)),
        })
    }
}

/// Something else that is installed.
struct Peer {
    kind: Kind,
    rounds: Vec<f64>,
    /// It has failed, and is not started again.
    is_out: bool,
}

impl Peer {
    /// Starts it once, if it has not failed before.
    fn take(&mut self, absent: &mut Absent) -> anyhow::Result<()> {
        if self.is_out {
            return Ok(());
        }
        let measured = self.measure();
        self.is_out = measured.is_err();
        absent.excuse(self.kind.name(), false, measured)
    }

    fn measure(&mut self) -> anyhow::Result<()> {
        let asked = Asked::launch(|address| self.kind.launch_peer(PEERS_WORKERS, address))?;
        // It ends in good order only when it is there as a whole.
        asked.launched.wait_until_complete()?;
        self.rounds.push(asked.first);
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
fn peers(effort: Effort, absent: &mut Absent) -> Vec<Peer> {
    let others = Kind::ALL.into_iter().filter(|kind| !kind.is_ours());
    let mut peers = Vec::new();
    for kind in others.filter(|_| !effort.is_brief()) {
        match kind.find() {
            Ok(_) => peers.push(Peer {
                kind,
                rounds: Vec::new(),
                is_out: false,
            }),
            Err(why) => absent.note(kind.name(), &why.to_string()),
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
