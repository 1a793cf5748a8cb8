//! What is done to the cluster, drawn from a seed.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use everport_tests::Cluster;
use rustix::process::Signal;

/// Which torments a phase draws from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Torments {
    /// What an operator does: nothing at all may be lost.
    Orderly,
    /// The same, and kills and stops.
    Violent,
}

/// Draws torments, carries them out, and counts them.
pub(crate) struct Tormentor {
    state: u64,
    directory: tempfile::TempDir,
    counts: BTreeMap<&'static str, u64>,
    killings: u64,
}

impl Tormentor {
    pub(crate) fn new(seed: u64) -> Self {
        let directory = tempfile::tempdir().expect("the temporary directory is writable");
        let tormentor = Self {
            state: seed,
            directory,
            counts: BTreeMap::new(),
            killings: 0,
        };
        tormentor.write_release("v1");
        tormentor
    }

    /// The file that says how the release behaves.
    pub(crate) fn release(&self) -> PathBuf {
        self.directory.path().join("release")
    }

    /// How many workers were killed.
    pub(crate) fn killings(&self) -> u64 {
        self.killings
    }

    /// Does one thing to the cluster and waits for what comes of it.
    pub(crate) fn torment(&mut self, cluster: &Cluster, torments: Torments) {
        let choices = if torments == Torments::Violent { 7 } else { 4 };
        match self.draw() % choices {
            0 | 1 => self.count("restarts", |_| cluster.restart()),
            2 => self.count("scalings", |_| scale_down_and_up(cluster)),
            3 => self.count("broken releases", |tormentor| {
                tormentor.roll_out_a_broken_release(cluster)
            }),
            4 => self.count("kills of one", |tormentor| tormentor.kill(cluster, 1)),
            5 => self.count("kills of all", |tormentor| tormentor.kill(cluster, 4)),
            _ => self.count("stops", |tormentor| tormentor.stop_and_continue(cluster)),
        }
    }

    /// Ends with a restart that everything has recovered from.
    pub(crate) fn calm_down(&mut self, cluster: &Cluster) {
        self.write_release("v1");
        cluster.restart();
    }

    fn count(&mut self, what: &'static str, act: impl FnOnce(&mut Self)) {
        act(self);
        *self.counts.entry(what).or_default() += 1;
    }

    fn roll_out_a_broken_release(&mut self, cluster: &Cluster) {
        let position = cluster.log().position();
        self.write_release("v2 crashes-at-boot");
        cluster.signal(Signal::USR1);
        cluster.log().wait_after(position, "aborted: ");
        self.write_release("v1");
    }

    fn kill(&mut self, cluster: &Cluster, count: usize) {
        let position = cluster.log().position();
        let mut victims = cluster.workers();
        let first = usize::try_from(self.draw()).unwrap_or(0) % victims.len().max(1);
        victims.rotate_left(first);
        victims.truncate(count);
        for victim in &victims {
            victim.signal(Signal::KILL);
            self.killings += 1;
        }
        wait_for_ready(cluster, position, victims.len());
    }

    fn stop_and_continue(&mut self, cluster: &Cluster) {
        let workers = cluster.workers();
        let Some(victim) = workers.get(usize::try_from(self.draw() % 4).unwrap_or(0)) else {
            return;
        };
        let name = format!("worker {} (slot {})", victim.worker, victim.slot);
        let position = cluster.log().position();
        victim.signal(Signal::STOP);
        cluster
            .log()
            .wait_after(position, &format!("{name} was stopped"));
        victim.signal(Signal::CONT);
        cluster
            .log()
            .wait_after(position, &format!("{name} runs again"));
    }

    fn write_release(&self, text: &str) {
        let path: &Path = &self.release();
        // Renamed into place, so that no worker reads half of it.
        let fresh = path.with_extension("new");
        fs::write(&fresh, text)
            .and_then(|()| fs::rename(&fresh, path))
            .expect("the temporary directory is writable");
    }

    /// splitmix64 (Steele, Lea and Flood, 2014).
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl fmt::Display for Tormentor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "torments:")?;
        self.counts
            .iter()
            .try_for_each(|(what, count)| write!(f, " {count} {what}"))
    }
}

fn scale_down_and_up(cluster: &Cluster) {
    for (signal, step) in [
        (Signal::TTOU, "scaled from 4 to 3"),
        (Signal::TTOU, "scaled from 3 to 2"),
        (Signal::TTIN, "scaled from 2 to 3"),
        (Signal::TTIN, "scaled from 3 to 4"),
    ] {
        let position = cluster.log().position();
        cluster.signal(signal);
        cluster.log().wait_after(position, step);
        if signal == Signal::TTIN {
            wait_for_ready(cluster, position, 1);
        }
    }
}

/// Waits until so many workers have become ready since a position in the log.
fn wait_for_ready(cluster: &Cluster, position: usize, count: usize) {
    cluster
        .log()
        .wait_until("workers that are ready again", |lines| {
            let ready = lines
                .get(position..)?
                .iter()
                .filter(|line| line.contains("is ready after"))
                .count();
            (ready >= count).then_some(())
        });
}
