//! The layer that hands over what the application logs.

use std::time::SystemTime;

use tracing_core::span::{Attributes, Id, Record as Recorded};
use tracing_core::{Event, Metadata, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::fields::EventFields;
use super::outlet::Outlet;
use super::scratch::Scratch;
use super::spans::{keep_fields, keep_more_fields, push_spans};
use crate::cluster::State;
use crate::log::{Level, LogFormat};
use crate::record::{Encoder, Header};

/// Hands over to the watcher what is logged through `tracing`, or writes it to standard output where there is none.
/// Made by [`Cluster::log_layer`](crate::Cluster::log_layer).
#[derive(Debug, Clone)]
pub struct LogLayer {
    outlet: Outlet,
    tells_location: bool,
}

impl LogLayer {
    pub(super) fn new(state: &State) -> Self {
        Self::with_outlet(Outlet::of(state))
    }

    pub(super) fn with_outlet(outlet: Outlet) -> Self {
        Self {
            outlet,
            tells_location: false,
        }
    }

    /// The form of the lines that a program without a watcher writes. Without this they are in colour on a terminal and
    /// plain elsewhere. In a cluster the watcher decides, and this does nothing.
    #[must_use]
    pub fn with_format(mut self, format: LogFormat) -> Self {
        self.outlet = self.outlet.with_format(format);
        self
    }

    /// Whether records tell where in the source they were made, in fields `file` and `line`, and `module` where that is
    /// not the target. Default: no.
    #[must_use]
    pub fn with_location(mut self, tells_location: bool) -> Self {
        self.tells_location = tells_location;
        self
    }

    fn push_location(&self, encoder: &mut Encoder, metadata: &Metadata<'_>) {
        if let Some(module) = metadata.module_path()
            && module != metadata.target()
        {
            encoder.text("module", module);
        }
        if let Some(file) = metadata.file() {
            encoder.text("file", file);
        }
        if let Some(line) = metadata.line() {
            encoder.unsigned("line", line.into());
        }
    }
}

impl<S: Subscriber + for<'lookup> LookupSpan<'lookup>> Layer<S> for LogLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            keep_fields(&span, attributes);
        }
    }

    fn on_record(&self, id: &Id, values: &Recorded<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            keep_more_fields(&span, values);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let time = SystemTime::now();
        let of_log = event.normalized_metadata();
        let metadata = of_log.as_ref().unwrap_or(event.metadata());
        let mut scratch = Scratch::take();
        let Scratch { encoder, thread } = &mut *scratch;
        encoder.begin(&Header {
            time,
            level: level(metadata.level()),
            thread,
            target: metadata.target(),
        });
        event.record(&mut EventFields {
            encoder,
            is_log: of_log.is_some(),
        });
        if self.tells_location {
            self.push_location(encoder, metadata);
        }
        if let Some(span) = context.event_span(event) {
            push_spans(encoder, span);
        }
        // What cannot be taken is counted where it was to go.
        self.outlet.hand_over(encoder.finish());
        scratch.give_back();
    }
}

fn level(level: &tracing_core::Level) -> Level {
    match *level {
        tracing_core::Level::ERROR => Level::Error,
        tracing_core::Level::WARN => Level::Warn,
        tracing_core::Level::INFO => Level::Info,
        tracing_core::Level::DEBUG => Level::Debug,
        tracing_core::Level::TRACE => Level::Trace,
    }
}
