//! Where the log is written: several places at once, files that are rotated, daemons that come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use everport_tests::{Cluster, Exit, Log, PATIENCE, get, program, wait_until};
use flate2::read::GzDecoder;
use rustix::process::{Pid, Signal, kill_process};

/// A worker that prints so many numbered lines, with a rest after each `burst`, and then waits.
fn counting(lines: u32, burst: u32) -> String {
    format!(
        "i=0; while [ $i -lt {lines} ]; do echo number $i; i=$((i+1)); \
         [ $((i % {burst})) -ne 0 ] || sleep 0.01; done; echo that is all; exec sleep 600"
    )
}

fn start(options: &[&str], script: &str) -> Cluster {
    let mut command = Cluster::command(options);
    command.args(["--", "sh", "-c", script]);
    Cluster::spawn(command)
}

fn text_of(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    match path.extension().is_some_and(|suffix| suffix == "gz") {
        true => io::read_to_string(GzDecoder::new(file)),
        false => io::read_to_string(file),
    }
}

/// The log files in a directory, the oldest first. What is there plain and compressed counts once.
fn files_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let names: BTreeSet<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "log" && !name.ends_with(".unfinished"))
        .filter(|name| !directory.join(format!("{name}.gz")).exists())
        .collect();
    let names = names.into_iter().chain(["log".to_owned()]);
    names.map(|name| directory.join(name)).collect()
}

/// The texts of these files, once nobody changes them any more.
fn texts_in(directory: &Path) -> Vec<String> {
    let read = |path: &PathBuf| text_of(path).unwrap();
    files_in(directory).iter().map(read).collect()
}

/// How many lines say that a worker is done, in files that are there for long enough to be read.
fn done(directory: &Path) -> usize {
    let count = |path: &PathBuf| {
        let text = text_of(path).unwrap_or_default();
        text.matches(" out  that is all\n").count()
    };
    files_in(directory).iter().map(count).sum()
}

/// Fails unless each worker's numbers are all there, once and in order, and nothing is lost or torn.
fn check_numbers(texts: &[String], workers: usize, lines: u32) {
    let mut numbers: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for text in texts {
        assert!(text.is_empty() || text.ends_with('\n'));
        for line in text.lines() {
            let (_, columns) = line.split_once("Z ").expect("a line begins with its time");
            assert!(!columns.contains("lost:"), "{line}");
            if let Some((who, number)) = columns.split_once(" out  number ") {
                numbers
                    .entry(who)
                    .or_default()
                    .push(number.parse().unwrap());
            }
        }
    }
    assert_eq!(numbers.len(), workers);
    for (who, numbers) in numbers {
        assert!(numbers.iter().copied().eq(0..lines), "{who}");
    }
}

#[test]
fn rotation_under_load_tears_nothing_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let options = [
        "-w",
        "3",
        "--log-rotate-size",
        "64K",
        "--log-compress",
        "--log-keep",
        "1000",
    ];
    let options: Vec<&str> = options
        .into_iter()
        .chain(["--log-file", path.to_str().unwrap()])
        .collect();
    let mut cluster = start(&options, &counting(5000, 5000));
    wait_until("all lines", || path.exists() && done(directory.path()) == 3);
    let names = || {
        let entries = fs::read_dir(directory.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap())
    };
    wait_until("a compressed file", || {
        names().any(|name| name.ends_with(".gz"))
    });
    cluster.signal(Signal::QUIT);
    assert_eq!(cluster.wait(), Exit::Code(8));
    assert!(names().count() > 5);
    let texts = texts_in(directory.path());
    check_numbers(&texts, 3, 5000);
    assert!(texts.iter().all(|text| text.len() <= 64 * 1024));
}

