//! Changes that belong together, and when they are over.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind};
use tokio::time::Instant;

use super::places::Places;

/// How long nothing may change before a burst is over: editors and compilers are busy again sooner.
const QUIET: Duration = Duration::from_millis(200);

/// How long a burst may wait for whoever has begun to write a file and has not closed it.
const LONGEST_WRITE: Duration = Duration::from_secs(10);

/// How long a burst may last. Somebody who writes without end is told of by the restarts that it brings.
const LONGEST_BURST: Duration = Duration::from_secs(30);

/// How many files are remembered; those beyond only make the burst last.
const MOST_FILES: usize = 4096;

/// What has changed since the last restart.
#[derive(Debug, Default)]
pub(super) struct Burst {
    /// When it began and when something changed last.
    times: Option<(Instant, Instant)>,
    changed: HashMap<PathBuf, Change>,
    /// Files that were written to and are still open.
    being_written: HashSet<PathBuf>,
    is_place_gone: bool,
    /// Why changes may have been missed.
    trouble: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct Change {
    order: usize,
    /// Whether it came to be in this burst.
    is_new: bool,
}

/// What an event says about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    /// It is there, and was not before, or was something else.
    Came,
    Written,
    /// Whoever wrote to it has closed it.
    Closed,
    Went,
    Changed,
}

impl Burst {
    /// Takes an event; false if it is none that matters.
    pub(super) fn note(&mut self, now: Instant, event: &Event, places: &Places) -> bool {
        let Some(news) = news(event.kind) else {
            return false;
        };
        let mut is_news = false;
        for path in &event.paths {
            let is_place = matches!(news, News::Came | News::Went) && places.hang_on(path);
            self.is_place_gone |= is_place;
            if places.counts(path) {
                is_news |= self.note_news(now, path, news);
            } else if is_place {
                self.go_on(now);
                is_news = true;
            }
        }
        is_news
    }

    fn note_news(&mut self, now: Instant, path: &Path, news: News) -> bool {
        let was_written = self.being_written.remove(path);
        match news {
            News::Closed if !was_written => return false,
            News::Closed => {}
            News::Written if self.being_written.len() < MOST_FILES => {
                self.being_written.insert(path.to_owned());
                self.remember(path, false);
            }
            news => self.remember(path, news == News::Came),
        }
        self.go_on(now);
        true
    }

    fn remember(&mut self, path: &Path, is_new: bool) {
        let order = self.changed.len();
        if order < MOST_FILES && !self.changed.contains_key(path) {
            let change = Change { order, is_new };
            self.changed.insert(path.to_owned(), change);
        }
    }

    fn go_on(&mut self, now: Instant) {
        let began = self.times.map_or(now, |(began, _)| began);
        self.times = Some((began, now));
    }

    /// A path that has changed in whatever way.
    pub(super) fn note_change(&mut self, now: Instant, path: PathBuf) {
        self.remember(&path, false);
        self.go_on(now);
    }

    /// More happened than the system could tell: anything may have changed, and new directories were missed.
    pub(super) fn note_overflow(&mut self, now: Instant, places: &Places) {
        self.is_place_gone = true;
        for place in places.all() {
            self.note_change(now, place);
        }
    }

    /// Something cannot be watched any more.
    pub(super) fn note_trouble(&mut self, now: Instant, error: String) {
        self.trouble = Some(error);
        self.go_on(now);
    }

    /// When it may be over, if nothing changes any more.
    pub(super) fn ends(&self) -> Option<Instant> {
        let (began, last) = self.times?;
        let pause = if self.being_written.is_empty() {
            QUIET
        } else {
            LONGEST_WRITE
        };
        Some((last + pause).min(began + LONGEST_BURST))
    }

    /// The burst, if it is over; the next one begins empty.
    pub(super) fn take_if_over(&mut self, now: Instant) -> Option<Self> {
        let is_over = self.ends().is_some_and(|end| end <= now);
        is_over.then(|| std::mem::take(self))
    }

    /// What has changed, what changed first first: without what came and went, as editors' copies do.
    pub(super) fn changed(&self) -> impl Iterator<Item = &Path> {
        let is_there = |path: &Path| fs::symlink_metadata(path).is_ok();
        let mut changed: Vec<(usize, &Path)> = self
            .changed
            .iter()
            .filter(|(path, change)| !change.is_new || is_there(path))
            .map(|(path, change)| (change.order, path.as_path()))
            .collect();
        changed.sort_unstable();
        changed.into_iter().map(|(_, path)| path)
    }

    /// Whether what is watched may not be what is at the paths any more.
    pub(super) fn is_place_gone(&self) -> bool {
        self.is_place_gone
    }

    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }
}

