//! Routers of axum, over every listener.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::scene::{NEVER, Scene};
use crate::cluster::tests::harness::{on_both_runtimes, within};
use crate::http::{Peer, Server};

const LAST_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";

#[test]
fn a_router_learns_who_its_client_is_when_it_asks() {
    on_both_runtimes(async || {
        let handler =
            async |ConnectInfo(client): ConnectInfo<SocketAddr>,
                   axum::Extension(Peer(peer)): axum::Extension<Peer<SocketAddr>>| {
                assert_eq!(client, peer);
                client.to_string()
            };
        let app = Router::new().route("/", get(handler));
        let scene = Scene::open_with(Server::with_peer, std::sync::Arc::default(), app).await;
        let mut client = scene.client().await;
        client.0.write_all(LAST_REQUEST).await.unwrap();
        let answer = client.rest().await;
        let address = client.0.local_addr().unwrap().to_string();
        assert!(answer.ends_with(&address), "{answer}");
    });
}

#[test]
fn tcp_and_unix_sockets_are_served_side_by_side() {
    on_both_runtimes(async || {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let cluster = crate::cluster::tests::standalone::standalone();
        let tcp = within(cluster.listen("127.0.0.1:0")).await.unwrap();
        let unix = within(cluster.listen_unix(&path)).await.unwrap();
        let address = tcp.local_addr().unwrap();
        let app = Router::new().route("/", get("Hello, World!"));
        let server = Server::new(&cluster).idle_minimum_on_stop(NEVER);
        let serving =
            async { tokio::try_join!(server.serve(tcp, app.clone()), server.serve(unix, app)) };
        let asking = async {
            let mut answer = String::new();
            let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
            client.write_all(LAST_REQUEST).await.unwrap();
            client.read_to_string(&mut answer).await.unwrap();
            let mut client = tokio::net::UnixStream::connect(&path).await.unwrap();
            client.write_all(LAST_REQUEST).await.unwrap();
            client.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer.matches("Hello, World!").count(), 2, "{answer}");
            cluster.state.leave_alone();
        };
        let (served, ()) = within(async { tokio::join!(serving, asking) }).await;
        served.unwrap();
        within(cluster.leave()).await.unwrap();
    });
}
