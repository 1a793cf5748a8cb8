//! Sockets that go from one process to another.

use std::io::Read;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};

use everport::transfer::{ReceiveError, Receiver, SendError, Sender};
use everport_tests::{Log, PATIENCE, program, program_for_everybody, without_privileges};

/// A process at the other end of a stream; it is killed with this.
struct Peer {
    child: Child,
    log: Log,
}

impl Peer {
    fn start(what: &str) -> (Self, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Self::on(what, theirs), ours)
    }

    fn on(what: &str, stream: UnixStream) -> Self {
        let mut command = Command::new(program("socket-peer"));
        command.arg(what);
        Self::spawn_on(command, stream)
    }

    fn spawn(command: Command) -> (Self, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Self::spawn_on(command, theirs), ours)
    }

    fn spawn_on(mut command: Command, theirs: UnixStream) -> Self {
        let mut child = command
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Log::default();
        log.follow(child.stdout.take().unwrap());
        Self { child, log }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// All that it has printed, once it has ended well.
    fn printed(mut self) -> Vec<String> {
        self.log.wait_for_end(1);
        assert!(self.child.wait().unwrap().success());
        self.log.lines()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Whoever has ended already is what is wanted.
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// What comes through a stream until it is closed everywhere.
fn read_all(mut stream: impl Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    (client, listener.accept().unwrap().0)
}

#[tokio::test]
async fn every_kind_of_socket_works_in_another_process() {
    let (peer, stream) = Peer::start("serve");
    let mut sender = Sender::from_std(stream).unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    sender.send(listener, b"a port").await.unwrap();
    let answer = read_all(TcpStream::connect(address).unwrap());
    assert_eq!(answer, "a port");

    let (client, connection) = connected();
    sender.send(connection, b"a connection").await.unwrap();
    assert_eq!(read_all(client), "a connection");

    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.send_to(b"?", socket.local_addr().unwrap()).unwrap();
    sender.send(socket, b"datagrams").await.unwrap();
    let mut answer = [0; 20];
    let length = client.recv(&mut answer).unwrap();
    assert_eq!(&answer[..length], b"datagrams");

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    sender.send(listener, b"a path").await.unwrap();
    assert_eq!(read_all(UnixStream::connect(&path).unwrap()), "a path");

    let (client, connection) = UnixStream::pair().unwrap();
    sender.send(connection, b"a stream").await.unwrap();
    assert_eq!(read_all(client), "a stream");

    let (client, socket) = UnixDatagram::pair().unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    sender.send(socket, b"a datagram").await.unwrap();
    let length = client.recv(&mut answer).unwrap();
    assert_eq!(&answer[..length], b"a datagram");

    drop(sender);
    let expected = [
        "a TCP listener with a port",
        "a TCP stream with a connection",
        "a UDP socket with datagrams",
        "a Unix listener with a path",
        "a Unix stream with a stream",
        "a Unix datagram socket with a datagram",
        "the end",
    ];
    assert_eq!(peer.printed(), expected);
}

#[tokio::test]
#[cfg(all(target_os = "linux", not(everport_portable)))]
async fn a_receiver_that_has_no_descriptor_left_loses_nothing() {
    let (peer, stream) = Peer::start("run-out");
    let mut sender = Sender::from_std(stream).unwrap();
    let (client, connection) = connected();
    sender.send(connection, b"the first").await.unwrap();
    sender.send(connected().1, b"the second").await.unwrap();
    drop(sender);
    let printed = peer.printed();
    let told = "no descriptor is free for a socket that came: close others, or raise the limit \
                (RLIMIT_NOFILE), and receive again";
    assert_eq!(
        printed,
        [told, told, "received the first", "received the second"]
    );
    assert_eq!(read_all(client), "");
}

/// Elsewhere nobody can look before he takes.
#[tokio::test]
#[cfg(all(target_os = "linux", everport_portable))]
async fn a_receiver_that_has_no_descriptor_left_goes_on_with_the_next_socket() {
    let (peer, stream) = Peer::start("run-out");
    let mut sender = Sender::from_std(stream).unwrap();
    let (client, connection) = connected();
    for data in ["the first", "the second", "the third"] {
        sender.send(&connection, data.as_bytes()).await.unwrap();
    }
    drop((sender, connection));
    let printed = peer.printed();
    let told = "a socket came that the system did not hand over: it is forbidden, or no descriptor was \
                free (RLIMIT_NOFILE)";
    assert_eq!(printed, [told, told, "received the third"]);
    assert_eq!(read_all(client), "");
}

#[test]
#[cfg(target_os = "linux")]
fn who_has_too_much_on_the_way_is_told_and_goes_on_when_some_was_received() {
    // There is no such limit for root.
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(program_for_everybody("socket-peer", directory.path()));
    without_privileges(command.arg("overload")).current_dir("/");
    let (peer, _stream) = Peer::spawn(command);
    let printed = peer.printed();
    assert_eq!(
        printed[0],
        "too many descriptors are on their way between processes: wait until some are received, \
         or raise the limit (RLIMIT_NOFILE)"
    );
    assert!(printed[1].starts_with("went on after "), "{printed:?}");
}

#[tokio::test]
async fn a_dead_receiver_is_told_and_the_connection_is_still_ours() {
    let mut command = Command::new("sleep");
    command.arg("1000");
    let (mut peer, stream) = Peer::spawn(command);
    let mut sender = Sender::from_std(stream).unwrap();
    let (client, connection) = connected();
    sender.send(&connection, b"never read").await.unwrap();
    peer.kill();
    let error = sender.send(&connection, b"").await.unwrap_err();
    assert!(matches!(error, SendError::Closed), "{error}");
    assert_eq!(sender.sent(), 1);
    // So somebody else can have it.
    let (_peer, stream) = Peer::start("serve");
    let mut sender = Sender::from_std(stream).unwrap();
    sender.send(connection, b"served after all").await.unwrap();
    assert_eq!(read_all(client), "served after all");
}

#[tokio::test]
async fn a_dead_sender_leaves_half_a_frame() {
    let (mut peer, stream) = Peer::start("stop-midway");
    peer.log.wait_for("1 sent");
    peer.kill();
    let mut receiver = Receiver::from_std(stream).unwrap().limit(1 << 20);
    let error = receiver.receive().await.unwrap_err();
    assert!(matches!(error, ReceiveError::CutShort), "{error}");
    assert!(receiver.receive().await.unwrap().is_none());
}

/// Elsewhere one that is killed within a frame leaves the rest of it.
#[tokio::test]
#[cfg(all(target_os = "linux", not(everport_portable)))]
async fn what_a_killed_process_did_not_take_is_whole_and_can_be_taken_by_another() {
    let mut left = 0;
    for round in 0..20 {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let kept = theirs.try_clone().unwrap();
        let mut peer = Peer::on("take", theirs);
        let mut sender = Sender::from_std(ours).unwrap();
        peer.log.wait_for("takes what comes");
        let (_client, connection) = connected();
        for number in 0..100_u32 {
            let data = number.to_le_bytes().repeat(100);
            sender.send(&connection, &data).await.unwrap();
            if number == 40 + round {
                peer.kill();
            }
        }
        drop(sender);
        let mut receiver = Receiver::from_std(kept).unwrap();
        let mut numbers = Vec::new();
        while let Some(received) = receiver.receive().await.unwrap() {
            assert_eq!(received.data.len(), 400);
            assert_eq!(
                received.socket.kind(),
                everport::transfer::SocketKind::TcpStream
            );
            numbers.push(u32::from_le_bytes(*received.data.first_chunk().unwrap()));
        }
        let first = 100 - u32::try_from(numbers.len()).unwrap();
        assert_eq!(numbers, Vec::from_iter(first..100));
        assert!(first <= 41 + round, "{first} of round {round}");
        left += numbers.len();
    }
    assert!(left > 20 * 40, "{left}");
}

#[test]
#[cfg(target_os = "linux")]
fn twenty_thousand_transfers_that_are_given_up_leave_no_descriptor_open() {
    let (peer, _stream) = Peer::start("churn");
    assert_eq!(peer.printed(), ["0 more meanwhile, 0 more at the end"]);
}
