//! Makes text from strangers harmless: what could drive a terminal or forge a line is shown, not obeyed.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::io::Write as _;

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
            let written = write!(escaped, "{}", Visible(character));
            debug_assert!(written.is_ok(), "writing to a String does not fail");
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Appends the same to a buffer.
pub(super) fn push_escaped(out: &mut Vec<u8>, text: &str) {
    if each_byte(text, |byte| matches!(byte, b' '..=b'~' | b'\t')) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let mut rest = text;
    while let Some(at) = rest.find(is_harmful) {
        let (harmless, from) = rest.split_at(at);
        let mut characters = from.chars();
        out.extend_from_slice(harmless.as_bytes());
        characters
            .next()
            .into_iter()
            .for_each(|character| push_visible(out, character));
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
}

/// Appends a text in quotation marks: where it ends cannot be mistaken.
pub(super) fn push_quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if is_plain(text) {
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\t' => out.extend_from_slice(b"\\t"),
            _ if is_harmful(character) => push_visible(out, character),
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// Whether a text is printable ASCII without quotation marks and backslashes, as most texts are: it stands for itself
/// between quotation marks.
pub(super) fn is_plain(text: &str) -> bool {
    each_byte(text, |byte| {
        matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\')
    })
}

/// Whether a text needs no quotation marks beside others: it has no space, and nothing that stands between words.
pub(super) fn is_plain_word(text: &str) -> bool {
    if text.is_ascii() {
        return !text.is_empty() & each_byte(text, is_of_a_word);
    }
    text.chars().all(|character| match u8::try_from(character) {
        Ok(byte) if byte.is_ascii() => is_of_a_word(byte),
        _ => !character.is_whitespace() && !is_harmful(character),
    })
}

fn is_of_a_word(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') & !matches!(byte, b'"' | b'\\' | b'=' | b'{' | b'}')
}

/// Looks at all bytes whatever the first ones are: that is faster, because it can be done for many at once.
pub(super) fn each_byte(text: &str, is_fine: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(true, |all, byte| all & is_fine(byte))
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

pub(super) fn is_harmful(character: char) -> bool {
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

fn push_visible(out: &mut Vec<u8>, character: char) {
    let written = write!(out, "{}", Visible(character));
    debug_assert!(written.is_ok(), "writing to memory does not fail");
}

/// A harmful character as people see it.
struct Visible(char);

impl Display for Visible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u32::from(self.0) {
            0x0a => f.write_str("\\n"),
            0x0d => f.write_str("\\r"),
            code @ 0..=0x7f => write!(f, "\\x{code:02x}"),
            code => write!(f, "\\u{{{code:x}}}"),
        }
    }
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
