//! The form of standalone lines, until they are those of the cluster's log.

use std::time::SystemTime;

use crate::log::{Record, Source};

/// A form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// Colour.
    Pretty,
    /// No colour.
    Plain,
    /// JSON.
    Json,
}

pub(super) struct Formatter;

impl Formatter {
    pub(super) fn standalone(_format: LogFormat) -> Self {
        Self
    }

    pub(super) fn push_lost(
        &mut self,
        out: &mut Vec<u8>,
        _at: SystemTime,
        count: u64,
        cause: &str,
    ) {
        out.extend_from_slice(format!("{count} entries lost: {cause}\n").as_bytes());
    }

    pub(super) fn push_record(
        &mut self,
        out: &mut Vec<u8>,
        _: Option<&Source>,
        record: &Record<'_>,
    ) {
        out.extend_from_slice(record.message.as_bytes());
        out.push(b'\n');
    }
}
