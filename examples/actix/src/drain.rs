//! How an actix-web server drains: kept connections end after an answer, or when they have been idle for long enough.

use std::sync::Arc;
use std::time::Duration;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::middleware::Next;
use everport::Cluster;
use tokio::sync::watch;

/// How long a kept connection may be idle before actix closes it. Clients with shorter pauses lose nothing.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// How many connections are open.
#[derive(Clone)]
pub(crate) struct Connections(Arc<watch::Sender<usize>>);

/// One of them, for as long as it is open.
pub(crate) struct Counted(Arc<watch::Sender<usize>>);

impl Default for Connections {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Connections {
    pub(crate) fn count(&self) -> Counted {
        self.0.send_modify(|open| *open += 1);
        Counted(Arc::clone(&self.0))
    }

    async fn none_left(&self) {
        let mut open = self.0.subscribe();
        // It fails only without a sender, and there is one in self.
        let _none = open.wait_for(|open| *open == 0).await;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

/// Middleware: while the worker drains, each answer is the last one of its connection.
pub(crate) async fn end_after_answer(
    cluster: Cluster,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut answer = next.call(request).await?;
    if cluster.is_draining() {
        let head = answer.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    Ok(answer)
}

/// Stops the server once the drain has begun and its connections have ended.
pub(crate) async fn stop_when_idle(cluster: Cluster, server: ServerHandle, open: Connections) {
    cluster.terminated().await;
    server.pause().await;
    // What is still open after that is busy, and actix waits for it.
    let _idle = tokio::time::timeout(KEEP_ALIVE, open.none_left()).await;
    server.stop(true).await;
}
