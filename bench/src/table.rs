//! What a scenario found out: tables and figures, for people.

use std::fmt;

use crate::plot::{Bars, Plot};
use crate::statistics::{Interval, Spread};

/// A table whose cells keep their numbers.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) columns: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// A cell. Numbers are shown with so many decimals.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    Text(String),
    Number(f64, usize),
    Interval(Interval, usize),
    Spread(Spread, usize),
}

/// A figure that was promised, and what was measured.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) limit: Limit,
    pub(crate) measured: Interval,
    pub(crate) unit: &'static str,
}

/// Where a figure must lie.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

/// Whether a figure is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Held,
    /// The limit lies within the interval: this run cannot tell.
    Undecided,
    Missed,
}

/// All that a scenario found out.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) scenario: &'static str,
    /// What was done, in a few sentences.
    pub(crate) method: String,
    pub(crate) tables: Vec<Table>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) plots: Vec<Plot>,
    pub(crate) bars: Vec<Bars>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>, columns: &[&'static str]) -> Self {
        Self {
            title: title.into(),
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }
}

/// The unit of figures that count lost requests.
pub(crate) const LOST: &str = "requests";

/// The unit of figures that count log records which are missing and must not be.
pub(crate) const LOST_RECORDS: &str = "records";

/// The same for messages.
pub(crate) const LOST_MESSAGES: &str = "messages";

impl Figure {
    /// A count that must be zero.
    pub(crate) fn lost(what: String, requests: u64) -> Self {
        Self {
            what,
            limit: Limit::AtMost(0.0),
            measured: Interval::exact(requests as f64),
            unit: LOST,
        }
    }

    /// The same for log records.
    pub(crate) fn lost_records(what: String, records: u64) -> Self {
        Self {
            unit: LOST_RECORDS,
            ..Self::lost(what, records)
        }
    }

    /// The same for messages.
    pub(crate) fn lost_messages(what: String, messages: u64) -> Self {
        Self {
            unit: LOST_MESSAGES,
            ..Self::lost(what, messages)
        }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        let Interval { low, median, high } = self.measured;
        if low.is_nan() || median.is_nan() || high.is_nan() {
            return Verdict::Undecided;
        }
        let (holds, fails) = match self.limit {
            Limit::AtMost(limit) => (high <= limit, low > limit),
            Limit::AtLeast(limit) => (low >= limit, high < limit),
        };
        match (holds, fails) {
            (true, _) => Verdict::Held,
            (_, true) => Verdict::Missed,
            _ => Verdict::Undecided,
        }
    }
}

impl Outcome {
    pub(crate) fn new(scenario: &'static str, method: String, tables: Vec<Table>) -> Self {
        Self {
            scenario,
            method,
            tables,
            figures: Vec::new(),
            plots: Vec::new(),
            bars: Vec::new(),
        }
    }

    /// Adds a table that says something only if it has rows.
    pub(crate) fn add_unless_empty(&mut self, table: Table) {
        if !table.rows.is_empty() {
            self.tables.push(table);
        }
    }

    /// Whether requests or records were lost that may not be lost. A count is no matter of how fast the machine is.
    pub(crate) fn has_losses(&self) -> bool {
        let counts = |figure: &Figure| [LOST, LOST_RECORDS, LOST_MESSAGES].contains(&figure.unit);
        let is_lost = |figure: &Figure| counts(figure) && figure.verdict() == Verdict::Missed;
        self.figures.iter().any(is_lost)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self::Number(number as f64, 0)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number, decimals) => write!(f, "{number:.decimals$}"),
            Self::Interval(Interval { low, median, high }, decimals) => {
                let decimals = *decimals;
                write!(
                    f,
                    "{median:.decimals$} [{low:.decimals$}, {high:.decimals$}]"
                )
            }
            Self::Spread(spread, decimals) => {
                let (first, third) = (spread.first, spread.third);
                let (median, decimals) = (spread.median, *decimals);
                write!(
                    f,
                    "{median:.decimals$} ({first:.decimals$}–{third:.decimals$})"
                )
            }
        }
    }
}

