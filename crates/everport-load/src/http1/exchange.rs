//! One request and its answer on a connection.

use std::io;

use super::answer::Answer;
use crate::connection::Connection;

/// Why there is no whole answer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The connection ended: in good order, or by an error.
    Broken(Option<io::Error>),
    /// What came is no answer.
    Malformed(String),
}

/// The bytes of the request that a load sends again and again.
pub(crate) fn request(path: &str, host: &str, closes: bool) -> Vec<u8> {
    let connection = if closes { "Connection: close\r\n" } else { "" };
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n{connection}\r\n").into_bytes()
}

/// Sends a request and reads its whole answer into the connection's buffer.
///
/// Not cancellation safe: the connection is of no more use afterwards. What was read stays in its buffer.
pub(crate) async fn exchange(connection: &mut Connection, request: &[u8]) -> Result<Answer, Fault> {
    connection.received.clear();
    let sent = connection.write_all(request).await;
    sent.map_err(|error| Fault::Broken(Some(error)))?;
    loop {
        match connection.read().await {
            Ok(0) => return Err(Fault::Broken(None)),
            Ok(_) => {}
            Err(error) => return Err(Fault::Broken(Some(error))),
        }
        if connection.received.len() > LONGEST_ANSWER {
            return Err(Fault::Malformed(format!(
                "longer than {LONGEST_ANSWER} bytes"
            )));
        }
        if let Some(answer) = Answer::parse(&connection.received).map_err(Fault::Malformed)? {
            return Ok(answer);
        }
    }
}

/// Far more than any server under test sends; it bounds the memory that a wrong one can take.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;
