//! The command: what it prints, and its exit codes.

use std::process::{Command, Output};

use crate::server::{Server, answer_all, refusing_address};

#[test]
fn an_answered_load_prints_its_report_and_exits_with_0() {
    let server = Server::start(answer_all);
    let address = server.address.to_string();
    let modes: [&[&str]; 3] = [
        &[],
        &["--keep-alive", "--pause-max", "1"],
        &["--rate", "1000"],
    ];
    for mode in modes {
        let output = everport_load(&[&[address.as_str(), "--requests", "50"], mode].concat());
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(text.contains("ok 50"), "{text}");
    }
}

#[test]
fn a_lost_request_exits_with_1() {
    let address = refusing_address().to_string();
    let output = everport_load(&[&address, "--requests", "3"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text.contains("3 × refused"), "{text}");
}

#[test]
fn a_load_that_cannot_start_exits_with_2_and_says_why() {
    let wrong: [(&[&str], &str); 5] = [
        (&["192.0.2.1:80"], "is not a loopback address"),
        (&["localhost:80"], "not an address to load"),
        (
            &["127.0.0.1:80", "--clients", "0"],
            "the number of clients is 0",
        ),
        (&["127.0.0.1:80", "--pause-max", "5"], "--keep-alive"),
        (&["127.0.0.1:80", "--duration", "-1"], "give seconds"),
    ];
    for (arguments, reason) in wrong {
        let output = everport_load(arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(text.contains(reason), "{text}");
    }
}

fn everport_load(arguments: &[&str]) -> Output {
    let path = env!("CARGO_BIN_EXE_everport-load");
    Command::new(path).args(arguments).output().unwrap()
}
