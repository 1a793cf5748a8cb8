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
pub(super) struct Changes {
    /// Those that are complete in themselves.
    complete: Burst,
    /// Files that were written to and are still open: they wait until they are closed, and only if they are new do the
    /// others wait with them. A log or a database that stays open delays nobody.
    unfinished: HashMap<PathBuf, Unfinished>,
    /// Where sockets and our own output were seen: those that go do not matter either.
    passed_over: HashSet<PathBuf>,
    /// How many have changed: the order of the next one.
    count: usize,
}

/// Changes that are answered together.
#[derive(Debug, Default)]
pub(super) struct Burst {
    span: Option<Span>,
    changed: HashMap<PathBuf, Change>,
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

#[derive(Debug)]
struct Unfinished {
    change: Change,
    span: Span,
}

/// When something changed first and last.
#[derive(Debug, Clone, Copy)]
struct Span {
    began: Instant,
    last: Instant,
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

impl Changes {
    /// Takes an event; true if something may be over sooner than was known.
    pub(super) fn note(&mut self, now: Instant, event: &Event, places: &Places) -> bool {
        let Some(news) = news(event.kind) else {
            return false;
        };
        let known = self.ends();
        for path in &event.paths {
            let is_place = matches!(news, News::Came | News::Went) && places.hang_on(path);
            self.complete.is_place_gone |= is_place;
            if places.contains(path) && !self.pass_over(path, news, places) {
                self.note_news(now, path, news);
            } else if is_place {
                self.complete.go_on(now);
            }
        }
        let ends = self.ends();
        ends.is_some() && known.is_none_or(|known| ends < Some(known))
    }

    /// Whether it is or was something that does not matter. A cluster that ends removes its sockets.
    fn pass_over(&mut self, path: &Path, news: News, places: &Places) -> bool {
        if news == News::Went {
            return self.passed_over.contains(path);
        }
        if !places.pass_over(path) {
            self.passed_over.remove(path);
            return false;
        }
        if self.passed_over.len() < MOST_FILES {
            self.passed_over.insert(path.to_owned());
        }
        // What went to make way for it does not matter either.
        self.unfinished.remove(path);
        self.complete.changed.remove(path);
        true
    }

    fn note_news(&mut self, now: Instant, path: &Path, news: News) {
        let unfinished = self.unfinished.remove(path);
        match news {
            News::Closed if unfinished.is_none() => {}
            News::Written if unfinished.is_some() || self.unfinished.len() < MOST_FILES => {
                self.note_write(now, path, unfinished);
            }
            news => {
                let known = unfinished.map(|file| file.change);
                let change = known.unwrap_or_else(|| self.next(news == News::Came));
                self.complete.remember(path, change);
                self.complete.go_on(now);
            }
        }
    }

    fn note_write(&mut self, now: Instant, path: &Path, unfinished: Option<Unfinished>) {
        let mut file = unfinished.unwrap_or_else(|| {
            let known = self.complete.changed.remove(path);
            Unfinished {
                change: known.unwrap_or_else(|| self.next(false)),
                span: Span::at(now),
            }
        });
        file.span.last = now;
        self.unfinished.insert(path.to_owned(), file);
    }

    fn next(&mut self, is_new: bool) -> Change {
        let order = self.count;
        self.count += 1;
        Change { order, is_new }
    }

    /// A path that has changed in whatever way.
    pub(super) fn note_change(&mut self, now: Instant, path: &Path) {
        self.note_news(now, path, News::Changed);
    }

    /// More happened than the system could tell: anything may have changed, and new directories were missed.
    pub(super) fn note_overflow(&mut self, now: Instant, places: &Places) {
        self.complete.is_place_gone = true;
        for place in places.all() {
            self.note_change(now, &place);
        }
    }

    /// Something cannot be watched any more.
    pub(super) fn note_trouble(&mut self, now: Instant, error: String) {
        self.complete.trouble = Some(error);
        self.complete.go_on(now);
    }

    /// When a burst may be over, if nothing changes any more.
    pub(super) fn ends(&self) -> Option<Instant> {
        let files = self.unfinished.values().map(Unfinished::ends);
        files.chain(self.complete_ends()).min()
    }

    fn complete_ends(&self) -> Option<Instant> {
        let span = self.complete.span?;
        let new = self.unfinished.values().filter(|file| file.change.is_new);
        let end = new.map(Unfinished::ends).chain([span.last + QUIET]).max()?;
        Some(end.min(span.began + LONGEST_BURST))
    }

    /// The burst, if it is over; the next one begins with the files that are still being written.
    pub(super) fn take_if_over(&mut self, now: Instant) -> Option<Burst> {
        self.ends().filter(|end| *end <= now)?;
        let mut over = std::mem::take(&mut self.complete);
        let never_closed = self.unfinished.extract_if(|_, file| file.ends() <= now);
        for (path, file) in never_closed {
            over.remember(&path, file.change);
        }
        Some(over)
    }
}

impl Unfinished {
    /// When it counts although it was never closed.
    fn ends(&self) -> Instant {
        (self.span.last + LONGEST_WRITE).min(self.span.began + LONGEST_BURST)
    }
}

impl Span {
    fn at(now: Instant) -> Self {
        Self {
            began: now,
            last: now,
        }
    }
}

impl Burst {
    fn remember(&mut self, path: &Path, change: Change) {
        if self.changed.len() < MOST_FILES && !self.changed.contains_key(path) {
            self.changed.insert(path.to_owned(), change);
        }
    }

