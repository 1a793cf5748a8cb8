//! Writes the fields of events and spans into a record.

use std::error::Error;
use std::fmt;

use tracing_core::field::{Field, Visit};

use crate::record::Encoder;

/// The field that `tracing` puts an event's text into.
const MESSAGE: &str = "message";

/// What `tracing-log` puts beside the text of a record of the `log` crate. It stands in the event's own metadata once
/// that is normalised.
const OF_LOG: &str = "log.";

/// Writes an event's fields.
pub(super) struct EventFields<'a> {
    pub(super) encoder: &'a mut Encoder,
    /// Whether the event comes from the `log` crate.
    pub(super) is_log: bool,
}

/// Writes a span's fields.
pub(super) struct SpanFields<'a>(pub(super) &'a mut Encoder);

/// The causes of an error, one after the other.
struct WithSources<'a>(&'a (dyn Error + 'static));

impl EventFields<'_> {
    fn hides(&self, field: &Field) -> bool {
        self.is_log && field.name().starts_with(OF_LOG)
    }
}

impl Visit for EventFields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            self.encoder.message_display(format_args!("{value:?}"));
        } else if !self.hides(field) {
            SpanFields(self.encoder).record_debug(field, value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE {
            self.encoder.message(value);
        } else if !self.hides(field) {
            SpanFields(self.encoder).record_str(field, value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if !self.hides(field) {
            SpanFields(self.encoder).record_u64(field, value);
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        SpanFields(self.encoder).record_f64(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        SpanFields(self.encoder).record_i64(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        SpanFields(self.encoder).record_i128(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        SpanFields(self.encoder).record_u128(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        SpanFields(self.encoder).record_bool(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        SpanFields(self.encoder).record_error(field, value);
    }
}

impl Visit for SpanFields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.float(name(field), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.signed(name(field), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.unsigned(name(field), value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.0.signed_128(name(field), value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.0.unsigned_128(name(field), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.bool(name(field), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.text(name(field), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let value = WithSources(value);
        self.0.display(name(field), format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.display(name(field), format_args!("{value:?}"));
    }
}

impl fmt::Display for WithSources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// A field's name as it was meant: `type` has to be written `r#type` in Rust.
fn name(field: &Field) -> &'static str {
    let name = field.name();
    name.strip_prefix("r#").unwrap_or(name)
}
