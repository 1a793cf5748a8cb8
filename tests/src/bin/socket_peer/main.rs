//! The other end of a transfer, as a process of its own: its standard input is the stream, its argument what it does.

mod churn;
mod patience;
mod scarcity;
mod service;

use std::error::Error;
use std::os::fd::AsFd;

use everport::transfer::{Receiver, Sender, Socket};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("serve") => service::serve(Receiver::from_std(stream()?)?).await,
        Some("take") => service::take(Receiver::from_std(stream()?)?).await,
        Some("run-out") => scarcity::run_out(Receiver::from_std(stream()?)?).await,
        Some("overload") => scarcity::overload().await,
        Some("stop-midway") => service::stop_midway(Sender::from_std(stream()?)?).await,
        Some("churn") => churn::churn().await,
        other => Err(format!("cannot {other:?}").into()),
    }
}

/// What whoever started this gave to it.
fn stream() -> Result<std::os::unix::net::UnixStream, Box<dyn Error>> {
    let input = std::io::stdin().as_fd().try_clone_to_owned()?;
    Ok(Socket::try_from(input)?.try_into()?)
}
