//! Writers with readers that are slow, stuck or gone.

use std::io::Read;
use std::os::fd::OwnedFd;

use super::*;
use crate::log::{Line, Source, Stream};
use crate::{Generation, SlotId, WorkerId};

/// More than a pipe and the writer's batch hold, less than a test wants to wait for.
const SMALL_QUEUE: usize = 64 * 1024;

fn line(text: &str) -> Entry {
    Entry::Line(Line {
        source: Source {
            worker: WorkerId(7),
            slot: SlotId(2),
            generation: Generation(1),
            pid: 4711,
        },
        stream: Stream::Stdout,
        text: text.to_owned(),
        continues: false,
    })
}

fn pipe() -> (File, OwnedFd) {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    (read.into(), write)
}

fn writer(end: OwnedFd) -> Writer {
    let destination = Destination {
        file: end.into(),
        colour: false,
    };
    Writer::start(destination, Level::Info, "watcher".to_owned(), SMALL_QUEUE).unwrap()
}

/// The lines' texts, and the sum of the entries that the stream says are missing.
fn read_back(log: &str) -> (Vec<&str>, u64) {
    let mut texts = Vec::new();
    let mut lost = 0;
    for line in log.lines() {
        let (_, text) = line.split_once("  ").unwrap();
        match text.trim_start().strip_prefix("watcher  ") {
            Some(text) => {
                let count = text.split(' ').next().unwrap().replace(',', "");
                lost += count.parse::<u64>().unwrap();
            }
            None => texts.push(text.trim_start().rsplit(' ').next().unwrap()),
        }
    }
    (texts, lost)
}

#[test]
fn entries_reach_a_file_whole_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let writer = Writer::to_file(&path, Level::Info, "watcher").unwrap();
    let sink = writer.sink();
    for number in 0..1000 {
        sink.write(line(&number.to_string()));
    }
    assert!(writer.close());
    sink.write(line("late"));
    let log = std::fs::read_to_string(&path).unwrap();
    let (texts, lost) = read_back(&log);
    let expected: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    assert_eq!(
        (texts, lost),
        (expected.iter().map(String::as_str).collect(), 0)
    );
}

#[test]
fn a_stuck_reader_costs_entries_that_are_counted() {
    let (mut reader, end) = pipe();
    let writer = writer(end);
    let sink = writer.sink();
    let text = "x".repeat(1000);
    for _ in 0..1000 {
        sink.write(line(&text));
    }
    let reading = std::thread::spawn(move || {
        let mut log = String::new();
        reader.read_to_string(&mut log).unwrap();
        log
    });
    assert!(writer.close());
    let log = reading.join().unwrap();
    let (texts, lost) = read_back(&log);
    assert!(lost > 0);
    assert_eq!(texts.len() as u64 + lost, 1000);
    assert!(log.contains("entries lost: the log's reader did not keep up"));
}

#[test]
fn a_reader_that_stays_stuck_does_not_hold_the_end() {
    let (_reader, end) = pipe();
    rustix::pipe::fcntl_setpipe_size(&end, 4096).unwrap();
    let writer = writer(end);
    let sink = writer.sink();
    let text = "x".repeat(1000);
    for _ in 0..1000 {
        sink.write(line(&text));
    }
    writer.queue.close();
    assert!(!writer.queue.wait_written(Duration::from_millis(20)));
}

#[test]
fn a_reader_that_is_gone_is_no_failure() {
    let (reader, end) = pipe();
    drop(reader);
    let writer = writer(end);
    writer.sink().write(line("to nobody"));
    assert!(writer.close());
}

#[test]
fn a_non_blocking_destination_is_waited_for() {
    let (mut reader, end) = pipe();
    rustix::io::ioctl_fionbio(&end, true).unwrap();
    let mut output = output(end.into());
    let reading = std::thread::spawn(move || {
        let mut log = String::new();
        reader.read_to_string(&mut log).unwrap();
        log
    });
    let text = "x".repeat(1000);
    let entry = || Item::Entry(SystemTime::now(), line(&text));
    output.write(&mut (0..500).map(|_| entry()).collect());
    assert!(output.failed.is_none());
    drop(output);
    assert_eq!(read_back(&reading.join().unwrap()).0.len(), 500);
}

fn output(file: File) -> Output {
    Output::new(file, Formatter::new(LogFormat::Plain, "watcher"))
}

#[test]
fn what_a_full_disk_refused_is_counted_when_it_takes_more() {
    let mut output = output(File::options().write(true).open("/dev/full").unwrap());
    let mut batch = vec![Item::Entry(SystemTime::now(), line("a")), Item::Lost(4)];
    output.write(&mut batch);
    output.write(&mut vec![Item::Entry(SystemTime::now(), line("b"))]);
    assert_eq!(output.failed.as_ref().unwrap().count, 6);

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    output.file = File::create(&path).unwrap();
    output.inside_line = true;
    output.write(&mut vec![Item::Entry(SystemTime::now(), line("c"))]);
    let log = std::fs::read_to_string(&path).unwrap();
    let log = log.strip_prefix('\n').expect("the torn line is ended");
    assert!(log.contains("6 entries lost: cannot write the log: No space left on device"));
    assert_eq!(read_back(log), (vec!["c"], 6));
    assert!(output.failed.is_none());
}