fn news(kind: EventKind) -> Option<News> {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(News::Closed),
        EventKind::Access(_) => None,
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(RenameMode::To)) => {
            Some(News::Came)
        }
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)) => {
            Some(News::Went)
        }
        // Only Linux says when a file is closed again.
        EventKind::Modify(ModifyKind::Data(_)) if cfg!(target_os = "linux") => Some(News::Written),
        // Told of as going and coming, too.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => None,
        EventKind::Modify(_) | EventKind::Any | EventKind::Other => Some(News::Changed),
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, MetadataKind, RemoveKind};

    use super::super::places::WrittenByUs;
    use super::*;

    /// A watched directory, a burst, and a clock.
    struct Scene {
        _kept: tempfile::TempDir,
        top: PathBuf,
        places: Places,
        burst: Burst,
        now: Instant,
    }

    const WRITTEN: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    const CLOSED: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));
    const OPENED: EventKind = EventKind::Access(AccessKind::Open(AccessMode::Any));
    const TOUCHED: EventKind = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
    const CREATED: EventKind = EventKind::Create(CreateKind::File);
    const REMOVED: EventKind = EventKind::Remove(RemoveKind::File);

    impl Scene {
        fn new() -> Self {
            let kept = tempfile::tempdir().unwrap();
            let top = fs::canonicalize(kept.path()).unwrap();
            let places = Places::find(std::slice::from_ref(&top), &WrittenByUs::default()).unwrap();
            Self {
                _kept: kept,
                top,
                places,
                burst: Burst::default(),
                now: Instant::now(),
            }
        }

        fn hear(&mut self, kind: EventKind, name: &str) -> bool {
            let event = Event::new(kind).add_path(self.top.join(name));
            self.burst.note(self.now, &event, &self.places)
        }

        fn put(&self, name: &str) {
            fs::write(self.top.join(name), "").unwrap();
        }

        /// How long from now the burst may last yet.
        fn left(&self) -> Option<Duration> {
            self.burst.ends().map(|end| end - self.now)
        }

        fn names(&self) -> Vec<String> {
            let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
            self.burst.changed().map(name).collect()
        }
    }

    #[test]
    fn who_only_reads_changes_nothing() {
        let mut scene = Scene::new();
        assert!(!scene.hear(OPENED, "a"));
        assert!(!scene.hear(CLOSED, "a"));
        assert_eq!(scene.left(), None);
    }

    #[test]
    fn it_is_over_when_nothing_has_changed_for_a_while() {
        let mut scene = Scene::new();
        assert!(scene.hear(TOUCHED, "a"));
        scene.now += QUIET / 2;
        assert!(scene.hear(TOUCHED, "b"));
        assert_eq!(scene.left(), Some(QUIET));
        scene.now += QUIET / 2;
        assert!(scene.burst.take_if_over(scene.now).is_none());
        scene.now += QUIET / 2;
        assert!(scene.burst.take_if_over(scene.now).is_some());
        assert_eq!(scene.left(), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn it_waits_for_a_file_that_is_half_written() {
        let mut scene = Scene::new();
        scene.hear(CREATED, "server");
        scene.hear(WRITTEN, "server");
        assert_eq!(scene.left(), Some(LONGEST_WRITE));
        scene.now += LONGEST_WRITE / 2;
        assert!(scene.hear(CLOSED, "server"));
        assert_eq!(scene.left(), Some(QUIET));
    }

    #[test]
    fn it_ends_although_somebody_writes_without_end() {
        let mut scene = Scene::new();
        let begin = scene.now;
        while scene.now < begin + LONGEST_BURST {
            scene.hear(WRITTEN, "growing");
            scene.now += QUIET / 2;
        }
        assert!(scene.burst.take_if_over(scene.now).is_some());
    }

    #[test]
    fn what_comes_and_goes_within_it_does_not_count() {
        let mut scene = Scene::new();
        scene.hear(CREATED, "new");
        scene.hear(CREATED, "copy.tmp");
        scene.hear(REMOVED, "copy.tmp");
        scene.hear(REMOVED, "old");
        scene.put("new");
        assert_eq!(scene.names(), ["new", "old"]);
    }

    #[test]
    fn each_file_counts_once_in_the_order_of_their_changes() {
        let mut scene = Scene::new();
        for name in ["b", "a", "b", "c"] {
            scene.hear(TOUCHED, name);
        }
        assert_eq!(scene.names(), ["b", "a", "c"]);
    }

    #[test]
    fn more_files_than_are_remembered_make_it_last_and_no_larger() {
        let mut scene = Scene::new();
        for number in 0..MOST_FILES + 10 {
            scene.hear(WRITTEN, &number.to_string());
        }
        assert_eq!(scene.burst.changed.len(), MOST_FILES);
        assert!(scene.burst.being_written.len() <= MOST_FILES);
        scene.now += QUIET / 2;
        scene.hear(TOUCHED, "one more");
        assert_eq!(scene.burst.times.map(|(_, last)| last), Some(scene.now));
    }

    #[test]
    fn a_watched_directory_that_goes_is_noticed() {
        let mut scene = Scene::new();
        scene.hear(TOUCHED, "");
        assert!(!scene.burst.is_place_gone());
        scene.hear(EventKind::Remove(RemoveKind::Folder), "");
        assert!(scene.burst.is_place_gone());
    }

    #[test]
    fn when_the_system_could_not_tell_everything_anything_may_have_changed() {
        let mut scene = Scene::new();
        scene.burst.note_overflow(scene.now, &scene.places);
        assert!(scene.burst.is_place_gone());
        assert_eq!(scene.burst.changed().next(), Some(scene.top.as_path()));
    }
}
