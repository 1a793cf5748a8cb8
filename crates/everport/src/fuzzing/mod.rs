//! What is fuzzed: each function takes any bytes, and panics when the code they are for breaks a promise.
//!
//! Not public API: it is there for the targets in `fuzz/` only, and may change or go with any release.

mod address;
mod frames;
mod messages;
mod output;
mod records;
mod transfer;

#[cfg(test)]
mod corpus;

pub use address::address;
pub use frames::{conversation, frame};
pub use messages::message;
pub use output::output;
pub use records::{record, ring};
pub use transfer::transfer;
