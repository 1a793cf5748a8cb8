//! How long it takes from the start of a server to its first answer, and until all of its workers serve.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use everport::Sharing;
use everport_tests::{PATIENCE, ask, get, take_turn};

use crate::effort::Effort;
use crate::statistics::{Sample, millis};
use crate::subject::{Kind, Launch, SHARINGS, command, launch};
use crate::table::{Cell, Outcome, Table};

pub(crate) const NAME: &str = "start";

/// Starts everything in turn.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let rounds = effort.rounds(15);
    let sizes: &[u32] = if effort.is_brief() { &[2] } else { &[1, 10, 100] };
    let mut measured: Vec<Measured> = Vec::new();
    for workers in sizes {
        measured.extend(WAYS.map(|way| Measured::new(way, *workers)));
    }
    let (mut peers, missing) = peers(effort);
    for _ in 0..rounds {
        let _turn = take_turn();
        measured.iter_mut().try_for_each(Measured::measure)?;
        peers.iter_mut().try_for_each(Peer::measure)?;
    }
    let mut outcome = Outcome::new(NAME, method(rounds), vec![table(&measured)]);
    outcome.add_unless_empty(table_of_peers(&peers));
    outcome.add_unless_empty(missing);
    Ok(outcome)
}

fn method(rounds: u32) -> String {
    format!(
        "{rounds} starts of each, in turn. From the spawn of the command (for *unmanaged*, of the first process) to \
         the first whole answer over HTTP, asked for every {ASK_EVERY:?} from the begin on, and until all workers \
         serve: by the watcher's log line, or by each unmanaged process's own. Ratios to unmanaged are of the same \
         round. Others are started as the scenario `peers` does, with {PEERS_WORKERS} workers, and asked as soon as \
         that says they serve. Medians with their 95 % interval."
    )
}

/// Everport's ways to have workers, and none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Unmanaged,
    Processes(Sharing),
    Threads,
}

/// The unmanaged server comes first: the others are compared with it.
const WAYS: [Way; 5] = [
    Way::Unmanaged,
    Way::Processes(SHARINGS[0]),
    Way::Processes(SHARINGS[1]),
    Way::Processes(SHARINGS[2]),
    Way::Threads,
];

impl Way {
    fn name(self) -> String {
        match self {
            Self::Unmanaged => Kind::Unmanaged.to_string(),
            Self::Processes(sharing) => format!("everport, {sharing}"),
            Self::Threads => Kind::Threads.to_string(),
        }
    }

    fn start(self, workers: u32) -> anyhow::Result<Times> {
        let address = free_address()?;
        let asker = thread::spawn(move || first_answer(address));
        let begin = Instant::now();
        let all = match self {
            Self::Unmanaged => start_unmanaged(address, workers, begin)?,
            Self::Processes(sharing) => cluster(Launch::Processes, workers, sharing, address, begin),
            Self::Threads => cluster(Launch::Threads, workers, Sharing::DEFAULT, address, begin),
        };
        let answered = asker.join().ok().flatten();
        let answered = answered.with_context(|| format!("{} never answers", self.name()))?;
        ensure!(all.left > 0, "nobody was started");
        Ok(Times {
            first: answered.duration_since(begin),
            all: all.ready,
        })
    }
}
