//! The server as its own watcher, with workers that are threads.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use everport::cli::ServerArgs;

use crate::serving;

#[derive(Debug, Parser)]
struct Options {
    /// Listens there
    #[arg(long, value_name = "ADDR")]
    listen: String,
    /// Serves by `everport::http` instead of `axum::serve`
    #[arg(long)]
    everport_http: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Watches and serves until it is told to stop.
pub(crate) fn run(words: impl Iterator<Item = OsString>) -> ExitCode {
    // Worker processes have sessions of their own, and Linux may share the processors out by session: threads are
    // to compete with the load generator on the same terms. It fails only for the leader of a group.
    rustix::process::setsid().ok();
    let options = Options::parse_from(words);
    let (address, by_everport) = (options.listen, options.everport_http);
    let serve = async move |cluster| serving::in_cluster(&cluster, &address, by_everport).await;
    options.server.run(serve)
}
