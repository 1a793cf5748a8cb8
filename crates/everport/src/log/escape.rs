//! Makes text from strangers harmless: what could drive a terminal or forge a line is shown, not obeyed.

use std::borrow::Cow;
use std::fmt::{Display, Write};

/// The text with every control character but the tab, every bidirectional override and every line
/// separator written as a visible escape such as `\x1b`. Everything else stays, backslashes too.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(is_harmful) else {
        return Cow::Borrowed(text);
    };
    let mut escaped = String::with_capacity(text.len() + 16);
    escaped.push_str(&text[..first]);
    for character in text[first..].chars() {
        if is_harmful(character) {
            push_visible(&mut escaped, character);
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Bytes as harmless text; what is not UTF-8 becomes the replacement character.
pub(crate) fn escape_bytes(bytes: &[u8]) -> String {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => escape(text).into_owned(),
        Cow::Owned(text) => match escape(&text) {
            Cow::Owned(escaped) => escaped,
            Cow::Borrowed(_) => text,
        },
    }
}

/// What a value displays, as harmless text.
pub(crate) fn escape_display(value: impl Display) -> String {
    escape(&value.to_string()).into_owned()
}

fn is_harmful(character: char) -> bool {
    match character {
        '\t' => false,
        ' '..='~' => false,
        _ => character.is_control() || is_invisible_order(character),
    }
}

/// Characters that reorder, hide or break what stands beside them.
fn is_invisible_order(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' // marks of direction
            | '\u{2028}' | '\u{2029}' // line and paragraph separators
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' // overrides and isolates
            | '\u{e0000}'..='\u{e007f}' // invisible tags
    )
}

fn push_visible(text: &mut String, character: char) {
    let code = u32::from(character);
    let written = match code {
        0x0a => text.write_str("\\n"),
        0x0d => text.write_str("\\r"),
        0..=0x7f => write!(text, "\\x{code:02x}"),
        _ => write!(text, "\\u{{{code:x}}}"),
    };
    debug_assert!(written.is_ok(), "writing to a String does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &[u8], expected: &str) {
        assert_eq!(escape_bytes(input), expected, "input {input:?}");
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        check(b"", "");
        check(b"GET /index.html 200", "GET /index.html 200");
        check("a\tb é 漢字 🦀 👩‍💻".as_bytes(), "a\tb é 漢字 🦀 👩‍💻");
        check(br"C:\x1b", r"C:\x1b");
    }

    #[test]
    fn what_drives_a_terminal_is_shown() {
        check(b"\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m");
        check(b"\x1b]0;title\x07", r"\x1b]0;title\x07");
        check(b"50 %\r100 %", r"50 %\r100 %");
        check(b"a\nb\0c\x7f", r"a\nb\x00c\x7f");
        check("\u{9b}31m".as_bytes(), r"\u{9b}31m");
    }

    #[test]
    fn what_reorders_text_is_shown() {
        check("a\u{202e}b\u{2066}c".as_bytes(), r"a\u{202e}b\u{2066}c");
        check("a\u{2028}b\u{200f}".as_bytes(), r"a\u{2028}b\u{200f}");
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced() {
        check(b"caf\xe9", "caf\u{fffd}");
        check(b"\xff\x1b", "\u{fffd}\\x1b");
    }
}
