//! The flags of the log.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, ValueHint};

use super::derived::{DerivedDefault, derived};
use super::log_target::{LogTarget, LogTargetParser};
use super::{count, size};
use crate::log::{
    Journald, Level, LogFile, LogFormat, OpenLogError, Syslog, WhenFull, Writer, WriterBuilder,
};
use crate::watcher::{Builder, Credentials};

const LOG: &str = "Log";

/// The flags of the log.
#[derive(Debug, Clone, clap::Args)]
#[command(about = None, long_about = None, group(ArgGroup::new("log_rotation")
    .args(["log_rotate_size", "log_rotate_daily"])
    .multiple(true)))]
pub(super) struct LogArgs {
    /// What to log: error, warn, info (with all that workers print), debug or trace
    #[arg(short, long, value_name = "LEVEL", default_value = "info", hide_possible_values = true,
        ignore_case = true, value_parser = level_parser(), help_heading = LOG)]
    pub(super) log_level: Level,

    /// Where to log: stdout, journald or syslog, the last two with :SOCKET if it is not the usual one; may be repeated
    /// [default: stdout, unless --log-file is given]
    #[arg(long, value_name = "WHERE", value_delimiter = ',', hide_possible_values = true,
        value_parser = LogTargetParser, help_heading = LOG)]
    log_to: Vec<LogTarget>,

    /// Form of the log: pretty, plain or json [default: pretty on a terminal, else plain]
    #[arg(long, value_name = "FORM", hide_possible_values = true, ignore_case = true,
        value_parser = format_parser(), help_heading = LOG)]
    log_format: Option<LogFormat>,

    /// Append the log to a file; `*` becomes the watcher's pid
    #[arg(short = 'f', long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = LOG)]
    pub(super) log_file: Option<PathBuf>,

    /// Form of the log in the file [default: json if --log-format is, else plain]
    #[arg(long, value_name = "FORM", hide_possible_values = true, ignore_case = true,
        requires = "log_file", value_parser = format_parser(), help_heading = LOG)]
    log_file_format: Option<LogFormat>,

    /// Rotate the file before it is larger, such as 100M
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true, requires = "log_file",
        value_parser = size::parse_file, help_heading = LOG)]
    log_rotate_size: Option<u64>,

    /// Rotate the file on the first entry of a new day, in UTC
    #[arg(long, requires = "log_file", help_heading = LOG)]
    log_rotate_daily: bool,

    /// How many rotated files to keep [default: 7]
    #[arg(long, value_name = "N", allow_negative_numbers = true, requires = "log_rotation",
        value_parser = count::parse_files, help_heading = LOG)]
    log_keep: Option<u32>,

    /// Compress rotated files with gzip
    #[arg(long, requires = "log_rotation", help_heading = LOG)]
    log_compress: bool,

    /// What a worker does whose records are not taken in time: drop them and count, or block as long as the log moves
    #[arg(long, value_name = "WHAT", default_value = "drop", hide_possible_values = true,
        value_parser = when_full_parser(), help_heading = LOG)]
    log_when_full: WhenFull,

    /// Room for the records of each worker, from 256K to 64M
    #[arg(long, value_name = "SIZE", default_value = "1M", allow_negative_numbers = true,
        value_parser = size::parse_ring, help_heading = LOG)]
    log_buffer: u64,
}

/// Why flags of the log do not go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LogArgsError {
    /// Neither standard output nor a file is written.
    #[error(
        "--log-format is for stdout and files, and the log goes to neither (leave it out, or add stdout to --log-to)"
    )]
    NothingToFormat,
}

impl LogArgs {
    /// Whether they go together.
    pub(super) fn check(&self) -> Result<(), LogArgsError> {
        let writes_text = self.writes_stdout() || self.log_file.is_some();
        match self.log_format {
            Some(_) if !writes_text => Err(LogArgsError::NothingToFormat),
            _ => Ok(()),
        }
    }

    /// Opens the log. The workers' user is kept from its file.
    pub(super) fn open(
        &self,
        name: Option<&str>,
        workers: Option<&Credentials>,
    ) -> Result<Writer, OpenLogError> {
        // In the log "watcher" is not a worker; among those of a machine it says nothing.
        let mut builder = Writer::builder(name.unwrap_or("watcher"))
            .identifier(name.unwrap_or("everport"))
            .level(self.log_level);
        if self.writes_stdout() {
            builder = self.add_stdout(builder);
        }
        if let Some(file) = self.file(workers) {
            builder = builder.file(file);
        }
        for target in self.targets() {
            builder = match target {
                LogTarget::Stdout => builder,
                LogTarget::Journald(None) => builder.journald(Journald::default()),
                LogTarget::Journald(Some(socket)) => builder.journald(Journald::at(socket)),
                LogTarget::Syslog(None) => builder.syslog(Syslog::default()),
                LogTarget::Syslog(Some(socket)) => builder.syslog(Syslog::at(socket)),
            };
        }
        builder.start()
    }

