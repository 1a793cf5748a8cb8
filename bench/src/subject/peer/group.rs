//! The processes of a peer: its manager, and whatever comes of it.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use everport_tests::PATIENCE;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A manager in a session of its own, with all of its descendants. They are killed when it is dropped.
#[derive(Debug)]
pub(super) struct Group {
    manager: Child,
}

/// A process as `/proc` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: u32,
    group: u32,
    is_zombie: bool,
    /// When it was started, in the kernel's ticks.
    started: u64,
}

/// A program that is to have a session of its own, as a service manager would give it one: Linux may share the processors
/// out by session. It keeps its process id.
pub(super) fn in_session(program: &Path) -> Command {
    let mut command = Command::new("setsid");
    command.arg(program);
    command
}

impl Group {
    /// Starts what [`in_session`] has made, with pipes for what it says.
    pub(super) fn start(mut command: Command) -> io::Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let manager = command.spawn()?;
        Ok(Self { manager })
    }

    pub(super) fn manager(&mut self) -> &mut Child {
        &mut self.manager
    }

    pub(super) fn manager_pid(&self) -> u32 {
        self.manager.id()
    }

    /// All processes but the manager that have not ended, the oldest first.
    pub(super) fn others(&self) -> Vec<u32> {
        let manager = self.manager_pid();
        let all = processes();
        let mut found: Vec<Process> = Vec::new();
        loop {
            let belongs = |process: &&Process| {
                let parents = found.iter().map(|known| known.pid);
                process.pid != manager
                    && !found.contains(process)
                    && (process.group == manager
                        || process.parent == manager
                        || parents.into_iter().any(|pid| pid == process.parent))
            };
            let more: Vec<Process> = all.iter().filter(belongs).copied().collect();
            if more.is_empty() {
                break;
            }
            found.extend(more);
        }
        found.retain(|process| !process.is_zombie);
        found.sort_by_key(|process| (process.started, process.pid));
        found.into_iter().map(|process| process.pid).collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let manager = self.manager_pid();
        // Before it is reaped, so that its number is nobody else's. A process can start another one until it is dead.
        loop {
            let others = self.others();
            // Whoever has ended already is just as well.
            let _gone = pid_of(manager).map(|pid| kill_process_group(pid, Signal::KILL));
            for pid in &others {
                drop(send(*pid, Signal::KILL));
            }
            if others.is_empty() || Instant::now() > deadline {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        drop(self.manager.kill());
        drop(self.manager.wait());
    }
}

/// Sends a signal to a process of a peer.
pub(super) fn send(pid: u32, signal: Signal) -> io::Result<()> {
    let pid = pid_of(pid).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(kill_process(pid, signal)?)
}

fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Process::parse(pid, &stat)
    })
    .collect()
}

impl Process {
    /// From `/proc/<pid>/stat`, after the name, which may hold anything (proc(5)).
    fn parse(pid: u32, stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        Some(Self {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            is_zombie: *fields.first()? == "Z",
            started: fields.get(19)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use everport_tests::{is_alive, wait_until};

    use super::*;

    #[test]
    fn a_process_is_read_behind_its_name() {
        let stat = "7 (a) b (c) S 3 5 5 0 -1 4194304 1 0 0 0 1 2 0 0 20 0 1 0 4711 1 1";
        let expected = Process {
            pid: 7,
            parent: 3,
            group: 5,
            is_zombie: false,
            started: 4711,
        };
        assert_eq!(Process::parse(7, stat), Some(expected));
        assert_eq!(Process::parse(7, "7 (sh"), None);
    }

    #[test]
    fn all_descendants_end_with_a_group_also_those_that_left_it() {
        let mut command = in_session("sh".as_ref());
        command.args([
            "-c",
            "sleep 600 & setsid sleep 600 & sh -c 'sleep 600; :' & wait",
        ]);
        let group = Group::start(command).unwrap();
        wait_until("four others", || group.others().len() >= 4);
        let all = group.others();
        drop(group);
        assert!(!all.into_iter().any(is_alive));
    }
}
