//! The flags of a cluster, typed once.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueHint;
use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser};
use everport_core::CrashLoop;

use super::env_var::{self, EnvVar};
use super::log_args::LogArgs;
use super::{count, lifetime, name, seconds, size, umask};
use crate::Sharing;
use crate::watcher::{Builder, Credentials, CredentialsError, Placement, Program, Watcher};

/// The flags of a cluster: flatten them into your own `clap` parser.
///
/// ```
/// use clap::Parser;
///
/// #[derive(Parser)]
/// struct Flags {
///     #[command(flatten)]
///     cluster: everport::cli::ClusterArgs,
/// }
///
/// let flags = Flags::parse_from(["server", "-w", "4", "--settle", "0.5"]);
/// # let _ = flags.cluster;
/// ```
// This text is for the documentation only: what a program says about itself is its own affair.
#[derive(Debug, Clone, clap::Args)]
#[command(about = None, long_about = None)]
pub struct ClusterArgs {
    /// How many workers serve [default: one per CPU]
    #[arg(short, long, value_name = "N", allow_negative_numbers = true,
        value_parser = count::parse, help_heading = CLUSTER)]
    pub(super) workers: Option<u32>,

    /// How workers get at a port: reuseport, transfer or dispatch [default: what the kernel balances best]
    #[arg(long, value_name = "HOW", hide_possible_values = true, value_parser = sharing_parser(), help_heading = CLUSTER)]
    pub(super) share: Option<Sharing>,

    /// Which worker gets the next connection of a port shared by dispatch: round-robin or fewest
    #[arg(long, value_name = "HOW", default_value = "round-robin", hide_possible_values = true,
        value_parser = placement_parser(), help_heading = CLUSTER)]
    placement: Placement,

    /// Run each worker on a CPU of its own, with all of its threads
    #[arg(long, help_heading = CLUSTER)]
    pin: bool,

    /// Name of the watcher, in the process list and the log [default: watcher]
    #[arg(short, long, value_parser = name::parse, help_heading = CLUSTER)]
    pub(super) name: Option<String>,

    /// Stop when a slot is crash-looping instead of trying for ever
    #[arg(long, help_heading = CLUSTER)]
    exit_on_crash_loop: bool,

    /// How long a worker may take to be ready, from when its process exists
    #[arg(long, value_name = "SECONDS", default_value = "30", allow_negative_numbers = true,
        value_parser = seconds::parse_positive, help_heading = TIMES)]
    boot_timeout: Duration,

    /// How long a worker may drain before it is killed
    #[arg(short = 't', long, value_name = "SECONDS", default_value = "30", allow_negative_numbers = true,
        value_parser = seconds::parse, help_heading = TIMES)]
    pub(super) shutdown_timeout: Duration,

    /// How long a worker may be silent while somebody waits for it; 0: for ever
    #[arg(long, value_name = "SECONDS", default_value = "30", allow_negative_numbers = true,
        value_parser = seconds::parse, help_heading = TIMES)]
    hang_timeout: Duration,

    /// How long to go on serving when told to stop, until a load balancer has noticed
    #[arg(long, value_name = "SECONDS", default_value = "0", allow_negative_numbers = true,
        value_parser = seconds::parse, help_heading = TIMES)]
    drain_delay: Duration,

    /// How long a new worker must stay ready before a rollout moves on
    #[arg(long, value_name = "SECONDS", default_value = "1", allow_negative_numbers = true,
        value_parser = seconds::parse, help_heading = TIMES)]
    settle: Duration,

    /// How many workers more than usual during a rollout
    #[arg(long, value_name = "N", default_value = "1", allow_negative_numbers = true,
        value_parser = count::parse, help_heading = TIMES)]
    surge: u32,

    /// Replace a worker that uses more memory, such as 512M or 2G
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true, value_parser = size::parse,
        help_heading = LIMITS)]
    max_memory: Option<u64>,

    /// Replace a worker that has lived this long, such as 90m, 12h or 7d
    #[arg(long, value_name = "TIME", allow_negative_numbers = true, value_parser = lifetime::parse,
        help_heading = LIMITS)]
    max_lifetime: Option<Duration>,

    /// Replace a worker that has accepted this many connections
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = count::parse_connections,
        help_heading = LIMITS)]
    max_connections: Option<u64>,

    /// How long a message between workers, or with the watcher, may be, from 64K to 1G
    #[arg(long, value_name = "SIZE", default_value = "16M", allow_negative_numbers = true,
        value_parser = size::parse_message, help_heading = WORKERS)]
    message_limit: u64,

    /// Set a variable in the workers' environment; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = env_parser(), help_heading = WORKERS)]
    env: Vec<EnvVar>,

    /// Working directory of the workers [default: the watcher's]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = WORKERS)]
    pub(super) chdir: Option<PathBuf>,

    /// Run the workers as this user, with its groups: a name or a number (only root can)
    #[arg(long, value_name = "USER", value_hint = ValueHint::Username, help_heading = WORKERS)]
    user: Option<String>,

    /// Run the workers in this group instead of the user's own (only root can)
    #[arg(long, value_name = "GROUP", help_heading = WORKERS)]
    group: Option<String>,

    /// Permissions that the workers' new files lack, in octal, such as 027 [default: the watcher's]
    #[arg(long, value_name = "MASK", allow_negative_numbers = true, value_parser = umask::parse,
        help_heading = WORKERS)]
    pub(super) umask: Option<u32>,

    /// Let the memory of crashed workers be written to disk, and debuggers look into the watcher
    #[arg(long, help_heading = WORKERS)]
    pub(super) core_dumps: bool,

    /// Let programs that workers execute gain privileges, as sudo does
    #[arg(long, help_heading = WORKERS)]
    new_privileges: bool,

    #[command(flatten)]
    pub(super) log: LogArgs,

    /// Write the watcher's pid to a file and keep a second instance out
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = FILES)]
    pub(super) pid_file: Option<PathBuf>,
}

