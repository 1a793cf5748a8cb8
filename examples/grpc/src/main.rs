//! A gRPC server by tonic, whose connections are served by everport or, with `by-tonic`, by tonic: in a cluster or
//! standalone.

mod by_everport;
mod by_tonic;

use everport::Cluster;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next();
    let cluster = Cluster::join().await?;
    let listener = cluster
        .listen(address.as_deref().unwrap_or("0.0.0.0:50051"))
        .await?;
    println!("listening on {}", listener.local_addr()?);

    let (reporter, health) = health_reporter();
    let shop = ServingStatus::Serving;
    reporter.set_service_status("shop", shop).await;
    tokio::spawn(tell_of_the_end(cluster.clone(), reporter));
    match arguments.next().as_deref() {
        Some("by-tonic") => by_tonic::serve(&cluster, listener, health).await?,
        _ => by_everport::serve(&cluster, listener, health).await?,
    }
    cluster.leave().await?;
    Ok(())
}

/// Has the health check fail in time, and ends the streams of those who watch it: they would hold up the drain.
async fn tell_of_the_end(cluster: Cluster, mut reporter: HealthReporter) {
    cluster.leaving().await;
    let status = ServingStatus::NotServing;
    reporter.set_service_status("", status).await;
    cluster.draining().await;
    reporter.clear_service_status("").await;
}
