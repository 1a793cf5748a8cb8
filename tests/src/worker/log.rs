//! Doors to the worker's log: numbered records in any number, hostile ones, panics, and rubbish in its ring.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use everport::Cluster;
use rustix::process::{Signal, getpid, kill_process};

use super::end::is_thread;
use super::service::Parameters;

pub(super) fn doors(cluster: &Cluster, is_logging: bool) -> Router {
    let own = cluster.id().map(|id| id.to_string());
    let logging = Logging(is_logging.then(|| cluster.clone()));
    let logger = logging.clone();
    let worker = Arc::new(());
    let log = async move |parameters: Parameters| match parameters.get("spare") {
        // Whoever asks wants another worker, and cannot choose which one answers.
        Some(spared) if own.as_ref() == Some(spared) => "spared",
        _ => log(&logger, Arc::downgrade(&worker), parameters).await,
    };
    let logger = logging.clone();
    let log_text = async move |parameters: Parameters| log_text(&logger, parameters).await;
    let panic = async move |parameters: Parameters| panic(&logging, parameters).await;
    Router::new()
        .route("/log", get(log))
        .route("/log-levels", get(log_levels))
        .route("/log-text", get(log_text))
        .route("/log-by-nobody", get(log_by_nobody))
        .route("/panic", get(panic))
        .route("/panic-in-task", get(panic_in_task))
        .route("/spoil-ring", get(super::spoiled_ring::spoil))
}

/// The cluster whose log this worker's threads are to be part of, if they are.
#[derive(Clone)]
struct Logging(Option<Cluster>);

impl Logging {
    /// What a worker that is a thread says on each further thread. In a process it has been said for all of them.
    fn begin_on_this_thread(&self) {
        let begun = self.0.as_ref().map(everport::logging::init);
        drop(begun);
    }
}

/// What numbered records are asked for.
#[derive(Debug, Clone)]
struct Order {
    /// By each thread.
    records: u64,
    threads: u64,
    /// How long the text in each of them is.
    bytes: usize,
    /// Between two of a thread.
    pause: Duration,
    /// Holds the number of each thread's last record that was handed over, 8 bytes each.
    acks: Option<Arc<File>>,
    /// Dead when the worker is, if that is a thread: unlike a process it does not take its threads with it.
    worker: Option<Weak<()>>,
}

/// Logs numbered records on threads of their own: `records` by each of `threads`, or without end as long as the worker
/// lives, with a text of `bytes`, each followed by
/// a pause of `pause` microseconds. The file `acks` holds how many each thread has handed over. With `wait` this answers
/// when all are; in any case the process ends then as `then` says. With `here` they are logged by the runtime's own
/// thread instead, before the answer.
async fn log(logging: &Logging, worker: Weak<()>, parameters: Parameters) -> &'static str {
    let number = |name: &str| parameters.get(name).and_then(|text| text.parse().ok());
    let acks = parameters.get("acks").map(File::create);
    let order = Order {
        records: number("records").unwrap_or(u64::MAX),
        threads: number("threads").unwrap_or(1),
        bytes: number("bytes").unwrap_or(10) as usize,
        pause: Duration::from_micros(number("pause").unwrap_or(0)),
        acks: acks.and_then(Result::ok).map(Arc::new),
        worker: is_thread().then_some(worker),
    };
    if parameters.contains_key("here") {
        log_numbers(0, &order);
        return "logged";
    }
    let then = parameters.get("then").cloned();
    let (sender, done) = tokio::sync::oneshot::channel();
    let logging = logging.clone();
    thread::spawn(move || {
        log_all(&logging, &order);
        end(then.as_deref().unwrap_or_default());
        // Nobody may wait for it.
        let _nobody = sender.send(());
    });
    if parameters.contains_key("wait") && done.await.is_err() {
        return "it panicked";
    }
    "logging"
}

