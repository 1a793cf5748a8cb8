//! What the figures were measured on.

use std::{fmt, fs, thread};

/// The machine as its kernel describes it, and the compiler that everything was built with.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    /// In MiB.
    pub(crate) memory: u64,
    pub(crate) kernel: String,
    pub(crate) is_virtual: bool,
    /// Who decides how fast the processor is clocked: on virtual machines mostly somebody outside.
    pub(crate) governor: Option<String>,
    /// Whether Linux shares the processors out by session first.
    pub(crate) shares_by_session: bool,
    pub(crate) compiler: &'static str,
    /// The load averages before anything was measured: what else the machine was doing.
    pub(crate) load: String,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let processors = read("/proc/cpuinfo").unwrap_or_default();
        let autogroup = read("/proc/sys/kernel/sched_autogroup_enabled");
        Self {
            processor: processor(&processors),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory: memory(&read("/proc/meminfo").unwrap_or_default()),
            kernel: read("/proc/sys/kernel/osrelease").unwrap_or_else(unknown),
            is_virtual: is_virtual(&processors),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            shares_by_session: autogroup.as_deref() == Some("1"),
            compiler: env!("EVERPORT_BENCH_COMPILER"),
            load: load(),
        }
    }
}

/// The load averages of this moment.
pub(crate) fn load() -> String {
    let text = read("/proc/loadavg").unwrap_or_else(unknown);
    let averages: Vec<&str> = text.split_whitespace().take(3).collect();
    averages.join(" ")
}

fn read(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn processor(cpuinfo: &str) -> String {
    let lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let mut models = lines.filter(|(name, _)| name.trim() == "model name");
    models
        .next()
        .map_or("unknown", |(_, model)| model.trim())
        .to_owned()
}

/// All of it, in MiB; zero when nobody knows.
fn memory(meminfo: &str) -> u64 {
    let mut lines = meminfo.lines();
    let total = lines.find_map(|line| line.strip_prefix("MemTotal:"));
    let number = total.and_then(|rest| rest.split_whitespace().next());
    let kibibytes: Option<u64> = number.and_then(|number| number.parse().ok());
    kibibytes.unwrap_or_default() / 1024
}

/// Processors say so themselves when somebody pretends to be one.
fn is_virtual(cpuinfo: &str) -> bool {
    let mut flags = cpuinfo.lines().filter(|line| line.starts_with("flags"));
    flags.any(|line| line.split_whitespace().any(|flag| flag == "hypervisor"))
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processor,
            cores,
            memory,
            kernel,
            compiler,
            load,
            ..
        } = self;
        let kind = if self.is_virtual { " (virtual)" } else { "" };
        write!(
            f,
            "{processor}{kind}, {cores} cores, {memory} MiB, Linux {kernel}, "
        )?;
        if let Some(governor) = &self.governor {
            write!(f, "governor {governor}, ")?;
        }
        if self.shares_by_session {
            f.write_str("processors shared out by session, ")?;
        }
        write!(f, "{compiler}, load before: {load}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_found_by_its_name() {
        let cpuinfo =
            "processor\t: 0\nmodel\t\t: 17\nmodel name\t: Some CPU @ 3 GHz\nstepping\t: 1\n";
        assert_eq!(processor(cpuinfo), "Some CPU @ 3 GHz");
        assert_eq!(processor(""), "unknown");
    }

    #[test]
    fn a_virtual_processor_is_known_by_its_flag() {
        assert!(is_virtual("flags\t\t: fpu vme hypervisor lahf_lm\n"));
        assert!(!is_virtual(
            "flags\t\t: fpu vme\nmodel name\t: hypervisor\n"
        ));
    }

    #[test]
    fn memory_is_told_in_mebibytes() {
        assert_eq!(memory("MemTotal:        2048 kB\nMemFree: 1 kB\n"), 2);
        assert_eq!(memory(""), 0);
    }
}
