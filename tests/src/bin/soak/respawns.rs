//! A counted number of replaced workers: what is left of them in the watcher.

use std::time::{Duration, Instant};

use everport_tests::{Cluster, PATIENCE};
use rustix::process::Signal;

use crate::ledger::Ledger;

/// Replaces so many workers and says whether the watcher's figures held: no descriptor, thread or zombie more,
/// and at most 1 MiB of memory.
pub(crate) fn run(count: u32, share: &str) -> bool {
    let options = format!("-w {WORKERS} --settle 0 --share {share}");
    let cluster = Cluster::inspectable(&options, "--listen 127.0.0.1:0");
    for _ in 0..ROUNDS_TO_WARM_UP {
        replace_all_twice(&cluster);
    }
    let before = Ledger::of(&cluster);
    let begin = Instant::now();
    let mut replaced = 0;
    while replaced < count {
        replaced += replace_all_twice(&cluster);
    }
    let took = begin.elapsed();
    let after = settled(&cluster, &before);
    let is_held = after.is_no_more_than(&before);
    println!("{replaced} respawns in {took:.1?}");
    println!("watcher before {before}\nwatcher after  {after}");
    println!(
        "{}: at most +0 descriptors, +0 threads, 0 zombies, +1024 KiB",
        if is_held { "held" } else { "MISSED" }
    );
    is_held
}

/// Kills every worker and restarts all of their successors, which forgives the slots: no death waits for a
/// back-off. Says how many workers were started.
fn replace_all_twice(cluster: &Cluster) -> u32 {
    let position = cluster.log().position();
    let victims = cluster.workers();
    for victim in &victims {
        victim.signal(Signal::KILL);
    }
    cluster
        .log()
        .wait_until("successors of the killed", |lines| {
            let lines = lines.get(position..)?.iter();
            let ready = lines.filter(|line| line.contains("is ready after")).count();
            (ready >= victims.len()).then_some(())
        });
    cluster.restart();
    wait_for_the_old(cluster, position, victims.len());
    2 * WORKERS
}

/// Waits until the restarted have ended, so that no more than `WORKERS` are ever to be killed.
fn wait_for_the_old(cluster: &Cluster, position: usize, count: usize) {
    cluster
        .log()
        .wait_until("the end of the restarted", |lines| {
            let lines = lines.get(position..)?.iter();
            let ended = lines.filter(|line| line.contains("ended: exited")).count();
            (ended >= count).then_some(())
        });
}

/// Takes stock until it is no more than before: what was lent for a rescue may take a moment to come back. What
/// leaks stays for ever.
fn settled(cluster: &Cluster, before: &Ledger) -> Ledger {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let after = Ledger::of(cluster);
        if after.is_no_more_than(before) || Instant::now() > deadline {
            return after;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

const WORKERS: u32 = 4;
/// The watcher has used all of its code and tables by then.
const ROUNDS_TO_WARM_UP: u32 = 25;
