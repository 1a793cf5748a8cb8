//! What is answered.

use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue};
use axum::routing::get;

/// Says hello, and that it is this worker who does.
pub(crate) fn service(worker: u64) -> Router {
    let worker = HeaderValue::from(worker);
    let hello = async move || ([(WORKER, worker)], GREETING);
    Router::new()
        .route("/", get(hello))
        .route("/block/{ms}", get(block))
        .route("/spin/{ms}", get(spin))
}

const WORKER: HeaderName = HeaderName::from_static("x-worker");
const GREETING: &str = "Hello, World!";

/// Keeps the only thread waiting, so that nothing else is served meanwhile.
async fn block(Path(milliseconds): Path<u64>) -> &'static str {
    thread::sleep(Duration::from_millis(milliseconds));
    GREETING
}

/// Keeps the only thread, and a core, busy in a loop.
async fn spin(Path(milliseconds): Path<u64>) -> &'static str {
    println!("spinning");
    let end = Instant::now() + Duration::from_millis(milliseconds);
    while Instant::now() < end {
        std::hint::spin_loop();
    }
    GREETING
}
