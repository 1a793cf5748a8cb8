//! The `everport-load` command: puts load on a server on this machine and reports what its clients saw.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;
use std::{error, io};

use clap::Parser;
use everport_load::{Load, Target};

/// Puts load on a server on this machine and reports what its clients saw.
///
/// Nothing is retried. Exit code 0: every request was answered as expected; 1: a request failed, or none
/// was answered; 2: the load could not start.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// 127.0.0.1:8080, [::1]:8080, unix:/path or unix:@name
    address: Target,
    /// How many clients there are
    #[arg(short, long, default_value_t = 8)]
    clients: usize,
    /// Requests per second of all clients together [default: as fast as possible]
    #[arg(short, long, allow_negative_numbers = true)]
    rate: Option<f64>,
    /// For how long, in seconds
    #[arg(short, long, default_value = "10", value_parser = seconds, allow_negative_numbers = true)]
    duration: Duration,
    /// For how many requests at most
    #[arg(short = 'n', long)]
    requests: Option<u64>,
    /// Many requests on one connection [default: one connection per request]
    #[arg(short, long)]
    keep_alive: bool,
    /// The longest random pause between two requests of a connection, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0, requires = "keep_alive")]
    pause_max: u64,
    /// The seed of the pauses
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The time-out for connecting and for an answer, in seconds
    #[arg(long, default_value = "10", value_parser = seconds, allow_negative_numbers = true)]
    timeout: Duration,
    /// The path to ask for
    #[arg(long, default_value = "/")]
    path: String,
    /// The status that answers must have
    #[arg(long, value_name = "STATUS", default_value_t = 200)]
    expect_status: u16,
    /// The body that answers must have
    #[arg(long, value_name = "TEXT")]
    expect_body: Option<String>,
    /// Connect from 127.0.0.1 to 127.0.0.N in turn
    #[arg(long, value_name = "N", default_value_t = 1)]
    source_addresses: u8,
    /// How many failures to show in full
    #[arg(long, value_name = "N", default_value_t = 10)]
    examples: usize,
}

fn main() -> ExitCode {
    match run(Arguments::parse().into()) {
        Ok(exit) => exit,
        Err(error) => {
            // Without a standard error there is nobody to tell.
            let _ = writeln!(io::stderr(), "everport-load: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(load: Load) -> Result<ExitCode, Box<dyn error::Error>> {
    let report = load.start()?.wait();
    writeln!(io::stdout(), "{report}")?;
    let lossless = report.ok > 0 && report.failed() == 0;
    Ok(if lossless {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl From<Arguments> for Load {
    fn from(arguments: Arguments) -> Self {
        let mut load = Self::new(arguments.address)
            .clients(arguments.clients)
            .duration(arguments.duration)
            .pause_up_to(Duration::from_millis(arguments.pause_max))
            .seed(arguments.seed)
            .timeout(arguments.timeout)
            .path(arguments.path)
            .expect_status(arguments.expect_status)
            .source_addresses(arguments.source_addresses)
            .examples(arguments.examples);
        if arguments.keep_alive {
            load = load.keep_alive();
        }
        if let Some(rate) = arguments.rate {
            load = load.rate(rate);
        }
        if let Some(requests) = arguments.requests {
            load = load.requests(requests);
        }
        if let Some(body) = arguments.expect_body {
            load = load.expect_body(body);
        }
        load
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = |reason: &dyn Display| format!("{reason}: give seconds, like 10 or 0.5");
    let seconds: f64 = text.parse().map_err(|error| wrong(&error))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| wrong(&error))
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
