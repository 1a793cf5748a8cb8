//! An application that runs a cluster of its own: application, watcher and workers in one program.

mod application;
mod worker;

use everport::Cluster;

/// `embedded [ADDRESS]` is the application. Its workers are processes of the same program, told apart by who started
/// them.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080");
    if Cluster::is_worker_process() {
        worker::serve(Cluster::join().await?, address).await
    } else {
        application::run(address).await
    }
}
