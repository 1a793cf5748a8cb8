//! nginx, which answers by itself.

use std::fs;
use std::process::Command;

use anyhow::Context;
use rustix::process::Signal;

use super::super::{Missing, Version};
use super::installed::{peers_file, program, version};
use super::recipe::{Place, Recipe, signal};

pub(crate) struct Nginx;

impl Recipe for Nginx {
    fn find(&self) -> Result<Version, Missing> {
        version(&program("nginx")?, "-v")
    }

    fn command(&self, place: &Place) -> anyhow::Result<Command> {
        let template = peers_file("nginx.conf");
        let text = fs::read_to_string(&template)
            .with_context(|| format!("cannot read {}", template.display()))?;
        let text = text.replace("@PORT@", &place.port.to_string());
        let text = text.replace("@WORKERS@", &place.workers.to_string());
        let configuration = place.directory.join("nginx.conf");
        fs::write(&configuration, text).context("cannot write nginx's configuration")?;
        let mut command = place.command(&program("nginx")?);
        command.arg("-p").arg(&place.directory);
        command.arg("-c").arg(configuration);
        command.args(["-e", "stderr"]);
        Ok(command)
    }

    fn restart(&self, _place: &Place, manager: u32) -> anyhow::Result<()> {
        signal(manager, Signal::HUP)
    }

    fn serves(&self, command_line: &str) -> bool {
        !command_line.contains("shutting down")
    }
}
