//! Sockets that a service manager passes in: which of them are ports, and that they stay its own.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use everport_tests::{
    Cluster, Exit, Kind, PATIENCE, for_each_kind, get, get_unix, loopback_socket, wait_until,
    with_sockets,
};

for_each_kind!(
    a_socket_is_the_port_of_its_address_and_told_by_its_name,
    what_comes_while_nobody_serves_waits_for_the_next_instance,
    the_file_of_a_unix_socket_stays_and_leads_to_the_next_instance,
    a_port_that_no_release_wants_any_more_stays_open_for_one_that_does,
    one_that_a_worker_shuts_down_listens_again,
    one_that_listens_again_has_room_for_more_than_the_program_asks_for,
    one_whose_number_the_kernel_chose_is_given_up_instead_of_listening_at_another,
    a_unix_socket_that_a_worker_shuts_down_is_not_replaced_by_our_own,
    what_cannot_be_served_from_is_named_with_what_it_is,
    a_socket_for_all_addresses_is_no_port_for_some_and_says_so,
    an_application_that_wants_reuseport_is_served_from_it_all_the_same,
    variables_that_speak_of_another_process_are_not_for_us,
);

fn start(
    kind: Kind,
    sockets: &[(&str, BorrowedFd<'_>)],
    options: &str,
    arguments: &str,
) -> Cluster {
    Cluster::spawn(with_sockets(&kind.command(options, arguments), sockets))
}

fn ready(
    kind: Kind,
    sockets: &[(&str, BorrowedFd<'_>)],
    options: &str,
    arguments: &str,
) -> Cluster {
    let cluster = start(kind, sockets, options, arguments);
    cluster.wait_until_ready();
    cluster
}

/// The same with a port number that was asked for, which the socket keeps when it is shut down.
fn socket_with_a_number() -> (TcpListener, SocketAddr) {
    loop {
        let (any, address) = loopback_socket();
        drop(any);
        // Somebody else may have been faster.
        if let Ok(listener) = TcpListener::bind(address) {
            return (listener, address);
        }
    }
}

/// A client that has asked and waits for its answer.
fn waiting_client(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    client
}

fn answer(mut client: impl Read) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    text
}

fn a_socket_is_the_port_of_its_address_and_told_by_its_name(kind: Kind) {
    let (web, address) = loopback_socket();
    let (admin, unused) = loopback_socket();
    let sockets = [("web", web.as_fd()), ("admin", admin.as_fd())];
    let cluster = ready(
        kind,
        &sockets,
        "-w 2 --settle 0",
        &format!("--listen {address}"),
    );
    assert_eq!(get(address, "/").body, "Hello, World!");
    let log = cluster.log();
    log.wait_for(&format!(
        "listening on {address} (transfer, passed in as \"web\")"
    ));
    log.wait_for(&format!(
        "no worker listens on {unused}, passed in as \"admin\""
    ));
    cluster.restart();
    // Until then an old one may take one more.
    log.wait_for_many(2, kind.ended());
    assert!(get(address, "/").worker() > 2);
    assert_eq!(log.matching("no worker listens on").len(), 1);
    assert_eq!(cluster.stop(), Exit::Code(0));
}

fn what_comes_while_nobody_serves_waits_for_the_next_instance(kind: Kind) {
    let (web, address) = loopback_socket();
    let early = waiting_client(address);
    let arguments = format!("--listen {address}");
    let cluster = ready(kind, &[("web", web.as_fd())], "-w 1", &arguments);
    assert!(answer(early).ends_with("Hello, World!"));
    assert_eq!(cluster.stop(), Exit::Code(0));
    let between = waiting_client(address);
    let _next = ready(kind, &[("web", web.as_fd())], "-w 1", &arguments);
    assert!(answer(between).ends_with("Hello, World!"));
}

fn the_file_of_a_unix_socket_stays_and_leads_to_the_next_instance(kind: Kind) {
    let directory = everport_tests::socket_directory();
    let path = directory.path().join("socket");
    let socket = UnixListener::bind(&path).unwrap();
    let arguments = format!("--unix {}", path.display());
    let cluster = ready(
        kind,
        &[("web", socket.as_fd())],
        "-w 2 --settle 0",
        &arguments,
    );
    assert_eq!(get_unix(&path, "/").body, "Hello, World!");
    cluster.restart();
    assert_eq!(cluster.stop(), Exit::Code(0));
    let mut between = UnixStream::connect(&path).unwrap();
    between
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let _next = ready(kind, &[("web", socket.as_fd())], "-w 1", &arguments);
    assert!(answer(between).ends_with("Hello, World!"));
}

fn a_port_that_no_release_wants_any_more_stays_open_for_one_that_does(kind: Kind) {
    let (web, address) = loopback_socket();
    let (second, second_address) = loopback_socket();
    let directory = everport_tests::socket_directory();
    let release = directory.path().join("release");
    let put = |text: &str| std::fs::write(&release, text).unwrap();
    put("v1 second-port");
    let arguments = format!(
        "--listen {address} --second-port {second_address} --release {}",
        release.display()
    );
    let sockets = [("web", web.as_fd()), ("second", second.as_fd())];
    let cluster = ready(kind, &sockets, "-w 1 --settle 0", &arguments);
    assert_eq!(get(second_address, "/").body, "Hello, World!");
    put("v2");
    cluster.restart();
    let told = format!("no worker wants {second_address}, passed in as \"second\" any more");
    cluster.log().wait_for(&told);
    // Until then it may take one more.
    cluster
        .log()
        .wait_for(&format!("worker 1 (slot 0) {}", kind.ended()));
    let waiting = waiting_client(second_address);
    put("v3 second-port");
    cluster.restart();
    let answer = answer(waiting);
    assert!(answer.contains("x-release: v3"), "{answer}");
}

fn one_that_a_worker_shuts_down_listens_again(kind: Kind) {
    let (web, address) = socket_with_a_number();
    let cluster = ready(
        kind,
        &[("web", web.as_fd())],
        "-w 2",
        &format!("--listen {address}"),
    );
    assert_eq!(get(address, "/shutdown").body, "shut down");
    cluster
        .log()
        .wait_for("was shut down by a worker and listens again");
    wait_until_it_listens(address);
    assert_eq!(get(address, "/").body, "Hello, World!");
}

/// What was shut down by one descriptor and listens again may be shut down by the next one of the same socket.
fn wait_until_it_listens(address: SocketAddr) {
    wait_until("it listens", || TcpStream::connect(address).is_ok());
}

/// How many connections may wait at a socket that listens.
fn backlog(socket: BorrowedFd<'_>) -> u32 {
    let mut info = std::mem::MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).unwrap();
    // SAFETY: the kernel writes at most `length` bytes, which `info` has.
    let read = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &mut length,
        )
    };
    assert_eq!(read, 0);
    // SAFETY: every bit pattern is a value of it, and what was not written is zero.
    // Of a socket that listens the kernel tells it in this field.
    unsafe { info.assume_init() }.tcpi_sacked
}

