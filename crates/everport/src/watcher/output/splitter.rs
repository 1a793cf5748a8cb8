//! Splits a stream of bytes into whole lines, and over-long lines into pieces.

/// The longest piece of a line, in bytes: a line is kept in memory until it is whole.
pub(super) const LONGEST_PIECE: usize = 16 * 1024;

/// What a buffer for the beginning of a line may keep while it is empty: most lines need none.
const KEPT_CAPACITY: usize = 1024;

/// A line, or a piece of an over-long one, without its end (`\n` or `\r\n`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    /// The bytes as they were printed.
    pub(crate) bytes: &'a [u8],
    /// Whether the line goes on in the next piece.
    pub(crate) continues: bool,
}

/// Holds the beginning of a line that has not ended yet.
#[derive(Debug)]
pub(crate) struct Splitter {
    beginning: Vec<u8>,
    longest: usize,
}

impl Splitter {
    /// A splitter whose pieces are at most `longest` bytes, which must be enough for any UTF-8 character.
    pub(crate) fn new(longest: usize) -> Self {
        debug_assert!(longest >= 4);
        Self {
            beginning: Vec::new(),
            longest,
        }
    }

    /// Takes what was read next and hands out every piece that is whole now.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut take: impl FnMut(Piece<'_>)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            if self.beginning.is_empty() {
                hand_out(line, self.longest, &mut take);
            } else {
                self.beginning.extend_from_slice(line);
                self.flush(&mut take);
            }
            bytes = rest;
        }
        self.beginning.extend_from_slice(bytes);
        self.shorten(&mut take);
    }

    /// Hands out the line that has no end, if there is one: nothing more will come.
    pub(crate) fn finish(&mut self, mut take: impl FnMut(Piece<'_>)) {
        if !self.beginning.is_empty() {
            self.flush(&mut take);
        }
    }

    fn flush(&mut self, take: &mut impl FnMut(Piece<'_>)) {
        hand_out(&self.beginning, self.longest, take);
        self.beginning.clear();
        self.beginning.shrink_to(KEPT_CAPACITY);
    }

    /// Hands out what is certainly not the last piece of an over-long line. One byte more than the longest
    /// piece is waited for, since it may be the `\r` of the line's end.
    fn shorten(&mut self, take: &mut impl FnMut(Piece<'_>)) {
        let mut handed_out = 0;
        while self.beginning.len() - handed_out > self.longest + 1 {
            let rest = &self.beginning[handed_out..];
            let cut = cut_between_characters(rest, self.longest);
            take(Piece {
                bytes: &rest[..cut],
                continues: true,
            });
            handed_out += cut;
        }
        self.beginning.drain(..handed_out);
    }
}

/// Hands out a whole line in as many pieces as it needs.
fn hand_out(line: &[u8], longest: usize, take: &mut impl FnMut(Piece<'_>)) {
    let mut rest = line.strip_suffix(b"\r").unwrap_or(line);
    while rest.len() > longest {
        let cut = cut_between_characters(rest, longest);
        take(Piece {
            bytes: &rest[..cut],
            continues: true,
        });
        rest = &rest[cut..];
    }
    take(Piece {
        bytes: rest,
        continues: false,
    });
}

/// The last place at or before `longest` that is not inside a UTF-8 character; `longest` if the bytes are
/// not UTF-8 there. `bytes` is longer than `longest`.
fn cut_between_characters(bytes: &[u8], longest: usize) -> usize {
    let is_inside = |at: &usize| bytes[*at] & 0b1100_0000 == 0b1000_0000;
    (longest - 3..=longest)
        .rev()
        .find(|at| !is_inside(at))
        .unwrap_or(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes the chunks into a splitter for pieces of 8 bytes; pieces that continue are shown with a `+`.
    #[track_caller]
    fn check(chunks: &[&[u8]], expected: &[&str]) {
        let mut splitter = Splitter::new(8);
        let mut pieces = Vec::new();
        let mut take = |piece: Piece<'_>| {
            assert!(piece.bytes.len() <= 8, "{piece:?}");
            let mark = if piece.continues { "+" } else { "" };
            pieces.push(String::from_utf8_lossy(piece.bytes).into_owned() + mark);
        };
        for chunk in chunks {
            splitter.push(chunk, &mut take);
        }
        splitter.finish(&mut take);
        assert_eq!(pieces, expected, "chunks {chunks:?}");
        assert!(splitter.beginning.is_empty());
    }

    #[test]
    fn lines_come_whole_however_they_arrive() {
        check(&[], &[]);
        check(&[b"one\ntwo\n"], &["one", "two"]);
        check(&[b"o", b"ne", b"\nt", b"wo\n"], &["one", "two"]);
        check(&[b"\n\n"], &["", ""]);
    }

    #[test]
    fn a_line_without_end_comes_at_the_end() {
        check(&[b"one\ntw", b"o"], &["one", "two"]);
        check(&[b"one\n"], &["one"]);
    }

    #[test]
    fn carriage_returns_at_the_end_of_a_line_are_trimmed() {
        check(&[b"one\r\ntwo\r", b"\n"], &["one", "two"]);
        check(&[b"a\rb\r\n"], &["a\rb"]);
    }

    #[test]
    fn an_over_long_line_comes_in_pieces() {
        check(&[b"01234567\n"], &["01234567"]);
        check(&[b"012345678\n"], &["01234567+", "8"]);
        check(
            &[b"0123456789abcdefg\nx\n"],
            &["01234567+", "89abcdef+", "g", "x"],
        );
        check(
            &[b"0123", b"4567", b"89ab", b"cdefg"],
            &["01234567+", "89abcdef+", "g"],
        );
    }

    #[test]
    fn the_end_of_a_line_never_makes_an_empty_piece() {
        check(&[b"01234567\r\n"], &["01234567"]);
        check(&[b"01234567", b"\r", b"\n"], &["01234567"]);
        check(&[b"01234567\r", b"x\n"], &["01234567+", "\rx"]);
    }

    #[test]
    fn characters_stay_whole() {
        check(&["0123456é8\n".as_bytes()], &["0123456+", "é8"]);
        check(
            &["01234🦀89".as_bytes(), b"abc"],
            &["01234+", "🦀89ab+", "c"],
        );
        check(&["🦀🦀🦀\n".as_bytes()], &["🦀🦀+", "🦀"]);
    }

    #[test]
    fn bytes_that_are_not_text_are_cut_anywhere() {
        check(
            &[&[0x80; 9]],
            &[
                "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}+",
                "\u{fffd}",
            ],
        );
    }
}
