//! What clients lose while the whole cluster is stopped and started again by a service manager that keeps the socket:
//! nothing.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self, UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use everport_load::RunningLoad;
use everport_tests::{
    Cluster, Exit, Kind, ask, for_each_kind, loopback_socket, share_turn, with_sockets,
};

use crate::{go_on, keep_alive_load, one_shot_load};

for_each_kind!(
    a_restart_of_the_service_loses_no_connection_to_a_socket_that_is_passed_in,
    a_restart_of_the_service_loses_no_request_on_a_kept_connection,
    a_restart_of_the_service_loses_no_connection_to_a_unix_socket_that_is_passed_in,
);

/// How often the whole cluster is stopped and started again.
const RESTARTS: usize = 5;

/// The next instance of a service whose socket is passed in.
fn start(kind: Kind, socket: impl AsFd, arguments: &str) -> Cluster {
    let command = kind.command("-w 2 --settle 0", arguments);
    let cluster = Cluster::spawn(with_sockets(&command, &[("web", socket.as_fd())]));
    cluster.wait_until_ready();
    cluster
}

/// Restarts a service whose worker is started with these options, again and again, while its clients go on.
fn check_tcp(kind: Kind, options: &str, load: fn(SocketAddr) -> RunningLoad) {
    let _turn = share_turn();
    let (socket, address) = loopback_socket();
    let arguments = format!("--listen {address} {options}");
    let mut cluster = start(kind, &socket, &arguments);
    let load = load(address);
    for _ in 0..RESTARTS {
        go_on(&load, 200);
        assert_eq!(cluster.stop(), Exit::Code(0));
        cluster = start(kind, &socket, &arguments);
    }
    go_on(&load, 200);
    load.stop().assert_lossless();
}

fn a_restart_of_the_service_loses_no_connection_to_a_socket_that_is_passed_in(kind: Kind) {
    check_tcp(kind, "", one_shot_load);
}

fn a_restart_of_the_service_loses_no_request_on_a_kept_connection(kind: Kind) {
    check_tcp(kind, "--http", keep_alive_load);
}

/// Clients of a Unix socket, one after the other on each of some threads, until they are told to stop.
struct UnixLoad {
    is_over: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl UnixLoad {
    fn start(address: &net::SocketAddr) -> Self {
        let (is_over, answers) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let client = |_| {
            let (is_over, answers, address) = (is_over.clone(), answers.clone(), address.clone());
            std::thread::spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    let answer = ask(UnixStream::connect_addr(&address).unwrap(), "/");
                    assert_eq!(answer.body, "Hello, World!");
                    answers.fetch_add(1, Ordering::SeqCst);
                }
            })
        };
        let threads = (0..8).map(client).collect();
        Self {
            is_over,
            answers,
            threads,
        }
    }

    fn go_on(&self) {
        let before = self.answers.load(Ordering::SeqCst);
        while self.answers.load(Ordering::SeqCst) < before + 100 {
            let has_failed = self
                .threads
                .iter()
                .any(std::thread::JoinHandle::is_finished);
            assert!(!has_failed, "a client failed");
            std::thread::yield_now();
        }
    }

    fn stop(self) {
        self.is_over.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().expect("no request failed");
        }
    }
}

fn check_unix(kind: Kind, address: &net::SocketAddr, socket: &UnixListener, name: &str) {
    let arguments = format!("--unix {name}");
    let mut cluster = start(kind, socket, &arguments);
    let load = UnixLoad::start(address);
    for _ in 0..RESTARTS {
        load.go_on();
        assert_eq!(cluster.stop(), Exit::Code(0));
        cluster = start(kind, socket, &arguments);
    }
    load.go_on();
    load.stop();
}

fn a_restart_of_the_service_loses_no_connection_to_a_unix_socket_that_is_passed_in(kind: Kind) {
    let _turn = share_turn();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let socket = UnixListener::bind(&path).unwrap();
    let address = net::SocketAddr::from_pathname(&path).unwrap();
    check_unix(kind, &address, &socket, path.to_str().unwrap());
    let name = format!("everport-passed-{kind:?}-{}", std::process::id());
    let address = net::SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixListener::bind_addr(&address).unwrap();
    check_unix(kind, &address, &socket, &format!("@{name}"));
}
