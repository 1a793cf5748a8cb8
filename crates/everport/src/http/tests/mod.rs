//! What is promised about drains of HTTP connections, tried with clients that speak it byte by byte.

#[cfg(feature = "axum")]
mod axum;
mod bodies;
mod closing;
mod connection_header;
mod ending;
mod farewell;
mod handshakes;
mod http2;
mod scene;
mod upgrading;
