//! Measures how much memory a process uses.

use std::fs;

/// What a process uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryUsage {
    /// In bytes.
    pub(crate) used: u64,
    /// Whether what it shares with others is shared out among them; else all of it counts.
    pub(crate) is_proportional: bool,
}

impl MemoryUsage {
    /// Its proportional set size where that may be read, else its resident set size; `None` when it is gone.
    /// The kernel goes through all of its memory for the first: milliseconds for a gigabyte.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let proportional = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok();
        if let Some(used) = proportional.as_deref().and_then(proportional_size) {
            return Some(Self {
                used,
                is_proportional: true,
            });
        }
        let resident = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        Some(Self {
            used: resident_pages(&resident)? * rustix::param::page_size() as u64,
            is_proportional: false,
        })
    }
}

/// The line `Pss:    1234 kB`.
fn proportional_size(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The second of its numbers.
fn resident_pages(statm: &str) -> Option<u64> {
    statm.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sizes_are_found_in_what_the_kernel_writes() {
        let rollup = "55e0-7ffd ---p 00000000 00:00 0    [rollup]\nRss:    2048 kB\nPss:    1025 kB\nPss_Dirty: 9 kB\n";
        assert_eq!(proportional_size(rollup), Some(1025 * 1024));
        assert_eq!(resident_pages("500 25 10 1 0 40 0\n"), Some(25));
        for unusable in ["", "Pss:", "Pss: many kB", "Pss: 12"] {
            assert_eq!(proportional_size(unusable), None, "{unusable:?}");
        }
        assert_eq!(resident_pages(""), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn our_own_memory_can_be_measured_and_that_of_nobody_cannot() {
        let usage = MemoryUsage::of(std::process::id()).unwrap();
        assert!(usage.used > 64 * 1024, "{usage:?}");
        assert_eq!(MemoryUsage::of(u32::MAX), None);
    }
}
