//! HAProxy, which answers by itself: one worker process with threads.

use std::process::Command;

use rustix::process::Signal;

use super::super::{Missing, Version};
use super::installed::{peers_file, program, version};
use super::recipe::{Place, Recipe, signal};

pub(crate) struct Haproxy;

impl Recipe for Haproxy {
    fn find(&self) -> Result<Version, Missing> {
        version(&program("haproxy")?, "-v")
    }

    fn command(&self, place: &Place) -> anyhow::Result<Command> {
        let mut command = place.command(&program("haproxy")?);
        command
            .args(["-W", "-db", "-f"])
            .arg(peers_file("haproxy.cfg"));
        Ok(command)
    }

    fn restart(&self, _place: &Place, manager: u32) -> anyhow::Result<()> {
        signal(manager, Signal::USR2)
    }

    /// Its worker answers before the master has taken its signals over: until then one is dropped.
    fn may_miss_a_restart(&self) -> bool {
        true
    }

    /// All threads are in one.
    fn processes(&self, _workers: u32) -> usize {
        1
    }

    /// Its master ends when a worker dies.
    fn can_lose_a_process(&self) -> bool {
        false
    }
}
