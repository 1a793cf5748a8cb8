//! How long a message takes there and back, and how many get through a second: beside Node's cluster module.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use everport_tests::{program, take_turn};

use crate::effort::Effort;
use crate::statistics::{Interval, Sample};
use crate::table::{Cell, Figure, Outcome, Table};

pub(crate) const NAME: &str = "messages";

/// Measures every way and size with everport and with Node, round by round.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let rounds = effort.rounds(15);
    let seconds = effort.seconds(Duration::from_millis(1200));
    let node = node_version();
    let mut ways = ways();
    for round in 0..rounds {
        for way in &mut ways {
            way.measure(seconds, node.is_some(), round % 2 == 0)?;
        }
    }
    let method = method(rounds, seconds, node.as_deref());
    let mut outcome = Outcome::new(NAME, method, tables(&ways));
    for way in &ways {
        let what = format!("messages lost, {}", way.name());
        let lost = way.everport.iter().map(|report| report.lost).sum();
        outcome.figures.push(Figure::lost_messages(what, lost));
    }
    Ok(outcome)
}

fn method(rounds: u32, seconds: Duration, node: Option<&str>) -> String {
    let node = node.map_or("is not installed".to_owned(), |version| {
        format!("is {version}")
    });
    format!(
        "An application with two workers, one thread each. The first worker sends an object of a number, a boolean and a \
         text, as JSON of 100 bytes or 64 KiB, to the application or to the second worker: for {seconds:?} requests, each \
         after the answer to the one before, which is the same object; then for {seconds:?} messages, as fast as they are \
         taken, until the last one has arrived. The same with Node's cluster module, where messages between workers go \
         through a handler of the primary; Node {node}. {rounds} rounds, in each of them everything once, either of the \
         two first in turn."
    )
}

const SIZES: [(usize, &str); 2] = [(100, "100 bytes"), (64 * 1024, "64 KiB")];
const PARTNERS: [(&str, &str); 2] = [("watcher", "application"), ("worker", "worker")];

/// Who exchanges messages with whom, how long they are, and what was measured of that.
struct Way {
    partner: (&'static str, &'static str),
    size: (usize, &'static str),
    everport: Vec<Report>,
    node: Vec<Report>,
}

/// What one measurement says.
#[derive(Debug, Clone, Copy)]
struct Report {
    /// Of the round trips, in microseconds.
    median: f64,
    p99: f64,
    /// Messages a second.
    rate: f64,
    lost: u64,
}

fn ways() -> Vec<Way> {
    let all = PARTNERS.into_iter();
    let all = all.flat_map(|partner| SIZES.map(|size| (partner, size)));
    all.map(|(partner, size)| Way {
        partner,
        size,
        everport: Vec::new(),
        node: Vec::new(),
    })
    .collect()
}

impl Way {
    fn name(&self) -> String {
        format!("worker to {}, {}", self.partner.1, self.size.1)
    }

    fn measure(
        &mut self,
        seconds: Duration,
        has_node: bool,
        everport_first: bool,
    ) -> anyhow::Result<()> {
        let _turn = take_turn();
        if has_node && !everport_first {
            self.node.push(self.report_of(&mut node(), seconds)?);
        }
        let mut everport = Command::new(program("bench-messages"));
        self.everport.push(self.report_of(&mut everport, seconds)?);
        if has_node && everport_first {
            self.node.push(self.report_of(&mut node(), seconds)?);
        }
        Ok(())
    }

    fn report_of(&self, command: &mut Command, seconds: Duration) -> anyhow::Result<Report> {
        let seconds = seconds.as_secs_f64();
        command
            .arg(format!("--with={}", self.partner.0))
            .arg(format!("--size={}", self.size.0))
            .arg(format!("--seconds={seconds}"))
            .stdin(Stdio::null())
            .stderr(Stdio::inherit());
        let output = command.output().context("cannot measure messages")?;
        ensure!(output.status.success(), "{command:?}: {}", output.status);
        let said = String::from_utf8(output.stdout)?;
        Report::parse(&said).with_context(|| format!("not a report: {said}"))
    }
}

impl Report {
    fn parse(text: &str) -> Option<Self> {
        let numbers = text.trim_end().split(' ').map(|number| number.parse().ok());
        let numbers: Option<Vec<f64>> = numbers.collect();
        let [median, p99, rate, lost] = numbers?[..] else {
            return None;
        };
        Some(Self {
            median: median / 1e3,
            p99: p99 / 1e3,
            rate,
            lost: lost as u64,
        })
    }
}

fn node() -> Command {
    let mut command = Command::new("node");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("messages.js"));
    command
}

