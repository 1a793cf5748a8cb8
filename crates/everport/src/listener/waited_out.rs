//! Accepting for servers that want connections only: an error is waited out.

use std::io;
use std::time::Duration;

/// How long to wait when this process cannot accept at all: until some connections have ended.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts until there is a connection.
pub(crate) async fn until_accepted<T, F>(accept: impl Fn() -> F) -> T
where
    F: Future<Output = io::Result<T>>,
{
    loop {
        match accept().await {
            Ok(accepted) => return accepted,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
