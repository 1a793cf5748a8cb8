//! What was not yet tried with a socket that the runtime got just now.
//!
//! The runtime knows nothing of such a socket before it has asked the system once more, and until then it lets
//! everybody wait. What it accepted itself it takes for ready at once: mostly the first request is there already, and
//! there is always room for the first answer. This does the same for what was accepted elsewhere.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};
use tokio::io::ReadBuf;

/// Whether the first read and the first write are still to come.
#[derive(Debug)]
pub(super) struct Untried {
    read: bool,
    write: bool,
}

impl Untried {
    /// Of a socket that the runtime takes for ready.
    pub(super) fn nothing() -> Self {
        Self {
            read: false,
            write: false,
        }
    }

    /// Of one that it knows nothing of.
    pub(super) fn everything() -> Self {
        Self {
            read: true,
            write: true,
        }
    }

    /// Reads without the runtime, if nobody has read yet. `None`: the runtime is to do it.
    #[inline]
    pub(super) fn read(
        &mut self,
        socket: &impl AsFd,
        buffer: &mut ReadBuf<'_>,
    ) -> Option<io::Result<()>> {
        if std::mem::take(&mut self.read) {
            read_at_once(socket, buffer)
        } else {
            None
        }
    }

    /// Writes without the runtime, if nobody has written yet. `None`: the runtime is to do it.
    #[inline]
    pub(super) fn write(
        &mut self,
        socket: &impl AsFd,
        buffers: &[IoSlice<'_>],
    ) -> Option<io::Result<usize>> {
        if std::mem::take(&mut self.write) {
            write_at_once(socket, buffers)
        } else {
            None
        }
    }
}

fn read_at_once(socket: &impl AsFd, buffer: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
    let room = buffer.remaining().min(FIRST_READ);
    let room = buffer.initialize_unfilled_to(room);
    match recv(socket, room, RecvFlags::DONTWAIT) {
        Ok((read, _)) => {
            buffer.advance(read);
            Some(Ok(()))
        }
        Err(error) => unless_later(error),
    }
}

fn write_at_once(socket: &impl AsFd, buffers: &[IoSlice<'_>]) -> Option<io::Result<usize>> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    if buffers.len() > AT_ONCE {
        return None; // the first of them may be empty, and nothing written would look like a stream that is full
    }
    match sendmsg(socket, buffers, &mut SendAncillaryBuffer::default(), flags) {
        Ok(written) => Some(Ok(written)),
        Err(error) => unless_later(error),
    }
}

/// More than most requests have. What is read into has to be set to zero first, so it is not more.
const FIRST_READ: usize = 4096;

/// As many buffers as every system takes at once. The runtime writes more.
const AT_ONCE: usize = 16;

/// What is not possible yet, or would have to be tried again, is the runtime's.
fn unless_later<T>(error: Errno) -> Option<io::Result<T>> {
    let is_later = matches!(error, Errno::AGAIN | Errno::INTR);
    (!is_later).then(|| Err(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    fn read(untried: &mut Untried, socket: &UnixStream) -> Option<io::Result<Vec<u8>>> {
        let mut bytes = [0; 8];
        let mut buffer = ReadBuf::new(&mut bytes);
        let result = untried.read(socket, &mut buffer)?;
        Some(result.map(|()| buffer.filled().to_vec()))
    }

    #[test]
    fn the_first_read_and_the_first_write_are_done_at_once() {
        let (socket, mut client) = UnixStream::pair().unwrap();
        let mut untried = Untried::everything();
        client.write_all(b"hello").unwrap();
        assert_eq!(read(&mut untried, &socket).unwrap().unwrap(), b"hello");
        let answer = [IoSlice::new(b"good"), IoSlice::new(b"bye")];
        assert_eq!(untried.write(&socket, &answer).unwrap().unwrap(), 7);
        let mut heard = [0; 7];
        client.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"goodbye");
        client.write_all(b"again").unwrap();
        assert!(read(&mut untried, &socket).is_none());
        assert!(untried.write(&socket, &answer).is_none());
    }

    #[test]
    fn what_has_to_wait_is_left_to_the_runtime() {
        let (socket, _client) = UnixStream::pair().unwrap();
        assert!(read(&mut Untried::everything(), &socket).is_none());
        let (mut full, _reader) = UnixStream::pair().unwrap();
        full.set_nonblocking(true).unwrap();
        while full.write(&[0; 4096]).is_ok() {}
        let bytes = [IoSlice::new(b"more")];
        assert!(Untried::everything().write(&full, &bytes).is_none());
    }

    #[test]
    fn more_buffers_than_every_system_takes_are_left_to_the_runtime() {
        let (socket, _client) = UnixStream::pair().unwrap();
        let mut buffers = [IoSlice::new(b""); AT_ONCE + 1];
        buffers[AT_ONCE] = IoSlice::new(b"hello");
        assert!(Untried::everything().write(&socket, &buffers).is_none());
        let some = &buffers[1..];
        let written = Untried::everything().write(&socket, some);
        assert_eq!(written.unwrap().unwrap(), 5);
    }

    #[test]
    fn the_end_and_errors_are_told() {
        let (socket, client) = UnixStream::pair().unwrap();
        drop(client);
        let end = read(&mut Untried::everything(), &socket);
        assert_eq!(end.unwrap().unwrap(), b"");
        let answer = [IoSlice::new(b"too late")];
        let error = Untried::everything().write(&socket, &answer).unwrap();
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn nothing_is_tried_of_what_the_runtime_knows() {
        let (socket, mut client) = UnixStream::pair().unwrap();
        client.write_all(b"hello").unwrap();
        assert!(read(&mut Untried::nothing(), &socket).is_none());
    }
}