pub(super) const CLUSTER: &str = "Cluster";
const TIMES: &str = "Times and rollouts";
const LIMITS: &str = "Limits of a worker, after which it is replaced";
const WORKERS: &str = "Workers";
const FILES: &str = "Pid file";

impl ClusterArgs {
    /// Who the workers are to be, if somebody else than we are.
    pub(super) fn credentials(&self) -> Result<Option<Credentials>, CredentialsError> {
        let credentials = match (&self.user, &self.group) {
            (Some(user), group) => Credentials::find(user, group.as_deref()),
            (None, Some(group)) => Credentials::in_group(group),
            (None, None) => return Ok(None),
        };
        credentials.map(Some)
    }

    /// A watcher of processes with everything that was asked for but the workers' credentials, which have to be looked
    /// up.
    pub(super) fn builder(&self, program: Program) -> Builder {
        let mut builder = self.configure(Watcher::builder(program));
        if let Some(workers) = self.workers {
            builder = builder.workers(workers);
        }
        if let Some(bytes) = self.max_memory {
            builder = builder.max_memory(bytes);
        }
        if let Some(mask) = self.umask {
            builder = builder.umask(mask);
        }
        if self.core_dumps {
            builder = builder.allow_core_dumps();
        }
        if self.new_privileges {
            builder = builder.allow_new_privileges();
        }
        for EnvVar { key, value } in &self.env {
            builder = builder.env(key, value);
        }
        match &self.chdir {
            Some(directory) => builder.chdir(directory),
            None => builder,
        }
    }

    /// Asks for what processes and threads can both be told.
    pub(super) fn configure(&self, builder: Builder) -> Builder {
        let builder = builder
            .sharing(self.share.unwrap_or(Sharing::DEFAULT))
            .placement(self.placement)
            .boot_timeout(self.boot_timeout)
            .shutdown_timeout(self.shutdown_timeout)
            .hang_timeout(self.hang_timeout)
            .drain_delay(self.drain_delay)
            .settle(self.settle)
            .surge(self.surge)
            .message_limit(self.message_limit);
        let mut builder = self.log.apply(builder);
        if let Some(lifetime) = self.max_lifetime {
            builder = builder.max_lifetime(lifetime);
        }
        if let Some(connections) = self.max_connections {
            builder = builder.max_connections(connections);
        }
        if self.pin {
            builder = builder.pin();
        }
        match self.exit_on_crash_loop {
            true => builder.crash_loop(CrashLoop::Exit),
            false => builder,
        }
    }
}

fn sharing_parser() -> impl TypedValueParser<Value = Sharing> {
    let names = ["reuseport", "transfer", "dispatch"];
    PossibleValuesParser::new(names).map(|text| match text.as_str() {
        "transfer" => Sharing::Transfer,
        "dispatch" => Sharing::Dispatch,
        _ => Sharing::Reuseport,
    })
}

