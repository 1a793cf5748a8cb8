//! What can be measured.

mod at_rest;
mod respawn;
mod restart_time;
mod restarts;
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
pub(crate) const ALL: [Scenario; 5] = [
    Scenario {
        name: restarts::NAME,
        about: "What one-connection requests lose under endless rolling restarts, and how long they take",
        run: restarts::run,
    },
    Scenario {
        name: respawn::NAME,
        about: "How soon a killed worker is noticed and replaced",
        run: respawn::run,
    },
    Scenario {
        name: throughput::NAME,
        about: "Throughput and processor time against the same program unmanaged",
        run: throughput::run,
    },
    Scenario {
        name: restart_time::NAME,
        about: "How long a rolling restart takes, against the program's own start",
        run: restart_time::run,
    },
    Scenario {
        name: at_rest::NAME,
        about: "What a watcher with idle workers needs",
        run: at_rest::run,
    },
];
