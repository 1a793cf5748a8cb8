//! The same for programs: machine and outcomes as JSON.

use std::fmt::Write;

use crate::machine::Machine;
use crate::statistics::{Interval, Spread};
use crate::table::{Cell, Figure, Limit, Outcome, Table};

/// One document for a whole run.
pub(crate) fn document(machine: &Machine, load_after: &str, outcomes: &[Outcome]) -> String {
    let machine = object([
        ("processor", string(&machine.processor)),
        ("cores", machine.cores.to_string()),
        ("memory in MiB", machine.memory.to_string()),
        ("kernel", string(&machine.kernel)),
        ("virtual", machine.is_virtual.to_string()),
        (
            "governor",
            machine
                .governor
                .as_deref()
                .map_or("null".to_owned(), string),
        ),
        (
            "processors shared out by session",
            machine.shares_by_session.to_string(),
        ),
        ("compiler", string(machine.compiler)),
        ("load before", string(&machine.load)),
        ("load after", string(load_after)),
    ]);
    let outcomes = array(outcomes.iter().map(outcome));
    object([("machine", machine), ("scenarios", outcomes)]) + "\n"
}

fn outcome(outcome: &Outcome) -> String {
    object([
        ("scenario", string(outcome.scenario)),
        ("method", string(&outcome.method)),
        ("tables", array(outcome.tables.iter().map(table))),
        ("figures", array(outcome.figures.iter().map(figure))),
    ])
}

fn table(table: &Table) -> String {
    let columns = array(table.columns.iter().map(|name| string(name)));
    let rows = array(table.rows.iter().map(|row| array(row.iter().map(cell))));
    object([
        ("title", string(&table.title)),
        ("columns", columns),
        ("rows", rows),
    ])
}

fn figure(figure: &Figure) -> String {
    let (relation, limit) = match figure.limit {
        Limit::AtMost(limit) => ("at most", limit),
        Limit::AtLeast(limit) => ("at least", limit),
    };
    object([
        ("figure", string(&figure.what)),
        ("unit", string(figure.unit)),
        ("relation", string(relation)),
        ("limit", number(limit)),
        ("measured", interval(figure.measured)),
        ("verdict", string(&figure.verdict().to_string())),
    ])
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => string(text),
        Cell::Number(value, _) => number(*value),
        Cell::Interval(value, _) => interval(*value),
        Cell::Spread(value, _) => spread(*value),
    }
}

fn interval(interval: Interval) -> String {
    let Interval { low, median, high } = interval;
    object([
        ("low", number(low)),
        ("median", number(median)),
        ("high", number(high)),
    ])
}

fn spread(spread: Spread) -> String {
    object([
        ("first quartile", number(spread.first)),
        ("median", number(spread.median)),
        ("third quartile", number(spread.third)),
    ])
}

/// JSON knows no NaN and no infinity.
fn number(value: f64) -> String {
    if value.is_finite() {
        value.to_string()
    } else {
        "null".to_owned()
    }
}

fn object<'a>(members: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let members = members.into_iter();
    let members = members.map(|(name, value)| format!("{}:{value}", string(name)));
    format!("{{{}}}", joined(members))
}

fn array(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", joined(values))
}

fn joined(values: impl Iterator<Item = String>) -> String {
    values.collect::<Vec<_>>().join(",")
}

fn string(text: &str) -> String {
    let mut out = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\0'..' ' => {
                let written = write!(out, "\\u{:04x}", u32::from(character));
                debug_assert!(written.is_ok(), "writing to a String does not fail");
            }
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(
            string("a \"b\" \\ c\nd é"),
            "\"a \\\"b\\\" \\\\ c\\u000ad é\""
        );
    }

    #[test]
    fn a_table_becomes_columns_and_rows() {
        let mut one = Table::new("t", &["a", "b"]);
        one.row([Cell::from("x"), Cell::Number(f64::NAN, 1)]);
        one.row([Cell::from(2), Cell::Interval(Interval::exact(0.5), 3)]);
        assert_eq!(
            table(&one),
            "{\"title\":\"t\",\"columns\":[\"a\",\"b\"],\"rows\":[[\"x\",null],\
             [2,{\"low\":0.5,\"median\":0.5,\"high\":0.5}]]}"
        );
    }
}
