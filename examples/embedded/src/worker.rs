//! What a worker does: it greets whoever asks, and tells the application of it.

use axum::extract::{Path, State};
use axum::{Router, routing::get};
use everport::Cluster;
use serde::{Deserialize, Serialize};

/// Whom a worker has greeted.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Greeted {
    pub(crate) name: String,
}

/// Serves until the cluster wants it to leave.
pub(crate) async fn serve(cluster: Cluster, address: &str) -> anyhow::Result<()> {
    let listener = cluster.listen(address).await?;
    let app = Router::new().route("/{name}", get(greet));
    everport::http::serve(&cluster, listener, app.with_state(cluster.clone())).await?;
    cluster.leave().await?;
    Ok(())
}

async fn greet(State(cluster): State<Cluster>, Path(name): Path<String>) -> String {
    let greeting = format!("Hello, {name}!\n");
    // That nobody counts keeps nobody from being greeted.
    let _uncounted = cluster.send("greeted", &Greeted { name }).await;
    greeting
}
