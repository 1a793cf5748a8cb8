//! Answers each connection on port 8081 with a line that says which worker it came to.

use tokio::io::AsyncWriteExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let cluster = everport::Cluster::join().await?;
    let listener = cluster.listen("127.0.0.1:8081").await?;
    let line = match (cluster.id(), cluster.slot()) {
        (Some(worker), Some(slot)) => format!("Hello from worker {worker} in slot {slot}!\n"),
        _ => "Hello from a program without a cluster!\n".to_owned(),
    };
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (mut connection, _client) = accepted?;
                // A client that has gone away misses its line.
                let _sent = connection.write_all(line.as_bytes()).await;
                let _closed = connection.shutdown().await;
            }
            () = cluster.terminated() => break,
        }
    }
    cluster.leave().await?;
    Ok(())
}