/// A Markdown table whose columns stand under each other, too.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = self.columns.iter().map(|name| (*name).to_owned()).collect();
        let mut lines: Vec<Vec<String>> = vec![header];
        let cells = |row: &Vec<Cell>| row.iter().map(Cell::to_string).collect();
        lines.extend(self.rows.iter().map(cells));
        let width_of = |column: usize| {
            let widths = lines.iter().filter_map(|line| line.get(column));
            widths
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width_of).collect();
        if !self.title.is_empty() {
            writeln!(f, "{}\n", self.title)?;
        }
        for (number, line) in lines.iter().enumerate() {
            write_line(f, line, &widths)?;
            if number == 0 {
                let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                write_line(f, &rules, &widths)?;
            }
        }
        Ok(())
    }
}

fn write_line(f: &mut fmt::Formatter<'_>, cells: &[String], widths: &[usize]) -> fmt::Result {
    for (cell, width) in cells.iter().zip(widths) {
        write!(f, "| {cell:<width$} ")?;
    }
    writeln!(f, "|")
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "≤ {limit}"),
            Self::AtLeast(limit) => write!(f, "≥ {limit}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Held => "held",
            Self::Undecided => "undecided",
            Self::Missed => "missed",
        })
    }
}

/// The figures of several scenarios as one table.
pub(crate) fn of_figures<'a>(figures: impl IntoIterator<Item = &'a Figure>) -> Table {
    let mut table = Table::new("", &["figure", "unit", "limit", "measured", "verdict"]);
    for figure in figures {
        let decimals = if figure.unit.is_empty() { 3 } else { 2 };
        let Interval { low, high, .. } = figure.measured;
        let measured = if low == high {
            Cell::Number(low, decimals)
        } else {
            Cell::Interval(figure.measured, decimals)
        };
        table.row([
            figure.what.clone().into(),
            figure.unit.into(),
            figure.limit.to_string().into(),
            measured,
            figure.verdict().to_string().into(),
        ]);
    }
    table
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n## {}\n\n{}\n", self.scenario, self.method)?;
        for table in &self.tables {
            writeln!(f, "{table}")?;
        }
        if !self.figures.is_empty() {
            writeln!(f, "{}", of_figures(&self.figures))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_markdown() {
        let mut table = Table::new("", &["n", "time, ms"]);
        table.row([Cell::from(4), Cell::Number(1.25, 1)]);
        let interval = Interval {
            low: 1.0,
            median: 2.0,
            high: 3.0,
        };
        table.row([Cell::from("all"), Cell::Interval(interval, 1)]);
        let expected = "| n   | time, ms       |\n\
                        | --- | -------------- |\n\
                        | 4   | 1.2            |\n\
                        | all | 2.0 [1.0, 3.0] |\n";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn a_verdict_needs_the_whole_interval_on_one_side() {
        let check = |limit, low, high, expected| {
            let measured = Interval {
                low,
                median: f64::midpoint(low, high),
                high,
            };
            let figure = Figure {
                what: String::new(),
                limit,
                measured,
                unit: "",
            };
            assert_eq!(figure.verdict(), expected, "{figure:?}");
        };
        check(Limit::AtMost(1.0), 0.5, 1.0, Verdict::Held);
        check(Limit::AtMost(1.0), 0.5, 1.1, Verdict::Undecided);
        check(Limit::AtMost(1.0), 1.1, 1.2, Verdict::Missed);
        check(Limit::AtLeast(1.0), 1.0, 1.2, Verdict::Held);
        check(Limit::AtLeast(1.0), 0.9, 1.2, Verdict::Undecided);
        check(Limit::AtLeast(1.0), 0.8, 0.9, Verdict::Missed);
        check(Limit::AtMost(1.0), f64::NAN, f64::NAN, Verdict::Undecided);
    }
}
