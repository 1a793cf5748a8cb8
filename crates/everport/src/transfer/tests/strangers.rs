//! What is no sender costs the receiver an error that says what was wrong, and never a descriptor.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::{Witness, frame_of, send_raw};
use crate::transfer::{ReceiveError, Receiver, Violation};

/// What the receiver says of a stream that was sent like this, by whoever is gone then. A violation is said again.
async fn judge(send: impl FnOnce(&UnixStream)) -> Result<Vec<u8>, String> {
    let (stranger, stream) = UnixStream::pair().unwrap();
    send(&stranger);
    drop(stranger);
    let mut receiver = Receiver::from_std(stream).unwrap();
    match receiver.receive().await {
        Ok(received) => Ok(received.map(|received| received.data).unwrap_or_default()),
        Err(error) => {
            let again = receiver.receive().await;
            match (&error, again) {
                (ReceiveError::Violation(first), Err(ReceiveError::Violation(again))) => {
                    assert_eq!(*first, again);
                }
                (ReceiveError::Violation(_), again) => panic!("{again:?}"),
                (_, again) => assert!(again.unwrap().is_none()),
            }
            Err(error.to_string())
        }
    }
}

#[track_caller]
fn expect(judged: Result<Vec<u8>, String>, text: &str) {
    assert_eq!(judged.unwrap_err(), text);
}

#[tokio::test]
async fn bytes_that_are_no_frame_are_a_violation() {
    let (socket, mut witness) = Witness::of_a_socket();
    let judged = judge(|stream| send_raw(stream, b"GET / HTTP/1.1\r\n", &[socket.as_fd()])).await;
    expect(judged, "the stream carried bytes that are no frame");
    drop(socket);
    witness.expect_closed();
}

#[tokio::test]
async fn a_frame_needs_exactly_one_descriptor() {
    let (socket, mut witness) = Witness::of_a_socket();
    let frame = frame_of(b"data");
    let judged = judge(|stream| send_raw(stream, &frame, &[])).await;
    expect(judged, "the stream carried a frame without a socket");
    for count in [2, 3, 50] {
        let sockets = vec![socket.as_fd(); count];
        let judged = judge(|stream| send_raw(stream, &frame, &sockets)).await;
        expect(
            judged,
            "the stream carried a frame with more than one descriptor",
        );
    }
    let stray = "the stream carried a descriptor in the midst of a frame";
    for cut in [8, 10] {
        let judged = judge(|stream| {
            send_raw(stream, &frame[..cut], &[socket.as_fd()]);
            send_raw(stream, &frame[cut..], &[socket.as_fd()]);
        });
        expect(judged.await, stray);
    }
    drop(socket);
    witness.expect_closed();
}

#[tokio::test]
async fn too_much_data_is_refused_before_it_comes() {
    let (socket, _witness) = Witness::of_a_socket();
    for length in [65_537, u32::MAX] {
        let head = super::frame::head(length);
        let judged = judge(|stream| send_raw(stream, &head, &[socket.as_fd()])).await;
        let text = format!(
            "the stream carried {length} bytes of data with a socket, and 65536 are allowed"
        );
        expect(judged, &text);
    }
}

#[tokio::test]
async fn a_stream_that_ends_in_a_frame_has_lost_its_sender() {
    let (socket, mut witness) = Witness::of_a_socket();
    let frame = frame_of(b"data");
    for cut in 1..frame.len() {
        let judged = judge(|stream| send_raw(stream, &frame[..cut], &[socket.as_fd()])).await;
        expect(judged, "the stream ended in the midst of a frame");
    }
    let judged = judge(|stream| send_raw(stream, &frame, &[socket.as_fd()])).await;
    assert_eq!(judged.unwrap(), b"data");
    drop(socket);
    witness.expect_closed();
}

