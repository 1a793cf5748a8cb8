//! The example as its readers run it: by its socket alone, and behind a real nginx with the configuration beside it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod nginx;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use everport_load::{Load, RunningLoad, Target};
use everport_tests::{Cluster, Exit, PATIENCE, get_unix, share_turn, take_turn, wait_until};
use tempfile::TempDir;

use nginx::Nginx;

const BEHIND_NGINX: &str = env!("CARGO_BIN_EXE_behind_nginx");

/// A place for the socket.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn socket(&self) -> PathBuf {
        self.0.path().join("shop.sock")
    }

    fn cluster(&self, options: &str) -> Cluster {
        let mut command = Cluster::command(options.split_whitespace());
        command.args(["--", BEHIND_NGINX]).arg(self.socket());
        let cluster = Cluster::spawn(command);
        cluster.wait_until_ready();
        cluster
    }
}

fn load(target: impl Into<Target>, greeting: &str) -> Load {
    Load::new(target)
        .clients(8)
        .rate(500)
        .expect_body(greeting)
        .timeout(Duration::from_secs(20))
        .duration(PATIENCE * 2)
}

/// Both kinds of clients: those that make a connection for each request, and those that keep theirs.
fn loads(target: impl Into<Target> + Clone, greeting: &str) -> [RunningLoad; 2] {
    let one_shot = load(target.clone(), greeting).one_shot();
    let kept = load(target, greeting).keep_alive();
    [one_shot, kept].map(|load| load.start().unwrap())
}

fn go_on(loads: &[RunningLoad; 2]) {
    for load in loads {
        load.wait_for_more(100, PATIENCE).unwrap();
    }
}

fn restart_under(loads: [RunningLoad; 2], cluster: &Cluster) {
    go_on(&loads);
    for restarts in 1..=3 {
        cluster.restart();
        cluster.log().wait_for_many(2 * restarts, "has drained");
        go_on(&loads);
    }
    for load in loads {
        load.stop().assert_lossless();
    }
}

#[test]
fn rolling_restarts_lose_nothing_on_the_socket_itself() {
    let _turn = share_turn();
    let place = Place::new();
    let cluster = place.cluster("--workers 2 --settle 0");
    let loads = loads(Target::UnixPath(place.socket()), "Hello, World!");
    restart_under(loads, &cluster);
    assert_eq!(cluster.stop(), Exit::Code(0));
    assert!(!place.socket().exists());
}

#[test]
fn it_serves_standalone() {
    let place = Place::new();
    let mut command = Command::new(BEHIND_NGINX);
    command.arg(place.socket());
    let program = Cluster::spawn(command);
    wait_until("it listens", || {
        std::os::unix::net::UnixStream::connect(place.socket()).is_ok()
    });
    assert_eq!(get_unix(&place.socket(), "/").body, "Hello, World!");
    assert_eq!(program.stop(), Exit::Code(0));
}

#[test]
fn rolling_restarts_behind_nginx_lose_nothing() {
    let _turn = take_turn();
    let place = Place::new();
    let Some(nginx) = Nginx::start(&place.socket()) else {
        return;
    };
    let cluster = place.cluster("--workers 2 --settle 0");
    restart_under(loads(nginx.address(), "Hello, 127.0.0.1!"), &cluster);
    assert_eq!(nginx.errors(), [""; 0]);
}
