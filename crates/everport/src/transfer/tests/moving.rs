//! Sockets that are sent arrive, as what they are and with their data.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use super::Witness;
use crate::transfer::{self, ReceiveError, Received, SendError, Socket, SocketKind};
use crate::transfer::{Receiver, Sender, Violation};

async fn pass_on(socket: impl AsFd, data: &[u8]) -> Received {
    let (mut sender, mut receiver) = transfer::pair().unwrap();
    sender.send(socket, data).await.unwrap();
    drop(sender);
    let received = receiver.receive().await.unwrap().unwrap();
    assert!(receiver.receive().await.unwrap().is_none());
    assert!(receiver.receive().await.unwrap().is_none());
    received
}

/// Tasks that move from thread to thread can use both ends.
#[tokio::test(flavor = "multi_thread")]
async fn both_ends_go_into_tasks() {
    let (mut sender, mut receiver) = transfer::pair().unwrap();
    let (socket, _witness) = Witness::of_a_socket();
    let sent = tokio::spawn(async move { sender.send(&socket, b"data").await });
    let received = tokio::spawn(async move { receiver.receive().await });
    sent.await.unwrap().unwrap();
    assert_eq!(received.await.unwrap().unwrap().unwrap().data, b"data");
}

#[tokio::test]
async fn every_kind_of_socket_arrives_as_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind(super::loopback()).unwrap();
    let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let path = directory.path().join("listener");
    let unix_listener = std::os::unix::net::UnixListener::bind(path).unwrap();
    let (unix_stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let (unix_datagram, _other) = std::os::unix::net::UnixDatagram::pair().unwrap();
    let sent: [(SocketKind, Socket); 6] = [
        (SocketKind::TcpListener, listener.into()),
        (SocketKind::TcpStream, stream.into()),
        (
            SocketKind::UdpSocket,
            std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into(),
        ),
        (SocketKind::UnixListener, unix_listener.into()),
        (SocketKind::UnixStream, unix_stream.into()),
        (SocketKind::UnixDatagram, unix_datagram.into()),
    ];
    for (kind, socket) in sent {
        assert_eq!(SocketKind::of(&socket), Ok(kind));
        let data = kind.to_string();
        let received = pass_on(&socket, data.as_bytes()).await;
        assert_eq!(received.socket.kind(), kind);
        assert_eq!(received.data, data.as_bytes());
        let inode = |socket: &Socket| rustix::fs::fstat(socket).unwrap().st_ino;
        assert_eq!(inode(&received.socket), inode(&socket), "{kind}");
        let flags = rustix::io::fcntl_getfd(&received.socket).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC), "{kind}");
    }
}

#[tokio::test]
async fn a_connection_goes_on_where_it_was() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.write_all(b"first line\nthe rest").unwrap();
    let (mut connection, _) = listener.accept().unwrap();
    let mut line = [0; 11];
    connection.read_exact(&mut line).unwrap();
    let received = pass_on(connection, &line).await;
    assert_eq!(received.data, b"first line\n");
    let mut connection = std::net::TcpStream::try_from(received.socket).unwrap();
    let mut rest = [0; 8];
    connection.read_exact(&mut rest).unwrap();
    assert_eq!(&rest, b"the rest");
    drop(connection);
    // Given by value, nobody else has it.
    assert_eq!(client.read(&mut rest).unwrap(), 0);
}

#[tokio::test]
async fn what_is_given_by_reference_stays_open_and_by_value_does_not() {
    let (socket, mut witness) = Witness::of_a_socket();
    drop(pass_on(&socket, b"").await);
    witness.expect_open();
    drop(pass_on(socket, b"").await);
    witness.expect_closed();
}

#[tokio::test]
async fn data_may_be_as_long_as_the_limit_and_no_longer() {
    let (socket, _witness) = Witness::of_a_socket();
    let longest = vec![7; transfer::DEFAULT_LIMIT];
    assert_eq!(pass_on(&socket, &longest).await.data, longest);
    let (mut sender, mut receiver) = transfer::pair().unwrap();
    let error = sender.send(&socket, &[longest, vec![7]].concat()).await;
    assert_eq!(
        error.unwrap_err().to_string(),
        "65537 bytes of data are too long to be sent with a socket: at most 65536 are allowed \
         (see Sender::limit)"
    );
    assert_eq!(sender.sent(), 0);
    // Nothing of it went out.
    sender.send(&socket, b"short").await.unwrap();
    let received = receiver.receive().await.unwrap().unwrap();
    assert_eq!(received.data, b"short");
}