    /// Whether the log could be opened, as far as that shows without making or changing anything.
    pub(super) fn look(&self, workers: Option<&Credentials>) -> Result<(), OpenLogError> {
        self.file(workers).map_or(Ok(()), |file| file.look())?;
        for target in self.targets() {
            match target.clone() {
                LogTarget::Stdout => {}
                LogTarget::Journald(None) => Journald::default().look()?,
                LogTarget::Journald(Some(socket)) => Journald::at(socket).look()?,
                LogTarget::Syslog(None) => Syslog::default().look()?,
                LogTarget::Syslog(Some(socket)) => Syslog::at(socket).look()?,
            }
        }
        Ok(())
    }

    /// The places beside the file, each once.
    fn targets(&self) -> impl Iterator<Item = &LogTarget> {
        let is_first = |number, target| !self.log_to[..number].contains(target);
        let targets = self.log_to.iter().enumerate();
        targets.filter_map(move |(number, target)| is_first(number, target).then_some(target))
    }

    /// Tells the watcher how workers' records come to it.
    pub(super) fn apply(&self, builder: Builder) -> Builder {
        builder
            .log_level(self.log_level)
            .log_ring(self.log_buffer)
            .log_when_full(self.log_when_full)
    }

    fn writes_stdout(&self) -> bool {
        let is_default = self.log_to.is_empty() && self.log_file.is_none();
        is_default || self.log_to.contains(&LogTarget::Stdout)
    }

    /// See [`ClusterArgs::derived_defaults`](super::ClusterArgs::derived_defaults).
    pub(super) fn derived_defaults(&self, is_colourful: bool) -> Vec<DerivedDefault> {
        let mut found = Vec::new();
        if self.log_to.is_empty() {
            found.push(match self.writes_stdout() {
                true => derived("log-to", "stdout", "no --log-file is given"),
                false => derived("log-to", "none", "--log-file is given"),
            });
        }
        if self.log_format.is_none() {
            found.push(match (self.writes_stdout(), is_colourful) {
                (true, true) => derived("log-format", "pretty", "stdout is a terminal"),
                (true, false) => {
                    derived("log-format", "plain", "stdout is no terminal with colours")
                }
                (false, _) => derived("log-format", "none", "the log does not go to stdout"),
            });
        }
        if self.log_file_format.is_none() {
            found.push(match self.file(None).map(|file| file.log_format()) {
                None => derived("log-file-format", "none", "no --log-file is given"),
                Some(Some(format)) => derived("log-file-format", format.name(), "as --log-format"),
                Some(None) => derived("log-file-format", "plain", "--log-format is not json"),
            });
        }
        found
    }

    fn add_stdout(&self, builder: WriterBuilder) -> WriterBuilder {
        match self.log_format {
            Some(format) => builder.stdout_as(format),
            None => builder.stdout(),
        }
    }

    fn file(&self, workers: Option<&Credentials>) -> Option<LogFile> {
        let mut file = LogFile::at(self.log_file.as_ref()?);
        let as_stdout = self.log_format.filter(|format| *format == LogFormat::Json);
        if let Some(format) = self.log_file_format.or(as_stdout) {
            file = file.format(format);
        }
        if let Some(workers) = workers {
            file = file.kept_from(workers);
        }
        if let Some(bytes) = self.log_rotate_size {
            file = file.rotate_size(bytes);
        }
        if self.log_rotate_daily {
            file = file.rotate_daily();
        }
        if let Some(files) = self.log_keep {
            file = file.keep(files as usize);
        }
        Some(match self.log_compress {
            true => file.compress(),
            false => file,
        })
    }
}

fn level_parser() -> impl TypedValueParser<Value = Level> {
    PossibleValuesParser::new(Level::ALL.map(Level::name)).try_map(|text| text.parse::<Level>())
}

fn format_parser() -> impl TypedValueParser<Value = LogFormat> {
    PossibleValuesParser::new(LogFormat::ALL.map(LogFormat::name))
        .try_map(|text| text.parse::<LogFormat>())
}

