//! Answers and connections that take their time.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use everport::Cluster;
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Sleep;

use super::service::{Parameters, milliseconds};

/// The routes of this module.
pub(super) fn router(cluster: &Cluster) -> Router {
    let cluster = cluster.clone();
    Router::new()
        .route("/upload", post(upload))
        .route("/download", get(download))
        .route(
            "/upgrade",
            get(move |request| upgrade(cluster.clone(), request)),
        )
}

/// Says how many bytes came.
async fn upload(body: Bytes) -> String {
    format!("{} bytes", body.len())
}

/// Ten lines in as much time as was asked for.
async fn download(parameters: Parameters) -> Body {
    println!("download begins");
    let pause = milliseconds(&parameters) / LINES;
    Body::new(Slow {
        pause,
        left: LINES,
        sleep: Box::pin(tokio::time::sleep(pause)),
    })
}

const LINES: u32 = 10;

/// A body that comes line by line.
struct Slow {
    pause: Duration,
    left: u32,
    sleep: Pin<Box<Sleep>>,
}

impl HttpBody for Slow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        ready!(self.sleep.as_mut().poll(cx));
        self.left -= 1;
        let next = tokio::time::Instant::now() + self.pause;
        self.sleep.as_mut().reset(next);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"line\n")))))
    }
}

/// Echoes byte by byte what comes; says goodbye when the drain begins, and then goes on.
async fn upgrade(cluster: Cluster, request: Request) -> impl IntoResponse {
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else {
            return; // the client has gone
        };
        // It ends when the client does, or at the drain's deadline.
        let _ended = echo(cluster, TokioIo::new(upgraded)).await;
        println!("the upgraded connection has ended");
    });
    let headers = [
        (header::UPGRADE, "everport-test"),
        (header::CONNECTION, "upgrade"),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers)
}

async fn echo(
    cluster: Cluster,
    mut connection: TokioIo<hyper::upgrade::Upgraded>,
) -> std::io::Result<()> {
    let mut has_said_goodbye = false;
    loop {
        tokio::select! {
            byte = connection.read_u8() => connection.write_u8(byte?).await?,
            () = cluster.draining(), if !has_said_goodbye => {
                connection.write_all(b"goodbye").await?;
                has_said_goodbye = true;
            }
        }
    }
}
