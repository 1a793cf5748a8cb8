//! gunicorn with uvicorn's workers.

use std::process::Command;

use rustix::process::Signal;

use super::super::{Missing, Version};
use super::installed::{peers_file, program, version};
use super::recipe::{Place, Recipe, signal};

pub(crate) struct Gunicorn;

impl Recipe for Gunicorn {
    fn find(&self) -> Result<Version, Missing> {
        let program = program("gunicorn")?;
        let Version(own) = version(&program, "--version")?;
        // One that is elsewhere is of no use to it.
        let uvicorn = program.with_file_name("uvicorn");
        if !uvicorn.is_file() {
            return Err(Missing("there is no uvicorn beside gunicorn".to_owned()));
        }
        let Version(uvicorn) = version(&uvicorn, "--version")?;
        Ok(Version(format!("{own}, uvicorn {uvicorn}")))
    }

    fn command(&self, place: &Place) -> anyhow::Result<Command> {
        let mut command = place.command(&program("gunicorn")?);
        command.arg("-c").arg(peers_file("gunicorn.conf.py"));
        command.arg("hello:app");
        Ok(command)
    }

    fn restart(&self, _place: &Place, manager: u32) -> anyhow::Result<()> {
        signal(manager, Signal::HUP)
    }
}
