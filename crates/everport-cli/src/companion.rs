//! What the command does beside its cluster.

use everport::cli::Beside;
use everport::log::{Entry, Notice};

use crate::configuration::Resolved;

/// Tells in the log which configuration file is in force.
pub(crate) fn of(resolved: &Resolved) -> impl AsyncFnOnce(Beside) {
    async move |beside| {
        if let Some(path) = &resolved.file {
            // The path stays right for whoever reads the log elsewhere.
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let notice = Notice::Configured { path };
            beside.log.write(Entry::Notice(notice, None));
        }
    }
}
