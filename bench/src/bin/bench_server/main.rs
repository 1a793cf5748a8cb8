//! The server under test: "Hello, World!" over HTTP, in a cluster or by itself.

mod service;
mod serving;
mod threads;

use std::env;
use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::{self, Runtime};

#[derive(Debug, Parser)]
struct Options {
    /// Joins its cluster and listens there
    #[arg(long, value_name = "ADDR", required_unless_present = "unmanaged")]
    listen: Option<String>,
    /// Binds by itself with `SO_REUSEPORT`, says where, and serves
    #[arg(long, value_name = "ADDR", conflicts_with = "listen")]
    unmanaged: Option<SocketAddr>,
    /// Serves by so many threads of one runtime
    #[arg(long, value_name = "N", requires = "unmanaged")]
    multi_threaded: Option<usize>,
    /// Serves by `everport::http` instead of `axum::serve`
    #[arg(long, requires = "listen")]
    everport_http: bool,
    /// Dies at once as long as this file is there
    #[arg(long, value_name = "FILE", requires = "listen")]
    broken_while: Option<PathBuf>,
}

/// What a command line with the flags of a watcher of threads begins with.
const AS_THREADS: &str = "as-threads";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    // Parsed by itself: its many flags would cost every worker process some of its start.
    let mut words = env::args_os();
    if words.nth(1).is_some_and(|word| word == AS_THREADS) {
        return Ok(threads::run([AS_THREADS.into()].into_iter().chain(words)));
    }
    let options = Options::parse();
    if options.broken_while.is_some_and(|file| file.exists()) {
        return Err("this release is broken".into());
    }
    let runtime = runtime_of(options.multi_threaded)?;
    match (options.listen, options.unmanaged) {
        (Some(address), _) => runtime.block_on(serving::join(&address, options.everport_http))?,
        (None, Some(address)) => runtime.block_on(serving::unmanaged(address))?,
        (None, None) => return Err("an address is required".into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime_of(threads: Option<usize>) -> std::io::Result<Runtime> {
    match threads {
        Some(threads) => runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build(),
        None => runtime::Builder::new_current_thread().enable_all().build(),
    }
}
