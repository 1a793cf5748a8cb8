//! A gRPC server by tonic whose connections everport serves: in a cluster or standalone.

use everport::Cluster;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::health_reporter;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1);
    let cluster = Cluster::join().await?;
    let listener = cluster
        .listen(address.as_deref().unwrap_or("0.0.0.0:50051"))
        .await?;
    println!("listening on {}", listener.local_addr()?);

    let (health, service) = health_reporter();
    let leaving = cluster.leaving();
    tokio::spawn(async move {
        leaving.await;
        let status = ServingStatus::NotServing;
        health.set_service_status("", status).await;
    });
    let routes = Routes::new(service); // .add_service(ShopServer::new(shop))
    everport::http::serve(&cluster, listener, routes.prepare()).await?;
    cluster.leave().await?;
    Ok(())
}
