//! A protocol of lines: each is answered by `ok` and the line in capitals, for as many lines as a client likes to send.
//!
//! A worker that drains says `bye` once. A client that reads it sends nothing more, reads the answers that are still to come, and connects
//! again: so it loses nothing. A line that was acted upon has its answer; one without an answer can be sent again.

mod conversation;
mod lines;

use std::time::Duration;

use everport::Cluster;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How long a worker waits for a descriptor to become free.
const PAUSE: Duration = Duration::from_millis(50);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8083");
    let cluster = Cluster::join().await?;
    let listener = cluster.listen(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let mut conversations = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = cluster.terminated() => break,
        };
        match accepted {
            Ok((client, _address)) => {
                conversations.spawn(conversation::hold(client, cluster.draining()));
            }
            Err(_) => sleep(PAUSE).await,
        }
        // Those that have ended are forgotten.
        while conversations.try_join_next().is_some() {}
    }
    while conversations.join_next().await.is_some() {}
    cluster.leave().await?;
    Ok(())
}