fn placement_parser() -> impl TypedValueParser<Value = Placement> {
    PossibleValuesParser::new(["round-robin", "fewest"]).map(|text| match text.as_str() {
        "fewest" => Placement::Fewest,
        _ => Placement::RoundRobin,
    })
}

fn env_parser() -> impl TypedValueParser<Value = EnvVar> {
    OsStringValueParser::new().try_map(|text| env_var::parse(&text))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::parsing::{self, check_refused};
    use crate::log::Level;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        cluster: ClusterArgs,
    }

    fn parse(text: &str) -> Result<ClusterArgs, String> {
        parsing::parse::<Flags>(text).map(|flags| flags.cluster)
    }

    /// A program that sells coffee.
    #[derive(Debug, Parser)]
    struct Described {
        #[command(flatten)]
        cluster: ClusterArgs,
    }

    #[derive(Debug, Parser)]
    #[command(about = "A program that sells coffee")]
    struct DescribedByAttribute {
        #[command(flatten)]
        cluster: ClusterArgs,
    }

    #[test]
    fn what_a_program_says_about_itself_is_its_own() {
        let long_help = |mut command: clap::Command| command.render_long_help().to_string();
        for command in [Described::command(), DescribedByAttribute::command()] {
            let help = long_help(command);
            assert!(
                help.starts_with("A program that sells coffee\n\nUsage:"),
                "{help}"
            );
        }
        let help = long_help(Flags::command());
        assert!(help.starts_with("Usage:"), "{help}");
    }

    #[test]
    fn without_flags_everything_is_as_documented() {
        let args = parse("").unwrap();
        assert_eq!(args.workers, None);
        assert_eq!(args.share, None);
        assert_eq!(args.placement, Placement::RoundRobin);
        assert_eq!(args.boot_timeout, Duration::from_secs(30));
        assert_eq!(args.shutdown_timeout, Duration::from_secs(30));
        assert_eq!(args.settle, Duration::from_secs(1));
        assert_eq!(args.surge, 1);
        assert_eq!(args.log.log_level, Level::Info);
        assert!(!args.exit_on_crash_loop && args.env.is_empty());
    }

    #[test]
    fn flags_become_typed_values() {
        let args = parse(
            "-w 4 --share dispatch --placement fewest -n shop -t 2.5 --settle 0 --surge 2 --boot-timeout 5 \
             --env A=b --env C= --chdir /srv -l WARN -f log-* -p pid --exit-on-crash-loop",
        )
        .unwrap();
        assert_eq!(args.workers, Some(4));
        assert_eq!(args.share, Some(Sharing::Dispatch));
        assert_eq!(args.placement, Placement::Fewest);
        assert_eq!(args.name.as_deref(), Some("shop"));
        assert_eq!(args.shutdown_timeout, Duration::from_millis(2500));
        assert_eq!((args.settle, args.surge), (Duration::ZERO, 2));
        assert_eq!(args.env.len(), 2);
        assert_eq!(args.log.log_level, Level::Warn);
        assert!(args.exit_on_crash_loop);
    }

    #[test]
    fn values_that_make_no_sense_are_refused_with_a_way_out() {
        check_refused::<Flags>("-w 0", "give one from 1 to 4096");
        check_refused::<Flags>("-w -1", "give one from 1 to 4096");
        check_refused::<Flags>("-w 4097", "give one from 1 to 4096");
        check_refused::<Flags>("-w four", "give one from 1 to 4096");
        check_refused::<Flags>("--surge 0", "give one from 1 to 4096");
        check_refused::<Flags>("--max-connections ten", "give one from 1 on, like 10000");
        check_refused::<Flags>("--max-connections -1", "give one from 1 on, like 10000");
        check_refused::<Flags>("--umask 8", "write it in octal");
        check_refused::<Flags>("-t -1", "a time cannot be negative");
        check_refused::<Flags>("-t inf", "longer than a day");
        check_refused::<Flags>("--boot-timeout 0", "zero leaves no time");
        check_refused::<Flags>(
            "--share both",
            "[possible values: reuseport, transfer, dispatch]",
        );
        check_refused::<Flags>("--env A", "write KEY=VALUE");
        check_refused::<Flags>(
            "-l loud",
            "[possible values: error, warn, info, debug, trace]",
        );
        check_refused::<Flags>("--workes 4", "a similar argument exists: '--workers'");
    }

    #[test]
    fn the_parser_is_consistent() {
        Flags::command().debug_assert();
    }
}
