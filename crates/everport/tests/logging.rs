//! A program that sets up its log, without a watcher. This test is such a program: it starts itself as one.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails right there"
)]

use std::process::{Command, ExitCode, Output};
use std::sync::Arc;

use everport::log::{Entry, Level, LogFormat, Sink};
use everport::logging::{self, InitError};
use everport::{Cluster, Watcher};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Tells this program what to be, other than the test of it.
const BE: &str = "EVERPORT_TEST_BE";

fn main() -> ExitCode {
    match std::env::var(BE).as_deref() {
        Ok("ordinary") => run(ordinary),
        Ok("composed") => run(composed),
        Ok("panicking") => run(panicking),
        Ok("unread") => run(unread),
        Ok("subscribed") => workers_beside(a_subscriber_of_the_applications),
        Ok("forwarding") => workers_beside(|| tracing_log::LogTracer::init().unwrap()),
        Ok("logging-otherwise") => workers_beside(a_logger_of_the_applications),
        Ok(other) => panic!("cannot be {other}"),
        Err(_) => {
            records_become_lines_on_standard_output();
            the_environment_says_what_is_logged();
            an_environment_that_is_not_understood_is_an_error();
            who_composes_a_subscriber_has_the_choice();
            a_panic_is_printed_once_and_to_standard_error();
            a_reader_that_went_away_ends_no_program();
            the_applications_subscriber_keeps_its_threads_and_workers_have_their_own();
            a_logger_that_passes_on_to_tracing_is_as_good_as_ours();
            a_logger_that_does_otherwise_is_an_error();
            ExitCode::SUCCESS
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(program: fn(&Cluster) -> Result<(), InitError>) -> ExitCode {
    let cluster = Cluster::join().await.unwrap();
    match program(&cluster) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The program, with or without a wish of its surroundings.
fn program(what: &str, rust_log: Option<&str>) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(BE, what).env_remove("RUST_LOG");
    command.envs(rust_log.map(|wish| ("RUST_LOG", wish)));
    command
}

/// What it prints to standard output: each line without its time, which must be one.
#[track_caller]
fn lines(output: &Output) -> Vec<String> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let without_time = |line: &str| {
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{line}");
        rest.to_owned()
    };
    text.lines().map(without_time).collect()
}

fn ordinary(cluster: &Cluster) -> Result<(), InitError> {
    logging::init(cluster)?;
    let _order = tracing::info_span!("order", id = 7).entered();
    tracing::info!(target: "shop", by = "card", "paid");
    tracing_log::log::warn!(target: "old", "through the log crate");
    tracing::debug!(target: "shop", "details");
    tracing_log::log::debug!(target: "old", "{}", unless_asked("old details"));
    cluster.set_log_level(Level::Debug);
    tracing::debug!(target: "shop", "now wanted");
    tracing_log::log::debug!(target: "old", "wanted, too");
    let again = logging::init(cluster).unwrap_err();
    assert!(matches!(again, InitError::SubscriberSet), "{again}");
    Ok(())
}

/// Not even the arguments of what is not logged are computed.
fn unless_asked(text: &str) -> &str {
    let asks = tracing_log::log::max_level() >= tracing_log::log::Level::Debug;
    assert!(asks, "{text} were not to be computed");
    text
}

fn records_become_lines_on_standard_output() {
    let output = program("ordinary", None).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let expected = [
        "INFO  paid by=card in order{id=7} (shop)",
        "WARN  through the log crate in order{id=7} (old)",
        "DEBUG now wanted in order{id=7} (shop)",
        "DEBUG wanted, too in order{id=7} (old)",
    ];
    assert_eq!(lines(&output), expected);
    assert_eq!(output.stderr, b"");
}

fn the_environment_says_what_is_logged() {
    let output = program("ordinary", Some("warn,shop=debug"))
        .output()
        .unwrap();
    let lines = lines(&output);
    // The span is not wanted.
    let expected = [
        "INFO  paid by=card (shop)",
        "WARN  through the log crate (old)",
        "DEBUG details (shop)",
    ];
    assert_eq!(lines[..3], expected, "{lines:?}");
}

fn an_environment_that_is_not_understood_is_an_error() {
    let output = program("ordinary", Some("shop=loud")).output().unwrap();
    let expected = "RUST_LOG is \"shop=loud\", in which \"loud\" is none of the levels off, error, warn, info, \
                    debug and trace (give a level, targets with levels, or both: RUST_LOG=warn,shop::db=debug)\n";
    assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
    assert!(!output.status.success());
}

fn composed(cluster: &Cluster) -> Result<(), InitError> {
    let filter = cluster.log_filter()?;
    let layer = cluster.log_layer().with_format(LogFormat::Json);
    let layers = tracing_subscriber::registry().with(layer.with_filter(filter.clone()));
    layers.try_init().unwrap();
    logging::forward_panics(cluster);
    tracing::info!(target: "shop", order = 7, "paid");
    filter.set("shop=error").unwrap();
    tracing::info!(target: "shop", "not wanted");
    Ok(())
}

fn who_composes_a_subscriber_has_the_choice() {
    let output = program("composed", None).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    for part in [
        r#""target":"shop""#,
        r#""fields":{"order":7}"#,
        r#""message":"paid""#,
    ] {
        assert!(text.contains(part), "{text}");
    }
}

fn panicking(cluster: &Cluster) -> Result<(), InitError> {
    logging::init(cluster)?;
    panic!("no coffee left");
}

fn a_panic_is_printed_once_and_to_standard_error() {
    let output = program("panicking", None).output().unwrap();
    assert_eq!(lines(&output), [""; 0]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.matches("no coffee left").count(), 1, "{text}");
}

fn unread(cluster: &Cluster) -> Result<(), InitError> {
    logging::init(cluster)?;
    (0..3).for_each(|number| tracing::info!("nobody reads number {number}"));
    Ok(())
}

fn a_reader_that_went_away_ends_no_program() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = program("unread", None).stdout(writer).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stderr, b"");
}

