//! `--watch`: a rolling restart when files change, for development.

mod burst;
mod places;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use everport::cli::Beside;
use everport::log::{Entry, Notice};
use notify::event::Flag;
use notify::{Config, ErrorKind, Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use burst::{Burst, Changes};
use places::{Places, WrittenByUs};

use crate::arguments::RunArguments;

/// How soon a place that has gone is looked for again; later on half as often each time.
const RETRY: Duration = Duration::from_millis(500);

/// How long nobody looks for it at most: long enough to count as rest.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Files that are watched, and what has changed there since the last restart.
pub(crate) struct Watch {
    paths: Vec<PathBuf>,
    ours: WrittenByUs,
    shared: Arc<Shared>,
    /// Kept for what its end would do: with it the events end.
    _watcher: RecommendedWatcher,
    places: Arc<Places>,
    /// Since places are gone, or cannot be watched.
    outage: Option<Outage>,
}

/// While what was asked for cannot be watched: when to try again, and how long was waited for that.
#[derive(Debug, Clone, Copy)]
struct Outage {
    retry: Instant,
    pause: Duration,
}

/// What the thread that hears of changes and the watcher's task have in common.
#[derive(Default)]
struct Shared {
    changes: Mutex<Changes>,
    bell: Notify,
}

/// Why files cannot be watched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchError {
    #[error("cannot watch {} (create it, or correct --watch): {source}", .path.display())]
    Path {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "cannot watch {}: the system watches as many directories as it may (raise fs.inotify.max_user_watches, or name less with --watch)",
        .path.display()
    )]
    TooMany { path: PathBuf },
    #[error("cannot watch {}: {source}", .path.display())]
    Refused {
        path: PathBuf,
        source: notify::Error,
    },
    #[error("cannot watch files (a user may do so fs.inotify.max_user_instances times): {0}")]
    System(notify::Error),
}

/// Begins to watch what was asked for, if anything was; changes from now on count.
///
/// # Errors
/// When a path is not there, or the system watches enough already.
pub(crate) fn begin(arguments: &RunArguments) -> Result<Option<Watch>, WatchError> {
    if arguments.watch.is_empty() {
        return Ok(None);
    }
    let paths = arguments.watch.clone();
    let ours = WrittenByUs::find(arguments.cluster.own_files());
    let shared = Arc::default();
    let (watcher, places) = watch(&paths, &ours, &shared)?;
    Ok(Some(Watch {
        paths,
        ours,
        shared,
        _watcher: watcher,
        places,
        outage: None,
    }))
}

/// Looks whether what was asked for is there.
///
/// # Errors
/// When it is not.
pub(crate) fn check(arguments: &RunArguments) -> Result<(), WatchError> {
    Places::find(&arguments.watch, &WrittenByUs::default()).map(drop)
}

impl Watch {
    /// Asks for a rolling restart after each burst of changes, for as long as the cluster runs.
    pub(crate) async fn restart_on_changes(mut self, beside: Beside) {
        loop {
            self.wait().await;
            let now = Instant::now();
            if self.outage.is_some_and(|outage| outage.retry <= now) {
                self.look_again(&beside);
            }
            let ended = self.shared.lock().take_if_over(now);
            if let Some(burst) = ended {
                self.answer(&burst, &beside).await;
            }
        }
    }

    /// Waits for news, or until a burst may be over. At rest nothing wakes it.
    async fn wait(&self) {
        let end_of_burst = self.shared.lock().ends();
        let retry = self.outage.map(|outage| outage.retry);
        let next = end_of_burst.into_iter().chain(retry).min();
        tokio::select! {
            () = self.shared.bell.notified() => {}
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
        }
    }

    async fn answer(&mut self, burst: &Burst, beside: &Beside) {
        // Before the restart, so that nothing changes unseen in between.
        if burst.is_place_gone() {
            self.begin_again(beside);
        }
        if let Some(error) = burst.trouble() {
            let error = error.to_owned();
            tell(beside, Notice::WatchFailed { error });
        }
        let mut changed = burst.changed().filter_map(|path| self.places.name(path));
        if let Some(first) = changed.next() {
            let path = first.to_string_lossy().into_owned();
            let others = changed.count();
            if has_begun_to_stop(beside).await {
                return;
            }
            tell(beside, Notice::FilesChanged { path, others });
            beside.handle.restart();
        }
    }

