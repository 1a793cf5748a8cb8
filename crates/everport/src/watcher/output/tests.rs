//! Captures pipes that tests print into.

use std::fs::File;
use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::log::{Entry, Line};
use crate::{Generation, SlotId, WorkerId};

/// How long an event may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A sink that passes lines on to the test.
struct Lines(Mutex<mpsc::Sender<Line>>);

impl Sink for Lines {
    fn write(&self, entry: Entry) {
        if let Entry::Line(line) = entry {
            // A test that no longer listens has seen enough.
            let _ = self.0.lock().unwrap().send(line);
        }
    }
}

struct Worker {
    stdout: File,
    stderr: File,
    capture: OutputCapture,
    lines: mpsc::Receiver<Line>,
}

fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

fn start() -> Worker {
    let (stdout_read, stdout) = pipe();
    let (stderr_read, stderr) = pipe();
    let (sender, lines) = mpsc::channel();
    let sink = Arc::new(Lines(Mutex::new(sender)));
    let source = Source {
        worker: WorkerId(7),
        slot: SlotId(2),
        generation: Generation(1),
        pid: 4711,
    };
    Worker {
        stdout: stdout.into(),
        stderr: stderr.into(),
        capture: OutputCapture::start(source, stdout_read, stderr_read, sink).unwrap(),
        lines,
    }
}

/// Lets the runtime's tasks run until a line has come.
async fn next_line(lines: &mpsc::Receiver<Line>) -> Line {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        match lines.try_recv() {
            Ok(line) => return line,
            Err(error) => assert!(tokio::time::Instant::now() < until, "no line: {error}"),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn lines_come_while_the_worker_lives() {
    let mut worker = start();
    worker.stdout.write_all(b"one\ntw").unwrap();
    let line = next_line(&worker.lines).await;
    assert_eq!(
        (line.source.worker, line.source.slot),
        (WorkerId(7), SlotId(2))
    );
    assert_eq!((line.text.as_str(), line.stream), ("one", Stream::Stdout));
    worker.stdout.write_all(b"o\n").unwrap();
    assert_eq!(next_line(&worker.lines).await.text, "two");
    worker.stderr.write_all(b"oh\x1b\n").unwrap();
    let line = next_line(&worker.lines).await;
    assert_eq!(
        (line.text.as_str(), line.stream),
        ("oh\\x1b", Stream::Stderr)
    );
}

#[tokio::test]
async fn the_last_instant_before_a_crash_is_included() {
    let mut worker = start();
    worker.stdout.write_all(b"served\n").unwrap();
    worker
        .stderr
        .write_all(b"panicked at main.rs\nno line feed")
        .unwrap();
    drop((worker.stdout, worker.stderr));
    let last_lines = worker.capture.finish();
    assert_eq!(last_lines, ["panicked at main.rs", "no line feed"]);
    let texts: Vec<String> = worker.lines.try_iter().map(|line| line.text).collect();
    assert_eq!(texts, ["served", "panicked at main.rs", "no line feed"]);
}

#[tokio::test]
async fn a_line_begun_before_an_early_close_is_kept_and_reported() {
    let mut worker = start();
    worker.stderr.write_all(b"closing").unwrap();
    drop(worker.stderr);
    assert_eq!(next_line(&worker.lines).await.text, "closing");
    assert_eq!(worker.capture.finish(), ["closing"]);
}

#[tokio::test]
async fn a_full_pipe_is_read_to_its_end_after_a_death() {
    let mut worker = start();
    rustix::io::ioctl_fionbio(&worker.stderr, true).unwrap();
    let mut printed = 0;
    while worker
        .stderr
        .write_all(format!("line {printed}\n").as_bytes())
        .is_ok()
    {
        printed += 1;
    }
    let last_lines = worker.capture.finish();
    assert_eq!(last_lines.len(), 10);
    let lines: Vec<Line> = worker.lines.try_iter().collect();
    assert!(lines.len() >= printed, "{} of {printed}", lines.len());
    for (number, line) in lines.iter().take(printed).enumerate() {
        assert_eq!(line.text, format!("line {number}"));
    }
}

#[tokio::test]
async fn a_grandchild_that_floods_the_pipe_cannot_hold_us() {
    let worker = start();
    let mut grandchild = worker.stdout;
    let flood = std::thread::spawn(move || {
        let mut written = 0_u64;
        while grandchild.write_all(&[b'x'; 4096]).is_ok() {
            written += 1;
        }
        written
    });
    assert!(!next_line(&worker.lines).await.text.is_empty());
    worker.capture.finish();
    assert!(
        flood.join().unwrap() > 0,
        "the flood ends because the pipe is closed"
    );
}

#[tokio::test]
async fn a_flood_leaves_turns_to_everything_else() {
    let mut worker = start();
    let flood =
        std::thread::spawn(move || while worker.stdout.write_all(&[b'\n'; 4096]).is_ok() {});
    let (reader, mut writer) = tokio::net::UnixStream::pair().unwrap();
    for _ in 0..100 {
        next_line(&worker.lines).await;
        tokio::io::AsyncWriteExt::write_all(&mut writer, b"x")
            .await
            .unwrap();
        let answered = tokio::time::timeout(PATIENCE, reader.readable()).await;
        answered.expect("the loop is starved").unwrap();
        reader.try_read(&mut [0; 8]).unwrap();
    }
    drop(worker.capture);
    flood.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_comes_once_and_in_order_on_many_threads() {
    let mut worker = start();
    let printing = std::thread::spawn(move || {
        for number in 0..20_000 {
            writeln!(worker.stdout, "{number}").unwrap();
        }
    });
    tokio::task::spawn_blocking(|| printing.join().unwrap())
        .await
        .unwrap();
    worker.capture.finish();
    for number in 0..20_000 {
        assert_eq!(worker.lines.try_recv().unwrap().text, number.to_string());
    }
    assert!(worker.lines.try_recv().is_err());
}

#[tokio::test]
async fn dropping_the_capture_closes_the_pipes() {
    let mut worker = start();
    drop(worker.capture);
    let error = worker.stdout.write_all(b"x").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}
