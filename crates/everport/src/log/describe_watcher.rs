//! The line of text of each notice about the watcher itself.

use std::fmt;

use everport_core::ExitReason;

use super::Notice;
use super::describe::{Counted, write_last_lines};
use super::duration::Readable;
use super::escape::escape_display;

pub(super) fn describe_watcher(f: &mut fmt::Formatter<'_>, notice: &Notice) -> fmt::Result {
    match notice {
        Notice::Started { .. } | Notice::Stopped { .. } => describe_run(f, notice),
        Notice::Configured { path } => {
            write!(f, "configured by {}", escape_display(path.display()))
        }
        Notice::ConfigurationRefused { errors } => {
            f.write_str("the configuration cannot be read again, and nothing changes:")?;
            write_last_lines(f, errors)
        }
        Notice::FilesChanged { path, others } => {
            write!(f, "restart: {} has changed", escape_display(path))?;
            match others {
                0 => Ok(()),
                others => write!(f, " (and {others} more)"),
            }
        }
        Notice::WatchFailed { error } => {
            let error = escape_display(error);
            write!(f, "changes of files may have been missed: {error}")
        }
        Notice::Overslept { gap } => write!(
            f,
            "the watcher did not run for {}, which counts towards no limit",
            Readable(*gap)
        ),
        Notice::LogReopened { path } => {
            write!(f, "opened {} anew", escape_display(path.display()))
        }
        Notice::LogTrouble { error } => write!(f, "{}", escape_display(error)),
        Notice::LogLevelSet { level } => {
            write!(f, "workers were told to log from level {level} up")
        }
        Notice::ServiceManagerUnreachable { error } => write!(
            f,
            "cannot tell the service manager how the cluster is: {}",
            escape_display(error)
        ),
        Notice::OomScoreRefused { error } => write!(
            f,
            "workers cannot be marked to be ended before the watcher when memory runs out: {error}"
        ),
        _ => Ok(()),
    }
}

/// Its beginning and its end.
fn describe_run(f: &mut fmt::Formatter<'_>, notice: &Notice) -> fmt::Result {
    match notice {
        Notice::Started {
            version,
            pid,
            workers,
            program,
            threads,
        } => write!(
            f,
            "everport {version}\npid {pid}\n{} of {}",
            Counted(*workers, if *threads { "thread" } else { "worker" }),
            escape_display(program)
        ),
        Notice::Stopped { reason, ran } => {
            let how = match reason {
                ExitReason::Stopped => "stopped",
                ExitReason::Forced => "stopped by force",
                ExitReason::NeverReady => "gave up",
                ExitReason::CrashLoop => "stopped because of a crash loop",
            };
            write!(f, "{how} after {}", Readable(*ran))
        }
        _ => Ok(()),
    }
}
