//! An answer, parsed strictly: whatever is not exactly well-formed is an error.

use std::borrow::Cow;
use std::ops::Range;

/// An answer as a load's callbacks see it.
#[derive(Debug, Clone)]
pub struct Response<'a> {
    /// The status code.
    pub status: u16,
    /// The whole body, decoded if it was chunked.
    pub body: &'a [u8],
    /// The header lines, each ended by CR LF.
    header_lines: &'a str,
}

impl<'a> Response<'a> {
    /// The value of the first header of this name, whose case does not matter.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        headers(self.header_lines)
            .find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value))
    }
}

/// Where the parts of a whole answer lie in the buffer it was read into.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether the server keeps the connection open.
    pub(crate) keeps_alive: bool,
    /// Bytes of the buffer that belong to this answer.
    pub(crate) length: usize,
    header_lines: Range<usize>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Plain(Range<usize>),
    Decoded(Vec<u8>),
}

impl Answer {
    /// Parses what has been read so far; `None` when more must be read.
    ///
    /// It starts anew each time, which is cheap: an answer of a server under test comes in one or two reads.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, String> {
        let Some(head_length) = head_length(bytes)? else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&bytes[..head_length])
            .map_err(|_| "the head is not UTF-8".to_owned())?;
        let (status_line, lines) = head.split_once("\r\n").unwrap_or((head, ""));
        let status = parse_status_line(status_line)?;
        // The last CR LF of the head is the empty line that ends it.
        let header_lines = status_line.len() + 2..head_length - 2;
        let framing = Framing::of(status, lines)?;
        let Some((body, length)) = framing.body(bytes, head_length)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            status,
            keeps_alive: framing.keeps_alive,
            length,
            header_lines,
            body,
        }))
    }

    /// The answer as callbacks see it; `bytes` is the buffer it was parsed from.
    pub(crate) fn response<'a>(&'a self, bytes: &'a [u8]) -> Response<'a> {
        let header_lines = &bytes[self.header_lines.clone()];
        let body = match &self.body {
            Body::Plain(range) => &bytes[range.clone()],
            Body::Decoded(body) => body,
        };
        Response {
            status: self.status,
            body,
            // The head was found to be UTF-8 when it was parsed.
            header_lines: std::str::from_utf8(header_lines).unwrap_or_default(),
        }
    }
}

/// What the headers say about where the body ends.
struct Framing {
    keeps_alive: bool,
    chunked: bool,
    content_length: Option<usize>,
}

impl Framing {
    fn of(status: u16, lines: &str) -> Result<Self, String> {
        let mut framing = Self {
            keeps_alive: true,
            chunked: false,
            content_length: None,
        };
        for line in lines
            .split_terminator("\r\n")
            .filter(|line| !line.is_empty())
        {
            check_header(line)?;
        }
        for (name, value) in headers(lines) {
            framing.take(name, value)?;
        }
        match (framing.chunked, framing.content_length) {
            (true, Some(_)) => Err("both content-length and transfer-encoding".to_owned()),
            // Such answers have no body, whatever their headers say.
            _ if matches!(status, 100..=199 | 204 | 304) => Ok(Self {
                chunked: false,
                content_length: Some(0),
                ..framing
            }),
            (false, None) => Err(
                "neither content-length nor chunked: nobody can tell whether it is whole"
                    .to_owned(),
            ),
            _ => Ok(framing),
        }
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        if name.eq_ignore_ascii_case("connection") {
            let closes = |option: &str| option.trim().eq_ignore_ascii_case("close");
            self.keeps_alive &= !value.split(',').any(closes);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if !value.eq_ignore_ascii_case("chunked") || self.chunked {
                return Err(format!("transfer-encoding {value:?} is not understood"));
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case("content-length") {
            let length =
                decimal(value).ok_or_else(|| format!("content-length {value:?} is no length"))?;
            if self.content_length.is_some_and(|before| before != length) {
                return Err("two content-lengths that differ".to_owned());
            }
            self.content_length = Some(length);
        }
        Ok(())
    }

    /// The body and where the answer ends; `None` when more must be read.
    fn body(&self, bytes: &[u8], start: usize) -> Result<Option<(Body, usize)>, String> {
        if self.chunked {
            let decoded = decode_chunks(bytes, start)?;
            return Ok(decoded.map(|(body, end)| (Body::Decoded(body), end)));
        }
        let end = start + self.content_length.unwrap_or(0);
        Ok((bytes.len() >= end).then_some((Body::Plain(start..end), end)))
    }
}

fn head_length(bytes: &[u8]) -> Result<Option<usize>, String> {
    let begin = &bytes[..bytes.len().min(VERSION.len())];
    if !VERSION.starts_with(begin) {
        return Err(format!("not an HTTP/1.1 answer: {}", excerpt(bytes)));
    }
    let found = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let length = found.map_or(bytes.len(), |position| position + 4);
    if length > LONGEST_HEAD {
        return Err(format!("the head is longer than {LONGEST_HEAD} bytes"));
    }
    Ok(found.map(|_| length))
}

fn parse_status_line(line: &str) -> Result<u16, String> {
    let malformed = || format!("malformed status line {line:?}");
    let rest = line.strip_prefix("HTTP/1.1 ").ok_or_else(malformed)?;
    let (code, _reason) = rest.split_once(' ').ok_or_else(malformed)?;
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    let has_control = rest.bytes().any(|byte| byte.is_ascii_control());
    if !is_code || has_control {
        return Err(malformed());
    }
    code.parse().map_err(|_| malformed())
}

fn check_header(line: &str) -> Result<(), String> {
    let malformed = || format!("malformed header line {line:?}");
    let (name, value) = line.split_once(':').ok_or_else(malformed)?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_name = !name.is_empty() && name.bytes().all(is_token);
    let is_value = value
        .bytes()
        .all(|byte| byte == b'\t' || !byte.is_ascii_control());
    if is_name && is_value {
        Ok(())
    } else {
        Err(malformed())
    }
}

fn headers(lines: &str) -> impl Iterator<Item = (&str, &str)> {
    lines
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim_matches([' ', '\t'])))
}

