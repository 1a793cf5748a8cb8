//! tonic's services are routes, which everport serves like those of axum.

use everport::{Cluster, TcpListener};
use tonic::service::Routes;
use tonic_health::pb::health_server::{Health, HealthServer};

pub(crate) async fn serve(
    cluster: &Cluster,
    listener: TcpListener,
    health: HealthServer<impl Health>,
) -> anyhow::Result<()> {
    // Further services are added by `add_service`.
    let routes = Routes::new(health);
    everport::http::serve(cluster, listener, routes.prepare()).await?;
    Ok(())
}