/// What Node calls its version, if it is there.
fn node_version() -> Option<String> {
    let output = Command::new("node").arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then(|| version.trim_end().to_owned())
}

fn tables(ways: &[Way]) -> Vec<Table> {
    let mut trips = Table::new("Round trips", &TRIP_COLUMNS);
    let mut streams = Table::new("Streams", &STREAM_COLUMNS);
    for way in ways {
        for (library, reports) in [("everport", &way.everport), ("Node", &way.node)] {
            trips.row(trip_row(way, library, reports));
            streams.row(stream_row(way, library, reports));
        }
    }
    let mut against = Table::new("everport against Node", &RATIO_COLUMNS);
    for way in ways.iter().filter(|way| !way.node.is_empty()) {
        let trip = way.ratio(|report| report.median);
        let rate = way.ratio(|report| report.rate);
        let ratios = [Cell::Interval(trip, 2), Cell::Interval(rate, 2)];
        against.row([way.name().into()].into_iter().chain(ratios));
    }
    vec![trips, streams, against]
}

const TRIP_COLUMNS: [&str; 4] = ["way", "with", "median, µs", "p99, µs"];
const STREAM_COLUMNS: [&str; 5] = ["way", "with", "thousands/s", "MiB/s", "lost"];
const RATIO_COLUMNS: [&str; 3] = ["way", "time of a round trip", "messages a second"];

fn trip_row(way: &Way, library: &str, reports: &[Report]) -> Vec<Cell> {
    let names = vec![way.name().into(), library.into()];
    if reports.is_empty() {
        return [names, vec!["not installed".into(), "".into()]].concat();
    }
    let median = interval(reports, |report| report.median);
    let p99 = reports.iter().map(|report| report.p99).collect::<Sample>();
    let measured = vec![Cell::Interval(median, 1), Cell::Number(p99.median(), 1)];
    [names, measured].concat()
}

fn stream_row(way: &Way, library: &str, reports: &[Report]) -> Vec<Cell> {
    let names = vec![way.name().into(), library.into()];
    if reports.is_empty() {
        return [names, vec!["not installed".into(), "".into(), "".into()]].concat();
    }
    let thousands = interval(reports, |report| report.rate / 1e3);
    let mebibytes = thousands.median * 1e3 * way.size.0 as f64 / (1024.0 * 1024.0);
    let lost = reports.iter().map(|report| report.lost).sum::<u64>();
    let measured = vec![
        Cell::Interval(thousands, 1),
        Cell::Number(mebibytes, 0),
        lost.into(),
    ];
    [names, measured].concat()
}

fn interval(reports: &[Report], of: impl Fn(&Report) -> f64) -> Interval {
    let values = reports.iter().map(of);
    values.collect::<Sample>().median_interval()
}

impl Way {
    /// Of what was measured in the same round.
    fn ratio(&self, of: impl Fn(&Report) -> f64) -> Interval {
        let pairs = self.everport.iter().zip(&self.node);
        let ratios = pairs.map(|(everport, node)| of(everport) / of(node));
        ratios.collect::<Sample>().median_interval()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_four_numbers() {
        let report = Report::parse("22443 106468 122336 0\n").expect("a report");
        assert_eq!((report.median, report.p99), (22.443, 106.468));
        assert_eq!((report.rate, report.lost), (122_336.0, 0));
        assert!(Report::parse("1 2 3").is_none());
        assert!(Report::parse("1 2 3 many").is_none());
    }
}
