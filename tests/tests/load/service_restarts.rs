//! What clients lose while the whole cluster is stopped and started again by a service manager that keeps the socket:
//! nothing.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self, UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use everport_load::RunningLoad;
use everport_tests::{Cluster, Exit, ask, loopback_socket, program, take_turn, with_sockets};

use crate::{go_on, keep_alive_load, one_shot_load};

/// How often the whole cluster is stopped and started again.
const RESTARTS: usize = 5;

/// The next instance of a service whose socket is passed in.
fn start(socket: impl AsFd, arguments: &str) -> Cluster {
    let mut command = Cluster::command(["-w", "2", "--settle", "0"]);
    command.arg("--").arg(program("test-worker"));
    command.args(arguments.split_whitespace());
    let cluster = Cluster::spawn(with_sockets(&command, &[("web", socket.as_fd())]));
    cluster.wait_until_ready();
    cluster
}

/// Restarts a service whose worker is started with these options, again and again, while its clients go on.
fn check_tcp(options: &str, load: fn(SocketAddr) -> RunningLoad) {
    let _turn = take_turn();
    let (socket, address) = loopback_socket();
    let arguments = format!("--listen {address} {options}");
    let mut cluster = start(&socket, &arguments);
    let load = load(address);
    for _ in 0..RESTARTS {
        go_on(&load, 200);
        assert_eq!(cluster.stop(), Exit::Code(0));
        cluster = start(&socket, &arguments);
    }
    go_on(&load, 200);
    load.stop().assert_lossless();
}

#[test]
fn a_restart_of_the_service_loses_no_connection_to_a_socket_that_is_passed_in() {
    check_tcp("", one_shot_load);
}

#[test]
fn a_restart_of_the_service_loses_no_request_on_a_kept_connection() {
    check_tcp("--http", keep_alive_load);
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

fn check_unix(address: &net::SocketAddr, socket: &UnixListener, name: &str) {
    let arguments = format!("--unix {name}");
    let mut cluster = start(socket, &arguments);
    let load = UnixLoad::start(address);
    for _ in 0..RESTARTS {
        load.go_on();
        assert_eq!(cluster.stop(), Exit::Code(0));
        cluster = start(socket, &arguments);
    }
    load.go_on();
    load.stop();
}

#[test]
fn a_restart_of_the_service_loses_no_connection_to_a_unix_socket_that_is_passed_in() {
    let _turn = take_turn();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let socket = UnixListener::bind(&path).unwrap();
    let address = net::SocketAddr::from_pathname(&path).unwrap();
    check_unix(&address, &socket, path.to_str().unwrap());
    let name = format!("everport-passed-{}", std::process::id());
    let address = net::SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixListener::bind_addr(&address).unwrap();
    check_unix(&address, &socket, &format!("@{name}"));
}
