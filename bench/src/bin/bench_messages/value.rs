//! What is sent: the same shape as in `messages.js`.

use serde::{Deserialize, Serialize};

/// One message, or one request and its answer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Value {
    pub(crate) number: u64,
    /// Whether it ends the stream.
    pub(crate) last: bool,
    pub(crate) text: String,
}

impl Value {
    /// About as many bytes of JSON: it grows with the digits of its number.
    pub(crate) fn of_size(bytes: usize) -> Self {
        const FRAME: usize = r#"{"number":123456,"last":false,"text":""}"#.len();
        Self {
            text: "x".repeat(bytes.saturating_sub(FRAME)),
            ..Self::default()
        }
    }
}