    fn go_on(&mut self, now: Instant) {
        self.span.get_or_insert(Span::at(now)).last = now;
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

    /// A watched directory, what has changed there, and a clock.
    struct Scene {
        _kept: tempfile::TempDir,
        top: PathBuf,
        places: Places,
        changes: Changes,
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
                changes: Changes::default(),
                now: Instant::now(),
            }
        }

        fn hear(&mut self, kind: EventKind, name: &str) -> bool {
            let event = Event::new(kind).add_path(self.top.join(name));
            self.changes.note(self.now, &event, &self.places)
        }

        fn put(&self, name: &str) {
            fs::write(self.top.join(name), "").unwrap();
        }

        /// How long from now the burst may last yet.
        fn left(&self) -> Option<Duration> {
            self.changes.ends().map(|end| end - self.now)
        }

        fn names(&self) -> Vec<String> {
            names(&self.changes.complete)
        }

        /// What changed in the burst that is over.
        fn take(&mut self) -> Vec<String> {
            names(&self.changes.take_if_over(self.now).unwrap())
        }
    }

    fn names(burst: &Burst) -> Vec<String> {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        burst.changed().map(name).collect()
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
        assert!(!scene.hear(TOUCHED, "b"), "it is over no sooner");
        assert_eq!(scene.left(), Some(QUIET));
        scene.now += QUIET / 2;
        assert!(scene.changes.take_if_over(scene.now).is_none());
        scene.now += QUIET / 2;
        assert!(scene.changes.take_if_over(scene.now).is_some());
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

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_stays_open_delays_no_other() {
        let mut scene = Scene::new();
        assert!(scene.hear(WRITTEN, "database"));
        scene.now += QUIET;
        assert!(scene.hear(TOUCHED, "main.rs"));
        scene.now += QUIET / 2;
        assert!(!scene.hear(WRITTEN, "database"), "it is over no sooner");
        assert_eq!(scene.left(), Some(QUIET / 2));
        scene.now += QUIET / 2;
        assert_eq!(scene.take(), ["main.rs"]);
        assert_eq!(scene.left(), Some(LONGEST_WRITE - QUIET / 2));
        assert!(scene.hear(CLOSED, "database"));
        scene.now += QUIET;
        assert_eq!(scene.take(), ["database"]);
        assert_eq!(scene.left(), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_is_never_closed_counts_in_the_end() {
        let mut scene = Scene::new();
        scene.hear(CREATED, "log");
        scene.hear(WRITTEN, "log");
        scene.hear(TOUCHED, "main.rs");
        scene.put("log");
        scene.now += LONGEST_WRITE;
        assert_eq!(scene.take(), ["log", "main.rs"]);
        assert!(!scene.hear(CLOSED, "log"));
        assert_eq!(scene.left(), None);
    }

    #[test]
    fn what_our_output_was_redirected_to_is_no_news() {
        let mut scene = Scene::new();
        scene.put("log");
        let ours = WrittenByUs::redirected_to(&scene.top.join("log"));
        scene.places = Places::find(std::slice::from_ref(&scene.top), &ours).unwrap();
        for kind in [WRITTEN, TOUCHED, CLOSED] {
            assert!(!scene.hear(kind, "log"));
        }
        assert_eq!(scene.left(), None);
        assert!(scene.hear(TOUCHED, "main.rs"));
    }

    #[test]
    fn a_socket_that_goes_is_no_news_and_a_file_in_its_place_is() {
        let mut scene = Scene::new();
        let path = scene.top.join("socket");
        scene.hear(REMOVED, "socket");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(!scene.hear(CREATED, "socket"));
        scene.now += QUIET;
        assert_eq!(scene.take(), [""; 0]);
        drop(listener);
        fs::remove_file(&path).unwrap();
        assert!(!scene.hear(REMOVED, "socket"));
        assert_eq!(scene.left(), None);
        scene.put("socket");
        assert!(scene.hear(CREATED, "socket"));
        fs::remove_file(&path).unwrap();
        scene.now += QUIET;
        scene.take();
        assert!(scene.hear(REMOVED, "socket"));
    }

    #[test]
    fn it_ends_although_somebody_writes_without_end() {
        let mut scene = Scene::new();
        let begin = scene.now;
        while scene.now < begin + LONGEST_BURST {
            scene.hear(WRITTEN, "growing");
            scene.now += QUIET / 2;
        }
        assert!(scene.changes.take_if_over(scene.now).is_some());
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
            scene.hear(TOUCHED, &format!("{number} touched"));
        }
        assert_eq!(scene.changes.complete.changed.len(), MOST_FILES);
        assert!(scene.changes.unfinished.len() <= MOST_FILES);
        scene.now += QUIET / 2;
        scene.hear(TOUCHED, "one more");
        assert_eq!(
            scene.changes.complete.span.map(|span| span.last),
            Some(scene.now)
        );
    }

    #[test]
    fn a_watched_directory_that_goes_is_noticed() {
        let mut scene = Scene::new();
        scene.hear(TOUCHED, "");
        assert!(!scene.changes.complete.is_place_gone());
        scene.hear(EventKind::Remove(RemoveKind::Folder), "");
        assert!(scene.changes.complete.is_place_gone());
    }

    #[test]
    fn when_the_system_could_not_tell_everything_anything_may_have_changed() {
        let mut scene = Scene::new();
        scene.changes.note_overflow(scene.now, &scene.places);
        assert!(scene.changes.complete.is_place_gone());
        assert_eq!(
            scene.changes.complete.changed().next(),
            Some(scene.top.as_path())
        );
    }
}