#[test]
fn the_file_of_an_earlier_day_is_set_aside_before_the_first_entry_of_today() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    fs::write(&path, "what happened then\n").unwrap();
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_923_200); // noon in UTC, 2020-01-02
    File::options()
        .append(true)
        .open(&path)
        .unwrap()
        .set_modified(then)
        .unwrap();
    let file = path.to_str().unwrap();
    let aside = directory.path().join("log.2020-01-02.0001");
    let options = ["-w", "1", "--log-rotate-daily", "--log-file", file];
    let mut cluster = start(&options, "exec sleep 600");
    wait_until("a new file", || {
        fs::read_to_string(&path).is_ok_and(|text| text.contains(" started: pid "))
    });
    cluster.signal(Signal::QUIT);
    assert_eq!(cluster.wait(), Exit::Code(8));
    assert_eq!(fs::read_to_string(&aside).unwrap(), "what happened then\n");
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("what happened then"), "{text}");
    assert!(
        text.lines().next().unwrap().contains("  everport "),
        "{text}"
    );
    // What is left is of today: the next start has nothing to set aside.
    let _next = start(&options, "exec sleep 600");
    wait_until("the next start", || {
        fs::read_to_string(&path).is_ok_and(|text| text.matches(" started: pid ").count() == 2)
    });
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn only_so_many_rotated_files_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let options = [
        "-w",
        "1",
        "--log-rotate-size",
        "64K",
        "--log-keep",
        "2",
        "-f",
        path.to_str().unwrap(),
    ];
    let cluster = start(&options, &counting(10_000, 100));
    let files = || fs::read_dir(directory.path()).unwrap().count();
    wait_until("the last line", || {
        fs::read_to_string(&path).is_ok_and(|text| text.contains("that is all"))
    });
    drop(cluster);
    // Whatever was not tidied any more is tidied at the next start.
    let _next = start(&options, "exec sleep 600");
    wait_until("two rotated files", || files() == 3);
}

#[test]
fn a_file_that_others_rename_is_made_anew_on_hup_and_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let options = ["-w", "2", "--log-file", path.to_str().unwrap()];
    let mut cluster = start(&options, &counting(3000, 50));
    for number in 10..30 {
        wait_until("the file", || {
            fs::metadata(&path).is_ok_and(|file| file.len() > 0)
        });
        fs::rename(&path, directory.path().join(format!("log.{number}"))).unwrap();
        cluster.signal(Signal::HUP);
        wait_until("the next file", || path.exists());
    }
    wait_until("all lines", || done(directory.path()) == 2);
    cluster.signal(Signal::QUIT);
    assert_eq!(cluster.wait(), Exit::Code(8));
    check_numbers(&texts_in(directory.path()), 2, 3000);
}

#[test]
fn hup_opens_a_file_anew_that_was_removed_and_stops_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let options = format!("-w 1 --log-to stdout --log-file {}", path.display());
    let cluster = Cluster::ready(&options, "--listen 127.0.0.1:0");
    wait_until("the file", || path.exists());
    fs::remove_file(&path).unwrap();
    cluster.signal(Signal::HUP);
    wait_until("the next file", || path.exists());
    let notice = format!("INFO  watcher  opened {} anew", path.display());
    cluster.log().wait_for(&notice);
    wait_until("a line in it", || {
        fs::read_to_string(&path).unwrap().contains(&notice)
    });
    assert_eq!(
        get(cluster.address(), "/print?text=still%20here\\n").worker(),
        1
    );
    wait_until("a line in it", || {
        fs::read_to_string(&path).unwrap().contains("still here")
    });
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn a_full_disk_stops_nothing_and_the_other_places_are_told() {
    let cluster = Cluster::ready(
        "-w 1 --log-to stdout --log-file /dev/full",
        "--listen 127.0.0.1:0",
    );
    cluster
        .log()
        .wait_for("WARN  watcher  cannot write the log to /dev/full: No space left on device");
    assert_eq!(
        get(cluster.address(), "/print?text=hello\\n").body,
        "printed"
    );
    cluster.log().wait_for("0.1 out  hello");
    assert_eq!(cluster.stop(), Exit::Code(0));
}

/// More than 64 KiB, less than a ring takes. A block is one of 512 bytes, or of 1024, as the shell counts.
const SMALL_FILES: &str = "ulimit -f 256; exec \"$0\" run \"$@\"";

#[test]
fn a_limit_on_the_size_of_files_ends_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let mut command = Command::new("sh");
    command.args(["-c", SMALL_FILES]).arg(program("everport"));
    command.args(["-w", "1", "--log-to", "stdout", "--log-file"]);
    command.arg(&path).arg("--").arg(program("test-worker"));
    command.args(["--listen", "127.0.0.1:0", "--logging"]);
    let cluster = Cluster::spawn(command);
    cluster.wait_until_ready();
    #[cfg(target_os = "linux")]
    cluster.log().wait_for("File too large");
    let text = "x".repeat(4000);
    for _ in 0..100 {
        let answer = get(cluster.address(), &format!("/print?text={text}\\n"));
        assert!(answer.head.starts_with("HTTP/1.1 200"), "{}", answer.head);
    }
    let refused = format!("cannot write the log to {}: File too large", path.display());
    cluster.log().wait_for(&refused);
    assert_eq!(cluster.stop(), Exit::Code(0));
    let log = fs::read_to_string(&path).unwrap();
    assert!(
        log.len() > 64 * 1024 && log.ends_with('\n'),
        "{}",
        log.len()
    );
}

