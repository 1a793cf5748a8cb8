//! Tells whether the kernel ended processes because memory ran out.

use std::fs;
use std::path::PathBuf;

/// The kernel's count of such ends, in our control group or else in the whole system.
#[derive(Debug)]
pub(crate) struct OutOfMemoryCounter {
    file: PathBuf,
    last: Option<u64>,
    /// Ends that were counted and not yet put down to anybody.
    unexplained: u64,
}

impl OutOfMemoryCounter {
    /// Takes the count as it is now.
    pub(crate) fn new() -> Self {
        let file = own_control_group()
            .filter(|file| count_in(file).is_some())
            .unwrap_or_else(|| PathBuf::from("/proc/vmstat"));
        let last = count_in(&file);
        Self {
            file,
            last,
            unexplained: 0,
        }
    }

    /// Forgets ends that were somebody else's: call it when all is well.
    pub(crate) fn forget(&mut self) {
        self.last = count_in(&self.file);
        self.unexplained = 0;
    }

    /// Whether there was such an end that explains one more death.
    pub(crate) fn explains(&mut self) -> bool {
        let before = std::mem::replace(&mut self.last, count_in(&self.file));
        if let (Some(before), Some(now)) = (before, self.last) {
            self.unexplained += now.saturating_sub(before);
        }
        let explains = self.unexplained > 0;
        self.unexplained = self.unexplained.saturating_sub(1);
        explains
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
    fn each_end_explains_one_death() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("memory.events");
        fs::write(&file, "low 0\noom 1\noom_kill 1\n").unwrap();
        let mut counter = OutOfMemoryCounter {
            last: count_in(&file),
            file: file.clone(),
            unexplained: 0,
        };
        assert!(!counter.explains());
        fs::write(&file, "low 0\noom 3\noom_kill 3\n").unwrap();
        assert!(counter.explains());
        assert!(counter.explains());
        assert!(!counter.explains());
        fs::write(&file, "low 0\noom 4\noom_kill 4\n").unwrap();
        counter.forget();
        assert!(!counter.explains());
    }
}
