//! An application with a cluster of its own, which is told what to do and says how long it took.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, ensure};
use everport::Sharing;
use everport_tests::program;
use serde::Deserialize;

use crate::accounting::{Cost, cost};

/// `bench-embedder`, which runs. Killed when it is dropped; its workers then leave by themselves.
#[derive(Debug)]
pub(crate) struct Embedder {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What it says about one thing that it did.
#[derive(Debug, Deserialize)]
struct Done {
    did: String,
    millis: Vec<f64>,
}

/// A thing that was done, and what it cost the application's process.
#[derive(Debug)]
pub(crate) struct Step {
    /// How long it took, each time that it was done, in milliseconds.
    pub(crate) millis: Vec<f64>,
    /// What the process has used and has, after it.
    pub(crate) cost: Cost,
}

impl Embedder {
    /// Starts the application, without its cluster.
    pub(crate) fn start(workers: u32, sharing: Sharing) -> anyhow::Result<(Self, Step)> {
        let mut command = Command::new(program("bench-embedder"));
        command.arg("--server").arg(program("bench-server"));
        command.args(["--workers", &workers.to_string()]);
        command.args(["--share", &sharing.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("cannot start bench-embedder")?;
        let (commands, answers) = (process.stdin.take(), process.stdout.take());
        let mut embedder = Self {
            process,
            commands: commands.context("stdin is a pipe")?,
            answers: BufReader::new(answers.context("stdout is a pipe")?),
        };
        let begun = embedder.hear("begin")?;
        Ok((embedder, begun))
    }

    /// Has it do something, and waits until it is done.
    pub(crate) fn tell(&mut self, command: &str) -> anyhow::Result<Step> {
        writeln!(self.commands, "{command}").with_context(|| format!("cannot say {command:?}"))?;
        self.hear(command)
    }

    fn hear(&mut self, expected: &str) -> anyhow::Result<Step> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let done: Done = serde_json::from_str(&line)
            .with_context(|| format!("bench-embedder said {line:?} to {expected:?}"))?;
        ensure!(done.did == expected, "it did {:?}", done.did);
        Ok(Step {
            millis: done.millis,
            cost: cost(self.process.id())?,
        })
    }
}

impl Drop for Embedder {
    fn drop(&mut self) {
        // One that has ended already is just as well.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
