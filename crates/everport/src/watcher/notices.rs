//! Notices as a stream, for any number of readers who never hold up the watcher.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

use super::handle::Desk;
use super::hooks::caught;
use crate::log::{Entry, Notice, Sink, Source};

/// How many notices wait for a reader: those of a few rollouts of a large cluster.
const MOST_WAITING: usize = 1024;

/// What the watcher did or saw, one after the other; ends with the watcher. See [`Handle::notices`].
///
/// [`Handle::notices`]: super::Handle::notices
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Notices {
    mailbox: Arc<Mailbox>,
}

/// A notice, and whom it is about.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Notification {
    /// What the watcher did or saw.
    pub notice: Notice,
    /// The worker that it is about, if it is about one whose process is known.
    pub about: Option<Source>,
}

/// The reader was too slow: the oldest notices had to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{count} notices were missed (read faster, or keep less in between)")]
#[non_exhaustive]
pub struct Missed {
    /// How many, since it was said last.
    pub count: u64,
}

/// Everybody who reads notices.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    readers: Mutex<Readers>,
}

#[derive(Debug, Default)]
struct Readers {
    mailboxes: Vec<Weak<Mailbox>>,
    is_closed: bool,
}

/// What waits for one reader.
#[derive(Debug, Default)]
struct Mailbox {
    letters: Mutex<Letters>,
}

#[derive(Debug, Default)]
struct Letters {
    waiting: VecDeque<Notification>,
    missed: u64,
    is_closed: bool,
    reader: Option<Waker>,
}

/// Passes every entry on to the application's sink, and notices to those who read them, too.
pub(crate) struct Announcer {
    pub(crate) sink: Option<Arc<dyn Sink>>,
    pub(crate) desk: Arc<Desk>,
}

