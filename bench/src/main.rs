//! Measures the figures everport promises, side by side in one run, and prints them.

mod accounting;
mod build;
mod effort;
mod json;
mod machine;
mod pinning;
mod scenario;
mod statistics;
mod subject;
mod table;

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use clap::builder::{PossibleValue, PossibleValuesParser};

use crate::effort::Effort;
use crate::machine::Machine;
use crate::scenario::Scenario;

/// Measures the figures everport promises, side by side in one run.
///
/// The machine should do nothing else meanwhile.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure
    #[arg(value_parser = scenario_parser())]
    scenario: String,

    #[command(flatten)]
    effort: Effort,

    /// Writes the results to a file, too, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn scenario_parser() -> PossibleValuesParser {
    let value = |scenario: &Scenario| PossibleValue::new(scenario.name).help(scenario.about);
    let all = PossibleValue::new(EVERYTHING).help("All of them, one after the other");
    PossibleValuesParser::new(scenario::ALL.iter().map(value).chain([all]))
}

/// The name that stands for every scenario.
const EVERYTHING: &str = "all";

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    build::check_profile()?;
    build::build_command()?;
    let machine = Machine::look();
    println!("{machine}");
    let mut outcomes = Vec::new();
    let is_wanted = |scenario: &&Scenario| {
        arguments.scenario == EVERYTHING || arguments.scenario == scenario.name
    };
    for scenario in scenario::ALL.iter().filter(is_wanted) {
        eprintln!("measuring {} ...", scenario.name);
        let outcome = (scenario.run)(arguments.effort)?;
        print!("{outcome}");
        outcomes.push(outcome);
    }
    if outcomes.len() > 1 {
        let figures = outcomes.iter().flat_map(|outcome| &outcome.figures);
        println!("\n## All figures\n\n{}", table::of_figures(figures));
    }
    if let Some(file) = &arguments.json {
        fs::write(file, json::document(&machine, &outcomes))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Arguments::command().debug_assert();
    }
}
