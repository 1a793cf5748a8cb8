//! Measures the figures everport promises, side by side in one run, and prints them.

mod absent;
mod accounting;
mod ask;
mod build;
mod contest;
mod effort;
mod embedder;
mod evenness;
mod fault;
mod json;
mod log_file;
mod machine;
mod phase;
mod pinning;
mod plot;
mod scenario;
mod statistics;
mod steady;
mod subject;
mod table;
mod turns;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use clap::builder::{PossibleValue, PossibleValuesParser};

use crate::effort::Effort;
use crate::machine::Machine;
use crate::scenario::Scenario;
use crate::table::Outcome;

/// Measures the figures everport promises, side by side in one run.
///
/// The machine should do nothing else meanwhile. Exit code 1: it could not be measured, or requests or log
/// records were lost that may not be lost.
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

    /// Writes plots to a directory, as SVG
    #[arg(long, value_name = "DIR")]
    plot: Option<PathBuf>,
}

fn scenario_parser() -> PossibleValuesParser {
    let value = |scenario: &Scenario| PossibleValue::new(scenario.name).help(scenario.about);
    let all = PossibleValue::new(EVERYTHING).help("All of them, one after the other");
    PossibleValuesParser::new(scenario::ALL.iter().map(value).chain([all]))
}

/// The name that stands for every scenario.
const EVERYTHING: &str = "all";

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if !arguments.effort.is_brief() {
        build::check_profile()?;
        build::build_command()?;
    }
    let machine = Machine::look();
    println!("{machine}");
    let mut outcomes = Vec::new();
    let mut failed = false;
    let is_wanted = |scenario: &&Scenario| {
        arguments.scenario == EVERYTHING || arguments.scenario == scenario.name
    };
    for scenario in scenario::ALL.iter().filter(is_wanted) {
        match measure(scenario, &arguments) {
            Ok(outcome) => outcomes.push(outcome),
            Err(error) => {
                // What others have measured in an hour must not be lost with it.
                eprintln!("{} could not be measured: {error:#}", scenario.name);
                failed = true;
            }
        }
        write_json(&machine, &outcomes, &arguments)?;
    }
    if outcomes.len() > 1 {
        let figures = outcomes.iter().flat_map(|outcome| &outcome.figures);
        println!("\n## All figures\n\n{}", table::of_figures(figures));
    }
    println!("\nload after: {}", machine::load());
    let has_losses = outcomes.iter().any(Outcome::has_losses);
    Ok(if failed || has_losses {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Measures one scenario, and shows what came of it at once.
fn measure(scenario: &Scenario, arguments: &Arguments) -> anyhow::Result<Outcome> {
    eprintln!("measuring {} ...", scenario.name);
    let outcome = (scenario.run)(arguments.effort)?;
    print!("{outcome}");
    if let Some(directory) = &arguments.plot {
        write_plots(&outcome, directory)?;
    }
    Ok(outcome)
}

fn write_json(
    machine: &Machine,
    outcomes: &[Outcome],
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let Some(file) = &arguments.json else {
        return Ok(());
    };
    let document = json::document(machine, &machine::load(), outcomes);
    fs::write(file, document).with_context(|| format!("cannot write {}", file.display()))
}

fn write_plots(outcome: &Outcome, directory: &Path) -> anyhow::Result<()> {
    for plot in &outcome.plots {
        plot::write(directory, outcome.scenario, &plot.name, plot)?;
    }
    for bars in &outcome.bars {
        plot::write(directory, outcome.scenario, &bars.name, bars)?;
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
