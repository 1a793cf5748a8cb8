//! Unix sockets.

use std::fs;
use std::os::unix::net::UnixListener;

use everport_tests::{Cluster, Exit, Kind, for_each_kind, get, get_unix};

for_each_kind!(
    a_path_is_served_across_restarts_and_removed_at_the_end,
    an_abstract_name_is_served_across_restarts,
    a_stale_file_is_replaced,
    a_live_socket_and_a_file_are_errors_and_stay,
);

fn a_path_is_served_across_restarts_and_removed_at_the_end(kind: Kind) {
    let directory = everport_tests::socket_directory();
    let path = directory.path().join("socket");
    let cluster = kind.ready("-w 2 --settle 0", &format!("--unix {}", path.display()));
    assert_eq!(get_unix(&path, "/").body, "Hello, World!");
    cluster.restart();
    cluster.log().wait_for_many(2, kind.ended());
    assert!(get_unix(&path, "/").worker() > 2);
    assert_eq!(cluster.stop(), Exit::Code(0));
    assert!(!path.exists());
}

fn an_abstract_name_is_served_across_restarts(kind: Kind) {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixStream};
    let name = format!("everport-test-{kind:?}-{}", std::process::id());
    let cluster = kind.ready("-w 2 --settle 0", &format!("--unix @{name}"));
    cluster.restart();
    cluster.log().wait_for_many(2, kind.ended());
    let address = SocketAddr::from_abstract_name(name).unwrap();
    let answer = everport_tests::ask(UnixStream::connect_addr(&address).unwrap(), "/");
    assert!(answer.worker() > 2);
}

fn a_stale_file_is_replaced(kind: Kind) {
    let directory = everport_tests::socket_directory();
    let path = directory.path().join("socket");
    drop(UnixListener::bind(&path).unwrap());
    let _cluster = kind.ready("-w 1", &format!("--unix {}", path.display()));
    assert_eq!(get_unix(&path, "/").worker(), 1);
}

fn a_live_socket_and_a_file_are_errors_and_stay(kind: Kind) {
    let directory = everport_tests::socket_directory();
    let live = directory.path().join("live");
    let _owner = UnixListener::bind(&live).unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "precious").unwrap();
    for (path, cause) in [
        (&live, "a program answers on this socket"),
        (&file, "is not a socket"),
    ] {
        let mut cluster = kind.start("-w 1", &format!("--unix {}", path.display()));
        cluster.log().wait_for(cause);
        assert_eq!(cluster.wait(), Exit::Code(5));
        assert!(path.exists());
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
}

#[test]
fn one_that_a_worker_shut_down_is_told_of_once_and_had_again_after_a_restart() {
    let directory = everport_tests::socket_directory();
    let path = directory.path().join("socket");
    let arguments = format!("--listen 127.0.0.1:0 --unix {}", path.display());
    let cluster = Cluster::ready("-w 2 --settle 0", &arguments);
    assert_eq!(get(cluster.address(), "/shutdown").body, "shut down");
    cluster.log().wait_for("it does not listen again: ");
    cluster.log().wait_for("listens again");
    assert!(get(cluster.address(), "/").worker() > 0);
    cluster.restart();
    assert!(get_unix(&path, "/").worker() > 2);
    assert_eq!(
        cluster.log().matching("it does not listen again: ").len(),
        1
    );
}