#[test]
fn a_stuck_reader_costs_the_file_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let mut command: Command = Cluster::command(["-w", "1", "--log-to", "stdout", "--log-file"]);
    command
        .arg(&path)
        .args(["--", "sh", "-c", &counting(10_000, 1000)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut watcher = command.spawn().unwrap();
    let unread = watcher.stdout.take().unwrap();
    wait_until("all lines", || path.exists() && done(directory.path()) == 1);
    check_numbers(&texts_in(directory.path()), 1, 10_000);
    // Read again, the other place has what was kept for it.
    let log = Log::default();
    log.follow(unread);
    log.wait_for("that is all");
    kill_process(Pid::from_child(&watcher), Signal::QUIT).unwrap();
    assert_eq!(watcher.wait().unwrap().code(), Some(8));
}

#[test]
fn records_of_the_journal_and_of_syslog_say_whose_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let [journal_path, syslog_path] = ["journal", "syslog"].map(|name| directory.path().join(name));
    let [journal, syslog] = [&journal_path, &syslog_path].map(|path| bind(path));
    let options = format!(
        "-w 1 --log-to journald:{},syslog:{},stdout",
        journal_path.display(),
        syslog_path.display()
    );
    let cluster = Cluster::ready(&options, "--logging --listen 127.0.0.1:0");
    assert_eq!(
        get(cluster.address(), "/print?text=hello\\n").body,
        "printed"
    );
    let ready = receive_until(&journal, "EVERPORT_EVENT=cluster_ready\n");
    assert!(ready.contains("SYSLOG_IDENTIFIER=everport\n") && ready.contains("PRIORITY=6\n"));
    let line = receive_until(&journal, "MESSAGE=hello\n");
    assert!(line.contains("EVERPORT_KIND=line\nEVERPORT_WORKER=1\nEVERPORT_SLOT=0\n"));
    let pid = cluster.workers()[0].pid;
    let line = receive_until(&syslog, "hello");
    let streams = ["out", "err"].map(|stream| format!("<30>everport[{pid}]: 0.1 {stream} hello"));
    assert!(streams.contains(&line), "{line}");

    let answer = get(cluster.address(), "/log-text?text=paid%0Anow");
    assert_eq!(answer.body, "logged");
    // Field names of a record or span cannot be taken for others, and its texts forge no field.
    let record = receive_until(&journal, "EVERPORT_KIND=record\n");
    for field in [
        "PRIORITY=6",
        "EVERPORT_WORKER=1",
        "EVERPORT_SLOT=0",
        "EVERPORT_GENERATION=1",
        &format!("EVERPORT_PID={pid}"),
        "EVERPORT_TARGET=everport_tests::worker::log",
        "EVERPORT_THREAD=paid\\nnow",
        "EVERPORT_SPAN=hostile",
        "F_IN_FIELD=paid\\nnow",
        "S_IN_SPAN=paid\\nnow",
    ] {
        assert!(
            record.lines().any(|line| line == field),
            "{field}: {record}"
        );
    }
    assert!(record.starts_with("MESSAGE=paid\\nnow "), "{record}");
    let record = receive_until(&syslog, "(everport_tests::worker::log)");
    let expected = format!("<30>everport[{pid}]: 0.1 paid\\nnow ");
    assert!(record.starts_with(&expected), "{record}");

    // The daemon is restarted.
    drop(syslog);
    fs::remove_file(&syslog_path).unwrap();
    let syslog = bind(&syslog_path);
    assert_eq!(
        get(cluster.address(), "/print?text=again\\n").body,
        "printed"
    );
    receive_until(&syslog, "again");
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn a_daemon_that_is_not_there_is_an_error_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["journald", "syslog"] {
        let target = format!("{name}:{}/none", directory.path().display());
        let mut cluster = start(&["--log-to", &target], "exec sleep 600");
        assert_eq!(cluster.wait(), Exit::Code(6));
        cluster.log().wait_for(&format!(
            "everport: cannot log to {name}: nobody takes messages at"
        ));
    }
}

fn bind(path: &Path) -> UnixDatagram {
    let daemon = UnixDatagram::bind(path).unwrap();
    daemon.set_read_timeout(Some(PATIENCE)).unwrap();
    daemon
}

/// The first message that contains a text.
fn receive_until(daemon: &UnixDatagram, text: &str) -> String {
    let mut packet = vec![0; 1 << 17];
    loop {
        let length = daemon.recv(&mut packet).expect(text);
        let message = String::from_utf8_lossy(&packet[..length]);
        if message.contains(text) {
            return message.into_owned();
        }
    }
}