/// How many may wait there is not for the program to say.
fn one_that_listens_again_has_room_for_more_than_the_program_asks_for(kind: Kind) {
    let (web, address) = socket_with_a_number();
    let arguments = format!("--listen {address} --backlog 1");
    let cluster = ready(kind, &[("web", web.as_fd())], "-w 1", &arguments);
    assert_eq!(get(address, "/shutdown").body, "shut down");
    cluster
        .log()
        .wait_for("was shut down by a worker and listens again");
    wait_until_it_listens(address);
    assert!(backlog(web.as_fd()) > 1);
}

fn one_whose_number_the_kernel_chose_is_given_up_instead_of_listening_at_another(kind: Kind) {
    let (chosen, address) = loopback_socket();
    let arguments = format!("--listen {address} --listen 127.0.0.1:0");
    let cluster = ready(kind, &[("web", chosen.as_fd())], "-w 1", &arguments);
    assert_eq!(get(address, "/shutdown").body, "shut down");
    cluster.log().wait_for("it does not listen again: ");
    assert!(TcpStream::connect(address).is_err());
}

fn a_unix_socket_that_a_worker_shuts_down_is_not_replaced_by_our_own(kind: Kind) {
    let directory = everport_tests::socket_directory();
    let path = directory.path().join("socket");
    let socket = UnixListener::bind(&path).unwrap();
    let identity = |path: &Path| std::os::unix::fs::MetadataExt::ino(&path.metadata().unwrap());
    let before = identity(&path);
    let (web, address) = socket_with_a_number();
    let arguments = format!("--listen {address} --unix {}", path.display());
    let sockets = [("web", web.as_fd()), ("local", socket.as_fd())];
    let cluster = ready(kind, &sockets, "-w 1 --settle 0", &arguments);
    assert_eq!(get(address, "/shutdown").body, "shut down");
    cluster.log().wait_for("it does not listen again: ");
    cluster.signal(rustix::process::Signal::USR1);
    let told = cluster
        .log()
        .wait_for("which a worker has shut down (restart its socket unit)");
    assert!(told.contains("passed in as \"local\""), "{told}");
    assert_eq!(identity(&path), before);
}