impl Notices {
    /// The next notice, or how many were missed; `None` once the watcher has ended and everything has been read.
    ///
    /// # Cancel safety
    /// Cancel safe: what has not been returned is returned next time.
    pub async fn next(&mut self) -> Option<Result<Notification, Missed>> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Notification, Missed>>> {
        let mut letters = lock(&self.mailbox.letters);
        if letters.missed > 0 {
            let count = std::mem::take(&mut letters.missed);
            return Poll::Ready(Some(Err(Missed { count })));
        }
        if let Some(told) = letters.waiting.pop_front() {
            return Poll::Ready(Some(Ok(told)));
        }
        if letters.is_closed {
            return Poll::Ready(None);
        }
        letters.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Stream for Notices {
    type Item = Result<Notification, Missed>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

impl Audience {
    /// A reader of everything from now on.
    pub(crate) fn join(&self) -> Notices {
        let mailbox = Arc::new(Mailbox::default());
        let mut readers = lock(&self.readers);
        lock(&mailbox.letters).is_closed = readers.is_closed;
        readers.mailboxes.retain(|it| it.strong_count() > 0);
        if !readers.is_closed {
            readers.mailboxes.push(Arc::downgrade(&mailbox));
        }
        drop(readers);
        Notices { mailbox }
    }

    /// Those who went away are forgotten here and when somebody joins. Nobody is woken, and no mailbox dropped, under the
    /// lock: what a waker does is the application's.
    fn tell(&self, notice: &Notice, about: Option<Source>) {
        let mut readers = lock(&self.readers);
        readers.mailboxes.retain(|it| it.strong_count() > 0);
        let mailboxes = present(&readers);
        drop(readers);
        for mailbox in mailboxes {
            mailbox.put(Notification {
                notice: notice.clone(),
                about,
            });
        }
    }

    /// Nothing is told any more.
    pub(crate) fn close(&self) {
        let mut readers = lock(&self.readers);
        readers.is_closed = true;
        let mailboxes = present(&readers);
        readers.mailboxes.clear();
        drop(readers);
        for mailbox in mailboxes {
            let mut letters = lock(&mailbox.letters);
            letters.is_closed = true;
            wake(letters);
        }
    }
}

fn present(readers: &Readers) -> Vec<Arc<Mailbox>> {
    readers.mailboxes.iter().filter_map(Weak::upgrade).collect()
}

impl Mailbox {
    fn put(&self, told: Notification) {
        let mut letters = lock(&self.letters);
        if letters.waiting.len() == MOST_WAITING {
            letters.waiting.pop_front();
            letters.missed += 1;
        }
        letters.waiting.push_back(told);
        wake(letters);
    }
}

impl Sink for Announcer {
    fn write(&self, entry: Entry) {
        if let Entry::Notice(notice, about) = &entry {
            self.desk.audience.tell(notice, *about);
        }
        if let Some(sink) = &self.sink {
            // The application's code, on the task that holds every port. The process's panic hook has told of it.
            drop(caught(|| sink.write(entry)));
        }
    }
}

/// Without the lock, which whoever is woken may want at once.
fn wake(mut letters: MutexGuard<'_, Letters>) {
    let reader = letters.reader.take();
    drop(letters);
    if let Some(reader) = reader {
        reader.wake();
    }
}

/// A panic while the lock was held leaves plain values that are all valid.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// A notice that tells itself apart.
    fn notice(number: usize) -> Notice {
        Notice::LogTrouble {
            error: number.to_string(),
        }
    }

    fn tell(audience: &Audience, numbers: std::ops::Range<usize>) {
        numbers.for_each(|number| audience.tell(&notice(number), None));
    }

    /// All that can be read now: numbers of notices, or how many were missed; then whether it has ended.
    fn read(notices: &Notices) -> (Vec<Result<String, u64>>, bool) {
        let mut read = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match notices.poll(&mut cx) {
                Poll::Ready(Some(Ok(told))) => match told.notice {
                    Notice::LogTrouble { error } => read.push(Ok(error)),
                    other => panic!("{other}"),
                },
                Poll::Ready(Some(Err(missed))) => read.push(Err(missed.count)),
                Poll::Ready(None) => return (read, true),
                Poll::Pending => return (read, false),
            }
        }
    }

    fn numbers(range: std::ops::Range<usize>) -> Vec<Result<String, u64>> {
        range.map(|number| Ok(number.to_string())).collect()
    }

    #[test]
    fn each_reader_gets_everything_since_it_joined() {
        let audience = Audience::default();
        let early = audience.join();
        tell(&audience, 0..2);
        let late = audience.join();
        tell(&audience, 2..3);
        assert_eq!(read(&early), (numbers(0..3), false));
        assert_eq!(read(&late), (numbers(2..3), false));
    }

    #[test]
    fn a_slow_reader_misses_the_oldest_and_is_told_how_many() {
        let audience = Audience::default();
        let slow = audience.join();
        tell(&audience, 0..MOST_WAITING + 7);
        let mut expected = vec![Err(7)];
        expected.extend(numbers(7..MOST_WAITING + 7));
        assert_eq!(read(&slow), (expected, false));
        tell(&audience, 0..1);
        assert_eq!(read(&slow), (numbers(0..1), false));
    }

    #[test]
    fn what_was_told_before_the_end_can_still_be_read() {
        let audience = Audience::default();
        let reader = audience.join();
        tell(&audience, 0..2);
        audience.close();
        assert_eq!(read(&reader), (numbers(0..2), true));
        assert_eq!(read(&audience.join()), (Vec::new(), true));
    }

    #[test]
    fn who_has_gone_is_forgotten() {
        let audience = Audience::default();
        drop(audience.join());
        tell(&audience, 0..1);
        assert!(lock(&audience.readers).mailboxes.is_empty());
    }

    #[test]
    fn a_reader_who_waits_is_woken_by_a_notice_and_by_the_end() {
        struct Bell(std::sync::atomic::AtomicUsize);
        impl std::task::Wake for Bell {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
        }
        let bell = Arc::new(Bell(0.into()));
        let waker = Waker::from(Arc::clone(&bell));
        let mut cx = Context::from_waker(&waker);
        let audience = Audience::default();
        let reader = audience.join();
        for rings in 1..=2 {
            assert!(reader.poll(&mut cx).is_pending());
            match rings {
                1 => tell(&audience, 0..1),
                _ => audience.close(),
            }
            assert_eq!(bell.0.load(std::sync::atomic::Ordering::SeqCst), rings);
            assert!(reader.poll(&mut cx).is_ready());
        }
    }

    #[test]
    fn readers_that_come_and_go_without_notices_leave_nothing_behind() {
        let audience = Audience::default();
        for _ in 0..3 {
            drop(audience.join());
        }
        let reader = audience.join();
        assert_eq!(lock(&audience.readers).mailboxes.len(), 1);
        audience.close();
        drop((audience.join(), reader));
        assert!(lock(&audience.readers).mailboxes.is_empty());
    }

    #[test]
    fn whoever_is_woken_may_read_notices_anew_at_once() {
        struct Joins(Arc<Audience>);
        impl std::task::Wake for Joins {
            fn wake(self: Arc<Self>) {
                assert!(self.0.readers.try_lock().is_ok());
            }
        }
        let audience = Arc::new(Audience::default());
        let waker = Waker::from(Arc::new(Joins(Arc::clone(&audience))));
        let mut cx = Context::from_waker(&waker);
        let reader = audience.join();
        assert!(reader.poll(&mut cx).is_pending());
        tell(&audience, 0..1);
        assert!(reader.poll(&mut cx).is_ready());
        assert!(reader.poll(&mut cx).is_pending());
        audience.close();
    }

    #[test]
    fn a_sink_that_panics_loses_one_entry_and_no_notice() {
        struct Panics;
        impl Sink for Panics {
            fn write(&self, _: Entry) {
                panic!("a sink");
            }
        }
        let announcer = Announcer {
            sink: Some(Arc::new(Panics)),
            desk: Arc::default(),
        };
        let reader = announcer.desk.audience.join();
        announcer.write(Entry::Notice(notice(0), None));
        announcer.write(Entry::Notice(notice(1), None));
        assert_eq!(read(&reader), (numbers(0..2), false));
    }
}
