//! A real nginx with the configuration of the example.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use everport_tests::{Cluster, PATIENCE, is_alive, wait_for_port, wait_until};
use rustix::process::Signal;
use tempfile::TempDir;

const CONFIGURATION: &str = include_str!("../../nginx.conf");
const ADDRESS: &str = "127.0.0.1:8090";
const SOCKET: &str = "/tmp/everport-shop.sock";

/// Ended when it is dropped.
pub(crate) struct Nginx {
    process: Cluster,
    _prefix: TempDir,
}

impl Nginx {
    /// Starts it in front of a socket, which need not be there yet. Nothing, with a word on standard error, if there is no
    /// nginx on this machine.
    pub(crate) fn start(socket: &Path) -> Option<Self> {
        let Some(program) = find() else {
            eprintln!(
                "there is no nginx here: what it shows was left out (apt-get install nginx-light)"
            );
            return None;
        };
        wait_for_port(ADDRESS);
        let prefix = tempfile::tempdir().unwrap();
        let configuration = prefix.path().join("nginx.conf");
        fs::write(&configuration, configured_for(socket)).unwrap();
        let mut command = Command::new(program);
        command
            .arg("-p")
            .arg(prefix.path())
            .arg("-c")
            .arg(configuration);
        if rustix::process::geteuid().is_root() {
            // The socket is in a directory that nobody else may enter.
            command.args(["-g", "user root;"]);
        }
        let nginx = Self {
            process: Cluster::spawn(command),
            _prefix: prefix,
        };
        wait_until("nginx listens", || TcpStream::connect(ADDRESS).is_ok());
        Some(nginx)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        ADDRESS.parse().unwrap()
    }

    /// What it has complained about.
    pub(crate) fn errors(&self) -> Vec<String> {
        self.process.log().matching("[error]")
    }
}

impl Drop for Nginx {
    /// By a signal that it hears: killed, it would leave its own workers behind.
    fn drop(&mut self) {
        self.process.signal(Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while is_alive(self.process.pid()) && Instant::now() < deadline {
            sleep(Duration::from_millis(1));
        }
    }
}

/// As the example has it, with another socket.
fn configured_for(socket: &Path) -> String {
    let socket = socket.to_str().unwrap();
    let changed = CONFIGURATION.replace(&format!("unix:{SOCKET};"), &format!("unix:{socket};"));
    assert!(changed.contains(socket) && changed.contains(ADDRESS));
    changed
}

/// Those who are no administrators often do not have its directory in their `PATH`.
fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    places
        .map(|place| place.join("nginx"))
        .find(|program| program.is_file())
}
