//! How many records a second come through the link, and what a record costs the worker that logs it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use everport_tests::{Cluster, Exit, PATIENCE, program, take_turn};

use crate::effort::Effort;
use crate::log_file::Counted;
use crate::statistics::{Interval, Sample};
use crate::table::{Cell, Figure, Limit, Outcome, Table};

pub(crate) const NAME: &str = "logs";

/// Logs from two workers at once as fast as they can, then from one in bursts that nobody has to wait for.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let rounds = effort.rounds(9);
    let seconds = effort.seconds(Duration::from_secs(2));
    let mut outcome = Outcome::new(NAME, method(rounds, seconds), Vec::new());
    floods(&mut outcome, rounds, seconds)?;
    costs(&mut outcome, rounds, seconds)?;
    Ok(outcome)
}

fn method(rounds: u32, seconds: Duration) -> String {
    format!(
        "Records have a message and five fields ({FIELDS}). Flood: {WORKERS} workers log without pauses for {seconds:?}; \
         the watcher writes to one file; from the first record to the last one in the file. Cost: one program logs \
         {BURST} records, which fit in its ring, then pauses {PAUSE:?}, for {seconds:?}; the bursts alone count. It is a \
         worker, or by itself with `tracing_subscriber::fmt` and a file. {rounds} rounds, in each of them everything once \
         in turn."
    )
}

const FIELDS: &str = "two integers, a float, a boolean, a text";
const WORKERS: usize = 2;
/// About 150 bytes each: a sixth of a ring.
const BURST: u64 = 1000;
/// Long enough for a watcher to write a burst.
const PAUSE: Duration = Duration::from_millis(20);

/// The forms in which the log is written.
const FORMATS: [&str; 2] = ["plain", "json"];
/// What a worker does when its ring is full.
const WHEN_FULL: [&str; 2] = ["block", "drop"];

/// What came of one flood.
#[derive(Debug, Clone, Copy)]
struct Flood {
    handed_over: u64,
    counted: Counted,
    took: Duration,
    /// The time on a processor that each worker's logging thread used for a record, and the time that passed.
    worked: Duration,
}

impl Flood {
    /// Records a second that are in the file.
    fn rate(&self) -> f64 {
        self.counted.records as f64 / self.took.as_secs_f64()
    }

    /// Records that are neither in the file nor counted there as lost.
    fn vanished(&self) -> u64 {
        let known = self.counted.records + self.counted.lost;
        self.handed_over.abs_diff(known)
    }
}

fn floods(outcome: &mut Outcome, rounds: u32, seconds: Duration) -> anyhow::Result<()> {
    let kinds: Vec<(&str, &str)> = FORMATS
        .into_iter()
        .flat_map(|format| WHEN_FULL.map(|when_full| (format, when_full)))
        .collect();
    let mut floods: Vec<Vec<Flood>> = vec![Vec::new(); kinds.len()];
    for _ in 0..rounds {
        for (kind, floods) in kinds.iter().zip(&mut floods) {
            floods.push(flood(kind.0, kind.1, seconds)?);
        }
    }
    let mut table = Table::new("Flood", &FLOOD_COLUMNS);
    for ((format, when_full), floods) in kinds.into_iter().zip(&floods) {
        let rate = floods.iter().map(Flood::rate).collect::<Sample>();
        let rate = rate.median_interval();
        table.row(flood_row(format, when_full, floods, rate));
        outcome.figures.push(Figure {
            what: format!("records through the link from {WORKERS} workers, {format}, {when_full}"),
            limit: Limit::AtLeast(500_000.0),
            measured: rate,
            unit: "/s",
        });
        let vanished = floods.iter().map(Flood::vanished).sum();
        let what = format!("records neither written nor counted, {format}, {when_full}");
        outcome.figures.push(Figure::lost_records(what, vanished));
        if when_full == "block" {
            let lost = floods.iter().map(|flood| flood.counted.lost).sum();
            let what = format!("records lost by workers that wait, {format}");
            outcome.figures.push(Figure::lost_records(what, lost));
        }
    }
    outcome.tables.push(table);
    Ok(())
}

