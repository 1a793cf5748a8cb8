//! Node's cluster module, with a primary of ours.

use std::process::Command;

use rustix::process::Signal;

use super::super::{Missing, Version};
use super::installed::{peers_file, program, version};
use super::recipe::{Place, Recipe, signal};

pub(crate) struct NodeCluster;

impl Recipe for NodeCluster {
    fn find(&self) -> Result<Version, Missing> {
        version(&program("node")?, "--version")
    }

    fn command(&self, place: &Place) -> anyhow::Result<Command> {
        let mut command = place.command(&program("node")?);
        command.arg(peers_file("primary.js"));
        command.env("NODE_ENV", "production");
        Ok(command)
    }

    fn restart(&self, _place: &Place, manager: u32) -> anyhow::Result<()> {
        signal(manager, Signal::USR2)
    }
}
