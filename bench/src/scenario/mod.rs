//! What can be measured.

mod at_rest;
mod evenness;
mod generator;
mod growth;
mod keep_alive;
mod kills;
mod logs;
mod messages;
mod peers;
mod respawn;
mod restart_time;
mod restarts;
mod start;
mod stuck;
mod throughput;

use crate::effort::Effort;
use crate::table::Outcome;

/// Something that can be measured by itself.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn(Effort) -> anyhow::Result<Outcome>,
}

/// In the order in which they are measured.
pub(crate) const ALL: [Scenario; 15] = [
    Scenario {
        name: restarts::NAME,
        about: "What one-connection requests lose under endless rolling restarts, and how long they take",
        run: restarts::run,
    },
    Scenario {
        name: keep_alive::NAME,
        about: "What kept connections lose under rolling restarts, with pauses between their requests",
        run: keep_alive::run,
    },
    Scenario {
        name: kills::NAME,
        about: "What is lost when workers are killed while they serve",
        run: kills::run,
    },
    Scenario {
        name: stuck::NAME,
        about: "How long new connections wait when one of the workers is stopped, hung or in back-off",
        run: stuck::run,
    },
    Scenario {
        name: peers::NAME,
        about: "Calm, restarts, kills and a stopped worker, beside what others use",
        run: peers::run,
    },
    Scenario {
        name: respawn::NAME,
        about: "How soon a killed worker is noticed and replaced",
        run: respawn::run,
    },
    Scenario {
        name: generator::NAME,
        about: "How many requests a second the load generator itself can send, and how punctual it is",
        run: generator::run,
    },
    Scenario {
        name: throughput::NAME,
        about: "Throughput and processor time against the same program unmanaged",
        run: throughput::run,
    },
    Scenario {
        name: evenness::NAME,
        about: "How evenly connections are spread over the workers",
        run: evenness::run,
    },
    Scenario {
        name: start::NAME,
        about: "How long it takes to the first answer, and until all workers serve",
        run: start::run,
    },
    Scenario {
        name: restart_time::NAME,
        about: "How long a rolling restart takes, against the program's own start",
        run: restart_time::run,
    },
    Scenario {
        name: at_rest::NAME,
        about: "What a watcher needs at rest and under load, and workers beside unmanaged processes",
        run: at_rest::run,
    },
    Scenario {
        name: growth::NAME,
        about: "What managing costs as the number of workers grows",
        run: growth::run,
    },
    Scenario {
        name: logs::NAME,
        about: "How many log records a second come through the link, and what each costs its worker",
        run: logs::run,
    },
    Scenario {
        name: messages::NAME,
        about: "How long messages take, and how many get through, beside Node's cluster module",
        run: messages::run,
    },
];
