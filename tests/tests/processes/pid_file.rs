//! The pid file.

use std::fs;

use everport_tests::{Exit, Kind, for_each_kind};

for_each_kind!(
    it_holds_the_pid_keeps_a_second_instance_out_and_goes_at_the_end,
    one_that_is_no_longer_ours_stays,
);

fn it_holds_the_pid_keeps_a_second_instance_out_and_goes_at_the_end(kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cluster.pid");
    let options = format!("-w 1 --pid-file {}", file.display());
    let cluster = kind.ready(&options, "--listen 127.0.0.1:0");
    assert_eq!(
        fs::read_to_string(&file).unwrap().trim(),
        cluster.pid().to_string()
    );

    let mut second = kind.start(&options, "--listen 127.0.0.1:0");
    assert_eq!(second.wait(), Exit::Code(7));
    second.log().wait_for(&format!("pid {}", cluster.pid()));
    assert_eq!(
        fs::read_to_string(&file).unwrap().trim(),
        cluster.pid().to_string()
    );

    assert_eq!(cluster.stop(), Exit::Code(0));
    assert!(!file.exists());
}

fn one_that_is_no_longer_ours_stays(kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cluster.pid");
    let cluster = kind.ready(
        &format!("-w 1 --pid-file {}", file.display()),
        "--listen 127.0.0.1:0",
    );
    fs::rename(&file, directory.path().join("moved")).unwrap();
    fs::write(&file, "somebody else's").unwrap();
    assert_eq!(cluster.stop(), Exit::Code(0));
    assert_eq!(fs::read_to_string(&file).unwrap(), "somebody else's");
}
