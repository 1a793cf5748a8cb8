//! The program whose messages are measured: an application that embeds a cluster of two, and its workers.

mod application;
mod report;
mod value;
mod worker;

use std::error::Error;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use everport::Cluster;

/// Measures messages from the first of two workers, and prints four numbers: the median and the 99th percentile of round
/// trips in nanoseconds, how many messages were received a second, and how many were lost.
#[derive(Debug, Clone, Parser)]
struct Options {
    /// With whom the first worker talks
    #[arg(long)]
    with: Partner,
    /// How long a message is as JSON, in bytes
    #[arg(long, value_name = "BYTES")]
    size: usize,
    /// Measures round trips for so long, and then a stream of messages for as long
    #[arg(long, value_name = "S")]
    seconds: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Partner {
    Watcher,
    Worker,
}

impl Options {
    fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// As arguments for the workers.
    fn arguments(&self) -> [String; 3] {
        let with = match self.with {
            Partner::Watcher => "watcher",
            Partner::Worker => "worker",
        };
        [
            format!("--with={with}"),
            format!("--size={}", self.size),
            format!("--seconds={}", self.seconds),
        ]
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    if Cluster::is_worker_process() {
        worker::work(&options).await
    } else {
        let report = application::measure(&options).await?;
        println!("{report}");
        Ok(())
    }
}
