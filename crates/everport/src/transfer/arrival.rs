//! Takes bytes out of the stream, with the descriptors that come along.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags, recvmsg};

use crate::rights::{CLOSE_ON_EXEC, descriptors};

/// What one call brought.
#[derive(Debug)]
pub(super) struct Arrival {
    /// How many bytes; none at the end of the stream.
    pub(super) bytes: usize,
    /// Descriptors that came with them.
    pub(super) descriptors: Vec<OwnedFd>,
    /// Whether descriptors came for which there was no room, or which the system did not hand over. It has closed them.
    pub(super) truncated: bool,
}

/// What a stranger may want to have in the control buffer: two descriptors, so that a second one is noticed, and the
/// credentials that the kernel puts first if whoever made the stream has asked for them.
#[cfg(target_os = "linux")]
const CONTROL: usize = rustix::cmsg_space!(ScmRights(2), ScmCredentials(1));
/// Two descriptors, so that a second one is noticed.
#[cfg(not(target_os = "linux"))]
const CONTROL: usize = rustix::cmsg_space!(ScmRights(2));

/// Has the kernel add no descriptor of the sender's process to what comes, which whoever made the stream may have asked for
/// (`SO_PASSPIDFD`, since Linux 6.5): the type for what comes along knows none, and nobody would close it.
#[cfg(target_os = "linux")]
pub(super) fn refuse_process_descriptors(stream: BorrowedFd<'_>) {
    let off: libc::c_int = 0;
    let length = size_of_val(&off) as libc::socklen_t;
    // SAFETY: the call reads `length` bytes at `off`, which is there until it returns, and keeps no pointer. That it fails
    // where the option is not known is as good.
    unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PASSPIDFD,
            (&raw const off).cast(),
            length,
        );
    }
}

/// Takes bytes, with descriptors. `AGAIN` when there are none yet.
pub(super) fn take(stream: BorrowedFd<'_>, parts: [&mut [u8]; 2]) -> Result<Arrival, Errno> {
    receive(stream, parts, RecvFlags::empty())
}

/// Looks at bytes, with descriptors, which are copies: they stay where they are, too.
#[cfg(all(target_os = "linux", not(everport_portable)))]
pub(super) fn peek(stream: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Arrival, Errno> {
    receive(stream, [buffer, &mut []], RecvFlags::PEEK)
}

fn receive(
    stream: BorrowedFd<'_>,
    parts: [&mut [u8]; 2],
    flags: RecvFlags,
) -> Result<Arrival, Errno> {
    let mut space = [MaybeUninit::uninit(); CONTROL];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = flags | CLOSE_ON_EXEC | RecvFlags::DONTWAIT;
    let mut slices = parts.map(IoSliceMut::new);
    loop {
        match recvmsg(stream, &mut slices, &mut control, flags) {
            Ok(message) => {
                return Ok(Arrival {
                    bytes: message.bytes,
                    descriptors: descriptors(&mut control),
                    truncated: message.flags.contains(ReturnFlags::CTRUNC),
                });
            }
            Err(Errno::INTR) => {}
            // The other side is gone and has left something unread; what it had sent came before this.
            Err(Errno::CONNRESET | Errno::PIPE) => {
                return Ok(Arrival {
                    bytes: 0,
                    descriptors: Vec::new(),
                    truncated: false,
                });
            }
            Err(error) => return Err(error),
        }
    }
}
