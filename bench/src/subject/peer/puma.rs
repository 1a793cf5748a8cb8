//! Puma with worker processes and phased restarts.

use std::process::Command;

use rustix::process::Signal;

use super::super::{Missing, Version};
use super::installed::{peers_file, program, version};
use super::recipe::{Place, Recipe, signal};

pub(crate) struct Puma;

impl Recipe for Puma {
    fn find(&self) -> Result<Version, Missing> {
        version(&program("puma")?, "--version")
    }

    fn command(&self, place: &Place) -> anyhow::Result<Command> {
        let mut command = place.command(&program("puma")?);
        command.arg("-C").arg(peers_file("puma.rb"));
        Ok(command)
    }

    fn restart(&self, _place: &Place, manager: u32) -> anyhow::Result<()> {
        signal(manager, Signal::USR1)
    }
}
