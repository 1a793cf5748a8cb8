//! Futures that are given up.

use std::pin::pin;
use std::task::Poll;

/// Polls a future so many times, and then drops it.
pub(crate) async fn poll_times<T>(times: u32, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..times {
        let polled = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        // The runtime learns here what has become ready.
        tokio::task::yield_now().await;
    }
    None
}