/// Numbered records for as long as the process lives, by two threads.
pub(super) fn chatter(cluster: &Cluster) {
    let order = Order {
        records: u64::MAX,
        threads: 2,
        bytes: 100,
        pause: Duration::from_micros(100),
        acks: None,
        worker: None,
    };
    let logging = Logging(Some(cluster.clone()));
    thread::spawn(move || log_all(&logging, &order));
}

fn log_all(logging: &Logging, order: &Order) {
    let start = |thread| {
        let (logging, order) = (logging.clone(), order.clone());
        thread::spawn(move || {
            logging.begin_on_this_thread();
            log_numbers(thread, &order);
        })
    };
    let threads: Vec<_> = (0..order.threads).map(start).collect();
    for thread in threads {
        thread.join().expect("logging does not panic");
    }
}

fn log_numbers(thread: u64, order: &Order) {
    let text = "x".repeat(order.bytes);
    for number in 1..=order.records {
        tracing::info!(target: "numbered", thread, number, text, "a numbered record");
        if let Some(acks) = &order.acks {
            acks.write_all_at(&number.to_le_bytes(), thread * 8)
                .expect("the file takes numbers");
        }
        if !order.pause.is_zero() {
            thread::sleep(order.pause);
        }
        let is_dead = |worker: &Weak<()>| worker.strong_count() == 0;
        if order.worker.as_ref().is_some_and(is_dead) {
            return;
        }
    }
}

fn end(how: &str) {
    match how {
        "abort" => std::process::abort(),
        "exit" => std::process::exit(3),
        "kill" => drop(kill_process(getpid(), Signal::KILL)),
        "panic" => panic!("the numbers are over"),
        _ => {}
    }
}

/// One record of each level, through `tracing` and through `log`.
async fn log_levels() -> &'static str {
    tracing::error!("as an error");
    tracing::warn!("as a warning");
    tracing::info!("as an information");
    tracing::debug!("as a detail");
    tracing::trace!("as a trace");
    log::warn!("from the log crate");
    log::debug!("as a detail from the log crate");
    "logged"
}

/// Logs on a thread that says to nobody whose it is.
async fn log_by_nobody() -> &'static str {
    let logged = thread::spawn(|| {
        tracing::warn!("by a thread of nobody");
        tracing::debug!("too detailed");
    });
    match logged.join() {
        Ok(()) => "logged",
        Err(_) => "not logged",
    }
}

/// Puts the text wherever a text can stand in a record: message, field, span, thread and target.
async fn log_text(logging: &Logging, parameters: Parameters) -> &'static str {
    let text = parameters.get("text").cloned().unwrap_or_default();
    let thread = thread::Builder::new().name(text.clone());
    let logging = logging.clone();
    let logged = thread.spawn(move || {
        logging.begin_on_this_thread();
        let span = tracing::info_span!("hostile", in_span = text);
        let _entered = span.enter();
        tracing::info!(in_field = text, in_debug = ?text, "{text}");
        log::info!(target: &text, "{text}");
    });
    match logged.map(thread::JoinHandle::join) {
        Ok(Ok(())) => "logged",
        _ => "not logged",
    }
}

/// Panics on a thread of its own.
async fn panic(logging: &Logging, parameters: Parameters) -> &'static str {
    let text = parameters.get("text").cloned().unwrap_or_default();
    let thread = thread::Builder::new().name("panicking".to_owned());
    let logging = logging.clone();
    let panicked = thread.spawn(move || {
        logging.begin_on_this_thread();
        panic!("{text}")
    });
    match panicked.map(thread::JoinHandle::join) {
        Ok(Err(_)) => "panicked",
        _ => "did not panic",
    }
}

/// Panics in a task, and, if asked for, in one that blocks.
async fn panic_in_task(parameters: Parameters) -> &'static str {
    let text = parameters.get("text").cloned().unwrap_or_default();
    let panicked = match parameters.contains_key("blocking") {
        true => tokio::task::spawn_blocking(move || panic!("{text}")).await,
        false => tokio::spawn(async move { panic!("{text}") }).await,
    };
    match panicked {
        Ok(()) => "did not panic",
        Err(_) => "panicked",
    }
}
