//! What workers print.

use crate::log::escape_bytes;
use crate::watcher::{Piece, Splitter};

/// Output that arrives in chunks: the first byte says how long a piece may be, the second how long the
/// chunks are.
///
/// # Panics
/// When something of the output is lost, doubled, too long or harmful, or when the chunks make a difference.
pub fn output(bytes: &[u8]) {
    let [longest, chunk, printed @ ..] = bytes else {
        return;
    };
    let longest = usize::from(*longest).max(4); // any character fits
    let chunked = pieces(printed.chunks(usize::from(*chunk).max(1)), longest);
    let whole = pieces(std::iter::once(printed), longest);
    assert_eq!(chunked, whole, "chunks of {chunk}");
    check_nothing_is_lost(printed, &chunked);
    for (text, _) in &chunked {
        assert!(text.len() <= longest, "{text:?}");
        check_harmless(&escape_bytes(text));
    }
}

/// The pieces with whether they go on.
fn pieces<'a>(chunks: impl Iterator<Item = &'a [u8]>, longest: usize) -> Vec<(Vec<u8>, bool)> {
    let mut splitter = Splitter::new(longest);
    let mut pieces = Vec::new();
    let mut take = |piece: Piece<'_>| pieces.push((piece.bytes.to_vec(), piece.continues));
    for chunk in chunks {
        splitter.push(chunk, &mut take);
    }
    splitter.finish(&mut take);
    pieces
}

/// The pieces are the lines, less their ends.
fn check_nothing_is_lost(printed: &[u8], pieces: &[(Vec<u8>, bool)]) {
    let mut expected: Vec<&[u8]> = printed.split(|byte| *byte == b'\n').collect();
    if expected.last().is_some_and(|line| line.is_empty()) {
        expected.pop();
    }
    let expected = expected
        .into_iter()
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut goes_on = false;
    for (text, continues) in pieces {
        match lines.last_mut().filter(|_| goes_on) {
            Some(line) => line.extend_from_slice(text),
            None => lines.push(text.clone()),
        }
        goes_on = *continues;
    }
    assert!(!goes_on, "the last piece promises another");
    assert!(expected.eq(lines.iter().map(Vec::as_slice)), "{lines:?}");
}

fn check_harmless(text: &str) {
    let harmful = |character: char| character.is_control() && character != '\t';
    assert!(!text.contains(harmful), "{text:?}");
}
