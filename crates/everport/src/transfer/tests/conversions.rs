//! A socket becomes a type of std or tokio, with the mode that goes with it.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl};

use crate::transfer::{ConvertError, Socket, SocketKind, UnsupportedSocket};

fn blocks(socket: impl AsFd) -> bool {
    !fcntl_getfl(socket).unwrap().contains(OFlags::NONBLOCK)
}

/// There and back, through both libraries.
macro_rules! check {
    ($kind:ident, $std:ty, $tokio:ty, $socket:expr) => {
        let socket: $std = $socket;
        socket.set_nonblocking(true).unwrap();
        let socket = Socket::from(socket);
        assert_eq!(socket.kind(), SocketKind::$kind);
        assert!(!blocks(&socket), "it is as it came");
        let socket = <$std>::try_from(socket).unwrap();
        assert!(blocks(&socket));
        let socket = <$tokio>::try_from(Socket::from(socket)).unwrap();
        assert!(!blocks(&socket));
        let socket = Socket::try_from(OwnedFd::from(socket.into_std().unwrap())).unwrap();
        assert_eq!(socket.kind(), SocketKind::$kind);
        // Whatever else is wanted of it, it is not lost.
        if socket.kind() != SocketKind::UdpSocket {
            let error = std::net::UdpSocket::try_from(socket).unwrap_err();
            let text = format!("{} came where a UDP socket was wanted", SocketKind::$kind);
            assert_eq!(error.to_string(), text);
            let ConvertError::Kind { socket, .. } = error else {
                panic!("{error}");
            };
            <$tokio>::try_from(socket).unwrap();
        }
    };
}

#[tokio::test]
async fn every_kind_becomes_what_it_is_in_std_and_tokio() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("listener");
    let listener = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = listener();
    let address = other.local_addr().unwrap();
    check!(
        TcpListener,
        std::net::TcpListener,
        tokio::net::TcpListener,
        listener()
    );
    check!(
        TcpStream,
        std::net::TcpStream,
        tokio::net::TcpStream,
        std::net::TcpStream::connect(address).unwrap()
    );
    check!(
        UdpSocket,
        std::net::UdpSocket,
        tokio::net::UdpSocket,
        std::net::UdpSocket::bind(super::loopback()).unwrap()
    );
    check!(
        UnixListener,
        std::os::unix::net::UnixListener,
        tokio::net::UnixListener,
        std::os::unix::net::UnixListener::bind(&path).unwrap()
    );
    check!(
        UnixStream,
        std::os::unix::net::UnixStream,
        tokio::net::UnixStream,
        std::os::unix::net::UnixStream::pair().unwrap().0
    );
    check!(
        UnixDatagram,
        std::os::unix::net::UnixDatagram,
        tokio::net::UnixDatagram,
        std::os::unix::net::UnixDatagram::unbound().unwrap()
    );
}

#[test]
fn what_is_no_socket_becomes_none() {
    let file = std::fs::File::open("/dev/null").unwrap();
    let error = Socket::try_from(OwnedFd::from(file)).unwrap_err();
    assert_eq!(error, UnsupportedSocket::NoSocket);
}

#[test]
#[cfg(target_os = "linux")]
fn a_descriptor_of_a_path_becomes_none() {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let path = rustix::fs::open("/", flags, rustix::fs::Mode::empty()).unwrap();
    assert_eq!(
        Socket::try_from(path).unwrap_err(),
        UnsupportedSocket::NoSocket
    );
}
