//! An application with a cluster of the server under test: it does what its standard input says, and says how long
//! each thing took.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Parser;
use everport::watcher::{Handle, Program, RunError};
use everport::{Sharing, Watcher};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

#[derive(Debug, Parser)]
struct Options {
    /// The program that workers run
    #[arg(long, value_name = "PROGRAM")]
    server: String,
    /// How many of them there are
    #[arg(long, value_name = "N")]
    workers: u32,
    /// How they share their port
    #[arg(long, value_parser = sharing)]
    share: Sharing,
}

/// What is said about one thing that was done.
#[derive(Debug, Serialize)]
struct Done {
    did: String,
    /// Each time it was done, in milliseconds.
    millis: Vec<f64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut commands = commands();
    // Before there is a watcher: what the program needs by itself.
    say("begin", &[Duration::ZERO])?;
    let mut application = None;
    while let Some(command) = commands.recv().await {
        let begin = Instant::now();
        let took = match (command.as_str(), &mut application) {
            ("start", none @ None) => {
                *none = Some(Application::start(&options).await?);
                vec![begin.elapsed()]
            }
            ("status", Some(application)) => application.look().await?,
            ("restart", Some(application)) => {
                application.handle.restart().await?;
                application.handle.at_rest().await?;
                vec![begin.elapsed()]
            }
            ("stop", running) if running.is_some() => {
                let application = running.take().context("it is there")?;
                application.stop().await?;
                vec![begin.elapsed()]
            }
            (other, _) => bail!("this is no time for {other:?}"),
        };
        say(&command, &took)?;
    }
    Ok(())
}

struct Application {
    handle: Handle,
    running: JoinHandle<Result<everport::watcher::ExitReason, RunError>>,
}

impl Application {
    /// Returns when every worker serves.
    async fn start(options: &Options) -> anyhow::Result<Self> {
        let program = Program::find(&options.server)?.args(["--listen", "127.0.0.1:0"]);
        let watcher = Watcher::builder(program)
            .workers(options.workers)
            .sharing(options.share)
            .settle(Duration::ZERO)
            .build()?;
        let handle = watcher.handle();
        let running = tokio::spawn(watcher.run());
        handle.ready().await?;
        Ok(Self { handle, running })
    }

    /// Asks for the status again and again.
    async fn look(&self) -> anyhow::Result<Vec<Duration>> {
        let mut took = Vec::new();
        for _ in 0..LOOKS {
            let begin = Instant::now();
            let status = self.handle.status().await?;
            took.push(begin.elapsed());
            anyhow::ensure!(status.is_ready(), "somebody does not serve: {status:?}");
        }
        Ok(took)
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.handle.stop();
        self.running.await?.context("the cluster broke down")?;
        Ok(())
    }
}

/// Lines of standard input, read on a thread of their own.
fn commands() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn sharing(text: &str) -> Result<Sharing, String> {
    let all = [Sharing::Reuseport, Sharing::Transfer, Sharing::Dispatch];
    let mut found = all.into_iter().filter(|it| it.to_string() == text);
    found
        .next()
        .ok_or_else(|| format!("{text:?}: give one of {all:?}"))
}

fn say(did: &str, took: &[Duration]) -> anyhow::Result<()> {
    let millis = took.iter().map(|took| took.as_secs_f64() * 1e3).collect();
    let did = did.to_owned();
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &Done { did, millis })?;
    writeln!(out)?;
    Ok(())
}

/// Enough for a median.
const LOOKS: usize = 101;
