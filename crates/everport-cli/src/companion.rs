//! What the command does beside its cluster.

use everport::cli::Beside;
use everport::log::{Entry, Notice};

use crate::configuration::Resolved;
use crate::watch::Watch;

/// Tells in the log which configuration file is in force, then restarts the cluster when files change.
pub(crate) fn of(resolved: &Resolved, watch: Option<Watch>) -> impl AsyncFnOnce(Beside) {
    async move |beside| {
        tell_configuration(resolved, &beside);
        if let Some(watch) = watch {
            watch.restart_on_changes(beside).await;
        }
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
