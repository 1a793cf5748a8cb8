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
    // Whoever reads too slowly is not waited for at the end: all has to be there before.
    let (mut next, mut sum) = (0, (0, 0));
    log.wait_until("every record, told or counted", |lines| {
        let (told, lost) = of_first(&lines[next..]);
        sum = (sum.0 + told, sum.1 + lost);
        next = lines.len();
        (sum.0 + sum.1 >= MANY).then_some(())
    });
    cluster.stop();
    log.wait_for_end(1);
    let (told, lost) = of_first(&log.lines());
    assert_eq!(told + lost, MANY);
    assert!(told > 0 && lost > 0, "{told} told, {lost} lost");
}

/// How many numbered records of the first worker these lines tell, and how many of its records they count as lost.
fn of_first(lines: &[String]) -> (u64, u64) {
    let entries = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    let of_first = entries.filter(|entry: &Value| entry["worker"] == 1);
    of_first.fold((0, 0), |(told, lost), entry| match entry["kind"].as_str() {
        Some("lost") => (told, lost + entry["count"].as_u64().unwrap()),
        _ => (told + u64::from(entry["target"] == "numbered"), lost),
    })
}
