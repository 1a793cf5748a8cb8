//! Accepts connections by itself and has hyper serve each of them: in a cluster or standalone.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use everport::http::Server;
use everport::{Cluster, TcpListener};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1);
    let cluster = Cluster::join().await?;
    let listener = cluster
        .listen(address.as_deref().unwrap_or("0.0.0.0:8080"))
        .await?;
    println!("listening on {}", listener.local_addr()?);
    tokio::select! {
        () = serve(&cluster, listener) => {}
        () = cluster.terminated() => {}
    }
    // Waits for the connections that are still being served.
    cluster.leave().await?;
    Ok(())
}

/// Accepts for ever. Each connection has a task of its own.
async fn serve(cluster: &Cluster, listener: TcpListener) {
    let server = Server::new(cluster);
    loop {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // No descriptor is left: others will be closed.
                eprintln!("cannot accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let service = service_fn(move |request| answer(client, request));
        tokio::spawn(server.serve_connection(stream, service));
    }
}

async fn answer(
    client: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<String>, Infallible> {
    let path = request.uri().path();
    Ok(Response::new(format!("{client} asks for {path}\n")))
}
