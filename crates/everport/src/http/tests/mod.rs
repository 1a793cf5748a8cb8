//! What is promised about drains of HTTP connections, tried with clients that speak it byte by byte.

#[cfg(feature = "axum")]
mod axum;
mod closing;
mod ending;
mod http2;
mod scene;
mod upgrading;