fn when_full_parser() -> impl TypedValueParser<Value = WhenFull> {
    PossibleValuesParser::new(["drop", "block"]).map(|text| match text.as_str() {
        "block" => WhenFull::Block,
        _ => WhenFull::Drop,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::parsing::{self, check_refused};

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        log: LogArgs,
    }

    fn parse(text: &str) -> Result<LogArgs, String> {
        parsing::parse::<Flags>(text).map(|flags| flags.log)
    }

    #[test]
    fn without_flags_the_log_goes_to_standard_output() {
        let args = parse("").unwrap();
        assert_eq!(args.log_level, Level::Info);
        assert!(args.writes_stdout() && args.file(None).is_none());
        assert_eq!(
            (args.log_when_full, args.log_buffer),
            (WhenFull::Drop, 1 << 20)
        );
        assert_eq!(args.check(), Ok(()));
    }

    #[test]
    fn a_place_that_is_named_is_instead_of_standard_output() {
        for (text, expected) in [
            ("-f log", false),
            ("--log-to syslog", false),
            ("-f log --log-to stdout", true),
            ("--log-to journald,stdout", true),
            ("--log-to journald --log-to stdout", true),
        ] {
            assert_eq!(parse(text).unwrap().writes_stdout(), expected, "{text}");
        }
    }

    #[test]
    fn flags_of_the_file_become_its_settings() {
        let args = parse(
            "-f log --log-rotate-size 100M --log-rotate-daily --log-keep 3 --log-compress \
             --log-file-format JSON --log-format pretty --log-when-full block --log-buffer 2m",
        );
        let args = args.unwrap();
        let expected = LogFile::at("log")
            .format(LogFormat::Json)
            .rotate_size(100 << 20)
            .rotate_daily()
            .keep(3)
            .compress();
        assert_eq!(
            format!("{:?}", args.file(None).unwrap()),
            format!("{expected:?}")
        );
        assert_eq!(
            (args.log_when_full, args.log_buffer),
            (WhenFull::Block, 2 << 20)
        );
    }

    #[test]
    fn a_file_is_plain_unless_json_was_asked_for() {
        let format = |text| parse(text).unwrap().file(None).unwrap().log_format();
        assert_eq!(format("-f log"), None);
        assert_eq!(format("-f log --log-format pretty"), None);
        assert_eq!(format("-f log --log-format json"), Some(LogFormat::Json));
        let both = "-f log --log-format json --log-file-format plain";
        assert_eq!(format(both), Some(LogFormat::Plain));
    }

    #[test]
    fn defaults_follow_what_is_given() {
        let check = |text: &str, is_colourful, expected: &[(&str, &str)]| {
            let found = parse(text).unwrap().derived_defaults(is_colourful);
            let found = found.iter().map(|it| (it.option, it.value.as_str()));
            assert_eq!(found.collect::<Vec<_>>(), expected, "{text}");
        };
        let [stdout, none] = ["stdout", "none"].map(|value| ("log-to", value));
        let format = |value| ("log-format", value);
        let in_file = |value| ("log-file-format", value);
        check("", true, &[stdout, format("pretty"), in_file("none")]);
        check("", false, &[stdout, format("plain"), in_file("none")]);
        check("-f log", true, &[none, format("none"), in_file("plain")]);
        check("-f log --log-format json", true, &[none, in_file("json")]);
        check(
            "-f log --log-format pretty --log-to stdout",
            true,
            &[in_file("plain")],
        );
        check(
            "-f log --log-file-format json",
            true,
            &[none, format("none")],
        );
        check(
            "--log-to journald",
            true,
            &[format("none"), in_file("none")],
        );
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        check_refused::<Flags>("--log-rotate-daily", "--log-file <PATH>");
        check_refused::<Flags>("--log-rotate-size 1M", "--log-file <PATH>");
        check_refused::<Flags>("--log-file-format json", "--log-file <PATH>");
        check_refused::<Flags>(
            "-f log --log-keep 3",
            "--log-rotate-size <SIZE>|--log-rotate-daily",
        );
        check_refused::<Flags>(
            "-f log --log-compress",
            "--log-rotate-size <SIZE>|--log-rotate-daily",
        );
        let args = parse("--log-to journald --log-format json").unwrap();
        assert_eq!(args.check(), Err(LogArgsError::NothingToFormat));
    }

    #[test]
    fn values_that_make_no_sense_are_refused_with_a_way_out() {
        check_refused::<Flags>(
            "-l loud",
            "[possible values: error, warn, info, debug, trace]",
        );
        check_refused::<Flags>("--log-format xml", "[possible values: pretty, plain, json]");
        check_refused::<Flags>("--log-to stderr", "give stdout, journald or syslog");
        check_refused::<Flags>("--log-when-full wait", "[possible values: drop, block]");
        check_refused::<Flags>("--log-buffer 10K", "give one from 256K to 64M");
        check_refused::<Flags>("--log-buffer 65M", "give one from 256K to 64M");
        check_refused::<Flags>("-f log --log-rotate-size 10K", "give one from 64K");
        for number in ["0", "-1", "many"] {
            let text = format!("-f log --log-rotate-daily --log-keep {number}");
            check_refused::<Flags>(&text, "give one from 1 on, like 7");
        }
    }
}
