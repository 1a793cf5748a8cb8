//! Records where there is no watcher.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;

use rustix::fs::{Mode, OFlags};
use tracing::{Dispatch, info};
use tracing_subscriber::layer::SubscriberExt;

use crate::log::LogFormat;
use crate::logging::console::Console;
use crate::logging::layer::LogLayer;
use crate::logging::outlet::Outlet;

fn dispatch(file: Option<OwnedFd>) -> Dispatch {
    let console = Arc::new(Console::to(file, LogFormat::Plain));
    let layer = LogLayer::with_outlet(Outlet::Console(console));
    Dispatch::new(tracing_subscriber::registry().with(layer))
}

#[test]
fn lines_of_many_threads_stay_whole_and_in_order() {
    const THREADS: usize = 4;
    const RECORDS: usize = 200;
    let mut file = tempfile::tempfile().unwrap();
    let dispatch = dispatch(Some(file.try_clone().unwrap().into()));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let dispatch = dispatch.clone();
            scope.spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || {
                    (0..RECORDS).for_each(|number| info!("thread {thread} number {number} end"));
                });
            });
        }
    });
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().count(), THREADS * RECORDS);
    for thread in 0..THREADS {
        let begin = format!("thread {thread} number ");
        let numbers = text.lines().filter_map(|line| {
            let (_, number) = line.split_once(&begin)?;
            number.split_once(" end ")?.0.parse::<usize>().ok()
        });
        assert!(numbers.eq(0..RECORDS), "{text}");
    }
}

#[test]
fn what_could_not_be_written_is_counted_where_it_is_missing() {
    // It takes nothing until somebody reads, and an error says so.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RWXU).unwrap();
    let both_ways = OFlags::RDWR | OFlags::NONBLOCK;
    let first_reader = rustix::fs::open(&path, both_ways, Mode::empty()).unwrap();
    let writer = rustix::fs::open(&path, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
    drop(first_reader);
    let dispatch = dispatch(Some(writer));
    let say = |text: &'static str| tracing::dispatcher::with_default(&dispatch, || info!("{text}"));
    say("one");
    say("two");
    let reading = OFlags::RDONLY | OFlags::NONBLOCK;
    let mut reader = File::from(rustix::fs::open(&path, reading, Mode::empty()).unwrap());
    say("three");
    say("four");
    drop(dispatch);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines[0].contains("2 ") && lines[0].contains("standard output could not be written to"),
        "{text}"
    );
    assert!(
        lines[1].contains("three") && lines[2].contains("four"),
        "{text}"
    );
}

#[test]
fn a_reader_that_is_slow_is_waited_for() {
    let (reader, writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    let dispatch = dispatch(Some(writer.into()));
    let logging = thread::spawn(move || {
        tracing::dispatcher::with_default(&dispatch, || {
            let long = "x".repeat(10_000);
            (0..100).for_each(|number| info!("{long} number {number}"));
        });
    });
    let lines = BufReader::new(reader).lines().map(Result::unwrap);
    let is_whole = |(number, line): &(usize, String)| line.contains(&format!("x number {number} "));
    assert_eq!(lines.enumerate().filter(is_whole).count(), 100);
    logging.join().unwrap();
}