fn what_cannot_be_served_from_is_named_with_what_it_is(kind: Kind) {
    let (web, address) = loopback_socket();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let file = File::open("/dev/null").unwrap();
    let again = web.try_clone().unwrap();
    let client = TcpStream::connect(address).unwrap();
    let sockets = [
        ("dns", datagrams.as_fd()),
        ("web", web.as_fd()),
        ("null", file.as_fd()),
        ("twin", again.as_fd()),
        ("accepted", client.as_fd()),
    ];
    let cluster = ready(kind, &sockets, "-w 1", &format!("--listen {address}"));
    for expected in [
        "descriptor 3, passed in as \"dns\", is not used: it is no stream socket".to_owned(),
        "descriptor 5, passed in as \"null\", is not used: it is no socket".to_owned(),
        format!("the socket passed in as \"twin\" is not used: {address} was passed in before"),
        "descriptor 7, passed in as \"accepted\", is not used: it does not listen".to_owned(),
    ] {
        cluster.log().wait_for(&expected);
    }
    assert_eq!(get(address, "/").body, "Hello, World!");
}

fn a_socket_for_all_addresses_is_no_port_for_some_and_says_so(kind: Kind) {
    let any = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = any.local_addr().unwrap().port();
    let arguments = format!("--listen 127.0.0.1:{port}");
    let mut cluster = start(kind, &[("web", any.as_fd())], "-w 1", &arguments);
    let told = cluster
        .log()
        .wait_for(&format!("cannot listen on 127.0.0.1:{port}"));
    let why = format!(
        "address already in use by the socket passed in as \"web\" for 0.0.0.0:{port} (let the program listen on \
         0.0.0.0:{port}, or its socket unit: ListenStream=127.0.0.1:{port})"
    );
    assert!(told.ends_with(&why), "{told}");
    assert_eq!(cluster.wait(), Exit::Code(5));
}

fn an_application_that_wants_reuseport_is_served_from_it_all_the_same(kind: Kind) {
    let (web, address) = loopback_socket();
    let cluster = ready(
        kind,
        &[("web", web.as_fd())],
        "-w 2 --share reuseport",
        &format!("--listen {address}"),
    );
    cluster.log().wait_for("(transfer, passed in as \"web\")");
    assert_eq!(get(address, "/").body, "Hello, World!");
}

fn variables_that_speak_of_another_process_are_not_for_us(kind: Kind) {
    let (web, address) = loopback_socket();
    let mut command = std::process::Command::new("sh");
    let run = kind.command("-w 1", "--listen 127.0.0.1:0");
    let words = std::iter::once(run.get_program()).chain(run.get_args());
    let words: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
    // The one that executes the command is not the one that the variables name.
    let script = format!("{} & trap 'kill $!' TERM; wait; wait", words.join(" "));
    command.args(["-c", &script]);
    let cluster = Cluster::spawn(with_sockets(&command, &[("web", web.as_fd())]));
    cluster.wait_until_ready();
    assert_ne!(cluster.address(), address);
    assert_eq!(cluster.log().matching("passed in"), [""; 0]);
    cluster.signal(rustix::process::Signal::TERM);
    cluster.log().wait_for("stopped after");
}
