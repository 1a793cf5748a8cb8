//! Doors to the worker's own process: what the kernel lets it do, and how much memory it uses.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::sync::OnceLock;

use axum::Router;
use axum::extract::Query;
use axum::routing::get;

type Parameters = Query<HashMap<String, String>>;

pub(super) fn doors() -> Router {
    Router::new()
        .route("/status", get(status))
        .route("/grow", get(grow))
        .route("/append", get(append))
        .route("/child", get(child))
        .route("/orphan", get(super::orphan::leave))
}

/// Status, limits, and how readily the kernel ends this process when memory runs out.
async fn status() -> String {
    ["status", "limits", "oom_score_adj"]
        .map(|file| fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default())
        .concat()
}

/// Uses `mib` mebibytes more from now on; however often it is asked for, once.
async fn grow(parameters: Parameters) -> &'static str {
    static GROWN: OnceLock<Vec<u8>> = OnceLock::new();
    let mebibytes: Option<usize> = parameters.get("mib").and_then(|text| text.parse().ok());
    // Not zeros: those would not be real memory.
    GROWN.get_or_init(|| vec![1; mebibytes.unwrap_or(0) << 20]);
    "grown"
}

/// Opens `path` and appends a line.
async fn append(parameters: Parameters) -> String {
    let path = parameters.get("path").map_or("", String::as_str);
    let opened = fs::File::options().append(true).open(path);
    match opened.and_then(|mut file| file.write_all(b"appended\n")) {
        Ok(()) => "appended".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Starts a child, waits for it, and says how it ended.
async fn child() -> String {
    let mut child = std::process::Command::new("sh");
    match child.args(["-c", "exit 7"]).status() {
        Ok(status) => format!("exited with {}", status.code().unwrap_or(-1)),
        Err(error) => error.to_string(),
    }
}
