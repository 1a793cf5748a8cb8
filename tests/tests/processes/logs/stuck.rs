//! A reader of the log that is stuck stops nothing, and what it missed is counted once it reads again.

use everport_tests::{Kind, Unread, for_each_kind, wait_until};
use rustix::process::Signal;
use serde_json::Value;

for_each_kind!(workers_and_control_go_on_and_every_record_is_told_or_counted);

/// More than the pipe, the log's queue and all rings hold.
const MANY: u64 = 200_000;

fn workers_and_control_go_on_and_every_record_is_told_or_counted(kind: Kind) {
    let options = "--settle 0 --log-format json";
    let mut cluster = Unread::start(kind, options, "--logging");
    let flood = cluster.get(&format!("/log?records={MANY}&bytes=100&wait=1"));
    assert_eq!((flood.body.as_str(), flood.worker()), ("logging", 1));
    // Serving and restarting go on while nobody reads.
    cluster.signal(Signal::USR1);
    wait_until("it is restarted", || cluster.get("/").worker() == 2);
    let log = cluster.read();
    // The old one may answer once more before it leaves.
    wait_until("the new one logs", || {
        cluster.get("/log?records=1&wait=1&spare=1").body == "logging"
    });
    let is_newest = |line: &str| line.contains(r#""worker":2"#) && line.contains("numbered");
    log.wait_for_line("the newest record", is_newest);
    cluster.stop();
    log.wait_for_end(1);
    let entries = log.lines();
    let entries = entries
        .iter()
        .map(|line| serde_json::from_str(line).unwrap());
    let of_first: Vec<Value> = entries
        .filter(|entry: &Value| entry["worker"] == 1)
        .collect();
    let numbered = of_first
        .iter()
        .filter(|entry| entry["target"] == "numbered");
    let told = numbered.count() as u64;
    let counts = of_first.iter().filter(|entry| entry["kind"] == "lost");
    let lost: u64 = counts.map(|entry| entry["count"].as_u64().unwrap()).sum();
    assert_eq!(told + lost, MANY);
    assert!(told > 0 && lost > 0, "{told} told, {lost} lost");
}