#[tokio::test]
async fn limits_can_be_set_and_the_receiver_has_its_own() {
    let (socket, _witness) = Witness::of_a_socket();
    let (sender, receiver) = transfer::pair().unwrap();
    let (mut sender, mut receiver) = (sender.limit(5 << 20), receiver.limit(4 << 20));
    let data: Vec<u8> = (0..=u8::MAX).cycle().take(4 << 20).collect();
    let send = async {
        sender.send(&socket, &data).await.unwrap();
        let error = sender.send(&socket, &[&data[..], b"!"].concat()).await;
        assert!(matches!(error, Err(SendError::Closed)), "{error:?}");
    };
    let receive = async {
        let received = receiver.receive().await.unwrap().unwrap();
        assert!(received.data == data);
        let error = receiver.receive().await.unwrap_err();
        let limit = 4 << 20;
        let length = limit + 1;
        let expected = Violation::TooLong { length, limit };
        assert!(matches!(error, ReceiveError::Violation(violation) if violation == expected));
        drop(receiver);
    };
    tokio::join!(send, receive);
}

#[tokio::test]
async fn what_is_no_socket_is_refused_by_the_sender() {
    let (mut sender, _receiver) = transfer::pair().unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    let error = sender.send(file, b"").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot send a descriptor that is no socket"
    );
    let (packets, _) = crate::link::pair().unwrap();
    let error = sender.send(packets, b"").await.unwrap_err();
    assert!(error.to_string().contains("neither TCP nor UDP"), "{error}");
    assert_eq!(sender.sent(), 0);
}

#[test]
#[cfg(all(target_os = "linux", not(everport_portable)))]
fn an_echo_socket_is_not_taken_for_udp() {
    use crate::transfer::UnsupportedSocket;
    use rustix::net::{AddressFamily, SocketType, ipproto, socket};
    // Who may make one depends on `net.ipv4.ping_group_range`.
    let Ok(echo) = socket(AddressFamily::INET, SocketType::DGRAM, Some(ipproto::ICMP)) else {
        return;
    };
    let kind = SocketKind::of(&echo);
    assert!(matches!(
        kind,
        Err(UnsupportedSocket::Other { protocol: 1, .. })
    ));
}

#[tokio::test]
async fn without_a_receiver_sending_fails() {
    let (socket, mut witness) = Witness::of_a_socket();
    let (mut sender, receiver) = transfer::pair().unwrap();
    drop(receiver);
    let error = sender.send(&socket, b"data").await.unwrap_err();
    assert_eq!(error.to_string(), "the receiver is gone");
    assert_eq!(sender.sent(), 0);
    witness.expect_open();
}

#[tokio::test]
async fn what_nobody_received_is_closed_with_the_receiver() {
    let (socket, mut witness) = Witness::of_a_socket();
    let (mut sender, receiver) = transfer::pair().unwrap();
    sender.send(socket, b"data").await.unwrap();
    witness.expect_open();
    drop(receiver);
    witness.expect_closed();
}

#[tokio::test]
async fn one_stream_serves_both_directions() {
    let (here, there) = tokio::net::UnixStream::pair().unwrap();
    let (mut to_there, mut from_there) = transfer::split(here);
    let (mut to_here, mut from_here) = transfer::split(there);
    let (socket, mut witness) = Witness::of_a_socket();
    to_there.send(socket, b"go").await.unwrap();
    let received = from_here.receive().await.unwrap().unwrap();
    to_here
        .send(received.socket, b"and come back")
        .await
        .unwrap();
    // Each half ends by itself.
    drop(to_here);
    let received = from_there.receive().await.unwrap().unwrap();
    assert_eq!(received.data, b"and come back");
    assert!(from_there.receive().await.unwrap().is_none());
    to_there.send(received.socket, b"again").await.unwrap();
    assert_eq!(from_here.receive().await.unwrap().unwrap().data, b"again");
    witness.expect_closed();
    let (socket, _witness) = Witness::of_a_socket();
    drop(from_here);
    let error = to_there.send(socket, b"").await.unwrap_err();
    assert!(matches!(error, SendError::Closed), "{error}");
}

#[tokio::test]
async fn streams_of_the_standard_library_do_as_well() {
    let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut receiver = Receiver::from_std(there).unwrap();
    let mut sender = Sender::from_std(here).unwrap();
    let (socket, _witness) = Witness::of_a_socket();
    // They block before, and would hold up everything here.
    let (sent, received) = tokio::join!(
        async {
            tokio::task::yield_now().await;
            sender.send(OwnedFd::from(socket), b"data").await
        },
        receiver.receive()
    );
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap().data, b"data");
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_stream_that_passes_credentials_passes_sockets_too() {
    let (here, there) = tokio::net::UnixStream::pair().unwrap();
    rustix::net::sockopt::set_socket_passcred(&there, true).unwrap();
    let (mut sender, mut receiver) = (Sender::new(here), Receiver::new(there));
    let (socket, _witness) = Witness::of_a_socket();
    for data in [&b"first"[..], b"second"] {
        sender.send(&socket, data).await.unwrap();
        assert_eq!(receiver.receive().await.unwrap().unwrap().data, data);
    }
}
