//! Single requests to a server under test, by somebody who waits for the answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use everport_tests::PATIENCE;

/// Asks until there is an answer, and says when that was.
pub(crate) fn first_answer(address: SocketAddr) -> Option<Instant> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if answers(address) {
            return Some(Instant::now());
        }
        thread::sleep(ASK_EVERY);
    }
    None
}

/// Asks once. Whether the answer came, whole.
pub(crate) fn answers(address: SocketAddr) -> bool {
    let Ok(mut connection) = TcpStream::connect(address) else {
        return false;
    };
    let mut answer = Vec::new();
    let exchanged = connection
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| connection.write_all(REQUEST))
        .and_then(|()| connection.read_to_end(&mut answer));
    exchanged.is_ok() && answer.ends_with(b"Hello, World!")
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
/// Finer than what is measured, and no burden to two cores.
pub(crate) const ASK_EVERY: Duration = Duration::from_micros(500);
