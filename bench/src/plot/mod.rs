//! Plots of latency over time, calm and busy side by side, and of bars beside each other.
//!
//! Written by hand: what is needed is a few paths and texts, and a style sheet that suits light and dark
//! pages, which no drawing library of a small size offers.

mod axis;
mod bars;
mod curves;
mod document;
mod paper;
mod style;
mod words;

use std::fmt::Display;
use std::fs;
use std::path::Path;

use anyhow::Context;

pub(crate) use bars::{Bar, Bars, Group, Measure, Shade};

/// A plot: in each row calm on the left and busy on the right, all on the same axes.
#[derive(Debug)]
pub(crate) struct Plot {
    /// What its file is called, after the scenario.
    pub(crate) name: String,
    pub(crate) title: String,
    /// What the marks are, for the legend.
    pub(crate) marks: &'static str,
    /// A limit on the latency in milliseconds, shown as a line.
    pub(crate) limit: Option<f64>,
    pub(crate) rows: Vec<Row>,
}

/// Two panels to be compared.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) panels: [Panel; 2],
}

/// What was seen over a stretch of time: one or more rounds, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Panel {
    /// What was going on, and what came of it.
    pub(crate) heading: String,
    /// In seconds.
    pub(crate) length: f64,
    pub(crate) requests: Vec<Request>,
    pub(crate) marks: Vec<Mark>,
}

/// A request: when it should have started, in seconds, and how long it took, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) at: f64,
    pub(crate) latency: f64,
    pub(crate) failed: bool,
}

/// Something that was done to the server, in seconds; begin and end are the same when it takes no time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) begin: f64,
    pub(crate) end: f64,
}

/// Writes a plot to `<directory>/<scenario>-<name>.svg`.
pub(crate) fn write(
    directory: &Path,
    scenario: &str,
    name: &str,
    plot: &impl Display,
) -> anyhow::Result<()> {
    let file = directory.join(format!("{scenario}-{name}.svg"));
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(&file, plot.to_string()))
        .with_context(|| format!("cannot write {}", file.display()))
}

impl Panel {
    /// Adds another round behind those that are there.
    pub(crate) fn append(&mut self, round: Panel) {
        let offset = self.length;
        self.length += round.length;
        let requests = round.requests.into_iter().map(|request| Request {
            at: request.at + offset,
            ..request
        });
        self.requests.extend(requests);
        let marks = round.marks.into_iter().map(|mark| Mark {
            begin: mark.begin + offset,
            end: mark.end.min(round.length) + offset,
        });
        self.marks.extend(marks);
    }
}
