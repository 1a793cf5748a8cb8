//! TCP of both families, Unix sockets of both kinds, and what is done with their connections.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use everport_load::{FailureKind, Load, Target};

use crate::run;
use crate::server::{
    Server, answer, answer_all, answer_one, read_request, refusing_address, whole_answer, write,
};
use crate::socket_table::port_numbers_kept_for;

#[test]
fn both_families_of_tcp_are_served() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        if let Err(error) = std::net::TcpListener::bind(address) {
            assert!(address.starts_with('['), "{error}");
            eprintln!("there is no IPv6 here ({error}): what it shows was left out");
            continue;
        }
        let server = Server::start_at(address, answer_all);
        let load = Load::new(server.address).requests(20).expect_body("hello");
        run(load.clone()).assert_lossless();
        run(load.keep_alive()).assert_lossless();
    }
}

#[test]
fn a_unix_socket_with_a_path_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sock");
    serve_unix(UnixListener::bind(&path).unwrap());
    let target: Target = format!("unix:{}", path.display()).parse().unwrap();
    run(Load::new(target.clone()).requests(20)).assert_lossless();
    run(Load::new(target).keep_alive().requests(20)).assert_lossless();
}

#[cfg(target_os = "linux")]
#[test]
fn an_abstract_unix_socket_is_served() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("everport-load-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    serve_unix(UnixListener::bind_addr(&address).unwrap());
    let target = Target::UnixAbstract(name.into_bytes());
    run(Load::new(target).requests(20)).assert_lossless();
}

#[test]
fn a_unix_socket_nobody_listens_on_refuses_and_one_that_is_not_there_is_another_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sock");
    drop(UnixListener::bind(&path).unwrap());
    let report = run(Load::new(Target::UnixPath(path.clone())).requests(3));
    assert_eq!(report.failed_with(FailureKind::Refused), 3, "{report}");
    fs::remove_file(&path).unwrap();
    let report = run(Load::new(Target::UnixPath(path)).requests(3));
    let missing = FailureKind::Other(rustix::io::Errno::NOENT.raw_os_error());
    assert_eq!(report.failed_with(missing), 3, "{report}");
}

#[test]
fn a_full_queue_of_a_unix_socket_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sock");
    let listener = UnixListener::bind(&path).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let queued = fill_queue(&path);
    let load = Load::new(Target::UnixPath(path)).clients(1).requests(1);
    let load = load.start().unwrap();
    load.wait_for_completed(1, Duration::from_millis(50))
        .unwrap_err();
    drop(queued);
    serve_unix(listener);
    load.wait().assert_lossless();
}

#[test]
fn keep_alive_clients_keep_their_connections() {
    let server = Server::start(answer_all);
    let report = run(Load::new(server.address)
        .clients(3)
        .keep_alive()
        .requests(300));
    report.assert_lossless();
    assert!((1..=3).contains(&report.connections.opened), "{report}");
}

#[test]
fn pauses_come_between_the_requests_of_a_connection() {
    let server = Server::start(answer_all);
    let load = Load::new(server.address)
        .clients(1)
        .keep_alive()
        .requests(30);
    let report = run(load.pause_up_to(Duration::from_millis(20)).seed(7));
    report.assert_lossless();
    // 30 pauses of 10 ms on average; this seed's do not come near to being so short.
    assert!(report.elapsed > Duration::from_millis(100), "{report}");
}

#[test]
fn the_workers_that_answered_are_counted() {
    let turn = Mutex::new(0);
    let server = Server::start(move |mut stream: TcpStream| {
        read_request(&mut stream);
        let mut turn = turn.lock().unwrap();
        *turn += 1;
        let (header, body) = match *turn % 4 {
            0 => ("", "nobody"),
            1 => ("X-Worker: w1\r\n", "one"),
            _ => ("X-Worker: w2\r\n", "two"),
        };
        write(&mut stream, &whole_answer(header, body));
    });
    let load = Load::new(server.address).requests(40);
    let report = run(load.clone());
    let counts: Vec<_> = report.workers.into_iter().collect();
    assert_eq!(counts, [("w1".to_owned(), 10), ("w2".to_owned(), 20)]);
    let report = run(load.identify(|response| String::from_utf8(response.body.to_vec()).ok()));
    let counts: Vec<_> = report.workers.into_values().collect();
    assert_eq!(counts, [10, 10, 20]);
}

#[test]
fn source_addresses_are_used_in_turn() {
    let sources = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&sources);
    let server = Server::start(move |stream| {
        let source = stream.peer_addr().unwrap().ip();
        seen.lock().unwrap().insert(source);
        answer_all(stream);
    });
    // The server keeps its connections, so that every client has to send requests of its own.
    let load = Load::new(server.address)
        .clients(3)
        .source_addresses(3)
        .rate(300);
    run(load.keep_alive().requests(60)).assert_lossless();
    let expected = [1, 2, 3].map(|last| IpAddr::from([127, 0, 0, last]));
    assert_eq!(*sources.lock().unwrap(), expected.into());
}

#[test]
fn no_port_number_stays_taken_after_a_one_shot_load() {
    let closes_first: fn(TcpStream) = answer_one;
    let never_closes: fn(TcpStream) = |mut stream| {
        read_request(&mut stream);
        answer(&mut stream, "hello");
        read_request(&mut stream);
    };
    for (handle, left_to_client) in [(closes_first, 0), (never_closes, 20)] {
        // An address of its own: others' clients may have this server's port number as theirs.
        let server = Server::start_at("127.0.0.77:0", handle);
        let report = run(Load::new(server.address).requests(20));
        report.assert_lossless();
        assert_eq!(
            report.connections.closed_by_client, left_to_client,
            "{report}"
        );
        let SocketAddr::V4(address) = server.address else {
            panic!("{} is not IPv4", server.address);
        };
        assert_eq!(port_numbers_kept_for(address), 0);
    }
}

#[test]
fn an_address_nobody_listens_on_fails_every_request_and_nothing_else() {
    let report = run(Load::new(refusing_address()).keep_alive().requests(5));
    assert_eq!(
        (report.ok, report.failed_with(FailureKind::Refused)),
        (0, 5),
        "{report}"
    );
    assert_eq!(report.connections.opened, 0, "{report}");
}

fn serve_unix(listener: UnixListener) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || answer_all(stream));
        }
    });
}

fn fill_queue(path: &Path) -> Vec<UnixStream> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    let address = SocketAddrUnix::new(path).unwrap();
    let mut queued = Vec::new();
    loop {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let kind = (AddressFamily::UNIX, SocketType::STREAM);
        let socket = rustix::net::socket_with(kind.0, kind.1, flags, None).unwrap();
        if rustix::net::connect(&socket, &address).is_err() {
            return queued;
        }
        queued.push(socket.into());
        assert!(queued.len() < 100, "the queue is never full");
    }
}
