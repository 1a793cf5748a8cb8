//! PM2 in cluster mode, its daemon in the foreground.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use super::super::{Missing, Version};
use super::installed::{peers_file, program, version, version_in};
use super::recipe::{Place, Recipe};

pub(crate) struct Pm2;

impl Recipe for Pm2 {
    /// Asked itself, it would start a daemon.
    fn find(&self) -> Result<Version, Missing> {
        let Version(node) = version(&program("node")?, "--version")?;
        let program = program("pm2")?;
        let missing = |what: String| Missing(format!("{}: {what}", program.display()));
        let package = package(&program).ok_or_else(|| missing("not in a package".to_owned()))?;
        let text = fs::read_to_string(&package).map_err(|error| missing(error.to_string()))?;
        let text = text.split_once("\"version\"").map_or("", |(_, rest)| rest);
        let Version(own) = version_in(text).ok_or_else(|| missing("no version".to_owned()))?;
        Ok(Version(format!("{own}, Node {node}")))
    }

    fn command(&self, place: &Place) -> anyhow::Result<Command> {
        let mut command = place.command(&program("pm2")?);
        command
            .args(["start", "--no-daemon"])
            .arg(peers_file("pm2.config.js"));
        Ok(command)
    }

    fn restart(&self, place: &Place, _manager: u32) -> anyhow::Result<()> {
        let mut command = Command::new(program("pm2")?);
        place.prepare(&mut command);
        let output = command
            .args(["reload", "hello"])
            .stdin(Stdio::null())
            .output()
            .context("cannot run pm2")?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        ensure!(
            output.status.success(),
            "pm2 reload: {}: {said}",
            output.status
        );
        Ok(())
    }
}

/// The description of the package that the program is in.
fn package(program: &Path) -> Option<PathBuf> {
    let file = program.canonicalize().ok()?;
    let description = file.parent()?.parent()?.join("package.json");
    description.is_file().then_some(description)
}