const FLOOD_COLUMNS: [&str; 7] = [
    "format",
    "when full",
    "written, thousands/s",
    "handed over",
    "written",
    "lost, counted",
    "worker's CPU, µs/record",
];

fn flood_row(format: &str, when_full: &str, floods: &[Flood], rate: Interval) -> [Cell; 7] {
    let sum = |of: fn(&Flood) -> u64| -> u64 { floods.iter().map(of).sum() };
    let cost = |flood: &Flood| flood.worked.as_secs_f64() * 1e6 / flood.handed_over as f64;
    let cost = floods.iter().map(cost).collect::<Sample>();
    [
        format.into(),
        when_full.into(),
        Cell::Interval(thousands(rate), 0),
        sum(|flood| flood.handed_over).into(),
        sum(|flood| flood.counted.records).into(),
        sum(|flood| flood.counted.lost).into(),
        Cell::Interval(cost.median_interval(), 2),
    ]
}

fn thousands(interval: Interval) -> Interval {
    Interval {
        low: interval.low / 1e3,
        median: interval.median / 1e3,
        high: interval.high / 1e3,
    }
}

fn flood(format: &str, when_full: &str, seconds: Duration) -> anyhow::Result<Flood> {
    let _turn = take_turn();
    let place = Place::new()?;
    let options = format!("-w {WORKERS} --log-format {format} --log-when-full {when_full}");
    let cluster = place.cluster(&options, seconds, Duration::ZERO);
    let reports = place.reports(WORKERS, seconds)?;
    let written = place.wait_until_written()?;
    ensure!(
        cluster.stop() == Exit::Code(0),
        "the cluster did not stop well"
    );
    let begun = reports.iter().map(|report| report.begun).min();
    let begun = begun.context("no reports")?;
    Ok(Flood {
        handed_over: reports.iter().map(|report| report.records).sum(),
        counted: Counted::read(&place.log())?,
        took: written.duration_since(begun)?,
        worked: reports.iter().map(|report| report.worked).sum(),
    })
}

/// Who logs in bursts.
const LOGGERS: [&str; 3] = [
    "everport, plain",
    "everport, json",
    "tracing_subscriber::fmt",
];

fn costs(outcome: &mut Outcome, rounds: u32, seconds: Duration) -> anyhow::Result<()> {
    let mut reports: [Vec<Report>; 3] = Default::default();
    for round in 0..rounds {
        // As often one after the other as the other way round.
        let order = if round % 2 == 0 { [0, 1, 2] } else { [2, 1, 0] };
        for logger in order {
            let report = match logger {
                2 => burst_alone(seconds)?,
                logger => burst_in_cluster(FORMATS[logger], seconds)?,
            };
            reports[logger].push(report);
        }
    }
    let mut table = Table::new(
        "Cost of a record",
        &["logger", "time, µs", "CPU, µs", "records"],
    );
    for (logger, reports) in LOGGERS.into_iter().zip(&reports) {
        let elapsed = per_record(reports, |report| report.elapsed);
        let worked = per_record(reports, |report| report.worked);
        table.row([
            logger.into(),
            Cell::Interval(elapsed, 3),
            Cell::Interval(worked, 3),
            reports
                .iter()
                .map(|report| report.records)
                .sum::<u64>()
                .into(),
        ]);
        if logger.starts_with("everport") {
            outcome.figures.push(Figure {
                what: format!("worker's time for a record with five fields, {logger}"),
                limit: Limit::AtMost(0.5),
                measured: elapsed,
                unit: "µs",
            });
        }
    }
    outcome.tables.push(table);
    Ok(())
}

/// Microseconds.
fn per_record(reports: &[Report], of: impl Fn(&Report) -> Duration) -> Interval {
    let each = |report: &Report| of(report).as_secs_f64() * 1e6 / report.records as f64;
    reports
        .iter()
        .map(each)
        .collect::<Sample>()
        .median_interval()
}