/// A program whose workers are threads and which has set up something of its own before: says what its workers' logs
/// told. The first worker's end is that of the program, when its successor has logged, too.
fn workers_beside(prepare: fn()) -> ExitCode {
    prepare();
    tracing::info!("by the application");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let watcher = Watcher::threads(1, log_and_return).sink(Arc::new(Printed));
        let watcher = watcher.build().unwrap();
        let handle = watcher.handle();
        tokio::spawn(async move {
            // Who waits in vain sees that in what was printed.
            let _in_vain = tokio::time::timeout(BOUND, OTHERS.notified()).await;
            handle.stop();
        });
        watcher.run().await.unwrap();
    });
    tracing::info!("by the application, at the end");
    ExitCode::SUCCESS
}

/// How long anything may take on a busy machine.
const BOUND: std::time::Duration = std::time::Duration::from_secs(60);

/// Told by the second worker that it has come to its end.
static OTHERS: tokio::sync::Notify = tokio::sync::Notify::const_new();

async fn log_and_return(cluster: Cluster) -> Result<(), InitError> {
    let id = cluster.id().unwrap();
    if let Err(error) = logging::init(&cluster) {
        println!("worker {id}: {error}");
    }
    tracing::info!("by worker {id}");
    tracing_log::log::info!("by worker {id} through the log crate");
    let blocking = tokio::task::spawn_blocking(move || tracing::info!("by worker {id}, blocking"));
    blocking.await.unwrap();
    let again = logging::init(&cluster).unwrap_err();
    assert!(matches!(again, InitError::SubscriberSet), "{again}");
    if id.0 == 2 {
        OTHERS.notify_one();
    }
    Ok(())
}

/// Prints workers' records.
#[derive(Debug)]
struct Printed;

impl Sink for Printed {
    fn write(&self, entry: Entry) {
        if let Entry::Records(records) = entry {
            for record in records.iter() {
                println!("{}: {}", records.source().worker, record.message);
            }
        }
    }
}

/// Prints what it gets, as the application's own way of logging.
struct Own;

impl<S: tracing::Subscriber> Layer<S> for Own {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        struct Message;
        impl tracing::field::Visit for Message {
            fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                println!("own: {value:?}");
            }
        }
        event.record(&mut Message);
    }
}

fn a_subscriber_of_the_applications() {
    let own = tracing_subscriber::registry().with(Own);
    tracing::subscriber::set_global_default(own).unwrap();
}

fn a_logger_of_the_applications() {
    struct Logger;
    impl tracing_log::log::Log for Logger {
        fn enabled(&self, _: &tracing_log::log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, _: &tracing_log::log::Record<'_>) {}
        fn flush(&self) {}
    }
    tracing_log::log::set_boxed_logger(Box::new(Logger)).unwrap();
}

/// What such a program prints: the lines of its watcher's sink and of the application come from threads of their own.
fn printed(what: &str) -> Vec<String> {
    let output = program(what, None).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn check_printed(lines: &[String], expected: &[&str]) {
    for line in expected {
        let times = lines.iter().filter(|it| it == line).count();
        assert_eq!(times, 1, "{line:?} in {lines:#?}");
    }
}

fn the_applications_subscriber_keeps_its_threads_and_workers_have_their_own() {
    let lines = printed("subscribed");
    let expected = [
        "own: by the application",
        "1: by worker 1",
        "1: by worker 1 through the log crate",
        "1: by worker 1, blocking",
        "2: by worker 2",
        "2: by worker 2, blocking",
        "own: by the application, at the end",
    ];
    check_printed(&lines, &expected);
    assert!(
        !lines.iter().any(|line| line.starts_with("own: by worker")),
        "{lines:#?}"
    );
}

fn a_logger_that_passes_on_to_tracing_is_as_good_as_ours() {
    let lines = printed("forwarding");
    check_printed(
        &lines,
        &["1: by worker 1", "1: by worker 1 through the log crate"],
    );
    assert!(
        !lines.iter().any(|line| line.starts_with("worker 1: ")),
        "{lines:#?}"
    );
}

fn a_logger_that_does_otherwise_is_an_error() {
    let lines = printed("logging-otherwise");
    check_printed(&lines, &["1: by worker 1"]);
    let is_error = |line: &&String| {
        line.starts_with("worker 1: cannot log what is logged through the log crate")
    };
    assert_eq!(lines.iter().filter(is_error).count(), 1, "{lines:#?}");
}
