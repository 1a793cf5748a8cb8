//! Servers that take turns at being loaded, so that whatever else the machine does meets all of them alike.

mod demand;
mod duel;
mod measured;
mod race;

use std::time::{Duration, Instant};
use std::{fmt, thread};

use anyhow::Context;
use everport_load::RunningLoad;
use everport_tests::{PATIENCE, take_turn};

use crate::accounting::own_processor_time;
use crate::pinning::Pinned;
use crate::plot::Shade;
use crate::subject::{Subject, Unmanaged};
use crate::turns::order;

pub(crate) use demand::{Demand, Manner};
pub(crate) use duel::{Against, Duel};
pub(crate) use measured::Measured;
pub(crate) use race::Race;

/// Where servers and generator run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// One worker on one core, the generator on another.
    Pinned,
    /// Two workers, and the generator, wherever the kernel puts them.
    Spread,
}

/// Someone who takes part: how it is called, and how it is started with so many workers.
pub(crate) struct Entrant {
    pub(crate) name: &'static str,
    pub(crate) shade: Shade,
    /// How long it is loaded in each manner before the clock runs.
    warm_up: Duration,
    start: Start,
}

type Start = Box<dyn Fn(u32) -> anyhow::Result<Box<dyn Subject>>>;

impl Entrant {
    pub(crate) fn new(
        name: &'static str,
        shade: Shade,
        start: impl Fn(u32) -> anyhow::Result<Box<dyn Subject>> + 'static,
    ) -> Self {
        Self {
            name,
            shade,
            warm_up: WARM_UP,
            start: Box::new(start),
        }
    }

    /// One that compiles what it runs most while it runs, and so needs longer to be at its best.
    pub(crate) fn warmed_up_long(self) -> Self {
        Self {
            warm_up: LONG_WARM_UP,
            ..self
        }
    }

    /// The responder that does next to nothing. It has one thread, however many workers the others have.
    pub(crate) fn bare() -> Self {
        Self::new("bare responder", Shade::Limit, |_| {
            Ok(Box::new(Unmanaged::bare()?))
        })
    }
}

/// The servers of one round, each on its own port; all but one are idle at any time.
struct Contest {
    place: Place,
    servers: Vec<Box<dyn Subject>>,
    /// How many slices there were: the order changes with each.
    slices: usize,
}

impl Contest {
    /// Starts every server and warms it up. `round` decides who comes first.
    fn start(place: Place, entrants: &[Entrant], round: u32) -> anyhow::Result<Self> {
        let contest = Self {
            place,
            servers: start_all(place, entrants)?,
            slices: round as usize,
        };
        for (server, entrant) in entrants.iter().enumerate() {
            for manner in Manner::ALL {
                let demand = Demand::of(manner, WARM_UP_CONNECTIONS);
                contest.load(server, demand, entrant.warm_up)?;
            }
        }
        Ok(contest)
    }

    /// Measures every server for so long: in short slices, one server after the other. The result is in the order of the
    /// entrants.
    fn measure(&mut self, demand: Demand, length: Duration) -> anyhow::Result<Vec<Measured>> {
        let _turn = take_turn();
        let mut measured = vec![Measured::default(); self.servers.len()];
        let slices = (length.as_millis() / SLICE.as_millis()).clamp(1, MOST_SLICES) as u32;
        for _ in 0..slices {
            for server in order(self.servers.len(), self.slices) {
                measured[server] += self.load(server, demand, length / slices)?;
            }
            self.slices += 1;
        }
        Ok(measured)
    }

    /// Loads one server. What connecting for the first time costs is not counted: the clock starts when all clients go
    /// about their business, and stops while they still do.
    fn load(&self, server: usize, demand: Demand, length: Duration) -> anyhow::Result<Measured> {
        let _pinned = self.place.pinned_to(GENERATOR)?;
        let server = self.servers[server].as_ref();
        let load = demand.load(server.address()).duration(length + PATIENCE);
        let load = load.start()?;
        let settled = 2 * demand.connections as u64;
        load.wait_for_completed(settled, PATIENCE)
            .with_context(|| format!("{} is too slow for {demand}", server.address()))?;
        let begin = Reading::take(server, &load)?;
        thread::sleep(length);
        let end = Reading::take(server, &load)?;
        Ok(begin.until(&end, load.stop().failed()))
    }
}

/// What clock and counters say at one moment.
struct Reading {
    at: Instant,
    completed: u64,
    server: Duration,
    generator: Duration,
}

impl Reading {
    fn take(server: &dyn Subject, load: &RunningLoad) -> anyhow::Result<Self> {
        Ok(Self {
            server: server.processor_time()?,
            generator: own_processor_time(),
            completed: load.completed(),
            at: Instant::now(),
        })
    }

    fn until(&self, end: &Self, failed: u64) -> Measured {
        Measured {
            requests: end.completed - self.completed,
            failed,
            took: end.at - self.at,
            // A worker that was replaced meanwhile takes its time with it.
            server: end.server.saturating_sub(self.server),
            generator: end.generator.saturating_sub(self.generator),
        }
    }
}

fn start_all(place: Place, entrants: &[Entrant]) -> anyhow::Result<Vec<Box<dyn Subject>>> {
    // The servers keep the core they are started on; the generator has its own when this ends.
    let _pinned = place.pinned_to(SERVERS)?;
    let start = |entrant: &Entrant| {
        (entrant.start)(place.workers()).with_context(|| format!("cannot start {}", entrant.name))
    };
    entrants.iter().map(start).collect()
}

impl Place {
    pub(crate) const ALL: [Self; 2] = [Self::Pinned, Self::Spread];

    pub(crate) fn workers(self) -> u32 {
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
        f.pad(match self {
            Self::Pinned => "pinned",
            Self::Spread => "spread",
        })
    }
}

/// Short, so that servers that are compared meet the machine in the same mood, and long against the time that the
/// generator needs to begin and to end.
const SLICE: Duration = Duration::from_millis(150);
/// A minute of them.
const MOST_SLICES: u128 = 400;
/// The cores of those who are pinned, by their numbers among those that may be used.
const SERVERS: usize = 0;
const GENERATOR: usize = 1;
/// The processes' pages and caches are warm by then.
const WARM_UP: Duration = Duration::from_millis(50);
const LONG_WARM_UP: Duration = Duration::from_millis(500);
const WARM_UP_CONNECTIONS: usize = 64;
