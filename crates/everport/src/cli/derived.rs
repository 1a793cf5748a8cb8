//! What holds for options that nobody gave and whose default depends on something else.

use super::ClusterArgs;
use crate::Sharing;
use crate::log::stdout_takes_colour;
use crate::watcher::cpus;

/// An option that nobody gave, with what holds instead.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DerivedDefault {
    /// Its long name.
    pub option: &'static str,
    /// The value, as it would be given.
    pub value: String,
    /// Why it is this one.
    pub why: &'static str,
}

impl ClusterArgs {
    /// What holds for options that were not given and whose default is not the same everywhere: it depends on the
    /// machine, on the process, or on other options.
    #[must_use]
    pub fn derived_defaults(&self) -> Vec<DerivedDefault> {
        let mut found = self.log.derived_defaults(stdout_takes_colour());
        if self.workers.is_none() {
            found.push(derived("workers", cpus().to_string(), "one per CPU"));
        }
        if self.share.is_none() {
            let best = Sharing::DEFAULT.to_string();
            found.push(derived("share", best, "what the kernel balances best"));
        }
        if let (None, Ok(directory)) = (&self.chdir, std::env::current_dir()) {
            let directory = directory.display().to_string();
            found.push(derived("chdir", directory, "the watcher's"));
        }
        if let (None, Some(mask)) = (self.umask, own_umask()) {
            found.push(derived("umask", mask, "the watcher's"));
        }
        found
    }
}

pub(super) fn derived(
    option: &'static str,
    value: impl Into<String>,
    why: &'static str,
) -> DerivedDefault {
    DerivedDefault {
        option,
        value: value.into(),
        why,
    }
}

/// Read, because the system call that tells it changes it, and with it the files that other threads make meanwhile.
fn own_umask() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))?;
    Some(mask.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        cluster: ClusterArgs,
    }

    fn value(words: &[&str], option: &str) -> Option<String> {
        let words = std::iter::once("server").chain(words.iter().copied());
        let found = Flags::parse_from(words).cluster.derived_defaults();
        let found = found.into_iter().find(|it| it.option == option)?;
        Some(found.value)
    }

    #[test]
    fn what_the_machine_and_the_process_have_is_told_as_it_is() {
        let directory = std::env::current_dir().unwrap().display().to_string();
        assert_eq!(value(&[], "workers"), Some(cpus().to_string()));
        assert_eq!(value(&[], "share"), Some(Sharing::DEFAULT.to_string()));
        assert_eq!(value(&[], "chdir"), Some(directory));
        let given = [
            "-w", "3", "--share", "transfer", "--chdir", "/", "--umask", "027",
        ];
        for option in ["workers", "share", "chdir", "umask"] {
            assert_eq!(value(&given, option), None, "{option}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_mask_is_in_octal() {
        let mask = value(&[], "umask").unwrap();
        assert!(u32::from_str_radix(&mask, 8).is_ok(), "{mask}");
    }
}
