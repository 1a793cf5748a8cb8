//! Clients of HTTP/2 that send request after request on one connection, and retry nothing that was sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use everport_tests::{Cluster, PATIENCE, take_turn};
use h2::RecvStream;
use h2::client::SendRequest;
use hyper::body::Bytes;
use hyper::{Request, Response};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What the clients have seen together.
#[derive(Default)]
struct Tally {
    answered: AtomicU64,
    connections: AtomicU64,
    is_over: AtomicBool,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn connect(address: SocketAddr, tally: &Tally) -> Result<SendRequest<Bytes>, Failure> {
    let stream = TcpStream::connect(address).await?;
    let (sender, connection) = h2::client::handshake(stream).await?;
    tokio::spawn(connection);
    tally.connections.fetch_add(1, Ordering::Relaxed);
    Ok(sender)
}

/// Sends requests until all is over; the first failure ends it.
async fn send_requests(address: SocketAddr, path: &str, tally: &Tally) -> Result<(), Failure> {
    let mut sender = connect(address, tally).await?;
    while !tally.is_over.load(Ordering::Relaxed) {
        let request = Request::get(format!("http://{address}{path}")).body(())?;
        let sent = match sender.clone().ready().await {
            Ok(mut ready) => ready.send_request(request, true),
            Err(error) => Err(error),
        };
        let answer = match sent {
            Ok((answer, _)) => answer.await.map(Some),
            Err(_) => Ok(None), // a connection that was sent away opens no more streams
        };
        match answer {
            Ok(Some(answer)) => read(answer, tally).await?,
            Ok(None) => sender = connect(address, tally).await?,
            Err(error) if was_never_accepted(&error) => sender = connect(address, tally).await?,
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Whether the server has named the last stream that it serves, and this request has a later one, or none. A
/// request that crosses the first `GOAWAY` is served. One that the client holds back until it has answered the
/// server's ping is not, and the client knows that.
fn was_never_accepted(error: &h2::Error) -> bool {
    error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
}

/// Reads an answer to its end.
async fn read(answer: Response<RecvStream>, tally: &Tally) -> Result<(), Failure> {
    if answer.status() != 200 {
        return Err(answer.status().as_str().into());
    }
    let mut body = answer.into_body();
    let mut text = Vec::new();
    while let Some(piece) = body.data().await {
        text.extend_from_slice(&piece?);
    }
    if text != b"Hello, World!" {
        return Err(String::from_utf8_lossy(&text).into());
    }
    tally.answered.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

async fn answered(tally: &Tally, more: u64) {
    let wanted = tally.answered.load(Ordering::Relaxed) + more;
    let enough = async {
        while tally.answered.load(Ordering::Relaxed) < wanted {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let reached = tokio::time::timeout(PATIENCE, enough).await;
    reached.expect("the clients get on");
}

async fn restarts_lose_no_request(share: &str) {
    const CLIENTS: u64 = 16;
    const RESTARTS: u64 = 4;
    let options = format!("-w 4 --settle 0 --share {share}");
    let cluster = Arc::new(Cluster::ready(&options, "--http --listen 127.0.0.1:0"));
    let tally = Arc::new(Tally::default());
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (address, tally) = (cluster.address(), Arc::clone(&tally));
        let path = if number % 2 == 0 { "/" } else { "/slow?ms=20" };
        clients.spawn(async move { send_requests(address, path, &tally).await });
    }
    for _ in 0..RESTARTS {
        answered(&tally, 100).await;
        let restarted = Arc::clone(&cluster);
        tokio::task::spawn_blocking(move || restarted.restart())
            .await
            .unwrap();
    }
    answered(&tally, 100).await;
    tally.is_over.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.unwrap().unwrap();
    }
    let connections = tally.connections.load(Ordering::Relaxed);
    assert!(
        connections >= CLIENTS * (RESTARTS + 1),
        "only {connections} connections: nobody was sent away"
    );
}

#[test]
fn rolling_restarts_lose_no_request_of_http2() {
    let _turn = take_turn();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for share in ["reuseport", "transfer"] {
        runtime.block_on(restarts_lose_no_request(share));
    }
}
