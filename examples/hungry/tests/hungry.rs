//! The example as its readers run it: over its limit it is replaced, without one it stops by itself.

use std::net::SocketAddr;
use std::process::Command;

use everport_tests::{Cluster, Exit, get, resident_kib, take_turn, wait_for_port};

const HUNGRY: &str = env!("CARGO_BIN_EXE_hungry");

#[test]
fn over_its_limit_it_is_replaced_and_serves_all_the_time() {
    let _turn = take_turn();
    wait_for_port("127.0.0.1:8080");
    let mut command = Cluster::command(["--workers", "1", "--max-memory", "48M", "--settle", "0"]);
    command.arg("--").arg(HUNGRY);
    let cluster = Cluster::spawn(command);
    cluster.wait_until_ready();
    let log = cluster.log();
    log.wait_for("is being replaced: it uses more memory than it may");
    let address = SocketAddr::from(([127, 0, 0, 1], 8080));
    while log.matching("worker 1 (slot 0) ended").is_empty() {
        assert_eq!(get(address, "/").body, "Hello, I am hungry!\n");
    }
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn without_a_limit_it_has_enough_some_day() {
    let _turn = take_turn();
    wait_for_port("127.0.0.1:8080");
    let program = Cluster::spawn(Command::new(HUNGRY));
    let said = "enough was eaten, and nobody minds mebibytes=256 (hungry)";
    program.log().wait_for(said);
    let eaten = resident_kib(program.pid()) >> 10;
    assert!((256..320).contains(&eaten), "{eaten} MiB");
    assert_eq!(program.stop(), Exit::Code(0));
}
