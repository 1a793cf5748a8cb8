//! Serves one connection after the other, so that there is an instant at which nobody is being served.

use std::io;

use super::end::fail;
use everport::TcpListener;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// After how many connections it is over: by then the watcher knows that this worker is ready.
const SOME: u32 = 5;

/// Serves some connections, then dies. Whoever comes later waits in the queue for somebody else.
pub(super) async fn serve_some_and_die(listener: &TcpListener, release: &str) -> io::Result<()> {
    for _ in 0..SOME {
        let (connection, _client) = listener.accept().await?;
        answer(connection, release).await?;
    }
    let words = format!("release {release} is broken in slot 2");
    Err(io::Error::other(fail(3, &words).to_string()))
}

async fn answer(
    connection: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    release: &str,
) -> io::Result<()> {
    let mut connection = BufReader::new(connection);
    let mut line = String::new();
    while connection.read_line(&mut line).await? > 2 {
        line.clear();
    }
    let body = "Hello, World!";
    let head = format!(
        "content-length: {}\r\nconnection: close\r\nx-release: {release}",
        body.len()
    );
    let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}");
    connection.write_all(answer.as_bytes()).await?;
    connection.shutdown().await
}
