//! Tells whether the kernel ended processes because memory ran out.

use std::fs;
use std::path::PathBuf;

/// The kernel's count of such ends, in our control group or else in the whole system.
#[derive(Debug)]
pub(crate) struct OutOfMemoryCounter {
    file: PathBuf,
    last: Option<u64>,
}

impl OutOfMemoryCounter {
    /// Takes the count as it is now.
    pub(crate) fn new() -> Self {
        let file = own_control_group()
            .filter(|file| count_in(file).is_some())
            .unwrap_or_else(|| PathBuf::from("/proc/vmstat"));
        let last = count_in(&file);
        Self { file, last }
    }

    /// Whether it has grown since the last call.
    pub(crate) fn has_grown(&mut self) -> bool {
        let before = std::mem::replace(&mut self.last, count_in(&self.file));
        matches!((before, self.last), (Some(before), Some(now)) if now > before)
    }
}

/// The memory events of our group in the unified hierarchy (cgroups(7)).
fn own_control_group() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(
        PathBuf::from("/sys/fs/cgroup")
            .join(path)
            .join("memory.events"),
    )
}

/// Both files have a line `oom_kill <count>`.
fn count_in(file: &PathBuf) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill "))?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_reported_once() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("memory.events");
        fs::write(&file, "low 0\noom 1\noom_kill 1\n").unwrap();
        let mut counter = OutOfMemoryCounter {
            last: count_in(&file),
            file: file.clone(),
        };
        assert!(!counter.has_grown());
        fs::write(&file, "low 0\noom 2\noom_kill 2\n").unwrap();
        assert!(counter.has_grown());
        assert!(!counter.has_grown());
    }
}
