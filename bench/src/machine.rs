//! What the figures were measured on.

use std::{fmt, fs, thread};

/// The machine as its kernel describes it.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// The load averages before anything was measured: what else the machine was doing.
    pub(crate) load: String,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_else(|_| "unknown".to_owned());
        let load = read("/proc/loadavg");
        Self {
            processor: processor(&read("/proc/cpuinfo")),
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: load
                .split_whitespace()
                .take(3)
                .collect::<Vec<_>>()
                .join(" "),
        }
    }
}

fn processor(cpuinfo: &str) -> String {
    let lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let mut models = lines.filter(|(name, _)| name.trim() == "model name");
    models
        .next()
        .map_or("unknown", |(_, model)| model.trim())
        .to_owned()
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processor,
            cores,
            kernel,
            load,
        } = self;
        write!(
            f,
            "{processor}, {cores} cores, Linux {kernel}, load before: {load}"
        )
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_processor_is_found_by_its_name() {
        let cpuinfo =
            "processor\t: 0\nmodel\t\t: 17\nmodel name\t: Some CPU @ 3 GHz\nstepping\t: 1\n";
        assert_eq!(super::processor(cpuinfo), "Some CPU @ 3 GHz");
        assert_eq!(super::processor(""), "unknown");
    }
}
