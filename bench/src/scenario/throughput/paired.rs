//! The sharpest ratios: each server's slices between those of the unmanaged one.

use std::time::Duration;

use everport::Sharing;

use super::entrants::{self, PROMISED, REUSEPORT};
use crate::contest::{Against, Demand, Duel, Entrant, Place};
use crate::table::{Cell, Figure, Limit, Outcome, Table};

/// Compares everybody with the unmanaged server, and the ways to share with `reuseport`.
pub(super) fn compare(
    place: Place,
    demands: &[Demand],
    rounds: u32,
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    let entrants = entrants::against_unmanaged();
    let duels = Duel::run_all(place, &entrants, demands, rounds, SLICE)?;
    let title = format!("Against unmanaged, {place}, {rounds} rounds in short slices");
    let mut table = Table::new(title, &COLUMNS);
    let title = format!("Against reuseport, {place}, the same {rounds} rounds");
    let mut sharings = Table::new(title, &COLUMNS);
    for duel in &duels {
        tell(duel, &entrants, &mut table);
        tell_sharings(duel, &entrants, &mut sharings);
        outcome.figures.extend(figures(place, duel, &entrants));
    }
    outcome.tables.extend([table, sharings]);
    let failed = duels.iter().map(|duel| duel.failed).sum();
    let what = format!("failed requests, {place}, in short slices");
    outcome.figures.push(Figure::lost(what, failed));
    Ok(())
}

const COLUMNS: [&str; 4] = ["requests", "server", "throughput", "CPU per request"];

fn tell(duel: &Duel, entrants: &[Entrant], table: &mut Table) {
    for (index, entrant) in others(entrants) {
        let ratio = |of| Cell::Interval(duel.to_first(index, of), 3);
        table.row([
            duel.demand.to_string().into(),
            entrant.name.into(),
            ratio(THROUGHPUT),
            ratio(COST),
        ]);
    }
}

fn tell_sharings(duel: &Duel, entrants: &[Entrant], table: &mut Table) {
    let find = |name: &str| others(entrants).find(|(_, entrant)| entrant.name == name);
    let Some((reuseport, _)) = find(REUSEPORT) else {
        return;
    };
    for sharing in [Sharing::Transfer, Sharing::Dispatch] {
        if let Some((index, entrant)) = find(&sharing.to_string()) {
            let ratio = |of| Cell::Interval(duel.ratio(index, reuseport, of), 3);
            table.row([
                duel.demand.to_string().into(),
                entrant.name.into(),
                ratio(THROUGHPUT),
                ratio(COST),
            ]);
        }
    }
}

fn figures(place: Place, duel: &Duel, entrants: &[Entrant]) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (index, entrant) in others(entrants) {
        if !PROMISED.contains(&entrant.name) {
            continue;
        }
        let figure = |what: &str, limit, of| Figure {
            what: format!(
                "{what} against unmanaged, {place}, {}, {}",
                duel.demand, entrant.name
            ),
            limit,
            measured: duel.to_first(index, of),
            unit: "",
        };
        figures.extend([
            figure("throughput", Limit::AtLeast(1.0), THROUGHPUT),
            figure("CPU per request", Limit::AtMost(1.01), COST),
        ]);
    }
    figures
}

/// All but the one that they are compared with.
fn others(entrants: &[Entrant]) -> impl Iterator<Item = (usize, &Entrant)> {
    entrants.iter().enumerate().skip(1)
}

const THROUGHPUT: fn(&Against) -> f64 = |against| against.throughput;
const COST: fn(&Against) -> f64 = |against| against.cost;
/// Long against what the generator needs to begin and to end, short against what changes on a machine.
const SLICE: Duration = Duration::from_millis(60);
