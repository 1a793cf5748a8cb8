//! Output to readers that are slow, stuck, gone or full.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::log::LogFile;
use crate::log::fixtures::{batch, line_of, pipe, read_back, record, records};

fn line(text: &str) -> Item {
    Item::Entry(SystemTime::now(), line_of(7, text))
}

fn output(target: Target) -> TextOutput {
    TextOutput::new(target, Formatter::new(LogFormat::Plain, "watcher"))
}

fn log_file(wanted: LogFile) -> Target {
    Target::File(OpenFile::open(wanted).unwrap())
}

#[test]
fn a_non_blocking_destination_is_waited_for() {
    let (mut reader, end) = pipe();
    rustix::io::ioctl_fionbio(&end, true).unwrap();
    let mut output = output(Target::Stdout(end.into()));
    let reading = std::thread::spawn(move || {
        let mut log = String::new();
        reader.read_to_string(&mut log).unwrap();
        log
    });
    let text = "x".repeat(1000);
    output.write(&mut (0..500).map(|_| line(&text)).collect());
    assert!(output.failed.is_none());
    drop(output);
    assert_eq!(read_back(&reading.join().unwrap()).0.len(), 500);
}

#[test]
fn what_a_full_disk_refused_is_counted_when_it_takes_more() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut output = output(Target::Stdout(full));
    output.write(&mut vec![line("a"), Item::Lost(4)]);
    output.write(&mut vec![line("b")]);
    assert_eq!(output.failed.as_ref().unwrap().count, 6);
    let remarks = output.take_remarks();
    assert_eq!(remarks.len(), 1, "{remarks:?}");
    assert!(remarks[0].for_others);

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    output.target = Target::Stdout(File::create(&path).unwrap());
    output.inside_line = true;
    output.write(&mut vec![line("c")]);
    let log = std::fs::read_to_string(&path).unwrap();
    let log = log.strip_prefix('\n').expect("the torn line is ended");
    assert!(log.contains(
        "6 entries lost: cannot write the log to standard output: No space left on device"
    ));
    assert_eq!(read_back(log), (vec!["c".to_owned()], 6));
    assert!(output.failed.is_none());
}

#[test]
fn no_count_that_could_not_be_written_is_too_large() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut output = output(Target::Stdout(full));
    for _ in 0..2 {
        output.write(&mut vec![Item::Lost(u64::MAX), line("a")]);
    }
    assert_eq!(output.failed.as_ref().unwrap().count, u64::MAX);
}

#[test]
fn a_torn_line_is_ended_in_the_file_that_it_is_in() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let mut output = output(log_file(LogFile::at(&path)));
    std::fs::write(&path, "torn").unwrap();
    output.inside_line = true;
    output.reopen();
    output.write(&mut vec![line("next")]);
    let log = std::fs::read_to_string(&path).unwrap();
    assert!(
        log.starts_with("torn\n") && log.ends_with("next\n"),
        "{log}"
    );
    output.inside_line = true;
    std::fs::remove_file(&path).unwrap();
    output.reopen();
    assert!(!output.inside_line);
}

#[test]
fn the_beginning_of_an_entry_that_did_not_fit_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let mut output = output(log_file(LogFile::at(&path)));
    output.push(&line("one"), &mut Vec::new());
    let whole = output.text.len();
    output.push(&line("two"), &mut Vec::new());
    let end = output.text.len();
    let parts = [whole, end].map(|end| Part { end, entries: 1 });
    // As if the disk had been full in the midst of the second.
    output.write_text(0, end - 3).ok().unwrap();
    let stopped = Stopped {
        written: end - 3,
        error: io::ErrorKind::StorageFull.into(),
    };
    output.note_failure(&stopped, 0, &parts);
    output.text.clear();
    output.write(&mut vec![line("three")]);
    let log = std::fs::read_to_string(&path).unwrap();
    let expected = ["one", "three"].map(str::to_owned).to_vec();
    assert_eq!(read_back(&log), (expected, 1));
}

#[test]
fn each_entry_is_in_one_file_and_in_one_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let wanted = LogFile::at(&path).rotate_size(2000).keep(1000);
    let mut output = output(log_file(wanted));
    for number in 0..20 {
        let records = Item::Entry(SystemTime::now(), records(7, 10, 100, false));
        output.write(&mut vec![line(&format!("line-{number}")), records]);
    }
    assert!(output.take_remarks().is_empty());
    let mut paths: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    // The log itself is the newest, and its name is the shortest.
    paths.rotate_left(1);
    assert!(paths.len() > 10, "{paths:?}");
    let mut texts = Vec::new();
    let mut records = 0;
    for path in &paths {
        let log = std::fs::read_to_string(path).unwrap();
        assert!(
            log.len() <= 2000 && log.ends_with('\n'),
            "{}",
            path.display()
        );
        records += log.matches(&"x".repeat(100)).count();
        texts.extend(read_back(&log).0);
    }
    let lines = texts.iter().filter(|text| text.starts_with("line-"));
    let expected = (0..20).map(|number| format!("line-{number}"));
    assert!(lines.cloned().eq(expected));
    assert_eq!(records, 200);
}

#[test]
fn a_worker_may_hand_over_more_once_a_place_has_written_its_records_or_failed_to() {
    let given_back = Arc::new(AtomicU64::new(0));
    let records = || {
        let count = Arc::clone(&given_back);
        let give_back = move || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let bytes = record(|encoder| encoder.message("hello"));
        Arc::new(batch(7, bytes, false, give_back))
    };
    // Both wait at another place, which is stuck.
    let waiting = [records(), records()];
    let item = |number: usize| {
        let records = Entry::Records(Arc::clone(&waiting[number]));
        Item::Entry(SystemTime::now(), records)
    };
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut output = output(Target::Stdout(full));
    output.write(&mut vec![item(0)]);
    assert_eq!(given_back.load(Ordering::Relaxed), 1);
    output.target = Target::Stdout(File::options().write(true).open("/dev/null").unwrap());
    output.write(&mut vec![item(1)]);
    assert_eq!(given_back.load(Ordering::Relaxed), 2);
    drop(waiting);
    assert_eq!(given_back.load(Ordering::Relaxed), 2);
}
