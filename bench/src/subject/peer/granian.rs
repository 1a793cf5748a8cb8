//! granian, with an ASGI application.

use std::process::Command;

use rustix::process::Signal;

use super::super::{Missing, Version};
use super::installed::{program, version};
use super::recipe::{Place, Recipe, signal};

pub(crate) struct Granian;

impl Recipe for Granian {
    fn find(&self) -> Result<Version, Missing> {
        version(&program("granian")?, "--version")
    }

    fn command(&self, place: &Place) -> anyhow::Result<Command> {
        let mut command = place.command(&program("granian")?);
        command.args(["--interface", "asgi", "--host", "127.0.0.1", "--port"]);
        command.arg(place.port.to_string());
        command.arg("--workers").arg(place.workers.to_string());
        command.args(["--backlog", BACKLOG]);
        command.args([
            "--respawn-failed-workers",
            "--respawn-interval",
            RESPAWN_INTERVAL,
        ]);
        command.arg("hello:app");
        Ok(command)
    }

    fn restart(&self, _place: &Place, manager: u32) -> anyhow::Result<()> {
        signal(manager, Signal::HUP)
    }
}

/// What a cluster's ports have. A worker takes as many connections as this divided by the number of workers, and has more of
/// them wait until others leave: with its default of 1024 some of a thousand kept connections wait for half a minute.
const BACKLOG: &str = "4096";
/// In seconds. It is how long a new worker has before its predecessor is stopped; with the 3.5 s of its default a restart
/// would take 14 s. This one starts in a fraction of it.
const RESPAWN_INTERVAL: &str = "0.5";
