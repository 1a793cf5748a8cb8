//! The example as its readers run it: certificates are renewed under load, and bad ones are refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod client;
mod identity;
mod load;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;

use everport_tests::{Cluster, Exit, share_turn};
use rustix::process::Signal;
use tokio_rustls::rustls::ClientConfig;

use client::Client;
use identity::{Files, Identity, trust};
use load::Load;

/// Everybody who connects now is shown this certificate, and is answered.
#[track_caller]
fn check_shown(address: SocketAddr, trust: &Arc<ClientConfig>, identity: &Identity) {
    for _ in 0..10 {
        let client = Client::connect(address, trust).unwrap();
        let is_shown = client.certificate() == identity.certificate;
        assert!(is_shown, "another certificate");
        client.get_once().unwrap();
    }
}

#[test]
fn a_rolling_restart_brings_a_new_certificate_and_loses_no_request() {
    let _turn = share_turn();
    let (old, new) = (Identity::new(), Identity::new());
    let trust = trust(&[&old, &new]);
    let files = Files::of(&old);
    let cluster = files.cluster("--workers 2 --settle 0.1");
    let address = cluster.address();
    let load = Load::start(address, Arc::clone(&trust));
    load.go_on(100);
    files.put(&new);
    check_shown(address, &trust, &old);
    cluster.restart();
    // Until they have heard of it, the old ones go on accepting beside the new ones.
    cluster.log().wait_for_many(2, " ended: exited");
    check_shown(address, &trust, &new);
    // Renewed again, which is nothing new to clients: each of these restarts meets connections that are kept.
    for _ in 0..2 {
        cluster.restart();
        load.go_on(100);
    }
    let report = load.stop();
    assert_eq!(report.failures, [""; 0]);
    assert_eq!(report.certificates.len(), 2);
    assert_eq!(cluster.stop(), Exit::Code(0));
}

/// Asks for a rolling restart, waits until it was rolled back, and returns why.
fn abort(cluster: &Cluster) -> Vec<String> {
    let before = cluster.log().position();
    cluster.signal(Signal::USR1);
    cluster.log().wait_after(before, "rolled back to");
    cluster.log().lines().split_off(before)
}

#[test]
fn a_bad_certificate_or_key_aborts_the_rollout_and_the_old_workers_go_on_serving() {
    let _turn = share_turn();
    let (old, other) = (Identity::new(), Identity::new());
    let trust = trust(&[&old]);
    let files = Files::of(&old);
    let cluster = files.cluster("--workers 2 --settle 0.1");
    let before = cluster.workers();
    let load = Load::start(cluster.address(), Arc::clone(&trust));
    let spoil: [(&dyn Fn(), &str); 4] = [
        (&|| files.put_key("no key"), "| Error: cannot read the key"),
        (&|| files.put_key(&other.key_pem), "| Error: cannot use"),
        (
            &|| files.put_certificate("no certificate"),
            "| Error: cannot use",
        ),
        (
            &|| std::fs::remove_file(files.certificate()).unwrap(),
            "| Error: cannot read the certificate",
        ),
    ];
    for (spoil, cause) in spoil {
        files.put(&old);
        spoil();
        let log = abort(&cluster);
        let has = |text: &str| log.iter().any(|line| line.contains(text));
        assert!(
            has("died before it was ready (exited with code 1)"),
            "{log:#?}"
        );
        assert!(has(cause), "{cause}: {log:#?}");
        load.go_on(20);
    }
    check_shown(cluster.address(), &trust, &old);
    assert_eq!(load.stop().failures, [""; 0]);
    assert_eq!(cluster.workers(), before);
    // What was wrong is mended, and the next restart goes through.
    files.put(&other);
    cluster.restart();
    assert_ne!(cluster.workers(), before);
}

#[test]
fn a_client_that_never_ends_its_handshake_does_not_hold_up_a_drain_until_its_deadline() {
    let identity = Identity::new();
    let files = Files::of(&identity);
    let cluster = files.cluster("--workers 2 --settle 0");
    let mut slow: Vec<TcpStream> = (0..8)
        .map(|_| TcpStream::connect(cluster.address()).unwrap())
        .collect();
    for connection in &mut slow {
        // The first byte of a handshake.
        connection.write_all(&[22]).unwrap();
    }
    cluster.restart();
    cluster.log().wait_for_many(2, " ended: exited");
    assert_eq!(cluster.log().matching("timed out").len(), 0);
    assert_eq!(cluster.log().matching("has drained").len(), 2);
}

/// HTTP/2 as browsers come to speak it.
#[test]
fn it_offers_http_2() {
    let identity = Identity::new();
    let mut config = ClientConfig::clone(&trust(&[&identity]));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let files = Files::of(&identity);
    let cluster = files.cluster("--workers 1");
    let mut client = Client::connect(cluster.address(), &Arc::new(config)).unwrap();
    assert_eq!(client.protocol(), Some(b"h2".as_slice()));
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    client.send(&settings).unwrap();
    let [_, _, _, kind, ..] = client.receive::<9>().unwrap();
    assert_eq!(kind, settings[3], "not the server's own settings");
}

#[test]
fn it_serves_standalone() {
    let identity = Identity::new();
    let files = Files::of(&identity);
    let program = Cluster::spawn(files.serving(Command::new(env!("CARGO_BIN_EXE_tls"))));
    let line = program.log().wait_for("listening on ");
    let (_, address) = line.rsplit_once(' ').unwrap();
    check_shown(address.parse().unwrap(), &trust(&[&identity]), &identity);
    assert_eq!(program.stop(), Exit::Code(0));
}
