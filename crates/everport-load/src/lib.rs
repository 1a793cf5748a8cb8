//! The load generator of everport's tests, soak runs and benchmarks.
//!
//! It counts what clients lose, so it is strict where other generators are forgiving: nothing is retried,
//! every answer is checked to its last byte, every failure is named after what the client saw
//! ([`FailureKind`]), and at a constant rate latency counts from the moment at which a request *should*
//! have started, so that a stall shows in every request it delayed.
//!
//! ```no_run
//! use std::time::Duration;
//! use everport_load::{Load, Target};
//!
//! let target: Target = "127.0.0.1:8080".parse()?;
//! let load = Load::new(target).clients(32).one_shot().rate(2000).start()?;
//! load.wait_for_completed(1000, Duration::from_secs(10))?;
//! // Restart the server here.
//! load.wait_for_more(1000, Duration::from_secs(10))?;
//! load.stop().assert_lossless();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client;
mod connection;
mod failure;
mod http1;
mod latency;
mod load;
mod pace;
mod random;
mod recorder;
mod report;
mod running;
mod target;

pub use failure::{FailureKind, Phase};
pub use http1::Response;
pub use latency::Latency;
pub use load::{Load, LoadError};
pub use report::{Bucket, Connections, Example, Report, Trace};
pub use running::{NotReached, RunningLoad};
pub use target::{Target, TargetError};