fn burst_in_cluster(format: &str, seconds: Duration) -> anyhow::Result<Report> {
    let _turn = take_turn();
    let place = Place::new()?;
    let cluster = place.cluster(&format!("-w 1 --log-format {format}"), seconds, PAUSE);
    let report = place.reports(1, seconds)?[0];
    place.wait_until_written()?;
    ensure!(
        cluster.stop() == Exit::Code(0),
        "the cluster did not stop well"
    );
    let counted = Counted::read(&place.log())?;
    ensure!(
        counted.records == report.records,
        "the bursts do not fit: {counted:?} of {} records",
        report.records
    );
    Ok(report)
}

fn burst_alone(seconds: Duration) -> anyhow::Result<Report> {
    let _turn = take_turn();
    let place = Place::new()?;
    let mut command = place.logger(seconds, PAUSE);
    let status = command.arg("--alone").arg(place.log()).status()?;
    ensure!(status.success(), "bench-logger failed: {status}");
    Ok(place.reports(1, seconds)?[0])
}

/// What a logging program reported about itself.
#[derive(Debug, Clone, Copy)]
struct Report {
    records: u64,
    begun: SystemTime,
    elapsed: Duration,
    worked: Duration,
}

impl Report {
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(' ').map(|number| number.parse::<u64>());
        let mut number = || numbers.next()?.ok();
        Some(Self {
            records: number()?,
            begun: UNIX_EPOCH + Duration::from_nanos(number()?),
            elapsed: Duration::from_nanos(number()?),
            worked: Duration::from_nanos(number()?),
        })
    }
}

/// Where a log and its reports go.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        fs::create_dir(directory.path().join("reports"))?;
        Ok(Self { directory })
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn logger(&self, seconds: Duration, pause: Duration) -> Command {
        let mut command = Command::new(program("bench-logger"));
        self.say_how(&mut command, seconds, pause);
        command
    }

    fn say_how(&self, command: &mut Command, seconds: Duration, pause: Duration) {
        let (seconds, pause) = (seconds.as_secs_f64(), pause.as_millis());
        command.args(["--seconds", &seconds.to_string()]);
        command.args(["--burst", &BURST.to_string(), "--pause", &pause.to_string()]);
        command
            .arg("--report")
            .arg(self.directory.path().join("reports"));
    }

    fn cluster(&self, options: &str, seconds: Duration, pause: Duration) -> Cluster {
        let mut command = Cluster::command(options.split_whitespace());
        command.arg("--log-file").arg(self.log());
        command.arg("--").arg(program("bench-logger"));
        self.say_how(&mut command, seconds, pause);
        Cluster::spawn(command)
    }

    /// Waits for so many reports.
    fn reports(&self, count: usize, seconds: Duration) -> anyhow::Result<Vec<Report>> {
        let deadline = Instant::now() + seconds + PATIENCE;
        loop {
            let reports = self.reports_so_far()?;
            if reports.len() >= count {
                return Ok(reports);
            }
            ensure!(
                Instant::now() < deadline,
                "{} of {count} reports",
                reports.len()
            );
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn reports_so_far(&self) -> anyhow::Result<Vec<Report>> {
        let mut reports = Vec::new();
        for entry in fs::read_dir(self.directory.path().join("reports"))? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue; // not finished
            }
            let text = fs::read_to_string(entry.path())?;
            reports.push(Report::parse(&text).with_context(|| format!("not a report: {text}"))?);
        }
        Ok(reports)
    }

    /// Waits until the log does not grow any more, and says when it did last.
    fn wait_until_written(&self) -> anyhow::Result<SystemTime> {
        let (mut size, mut since) = (0, Instant::now());
        while since.elapsed() < QUIET {
            let now = fs::metadata(self.log())?.len();
            if now != size {
                (size, since) = (now, Instant::now());
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(fs::metadata(self.log())?.modified()?)
    }
}

/// How often files are looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// When nothing was written for so long, everything is: a writer that has something writes it within milliseconds.
const QUIET: Duration = Duration::from_millis(500);
