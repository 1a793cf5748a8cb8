//! What the command does beside its cluster.

use std::sync::Arc;

use everport::cli::Beside;
use everport::log::{Entry, Level, Notice};
use tokio::signal::unix::{SignalKind, signal};

use crate::configuration::Resolved;
use crate::watch::Watch;

/// Tells in the log which configuration file is in force; then reads the log's level again on `HUP`, and restarts the
/// cluster when files change.
pub(crate) fn of(resolved: Arc<Resolved>, watch: Option<Watch>) -> impl AsyncFnOnce(Beside) {
    async move |beside: Beside| {
        tell_configuration(&resolved, &beside);
        let level = set_level_on_hangup(resolved, beside.clone());
        let restarts = async {
            if let Some(watch) = watch {
                watch.restart_on_changes(beside).await;
            }
        };
        tokio::join!(level, restarts);
    }
}

fn tell_configuration(resolved: &Resolved, beside: &Beside) {
    if let Some(path) = &resolved.file {
        // The path stays right for whoever reads the log elsewhere.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let notice = Notice::Configured { path };
        beside.log.write(Entry::Notice(notice, None));
    }
}

/// Has the level of the log follow the configuration file. What is wrong with the file is told and changes nothing.
async fn set_level_on_hangup(resolved: Arc<Resolved>, beside: Beside) {
    if resolved.file.is_none() {
        return;
    }
    let mut level = resolved.log_level();
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => {
            return refuse(
                &beside,
                vec![format!("cannot take the signal HUP: {error}")],
            );
        }
    };
    while hangups.recv().await.is_some() {
        match reread_log_level(&resolved).await {
            Ok(reread) if reread == level => {}
            Ok(reread) => {
                level = reread;
                beside.set_log_level(level);
            }
            Err(errors) => refuse(&beside, errors),
        }
    }
}

/// On a thread that may wait for a disk.
async fn reread_log_level(resolved: &Arc<Resolved>) -> Result<Level, Vec<String>> {
    let resolved = Arc::clone(resolved);
    let reread = move || resolved.reread_log_level().map_err(|error| error.lines());
    tokio::task::spawn_blocking(reread)
        .await
        .unwrap_or_else(|error| Err(vec![error.to_string()]))
}

fn refuse(beside: &Beside, errors: Vec<String>) {
    let notice = Notice::ConfigurationRefused { errors };
    beside.log.write(Entry::Notice(notice, None));
}
