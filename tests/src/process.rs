//! Processes as `/proc` shows them, and programs as the build leaves them.

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        match status.code() {
            Some(code) => Self::Code(code),
            None => Self::Signal(status.signal().unwrap_or_default()),
        }
    }
}

/// A program of this workspace: the one that was built with the program that asks, be that a test in
/// `target/<profile>/deps/` or a command in `target/<profile>/`.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a program knows its own path");
    let mut directory = own.parent().expect("target/<profile>/[deps/]<program>");
    if directory.ends_with("deps") {
        directory = directory.parent().expect("target/<profile>/deps/<test>");
    }
    let path = directory.join(name);
    assert!(
        path.is_file(),
        "{} is not built: run `cargo build --workspace` for the same profile",
        path.display()
    );
    path
}

/// Whether the process exists and is no zombie.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    state_of(pid).is_some_and(|state| state != 'Z')
}

/// Whether every thread of a process is stopped by a signal.
#[must_use]
pub fn is_stopped(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten();
    let stats = threads.map(|thread| fs::read_to_string(thread?.path().join("stat")));
    let is_stopped = |stat: io::Result<String>| {
        stat.is_ok_and(|stat| nth_field(&stat, 0).is_some_and(|state| state == "T"))
    };
    stats.map(is_stopped).reduce(|all, one| all && one) == Some(true)
}

/// The zombies among a process's children.
#[must_use]
pub fn zombies_of(parent: u32) -> usize {
    let children = children_of(parent).into_iter();
    children.filter(|pid| state_of(*pid) == Some('Z')).count()
}

/// A process's children, zombies among them.
#[must_use]
pub fn children_of(parent: u32) -> Vec<u32> {
    let is_child = |pid: &u32| field(*pid, 1).and_then(|text| text.parse().ok()) == Some(parent);
    all_processes().filter(is_child).collect()
}

/// How many descriptors a process has open.
///
/// # Panics
/// When it does not show them to us, as a watcher does only to root: see [`crate::inspectable`].
#[must_use]
pub fn open_descriptors(pid: u32) -> usize {
    let shown = fs::read_dir(format!("/proc/{pid}/fd"));
    shown.expect("a process that shows its descriptors").count()
}

/// How many threads a process has.
#[must_use]
pub fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// How much memory of a process is in use, in KiB; 0 when it is gone.
#[must_use]
pub fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// How much time on a processor a process has used, all of its threads together.
///
/// # Panics
/// When it is gone.
#[must_use]
pub fn cpu_time(pid: u32) -> Duration {
    let ticks = |index| field(pid, index).and_then(|text| text.parse::<u64>().ok());
    let (user, system) = (ticks(11), ticks(12));
    let ticks = user.zip(system).map(|(user, system)| user + system);
    Duration::from_millis(ticks.expect("a process that lives") * 1000 / clock_ticks_per_second())
}

fn all_processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn state_of(pid: u32) -> Option<char> {
    field(pid, 0)?.chars().next()
}

/// A field of `/proc/<pid>/stat`, counted from the one after the name, which may hold anything (proc(5)).
fn field(pid: u32, index: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    nth_field(&stat, index).map(str::to_owned)
}

fn nth_field(stat: &str, index: usize) -> Option<&str> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(index)
}