#[tokio::test]
async fn what_is_no_socket_is_an_error_and_the_next_one_comes() {
    let (socket, _witness) = Witness::of_a_socket();
    let file = File::open("/dev/null").unwrap();
    let (packets, _other) = crate::link::pair().unwrap();
    let (stranger, stream) = UnixStream::pair().unwrap();
    send_raw(&stranger, &frame_of(b"a file"), &[file.as_fd()]);
    send_raw(&stranger, &frame_of(b"packets"), &[packets.as_fd()]);
    send_raw(&stranger, &frame_of(b"a socket"), &[socket.as_fd()]);
    let mut receiver = Receiver::from_std(stream).unwrap();
    let error = receiver.receive().await.unwrap_err().to_string();
    assert_eq!(error, "the other side sent a descriptor that is no socket");
    let error = receiver.receive().await.unwrap_err().to_string();
    assert!(error.contains("neither TCP nor UDP"), "{error}");
    let received = receiver.receive().await.unwrap().unwrap();
    assert_eq!(received.data, b"a socket");
}

#[tokio::test]
async fn what_comes_before_a_violation_is_received() {
    let (socket, _witness) = Witness::of_a_socket();
    let (stranger, stream) = UnixStream::pair().unwrap();
    send_raw(&stranger, &frame_of(b"fine"), &[socket.as_fd()]);
    send_raw(&stranger, b"not at all", &[]);
    let mut receiver = Receiver::from_std(stream).unwrap();
    assert_eq!(receiver.receive().await.unwrap().unwrap().data, b"fine");
    let error = receiver.receive().await.unwrap_err();
    let expected = Violation::NotAFrame;
    assert!(matches!(error, ReceiveError::Violation(violation) if violation == expected));
}

#[tokio::test]
async fn a_stream_that_is_none_is_an_error() {
    // Standard input may be anything, if a program expects a stream there.
    let (stranger, stream) = std::net::TcpListener::bind("127.0.0.1:0")
        .map(|listener| {
            let stranger = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (stranger, listener.accept().unwrap().0)
        })
        .unwrap();
    std::io::Write::write_all(&mut &stranger, &frame_of(b"data")).unwrap();
    let stream = std::os::fd::OwnedFd::from(stream);
    let mut receiver = Receiver::from_std(stream.into()).unwrap();
    let error = receiver.receive().await.unwrap_err().to_string();
    assert_eq!(error, "the stream carried a frame without a socket");
}

/// Whoever made the stream can have it looked at from another place than it is read from.
#[tokio::test]
#[cfg(all(target_os = "linux", not(everport_portable)))]
async fn what_is_taken_need_not_be_what_was_seen() {
    use std::os::fd::AsRawFd;
    let (socket, mut witness) = Witness::of_a_socket();
    let (stranger, stream) = UnixStream::pair().unwrap();
    let offset: libc::c_int = 8;
    // SAFETY: the call reads a number of ours.
    let set = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEEK_OFF,
            (&raw const offset).cast(),
            size_of_val(&offset) as libc::socklen_t,
        )
    };
    assert_eq!(set, 0);
    let both = [frame_of(b""), frame_of(&[0; 100])].concat();
    send_raw(&stranger, &both, &[socket.as_fd()]);
    let mut receiver = Receiver::from_std(stream).unwrap();
    let error = receiver.receive().await.unwrap_err();
    let expected = Violation::NotAFrame;
    assert!(matches!(error, ReceiveError::Violation(violation) if violation == expected));
    drop(socket);
    witness.expect_closed();
}

/// Whoever made the stream can have the kernel add a descriptor to whatever comes.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_receiver_is_handed_no_descriptors_of_processes() {
    use std::os::fd::AsRawFd;
    let (_stranger, stream) = UnixStream::pair().unwrap();
    let kept = stream.try_clone().unwrap();
    let on: libc::c_int = 1;
    let mut length = size_of_val(&on) as libc::socklen_t;
    let (socket, option) = (kept.as_raw_fd(), libc::SO_PASSPIDFD);
    // SAFETY: the call reads a number of ours.
    let set = unsafe {
        libc::setsockopt(
            socket,
            libc::SOL_SOCKET,
            option,
            (&raw const on).cast(),
            length,
        )
    };
    if set != 0 {
        return; // this kernel adds none
    }
    let _receiver = Receiver::from_std(stream).unwrap();
    let mut is_on: libc::c_int = -1;
    let value = (&raw mut is_on).cast();
    // SAFETY: the call writes a number of ours, and its length.
    let got = unsafe { libc::getsockopt(socket, libc::SOL_SOCKET, option, value, &raw mut length) };
    assert_eq!((got, is_on), (0, 0));
}
