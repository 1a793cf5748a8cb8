//! Writers with several places, some of which are stuck.

use std::fs::File;
use std::io::{BufRead, Read};
use std::os::fd::OwnedFd;

use super::*;
use crate::log::Entry;
use crate::log::fixtures::{line_of, pipe, read_back};

/// More than a pipe and the writer's batch hold, less than a test wants to wait for.
const SMALL_QUEUE: usize = 256 * 1024;

/// Longer than the last entries take to be written on a machine that stands still now and then.
const PATIENCE: Duration = Duration::from_secs(60);

fn line(text: &str) -> Entry {
    line_of(7, text)
}

fn to(end: impl Into<OwnedFd>) -> Box<dyn Destination> {
    let formatter = Formatter::new(LogFormat::Plain, "watcher");
    let target = Target::Stdout(File::from(end.into()));
    Box::new(TextOutput::new(target, formatter))
}

fn writer(destinations: Vec<Box<dyn Destination>>) -> Writer {
    Writer::start(destinations, Level::Info, SMALL_QUEUE).unwrap()
}

fn read_all(mut reader: File) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut log = String::new();
        reader.read_to_string(&mut log).unwrap();
        log
    })
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

#[test]
fn entries_reach_every_file_whole_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let paths = ["one", "two"].map(|name| directory.path().join(name));
    let builder = Writer::builder("watcher");
    let builder = paths
        .iter()
        .fold(builder, |builder, path| builder.file(LogFile::at(path)));
    let writer = builder.start().unwrap();
    let sink = writer.sink();
    for number in numbers(1000) {
        sink.write(line(&number));
    }
    assert!(writer.close_within(PATIENCE));
    sink.write(line("late"));
    for path in paths {
        let log = std::fs::read_to_string(&path).unwrap();
        assert_eq!(read_back(&log), (numbers(1000), 0));
    }
}

#[test]
fn a_stuck_reader_costs_entries_that_are_counted() {
    let (reader, end) = pipe();
    let writer = writer(vec![to(end)]);
    let sink = writer.sink();
    let text = "x".repeat(1000);
    for _ in 0..1000 {
        sink.write(line(&text));
    }
    let reading = read_all(reader);
    assert!(writer.close_within(PATIENCE));
    let log = reading.join().unwrap();
    let (texts, lost) = read_back(&log);
    assert!(lost > 0);
    assert_eq!(texts.len() as u64 + lost, 1000);
    assert!(log.contains("entries lost: the log's reader did not keep up"));
}

#[test]
fn a_stuck_reader_costs_the_others_nothing() {
    let (stuck, stuck_end) = pipe();
    let (reader, end) = pipe();
    rustix::pipe::fcntl_setpipe_size(&stuck_end, 4096).unwrap();
    let writer = writer(vec![to(stuck_end), to(end)]);
    let reading = read_all(reader);
    let sink = writer.sink();
    let padding = "x".repeat(1000);
    for number in 0..3000 {
        sink.write(line(&format!("{padding} {number}")));
        // No faster than the one that is read can be written: its queue would be full, too.
        let queue = &writer.stream.queues()[1];
        while !queue.is_empty() {
            std::thread::yield_now();
        }
    }
    assert!(!writer.close_within(Duration::from_millis(20)));
    drop(stuck);
    drop((sink, writer));
    assert_eq!(read_back(&reading.join().unwrap()), (numbers(3000), 0));
}

#[test]
fn trouble_of_one_place_is_told_in_the_other() {
    let (reader, end) = pipe();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let writer = writer(vec![to(end), to(full)]);
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let lines = std::io::BufReader::new(reader).lines();
        lines
            .map_while(Result::ok)
            .all(|line| sender.send(line).is_ok())
    });
    writer.sink().write(line("hello"));
    let next = || lines.recv_timeout(PATIENCE).unwrap();
    let mut told = [next(), next()];
    told.sort();
    assert!(told[0].ends_with("2.7 out  hello"), "{told:?}");
    assert!(
        told[1].contains("WARN  watcher  cannot write the log to standard output: No space left"),
        "{told:?}"
    );
}

#[test]
fn a_reader_that_stays_stuck_does_not_hold_the_end() {
    let (_reader, end) = pipe();
    rustix::pipe::fcntl_setpipe_size(&end, 4096).unwrap();
    let writer = writer(vec![to(end)]);
    let sink = writer.sink();
    let text = "x".repeat(1000);
    for _ in 0..1000 {
        sink.write(line(&text));
    }
    assert!(!writer.close_within(Duration::from_millis(20)));
}

#[test]
fn a_reader_that_is_gone_is_no_failure() {
    let (reader, end) = pipe();
    drop(reader);
    let writer = writer(vec![to(end)]);
    writer.sink().write(line("to nobody"));
    assert!(writer.close_within(PATIENCE));
}

#[test]
fn a_file_is_opened_anew_while_entries_come() {
    let directory = tempfile::tempdir().unwrap();
    let (path, aside) = (directory.path().join("log"), directory.path().join("aside"));
    let writer = Writer::builder("watcher")
        .file(LogFile::at(&path))
        .start()
        .unwrap();
    let sink = writer.sink();
    sink.write(line("0"));
    while std::fs::read(&path).unwrap().is_empty() {
        std::thread::yield_now();
    }
    std::fs::rename(&path, &aside).unwrap();
    writer.switches().reopen();
    while !path.exists() {
        sink.write(line("between"));
        std::thread::yield_now();
    }
    let notice = format!("opened {} anew", path.display());
    while !std::fs::read_to_string(&path).unwrap().contains(&notice) {
        std::thread::yield_now();
    }
    sink.write(line("1"));
    assert!(writer.close_within(PATIENCE));
    let read = |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().filter(|line| !line.contains(&notice));
        read_back(&lines.collect::<Vec<_>>().join("\n")).0
    };
    assert_eq!(read(&aside)[0], "0");
    assert_eq!(read(&path).last().unwrap(), "1");
}

#[test]
fn dev_stdout_is_our_own_standard_output_although_it_is_a_symbolic_link() {
    assert!(LogFile::at("/dev/stdout").is_stdout());
    let builder = Writer::builder("watcher").file(LogFile::at("/dev/stdout"));
    assert!(builder.start().unwrap().close_within(PATIENCE));
}

#[test]
fn several_journals_and_daemons_have_every_entry() {
    use std::os::unix::net::UnixDatagram;

    let directory = tempfile::tempdir().unwrap();
    let paths = ["one", "two", "three", "four"].map(|name| directory.path().join(name));
    let daemons = paths.each_ref().map(|path| {
        let daemon = UnixDatagram::bind(path).unwrap();
        daemon.set_read_timeout(Some(PATIENCE)).unwrap();
        daemon
    });
    let [one, two, three, four] = paths;
    let builder = Writer::builder("watcher")
        .journald(Journald::at(one))
        .journald(Journald::at(two))
        .syslog(Syslog::at(three))
        .syslog(Syslog::at(four));
    let writer = builder.start().unwrap();
    writer.sink().write(line("hello"));
    for daemon in daemons {
        let mut packet = [0; 4096];
        let length = daemon.recv(&mut packet).unwrap();
        assert!(String::from_utf8_lossy(&packet[..length]).contains("hello"));
    }
    assert!(writer.close_within(PATIENCE));
}
