//! The little of HTTP/1.1 that a strict client of its own server needs.

mod answer;
mod exchange;

pub use answer::Response;
pub(crate) use answer::{Answer, excerpt};
pub(crate) use exchange::{Fault, exchange, request};
