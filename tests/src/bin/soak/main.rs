//! A long row of restarts, scalings, broken releases and kills under load, drawn from a seed.
//!
//! `cargo build --release -p everport-cli -p everport-tests && target/release/soak --seconds 600` runs it. It talks to
//! loopback only, ends by itself, and exits with 1 when anything was lost that may not be lost. With `--respawns 10000` it is the watcher alone that is
//! judged: its descriptors, threads, zombies and memory over so many workers.

mod ledger;
mod respawns;
mod torment;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use everport_load::{Load, Report, RunningLoad};
use everport_tests::{Cluster, PATIENCE, take_turn};

use ledger::Ledger;
use torment::{Tormentor, Torments};

/// Torments a cluster under load and reports what its clients lost.
#[derive(Parser)]
struct Options {
    /// Instead of all that: kills and restarts until so many workers have been started, and looks for what they
    /// leave.
    #[arg(long, value_name = "N")]
    respawns: Option<u32>,
    /// How long each of the four phases lasts.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The seed of the row; the same one gives the same row.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Requests a second, one connection each.
    #[arg(long, default_value_t = 1000)]
    rate: u32,
    /// How many clients.
    #[arg(long, default_value_t = 16)]
    clients: u16,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let _turn = take_turn();
    let mut is_clean = true;
    for share in ["reuseport", "transfer", "dispatch"] {
        if let Some(respawns) = options.respawns {
            println!("\n== {share}, respawns");
            is_clean &= respawns::run(respawns, share);
            continue;
        }
        for torments in [Torments::Orderly, Torments::Violent] {
            println!("\n== {share}, {torments:?}, seed {}", options.seed);
            is_clean &= phase(&options, share, torments);
        }
    }
    println!(
        "\n{}",
        if is_clean {
            "every promise was kept"
        } else {
            "A PROMISE WAS BROKEN"
        }
    );
    if is_clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// One cluster, tormented in one way for as long as asked; says whether it kept its promises.
fn phase(options: &Options, share: &str, torments: Torments) -> bool {
    let mut tormentor = Tormentor::new(options.seed);
    let arguments = format!(
        "--listen 127.0.0.1:0 --release {}",
        tormentor.release().display()
    );
    let watcher_options = format!("-w 4 --settle 0.02 --boot-timeout 5 --share {share}");
    let cluster = Cluster::inspectable(&watcher_options, &arguments);
    tormentor.calm_down(&cluster);
    let before = Ledger::of(&cluster);
    let load = start_load(&cluster, options);
    let end = Instant::now() + Duration::from_secs(options.seconds);
    while Instant::now() < end {
        tormentor.torment(&cluster, torments);
        if load
            .wait_for_more(u64::from(options.rate) / 20, PATIENCE)
            .is_err()
        {
            break;
        }
    }
    tormentor.calm_down(&cluster);
    let mut report = load.stop();
    // Hundreds of workers have come and gone; who served how many is no matter here.
    report.workers.clear();
    let after = Ledger::of(&cluster);
    println!("{report}\n{tormentor}\nwatcher before {before}\nwatcher after  {after}");
    keeps_promises(&report, &tormentor, options) && after.is_no_more_than(&before)
}

fn start_load(cluster: &Cluster, options: &Options) -> RunningLoad {
    Load::new(cluster.address())
        .clients(usize::from(options.clients))
        .one_shot()
        .rate(options.rate)
        .expect_body("Hello, World!")
        .timeout(Duration::from_secs(20))
        .duration(Duration::from_secs(options.seconds + 120))
        .source_addresses(8)
        .start()
        .expect("the load starts")
}

/// A killed worker takes the connections along that it was serving, at most one per client; nothing else is
/// ever lost.
fn keeps_promises(report: &Report, tormentor: &Tormentor, options: &Options) -> bool {
    use everport_load::{FailureKind, Phase};
    let in_vain = [Phase::Connect, Phase::Answer]
        .map(|phase| report.failed_with(FailureKind::TimedOut(phase)));
    let never = report.failed_with(FailureKind::Refused) + in_vain.iter().sum::<u64>();
    let bearable = tormentor.killings() * u64::from(options.clients);
    report.ok > 0 && never == 0 && report.failed() <= bearable
}
