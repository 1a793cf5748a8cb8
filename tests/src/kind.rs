//! What the workers of a cluster under test are, so that one test shows a promise for both.

use std::process::Command;

use crate::Cluster;
use crate::process::program;

/// What the workers of a cluster are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Processes, which `everport run` watches.
    Processes,
    /// Threads of the program itself.
    Threads,
}

/// Makes each of these functions, which take a [`Kind`], a test of every kind: `name::processes` and `name::threads`. Those
/// after `async` run on a runtime with several threads.
#[macro_export]
macro_rules! for_each_kind {
    (async $($test:ident),+ $(,)?) => { $(
        mod $test {
            use $crate::Kind;

            #[tokio::test(flavor = "multi_thread")]
            async fn processes() {
                super::$test(Kind::Processes).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn threads() {
                super::$test(Kind::Threads).await;
            }
        }
    )+ };
    ($($test:ident),+ $(,)?) => { $(
        mod $test {
            use $crate::Kind;

            #[test]
            fn processes() {
                super::$test(Kind::Processes);
            }

            #[test]
            fn threads() {
                super::$test(Kind::Threads);
            }
        }
    )+ };
}

impl Kind {
    /// A cluster of test workers: options with `-w N` among them, and arguments of the worker, each as words.
    #[must_use]
    pub fn command(self, options: &str, arguments: &str) -> Command {
        let arguments = arguments.split_whitespace();
        match self {
            Self::Processes => {
                let mut command = Cluster::command(options.split_whitespace());
                command.arg("--").arg(program("test-worker"));
                command.args(arguments);
                command
            }
            Self::Threads => {
                let mut command = Cluster::threads(options.split_whitespace());
                command.args(arguments);
                command
            }
        }
    }

    /// Starts such a cluster.
    #[must_use]
    pub fn start(self, options: &str, arguments: &str) -> Cluster {
        Cluster::spawn(self.command(options, arguments))
    }

    /// Starts it and waits until every slot has a ready worker.
    #[must_use]
    pub fn ready(self, options: &str, arguments: &str) -> Cluster {
        let cluster = self.start(options, arguments);
        cluster.wait_until_ready();
        cluster
    }

    /// What is told of a worker that has done its part.
    #[must_use]
    pub fn ended(self) -> &'static str {
        match self {
            Self::Processes => "ended: exited",
            Self::Threads => "ended: returned",
        }
    }
}
