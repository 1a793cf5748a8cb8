//! What the worker answers.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Query;
use axum::http::HeaderName;
use axum::response::IntoResponse;
use axum::routing::get;
use everport::Cluster;

use super::behaviour::Behaviour;
use super::end::Crash;
use super::streams;

/// `Hello, World!` on `/`, and doors to the inside for the tests. Every answer names its worker and release.
pub(super) fn router(
    cluster: &Cluster,
    behaviour: &Behaviour,
    crash: &Crash,
    is_logging: bool,
) -> Router {
    let worker = cluster
        .id()
        .map_or_else(|| "none".to_owned(), |id| id.to_string());
    let names = [
        (HeaderName::from_static("x-worker"), worker.clone()),
        (HeaderName::from_static("x-release"), behaviour.name.clone()),
    ];
    let crash = crash.clone();
    let crash =
        async move |parameters: Parameters| crash_unless_spared(&crash, &worker, &parameters).await;
    Router::new()
        .route("/", get("Hello, World!"))
        .route("/slow", get(slow))
        .route("/print", get(print))
        .route("/crash", get(crash))
        .route("/block", get(block))
        .route("/spin", get(spin))
        .route("/shutdown", get(shutdown))
        .route("/descriptors", get(descriptors))
        .route("/environment", get(environment))
        .route("/signals", get(signals))
        .merge(super::process::doors())
        .merge(super::log::doors(cluster, is_logging))
        .route("/flood", get(super::rude::flood_meanwhile))
        .merge(streams::router(cluster))
        .layer(axum::middleware::map_response(
            move |answer: axum::response::Response| {
                let names = names.clone();
                async move { (names, answer).into_response() }
            },
        ))
}

pub(super) type Parameters = Query<HashMap<String, String>>;

pub(super) fn milliseconds(parameters: &Parameters) -> Duration {
    let number = parameters.get("ms").and_then(|text| text.parse().ok());
    Duration::from_millis(number.unwrap_or(1000))
}

/// Answers after a while, or when there is a file.
async fn slow(parameters: Parameters) -> &'static str {
    println!("slow begins");
    match parameters.get("until") {
        None => tokio::time::sleep(milliseconds(&parameters)).await,
        Some(file) => {
            while !Path::new(file).exists() {
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
        }
    }
    "Hello, World!"
}

/// Ends without an answer, unless another `worker` is meant.
async fn crash_unless_spared(crash: &Crash, own: &str, parameters: &Parameters) -> &'static str {
    if parameters.get("worker").is_some_and(|meant| meant != own) {
        return "spared";
    }
    crash.ask_for();
    std::future::pending().await
}

/// What tells workers apart that are threads of one process.
fn this_thread() -> String {
    let thread = std::thread::current();
    thread
        .name()
        .unwrap_or("a thread without a name")
        .to_owned()
}

/// Blocks the runtime's thread: for so long, or until there is a file.
async fn block(parameters: Parameters) -> &'static str {
    println!("block begins on {}", this_thread());
    match parameters.get("until") {
        None => std::thread::sleep(milliseconds(&parameters)),
        Some(file) => {
            while !Path::new(file).exists() {
                std::thread::sleep(BETWEEN_LOOKS);
            }
        }
    }
    "Hello, World!"
}

/// Only how soon a file is seen depends on this, not whether.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// Keeps the runtime's thread busy: for ever, or for so long.
async fn spin(parameters: Parameters) -> &'static str {
    println!("spin begins on {}", this_thread());
    let begin = Instant::now();
    let is_bounded = parameters.contains_key("ms");
    while !is_bounded || begin.elapsed() < milliseconds(&parameters) {
        std::hint::spin_loop();
    }
    "Hello, World!"
}

/// Prints `text` to `stdout` and `stderr`; `\n` in it is a line feed.
async fn print(parameters: Parameters) -> &'static str {
    use std::io::Write;
    let text = parameters
        .get("text")
        .map_or("", String::as_str)
        .replace("\\n", "\n");
    let times: usize = parameters
        .get("times")
        .and_then(|times| times.parse().ok())
        .unwrap_or(1);
    for _ in 0..times {
        print!("{text}");
        eprint!("{text}");
    }
    if std::io::stdout().flush().is_err() {
        return "stdout is gone";
    }
    "printed"
}

/// Shuts down every listening TCP socket of the process, which all workers share; with `spoil` only the one of
/// its own slot, but in a way that keeps it from listening again.
async fn shutdown(parameters: Parameters) -> &'static str {
    use rustix::net::{Shutdown, shutdown, sockopt};
    use std::os::fd::BorrowedFd;
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return "no /proc";
    };
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    let mut numbers: Vec<i32> = entries.flatten().filter_map(number).collect();
    numbers.sort_unstable();
    for number in numbers {
        // SAFETY: the number has just been listed, and nothing else in this worker closes descriptors now.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        if sockopt::socket_acceptconn(descriptor) != Ok(true) {
            continue;
        }
        let is_to_be_spoiled = parameters.contains_key("spoil");
        if is_to_be_spoiled {
            let _kept = sockopt::set_socket_reuseport(descriptor, false);
        }
        // A socket that is no longer there is as good as shut down.
        let _gone = shutdown(descriptor, Shutdown::Both);
        if is_to_be_spoiled {
            break; // the own one came first; those that are lent come and go
        }
    }
    "shut down"
}

/// One line per descriptor: its number and what it is.
async fn descriptors() -> String {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return String::new();
    };
    let line = |entry: std::fs::DirEntry| {
        let target = std::fs::read_link(entry.path()).ok()?;
        Some(format!(
            "{} {}\n",
            entry.file_name().to_string_lossy(),
            target.display()
        ))
    };
    entries.flatten().filter_map(line).collect()
}

/// One line per variable.
async fn environment() -> String {
    std::env::vars_os()
        .map(|(key, value)| format!("{}={}\n", key.to_string_lossy(), value.to_string_lossy()))
        .collect()
}

/// The lines about signals of the process's status.
async fn signals() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .filter(|line| line.starts_with("Sig"))
        .map(|line| format!("{line}\n"))
        .collect()
}
