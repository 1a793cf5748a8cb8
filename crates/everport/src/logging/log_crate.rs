//! Records of the `log` crate, whose one logger in the process passes them on to `tracing`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing_core::dispatcher::{Dispatch, with_default};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::subscriber::Interest;
use tracing_core::{Event, LevelFilter, Metadata, Subscriber};
use tracing_log::LogTracer;
use tracing_log::log;

use super::InitError;

/// Has the records of the `log` crate come to `tracing`, where another worker or the application has not done so before.
pub(super) fn forward() -> Result<(), InitError> {
    match LogTracer::init() {
        Err(_) if !is_forwarded() => Err(InitError::LoggerSet),
        _ => Ok(()),
    }
}

/// Whether the process's logger asks this thread's subscriber what it wants, as those do that pass records on to it.
fn is_forwarded() -> bool {
    let was_asked = Arc::<AtomicBool>::default();
    let probe = Dispatch::new(Probe(Arc::clone(&was_asked)));
    let question = log::Metadata::builder()
        .level(log::Level::Error)
        .target("everport::logging")
        .build();
    with_default(&probe, || log::logger().enabled(&question));
    was_asked.load(Ordering::SeqCst)
}

/// A subscriber that wants nothing and notes that it was asked.
struct Probe(Arc<AtomicBool>);

impl Subscriber for Probe {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::never() // what other threads log meanwhile is no answer
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        self.0.store(true, Ordering::SeqCst);
        false
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::ERROR)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1) // nobody makes one: none is enabled
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
