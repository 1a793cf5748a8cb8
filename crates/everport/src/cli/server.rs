//! A program that is its own watcher, whose workers are processes or threads.

use std::io::{self, Write};
use std::process::ExitCode;

use tokio::runtime;

use super::args::CLUSTER;
use super::run::{CommandError, run_threads};
use super::{ClusterArgs, Role, count};
use crate::causes::with_causes;
use crate::cluster::inherited_link;
use crate::watcher::{Builder, MainError};
use crate::{Cluster, Watcher};

/// What can be said of processes only.
const OF_PROCESSES: [&str; 8] = [
    "workers",
    "max_memory",
    "env",
    "chdir",
    "user",
    "group",
    "umask",
    "new_privileges",
];

/// The flags of a program that is its own watcher: those of a cluster, and `--threads`. Flatten them into your own
/// `clap` parser and have [`ServerArgs::run`] do the rest.
///
/// ```no_run
/// use clap::Parser;
///
/// #[derive(Parser)]
/// struct Flags {
///     #[command(flatten)]
///     server: everport::cli::ServerArgs,
/// }
///
/// fn main() -> std::process::ExitCode {
///     Flags::parse().server.run(serve)
/// }
///
/// async fn serve(cluster: everport::Cluster) -> Result<(), Box<dyn std::error::Error>> {
///     let listener = cluster.listen("0.0.0.0:8080").await?;
///     loop {
///         tokio::select! {
///             accepted = listener.accept() => drop(accepted?),
///             () = cluster.terminated() => break,
///         }
///     }
///     cluster.leave().await?;
///     Ok(())
/// }
/// ```
// This text is for the documentation only: what a program says about itself is its own affair.
#[derive(Debug, Clone, clap::Args)]
#[command(about = None, long_about = None)]
pub struct ServerArgs {
    #[command(flatten)]
    cluster: ClusterArgs,

    /// How many workers serve, as threads of this process instead
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = count::parse,
        conflicts_with_all = OF_PROCESSES, help_heading = CLUSTER)]
    threads: Option<u32>,

    /// End the process, after a graceful stop, when a thread hangs and cannot be ended
    #[arg(long, requires = "threads", conflicts_with = "workers", help_heading = CLUSTER)]
    exit_on_abandoned_thread: bool,
}

impl ServerArgs {
    /// Runs the program, and returns what it exits with. Call it first and once, outside of a runtime.
    ///
    /// `main` is what a worker does. It runs
    /// - in a process that a watcher has started: `everport run`, or this program with `--workers`;
    /// - with `--threads N` in each of N threads, and in each successor of one: what it captures, they share;
    /// - standalone otherwise.
    ///
    /// Each time it has a current-thread runtime of its own, with everything enabled. With `--workers` or `--threads`
    /// this process watches, as the `everport` command does: its signals, its log, its pid file and its exit codes are
    /// that command's.
    ///
    /// A worker that returns an error, or panics, has failed. In a process of its own the error is told on standard
    /// error, and the exit code is 1, or 101 after a panic, as Rust has it; standalone likewise. A thread that fails
    /// ends nothing but itself: what it says is in the log with its end. See [`Watcher::threads`] for what threads cannot
    /// do.
    pub fn run<Main, E, Kind>(self, main: Main) -> ExitCode
    where
        Main: AsyncFn(Cluster) -> Result<(), E> + Send + Sync + 'static,
        E: MainError<Kind>,
    {
        let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return CommandError::Runtime(error).report().into(),
        };
        match self.threads {
            Some(threads) if !inherited_link() => {
                let threads = Watcher::threads(threads, main);
                runtime.block_on(self.watch(threads))
            }
            _ => runtime.block_on(be_a_process(self.cluster, main)),
        }
    }

    async fn watch(&self, threads: Builder) -> ExitCode {
        let threads = match self.exit_on_abandoned_thread {
            true => threads.exit_on_abandoned_thread(),
            false => threads,
        };
        let ended = run_threads(&self.cluster, threads).await;
        ended.unwrap_or_else(|error| error.report()).into()
    }
}

/// What this process does that has no threads as workers: it serves, or watches others that do.
async fn be_a_process<E: MainError<Kind>, Kind>(
    args: ClusterArgs,
    main: impl AsyncFn(Cluster) -> Result<(), E>,
) -> ExitCode {
    let served = match args.join().await {
        Ok(Role::Worker(cluster)) => main(cluster).await.map_err(E::into_text),
        Ok(Role::Watched(code)) => return code,
        Err(error) => Err(with_causes(&error)),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever closed our standard error does not want to know.
            let _ = writeln!(io::stderr(), "Error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        server: ServerArgs,
    }

    #[test]
    fn the_parser_is_consistent() {
        Flags::command().debug_assert();
    }

    #[test]
    fn what_threads_can_be_told_is_taken() {
        let words = "server --threads 4 --share transfer --pin --settle 0 -l debug --max-connections 9 --core-dumps \
                     --exit-on-abandoned-thread";
        let flags = Flags::try_parse_from(words.split_whitespace()).unwrap();
        assert_eq!(flags.server.threads, Some(4));
        assert!(flags.server.exit_on_abandoned_thread);
    }

    #[test]
    fn what_only_processes_can_have_is_refused_by_name() {
        let of_processes = [
            "--workers 4",
            "--max-memory 1G",
            "--env A=b",
            "--chdir /",
            "--user www",
            "--group www",
            "--umask 027",
            "--new-privileges",
        ];
        assert_eq!(of_processes.len(), OF_PROCESSES.len());
        for option in of_processes {
            let words = format!("server --threads 4 {option}");
            let refused = Flags::try_parse_from(words.split_whitespace()).unwrap_err();
            assert_eq!(refused.exit_code(), 2);
            let text = refused.to_string();
            let name = option.split_whitespace().next().unwrap();
            assert!(
                text.contains("'--threads <N>' cannot be used with"),
                "{text}"
            );
            assert!(text.contains(name), "{text}");
        }
    }

    #[test]
    fn who_has_no_threads_abandons_none() {
        for (words, named) in [("", "--threads <N>"), ("--workers 4", "--workers <N>")] {
            let words = format!("server --exit-on-abandoned-thread {words}");
            let refused = Flags::try_parse_from(words.split_whitespace()).unwrap_err();
            assert!(refused.to_string().contains(named), "{refused}");
        }
    }
}
