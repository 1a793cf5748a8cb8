//! What the kernel has counted for a process.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use nix::time::ClockId;
use nix::unistd::Pid;

/// How long a process has run, in user and kernel mode together, all of its threads, those that have ended, too. Asked
/// while it runs, the kernel counts up to this very moment.
pub(crate) fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let gone = || format!("process {pid} is gone");
    let id = Pid::from_raw(i32::try_from(pid)?);
    let clock = ClockId::pid_cpu_clock_id(id).with_context(gone)?;
    Ok(clock.now().with_context(gone)?.into())
}

/// The same for this process.
pub(crate) fn own_processor_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    // Its own clock is never negative.
    Duration::try_from(now).unwrap_or_default()
}

/// A process's memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// All that is resident, in KiB.
    pub(crate) resident: u64,
    /// The same, with shared pages divided by the number of their users.
    pub(crate) proportional: u64,
    /// What is only this process's own.
    pub(crate) private: u64,
}

pub(crate) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let text = read(&PathBuf::from(format!("/proc/{pid}/smaps_rollup")))?;
    let sum = |names: &[&str]| names.iter().map(|name| value(&text, name)).sum();
    Ok(Memory {
        resident: sum(&["Rss"]),
        proportional: sum(&["Pss"]),
        private: sum(&["Private_Clean", "Private_Dirty"]),
    })
}

/// How often a process's threads have been switched away from, willingly or not: each time they run, they
/// were woken up.
pub(crate) fn switches(pid: u32) -> anyhow::Result<u64> {
    let mut switches = 0;
    for task in tasks(pid)? {
        let text = read(&task.join("status"))?;
        switches += value(&text, "voluntary_ctxt_switches");
        switches += value(&text, "nonvoluntary_ctxt_switches");
    }
    Ok(switches)
}

/// All that a process has and has used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) processor_time: Duration,
    pub(crate) memory: Memory,
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
}

pub(crate) fn cost(pid: u32) -> anyhow::Result<Cost> {
    Ok(Cost {
        processor_time: processor_time(pid)?,
        memory: memory(pid)?,
        descriptors: entries(pid, "fd")?.len() as u64,
        threads: tasks(pid)?.len() as u64,
    })
}

/// How many connections that clients have made to a port each process holds. Those that a manager has passed on or
/// that wait to be accepted are nobody's.
pub(crate) fn connections(pids: &[u32], port: u16) -> anyhow::Result<Vec<u64>> {
    let mut inodes = HashSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        // Without IPv6 there is no such table.
        let text = fs::read_to_string(table).unwrap_or_default();
        inodes.extend(text.lines().filter_map(|line| inode_at(line, port)));
    }
    let holds = |descriptor: &PathBuf| {
        // One that was closed since the list was made holds nothing.
        let target = fs::read_link(descriptor).unwrap_or_default();
        let inode = target.to_str().and_then(socket_inode);
        inode.is_some_and(|inode| inodes.contains(&inode))
    };
    let held = |pid: &u32| Ok(entries(*pid, "fd")?.iter().filter(|it| holds(it)).count() as u64);
    pids.iter().map(held).collect()
}

/// The inode of the socket in this line of the kernel's table, if it is our end of an established connection to the
/// port (`proc_pid_net(5)`).
fn inode_at(line: &str, port: u16) -> Option<u64> {
    const ESTABLISHED: &str = "01";
    let mut fields = line.split_whitespace().skip(1);
    let (_, local) = fields.next()?.rsplit_once(':')?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?.parse().ok()?;
    let is_ours = u16::from_str_radix(local, 16) == Ok(port) && state == ESTABLISHED;
    is_ours.then_some(inode)
}

/// The number in `socket:[4711]`.
fn socket_inode(target: &str) -> Option<u64> {
    let number = target.strip_prefix("socket:[")?.strip_suffix(']')?;
    number.parse().ok()
}

fn tasks(pid: u32) -> anyhow::Result<Vec<PathBuf>> {
    entries(pid, "task")
}

/// What lies in a directory of a process in `/proc`.
fn entries(pid: u32, directory: &str) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(format!("/proc/{pid}/{directory}"));
    let entries = entries.with_context(|| format!("process {pid} is gone, or not ours"))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

fn read(path: &PathBuf) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The number after `name:`; zero when there is none.
fn value(text: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(key, _)| *key == name);
    let number = found.and_then(|(_, rest)| rest.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::process::Command;
    use std::time::Instant;

    use super::*;

    #[test]
    fn values_are_found_by_their_whole_name() {
        let text = "Rss:  120 kB\nPss:  100 kB\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches: 2";
        assert_eq!(value(text, "Pss"), 100);
        assert_eq!(value(text, "voluntary_ctxt_switches"), 7);
        assert_eq!(value(text, "ss"), 0);
    }

    #[test]
    fn accepted_connections_of_the_port_are_counted_and_nothing_else() {
        let us = [std::process::id()];
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = |to: &TcpListener| TcpStream::connect(to.local_addr().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let _clients = [connect(&listener), connect(&listener), connect(&other)];
        let _elsewhere = other.accept().unwrap();
        assert_eq!(connections(&us, port).unwrap(), [0]);
        let _first = listener.accept().unwrap();
        assert_eq!(connections(&us, port).unwrap(), [1]);
        let second = listener.accept().unwrap();
        assert_eq!(connections(&us, port).unwrap(), [2]);
        drop(second);
        assert_eq!(connections(&us, port).unwrap(), [1]);
    }

    #[test]
    fn a_process_that_works_is_charged_for_it() {
        let mut busy = Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .unwrap();
        let before = processor_time(busy.id()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while processor_time(busy.id()).unwrap() <= before {
            assert!(Instant::now() < deadline, "it works and is not charged");
        }
        let memory = memory(busy.id()).unwrap();
        busy.kill().unwrap();
        busy.wait().unwrap();
        assert!(memory.resident >= memory.proportional && memory.proportional >= memory.private);
        assert!(memory.private > 0);
    }
}