fn decode_chunks(bytes: &[u8], start: usize) -> Result<Option<(Vec<u8>, usize)>, String> {
    let mut body = Vec::new();
    let mut position = start;
    loop {
        let Some(line) = line_at(bytes, position)? else {
            return Ok(None);
        };
        position += line.len() + 2;
        let size = chunk_size(line)?;
        if size == 0 {
            return Ok(end_of_trailers(bytes, position)?.map(|end| (body, end)));
        }
        let Some(chunk) = bytes.get(position..position + size + 2) else {
            return Ok(None);
        };
        let (data, ending) = chunk.split_at(size);
        if ending != b"\r\n" {
            return Err("a chunk is longer than its size says".to_owned());
        }
        body.extend_from_slice(data);
        position += size + 2;
    }
}

fn chunk_size(line: &[u8]) -> Result<usize, String> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
    let is_size = (1..=7).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| is_size)
        .and_then(|digits| usize::from_str_radix(digits, 16).ok())
        .ok_or_else(|| format!("malformed chunk size {}", excerpt(line)))
}

fn end_of_trailers(bytes: &[u8], mut position: usize) -> Result<Option<usize>, String> {
    while let Some(line) = line_at(bytes, position)? {
        position += line.len() + 2;
        if line.is_empty() {
            return Ok(Some(position));
        }
    }
    Ok(None)
}

/// The line at `position`, without its CR LF; `None` when it has not come whole.
fn line_at(bytes: &[u8], position: usize) -> Result<Option<&[u8]>, String> {
    let rest = bytes.get(position..).unwrap_or_default();
    let found = rest.windows(2).position(|two| two == b"\r\n");
    if found.is_none() && rest.len() > LONGEST_CHUNK_LINE {
        return Err("a chunk's size line does not end".to_owned());
    }
    Ok(found.map(|end| &rest[..end]))
}

fn decimal(text: &str) -> Option<usize> {
    let is_decimal = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_decimal)
}

/// The first bytes, readable.
pub(crate) fn excerpt(bytes: &[u8]) -> Cow<'static, str> {
    let shown = &bytes[..bytes.len().min(EXCERPT)];
    let dots = if shown.len() < bytes.len() { "…" } else { "" };
    format!("\"{}{dots}\"", shown.escape_ascii()).into()
}

const VERSION: &[u8] = b"HTTP/1.1 ";
/// Servers' own limits are about as much.
const LONGEST_HEAD: usize = 64 * 1024;
/// A size has at most seven digits here; extensions are rare and short.
const LONGEST_CHUNK_LINE: usize = 4096;
/// Enough to recognize what it is, short enough for one line of a report.
const EXCERPT: usize = 60;

#[cfg(test)]
mod tests {
    use super::Answer;

    const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\nX-Worker: w7\r\nContent-Length: 5\r\n\r\nhello";
    const CHUNKED: &[u8] =
        b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\nConnection: Keep-Alive, Close\r\n\r\n\
        3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: 1\r\n\r\n";

    fn answer(bytes: &[u8]) -> Answer {
        Answer::parse(bytes).unwrap().unwrap()
    }

    #[test]
    fn an_answer_is_whole_exactly_at_its_last_byte() {
        for whole in [PLAIN, CHUNKED] {
            for length in 0..whole.len() {
                let parsed = Answer::parse(&whole[..length]).unwrap();
                assert!(parsed.is_none(), "{length} of {}", whole.len());
            }
            let with_more = [whole, b"HTTP/1.1 "].concat();
            assert_eq!(answer(whole).length, whole.len());
            assert_eq!(answer(&with_more).length, whole.len());
            assert_eq!(answer(whole).response(whole).body, b"hello");
        }
    }

    #[test]
    fn headers_are_found_whatever_their_case() {
        let parsed = answer(PLAIN);
        let response = parsed.response(PLAIN);
        assert_eq!(response.header("x-worker"), Some("w7"));
        assert_eq!(response.header("content-length"), Some("5"));
        assert_eq!(response.header("x-other"), None);
    }

    #[test]
    fn connection_close_is_honoured_anywhere_in_its_list() {
        assert!(answer(PLAIN).keeps_alive);
        assert!(!answer(CHUNKED).keeps_alive);
    }

    #[test]
    fn an_answer_without_a_body_ends_with_its_head() {
        let bytes = b"HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(answer(bytes).length, bytes.len());
    }

    #[test]
    fn whatever_is_not_exactly_well_formed_is_an_error() {
        let heads: &[&[u8]] = &[
            b"SSH-2.0",
            b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n folded\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\nX: y\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        ];
        for head in heads {
            let parsed = Answer::parse(head);
            assert!(parsed.is_err(), "{}: {parsed:?}", head.escape_ascii());
        }
    }
}
