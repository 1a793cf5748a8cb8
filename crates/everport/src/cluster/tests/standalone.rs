//! A process without a watcher: everything works, nothing is shared.

use std::time::Duration;

use super::harness::{are_connected, on_both_runtimes, pends, within};
use crate::cluster::builder::Surroundings;
use crate::{BindCause, Cluster, ListenError};

pub(crate) fn standalone() -> Cluster {
    let surroundings = Surroundings {
        catches_signals: false,
        logs_records: false,
        end: Box::new(|code| panic!("the process was to be ended with {code}")),
    };
    Cluster::builder()
        .standalone_shutdown_timeout(Duration::from_secs(30))
        .stand_alone(surroundings)
        .unwrap()
}

#[test]
fn a_standalone_process_belongs_to_nobody() {
    on_both_runtimes(async || {
        let cluster = standalone();
        assert!(!cluster.is_worker());
        assert_eq!(cluster.id(), None);
        assert_eq!(cluster.slot(), None);
        assert_eq!(cluster.generation(), None);
        within(cluster.leave()).await.unwrap();
    });
}

#[test]
fn a_standalone_process_serves_and_drains() {
    on_both_runtimes(async || {
        let cluster = standalone();
        let listener = within(cluster.listen("127.0.0.1:0")).await.unwrap();
        let address = listener.local_addr().unwrap();
        assert_ne!(address.port(), 0);
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut server, _) = within(listener.accept()).await.unwrap();
        assert!(are_connected(&mut client, &mut server).await);
        let leaving = cluster.clone();
        let leaving = tokio::spawn(async move { leaving.leave().await });
        within(cluster.terminated()).await;
        assert!(pends(listener.accept()).await);
        within(leaving).await.unwrap().unwrap();
        // The socket is closed although the listener still is there.
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    });
}

#[test]
fn what_waits_at_a_standalone_port_is_accepted_before_it_closes() {
    on_both_runtimes(async || {
        let cluster = standalone();
        let listener = within(cluster.listen("127.0.0.1:0")).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        cluster.state.leave_alone();
        within(cluster.draining()).await;
        let (mut server, _) = within(listener.accept()).await.unwrap();
        assert!(are_connected(&mut client, &mut server).await);
        within(cluster.leave()).await.unwrap();
    });
}

#[test]
fn a_standalone_port_in_use_is_a_typed_error() {
    on_both_runtimes(async || {
        let cluster = standalone();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let error = within(cluster.listen(taken.local_addr().unwrap()))
            .await
            .unwrap_err();
        let ListenError::Bind(error) = error else {
            panic!("{error}");
        };
        assert!(
            matches!(error.cause, BindCause::InUse { .. } | BindCause::System(_)),
            "{error}"
        );
    });
}

#[test]
fn a_standalone_unix_socket_serves_and_is_removed_at_the_end() {
    on_both_runtimes(async || {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let cluster = standalone();
        let listener = within(cluster.listen_unix(&path)).await.unwrap();
        let _client = tokio::net::UnixStream::connect(&path).await.unwrap();
        let (server, _) = within(listener.accept()).await.unwrap();
        assert!(server.peer_cred().is_ok());
        drop(listener);
        assert!(!path.exists());
    });
}
