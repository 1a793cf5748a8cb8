//! Someone who starts and ends programs that have nothing to do with a cluster.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use everport_tests::program;

use super::WORKERS;

/// A process of its own, as a watcher is. It ends, with all that it has started, when its input does.
pub(super) struct Starter {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Starter {
    /// Has it start as many programs as a cluster has workers, and waits until they are there.
    pub(super) fn prepare(rate: f64, length: Duration) -> anyhow::Result<Self> {
        let mut process = Command::new(program("bench-starter"))
            .args(["--programs", &WORKERS.to_string()])
            .args(["--rate", &rate.to_string()])
            .args(["--seconds", &length.as_secs_f64().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start bench-starter")?;
        let output = process.stdout.take().context("stdout is a pipe")?;
        let output = BufReader::new(output);
        let mut starter = Self { process, output };
        starter.hear("ready")?;
        Ok(starter)
    }

    /// Has it replace its programs one after the other for its time, and says how many it has started.
    pub(super) fn run(mut self) -> anyhow::Result<u64> {
        let input = self.process.stdin.as_mut().context("stdin is a pipe")?;
        writeln!(input, "begin").context("bench-starter has ended")?;
        let started = self.hear("started ")?;
        let started = started.parse();
        started.context("bench-starter does not say how many it has started")
    }

    /// What its next line says behind these words.
    fn hear(&mut self, words: &str) -> anyhow::Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let rest = line.trim_end().strip_prefix(words);
        let rest = rest.with_context(|| format!("bench-starter said {line:?}, not {words:?}"))?;
        Ok(rest.to_owned())
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        // The end of its input: it ends its programs first.
        drop(self.process.stdin.take());
        drop(self.process.wait());
    }
}
