//! The program whose log is measured: in a cluster, or by itself with the usual subscriber that writes to a file.

use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use rustix::time::{ClockId, clock_gettime};

/// Logs until its time is over, and reports what that cost to a file that is named after its process.
#[derive(Debug, Parser)]
struct Options {
    /// Logs for so long
    #[arg(long, value_name = "S")]
    seconds: f64,
    /// Logs this many records at a time
    #[arg(long, value_name = "N", default_value_t = 1000)]
    burst: u64,
    /// Waits in between, so that somebody else can write them
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pause: u64,
    /// The directory for the report
    #[arg(long, value_name = "DIR")]
    report: PathBuf,
    /// Writes to this file by itself instead of joining a cluster
    #[arg(long, value_name = "FILE")]
    alone: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    if let Some(file) = &options.alone {
        write_alone(file)?;
        return measure(&options)?.write(&options.report);
    }
    let cluster = everport::Cluster::join().await?;
    everport::logging::init(&cluster)?;
    cluster.ready();
    let logging = thread::spawn(move || -> Result<(), String> {
        let report = measure(&options).map_err(|error| error.to_string())?;
        let written = report.write(&options.report);
        written.map_err(|error| error.to_string())
    });
    cluster.terminated().await;
    logging
        .join()
        .map_err(|_| "the logging thread panicked")??;
    cluster.leave().await?;
    Ok(())
}

/// What programs do without a cluster: each record is written at once by the thread that logs it.
fn write_alone(file: &Path) -> Result<(), Box<dyn Error>> {
    let subscriber = tracing_subscriber::fmt()
        .with_writer(Mutex::new(File::create(file)?))
        .finish();
    tracing::subscriber::set_global_default(subscriber)?;
    Ok(())
}

/// What the logging cost. Times in nanoseconds; `begun` counts from 1970.
#[derive(Debug, Default)]
struct Report {
    records: u64,
    begun: u128,
    /// Of the bursts alone.
    elapsed: u128,
    /// Of the thread that logs, in the bursts.
    worked: u128,
}

fn measure(options: &Options) -> Result<Report, Box<dyn Error>> {
    let mut report = Report {
        begun: SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos(),
        ..Report::default()
    };
    let end = Instant::now() + Duration::try_from_secs_f64(options.seconds)?;
    while Instant::now() < end {
        let (begin, worked) = (Instant::now(), thread_time());
        for _ in 0..options.burst {
            report.records += 1;
            log(report.records);
        }
        report.elapsed += begin.elapsed().as_nanos();
        report.worked += (thread_time() - worked).as_nanos();
        if options.pause > 0 {
            thread::sleep(Duration::from_millis(options.pause));
        }
    }
    Ok(report)
}

/// A record as servers log them: a message and five fields.
fn log(number: u64) {
    tracing::info!(
        number,
        path = "/orders/4711",
        status = 200,
        seconds = 0.0123,
        cached = false,
        "request served"
    );
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

impl Report {
    /// Moves the finished report to its place: whoever sees it sees all of it.
    fn write(&self, directory: &Path) -> Result<(), Box<dyn Error>> {
        let Self {
            records,
            begun,
            elapsed,
            worked,
        } = self;
        let name = std::process::id().to_string();
        let unfinished = directory.join(format!(".{name}"));
        fs::write(&unfinished, format!("{records} {begun} {elapsed} {worked}"))?;
        Ok(fs::rename(unfinished, directory.join(name))?)
    }
}
