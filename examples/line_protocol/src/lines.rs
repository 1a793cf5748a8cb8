//! Lines, one after the other; half of one is kept until its other half comes.

use std::io;
use std::mem;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// So many bytes without an end are no line.
const LONGEST: usize = 1024;

pub(crate) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn of(reading: R) -> Self {
        Self {
            reader: BufReader::new(reading),
            line: Vec::new(),
        }
    }

    /// The next line with its end, or nothing after the last one. What is too long for a line is the end, too.
    ///
    /// It can be given up and called again: nothing that was read is lost.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let room = LONGEST - self.line.len();
        let mut reader = (&mut self.reader).take(room as u64);
        reader.read_until(b'\n', &mut self.line).await?;
        let is_whole = self.line.ends_with(b"\n");
        Ok(is_whole.then(|| mem::take(&mut self.line)))
    }

    /// What was not read as lines.
    pub(crate) fn into_rest(self) -> impl AsyncRead + Unpin {
        self.reader
    }
}