    /// Watches what is at the paths now: not what was there when a directory was moved away.
    fn begin_again(&mut self, beside: &Beside) {
        match watch(&self.paths, &self.ours, &self.shared) {
            Ok((watcher, places)) => {
                self._watcher = watcher;
                self.places = places;
                self.outage = None;
            }
            Err(error) => {
                if self.outage.is_none() {
                    let error = error.to_string();
                    tell(beside, Notice::WatchFailed { error });
                }
                self.outage = Some(Outage::after(self.outage, Instant::now()));
            }
        }
    }

    /// What has come back may be anything, and still be coming.
    fn look_again(&mut self, beside: &Beside) {
        self.begin_again(beside);
        if self.outage.is_none() {
            let now = Instant::now();
            let mut changes = self.shared.lock();
            for place in self.places.all() {
                changes.note_change(now, &place);
            }
        }
    }
}

impl Outage {
    /// One more attempt has failed.
    fn after(last: Option<Self>, now: Instant) -> Self {
        let pause = last.map_or(RETRY, |last| (last.pause * 2).min(LONGEST_RETRY));
        Self {
            retry: now + pause,
            pause,
        }
    }
}

impl Shared {
    /// A panic while the lock was held leaves changes that tell less than they could.
    fn lock(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, places: &Places, event: notify::Result<Event>) {
        let now = Instant::now();
        let is_sooner = match event {
            Ok(event) if event.attrs.flag() == Some(Flag::Rescan) => {
                self.lock().note_overflow(now, places);
                true
            }
            Ok(event) => self.lock().note(now, &event, places),
            Err(error) => {
                self.lock().note_trouble(now, error.to_string());
                true
            }
        };
        if is_sooner {
            self.bell.notify_one();
        }
    }
}

/// Whether a restart would be refused.
async fn has_begun_to_stop(beside: &Beside) -> bool {
    let status = beside.handle.status().await;
    status
        .ok()
        .is_none_or(|status| status.leaving || status.stopping)
}

fn tell(beside: &Beside, notice: Notice) {
    beside.log.write(Entry::Notice(notice, None));
}

fn watch(
    paths: &[PathBuf],
    ours: &WrittenByUs,
    shared: &Arc<Shared>,
) -> Result<(RecommendedWatcher, Arc<Places>), WatchError> {
    let places = Arc::new(Places::find(paths, ours)?);
    let (shared, known) = (Arc::clone(shared), Arc::clone(&places));
    let handler = move |event| shared.hear(&known, event);
    let watcher = RecommendedWatcher::new(handler, Config::default());
    let mut watcher = watcher.map_err(WatchError::System)?;
    // Those with all that is below them come last: they would be forgotten if the same directory came again.
    for mode in [RecursiveMode::NonRecursive, RecursiveMode::Recursive] {
        for directory in places.directories(mode) {
            let added = watcher.watch(directory, mode);
            added.map_err(|error| refusal(directory.to_owned(), error))?;
        }
    }
    Ok((watcher, places))
}

fn refusal(path: PathBuf, error: notify::Error) -> WatchError {
    match error.kind {
        ErrorKind::MaxFilesWatch => WatchError::TooMany { path },
        ErrorKind::Io(source) => WatchError::Path { path, source },
        _ => WatchError::Refused {
            path,
            source: error,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_watched_is_tried_ever_less_often() {
        let now = Instant::now();
        let mut outage = Outage::after(None, now);
        assert_eq!(outage.retry, now + RETRY);
        outage = Outage::after(Some(outage), now);
        assert_eq!(outage.retry, now + RETRY * 2);
        for _ in 0..10 {
            outage = Outage::after(Some(outage), now);
        }
        assert_eq!(outage.retry, now + LONGEST_RETRY);
    }
}
