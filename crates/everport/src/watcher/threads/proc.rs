//! From `/proc/<pid>/task`.

use std::fs;
use std::path::Path;

use crate::log::Thread;
use crate::watcher::body::Whereabouts;

/// How many threads are described: the main one comes first, and a pool's others do what the first few do.
const MOST_THREADS: usize = 16;

/// How much of a kernel stack is shown: what a thread waits for is among the innermost functions.
const MOST_FUNCTIONS: usize = 8;

/// The first threads of a process, or the one that a worker is. Empty when it is gone, or when we may not look.
pub(crate) fn threads_of(whom: Whereabouts) -> Vec<Thread> {
    match whom {
        Whereabouts::Process(pid) => threads_of_process(pid),
        Whereabouts::Thread(id) => id.and_then(own_thread).into_iter().collect(),
    }
}

fn own_thread(id: u32) -> Option<Thread> {
    thread(id, &Path::new("/proc/self/task").join(id.to_string()))
}

fn threads_of_process(pid: u32) -> Vec<Thread> {
    let tasks = format!("/proc/{pid}/task");
    let entries = fs::read_dir(&tasks).into_iter().flatten().flatten();
    let mut ids: Vec<u32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    // Its number need not be the lowest: they begin anew at the end.
    ids.sort_unstable_by_key(|id| (*id != pid, *id));
    ids.truncate(MOST_THREADS);
    ids.into_iter()
        .filter_map(|id| thread(id, &Path::new(&tasks).join(id.to_string())))
        .collect()
}

fn thread(id: u32, task: &Path) -> Option<Thread> {
    let stat = fs::read_to_string(task.join("stat")).ok()?;
    let (name, state) = parse_stat(&stat)?;
    // Not everybody may see these two: that of the kernel's stack takes root.
    let wait_channel = fs::read_to_string(task.join("wchan")).unwrap_or_default();
    let stack = fs::read_to_string(task.join("stack")).unwrap_or_default();
    Some(Thread {
        id,
        name: name.to_owned(),
        state,
        wait_channel: parse_wait_channel(&wait_channel),
        stack: parse_stack(&stack),
    })
}

/// The name, which may hold anything, and the letter of the state after it (proc(5)).
fn parse_stat(stat: &str) -> Option<(&str, char)> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    Some((name, after.trim_start().chars().next()?))
}

/// `0` stands for none.
fn parse_wait_channel(text: &str) -> Option<String> {
    let function = text.trim();
    (!function.is_empty() && function != "0").then(|| function.to_owned())
}

/// Lines like `[<0>] do_sys_poll+0x3a1/0x590`.
fn parse_stack(text: &str) -> Vec<String> {
    let function = |line: &str| Some(line.split_once("] ")?.1.trim().to_owned());
    text.lines()
        .filter_map(function)
        .take(MOST_FUNCTIONS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "4711 (a) S (b) c) R 1 2 3";
        assert_eq!(parse_stat(stat), Some(("a) S (b) c", 'R')));
        assert_eq!(parse_stat("4711 a R 1"), None);
        assert_eq!(parse_stat("4711 (a)"), None);
    }

    #[test]
    fn a_stack_is_cut_to_its_innermost_functions() {
        let line = "[<0>] do_sys_poll+0x3a1/0x590\n";
        assert_eq!(parse_stack(line), ["do_sys_poll+0x3a1/0x590"]);
        assert_eq!(parse_stack(&line.repeat(20)).len(), MOST_FUNCTIONS);
        assert_eq!(parse_stack("garbage\n\n"), [""; 0]);
    }

    #[test]
    fn running_threads_wait_for_nothing() {
        assert_eq!(parse_wait_channel("0"), None);
        assert_eq!(
            parse_wait_channel("pipe_read"),
            Some("pipe_read".to_owned())
        );
    }

    #[test]
    fn our_own_threads_can_be_seen_and_a_dead_processs_cannot() {
        let threads = threads_of_process(std::process::id());
        assert!(!threads.is_empty() && threads.len() <= MOST_THREADS);
        assert_eq!(threads[0].id, std::process::id());
        assert_eq!(threads_of_process(u32::MAX), []);
        let own = rustix::thread::gettid().as_raw_nonzero().get();
        let seen = threads_of(Whereabouts::Thread(Some(own.unsigned_abs())));
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(threads_of(Whereabouts::Thread(Some(u32::MAX))), []);
        assert_eq!(threads_of(Whereabouts::Thread(None)), []);
    }
}
