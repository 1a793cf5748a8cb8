//! The fields of spans, encoded when the spans are made and copied into each record that is made in them.

use tracing_core::field::Visit;
use tracing_core::span::{Attributes, Record as Recorded};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::fields::SpanFields;
use super::scratch::Scratch;
use crate::record::{EncodedFields, Encoder};

/// How many spans a record can be in; of more, the innermost are kept.
const MOST_SPANS: usize = 64;

/// What a span keeps for its records.
struct Kept(EncodedFields);

/// Encodes the fields of a new span.
pub(super) fn keep_fields<'a, S: LookupSpan<'a>>(
    span: &SpanRef<'a, S>,
    attributes: &Attributes<'_>,
) {
    if attributes.fields().is_empty() {
        return;
    }
    let fields = encode(|fields| attributes.record(fields));
    // There may be one already: that of another layer of this kind, which is the same.
    span.extensions_mut().replace(Kept(fields));
}

/// Adds values to a span's fields; those that have the same names are replaced.
pub(super) fn keep_more_fields<'a, S: LookupSpan<'a>>(
    span: &SpanRef<'a, S>,
    values: &Recorded<'_>,
) {
    // Formatted before anything is locked: what is formatted may log.
    let new = encode(|fields| values.record(fields));
    let mut extensions = span.extensions_mut();
    let fields = match extensions.get_mut::<Kept>() {
        Some(Kept(old)) => old.merged_with(&new),
        None => new,
    };
    extensions.replace(Kept(fields));
}

/// Writes the spans from the outermost to this one.
pub(super) fn push_spans<'a, S: LookupSpan<'a>>(encoder: &mut Encoder, innermost: SpanRef<'a, S>) {
    push_with_parents(encoder, &innermost, MOST_SPANS);
}

/// Recursive, so that nothing is allocated to turn the order round: a span knows its parent only.
fn push_with_parents<'a, S: LookupSpan<'a>>(
    encoder: &mut Encoder,
    span: &SpanRef<'a, S>,
    most: usize,
) {
    if let Some(parent) = span.parent() {
        match most {
            1 => encoder.mark_cut(),
            _ => push_with_parents(encoder, &parent, most - 1),
        }
    }
    encoder.span(span.name());
    if let Some(Kept(fields)) = span.extensions().get::<Kept>() {
        encoder.append(fields);
    }
}

fn encode(record: impl FnOnce(&mut dyn Visit)) -> EncodedFields {
    let mut scratch = Scratch::take();
    scratch.encoder.begin_fields_alone();
    record(&mut SpanFields(&mut scratch.encoder));
    let fields = scratch.encoder.finish_fields();
    scratch.give_back();
    fields
}
