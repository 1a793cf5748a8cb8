//! Control frames: one at a time, and many of them as one worker's life.

use crate::link::{FromWatcher, FromWorker, Session};

/// One message, as either side of the link would read it: it is exactly a frame, or an error.
///
/// # Panics
/// When a frame does not come back as it was.
pub fn frame(bytes: &[u8]) {
    if let Ok(frame) = FromWorker::decode(bytes) {
        check_worker(&frame, bytes);
    }
    if let Ok(Some(frame)) = FromWatcher::decode(bytes) {
        check_watcher(&frame, bytes);
    }
}

/// A newer watcher's frame may have more fields, which are left out when it is written again.
fn check_watcher(frame: &FromWatcher, bytes: &[u8]) {
    let again = frame.encode().map(|bytes| FromWatcher::decode(&bytes));
    if let FromWatcher::Denied { request, error } = frame {
        // Its text is for people, as that of `Hello`.
        let Ok(Ok(Some(FromWatcher::Denied {
            request: second,
            error: told,
        }))) = again
        else {
            panic!("no longer a Denied: {bytes:?}");
        };
        assert_eq!((second, told.address), (*request, error.address.clone()));
    } else {
        assert_eq!(again.as_ref(), Ok(&Ok(Some(frame.clone()))), "{bytes:?}");
    }
}

fn check_worker(frame: &FromWorker, bytes: &[u8]) {
    let written = frame.encode();
    if let FromWorker::Hello { oldest, newest, .. } = frame {
        // Its text is for people: it is cut, and shown as far as it is text at all.
        let again = written.map(|bytes| FromWorker::decode(&bytes));
        let Ok(Ok(FromWorker::Hello {
            oldest: first,
            newest: last,
            ..
        })) = again
        else {
            panic!("no longer a Hello: {bytes:?}");
        };
        assert_eq!((first, last), (*oldest, *newest), "{bytes:?}");
    } else {
        assert_eq!(written.as_deref(), Ok(bytes), "{frame:?}");
    }
}

/// Messages, each after its length in two bytes (little-endian), as the watcher would hear them: up to the
/// first that costs the worker its link.
///
/// # Panics
/// When a frame passes that may not be sent then.
pub fn conversation(bytes: &[u8]) {
    let mut session = Session::default();
    let mut said = Said::default();
    let mut rest = bytes;
    while let Some((message, after)) = next_message(rest) {
        rest = after;
        let Ok(frame) = FromWorker::decode(message) else {
            return;
        };
        let Ok(passed) = session.accept(frame.clone()) else {
            return;
        };
        assert_eq!(passed, frame, "the session changed it");
        said.note(&frame);
        assert_eq!(session.has_left(), said.left, "{frame:?}");
    }
}

fn next_message(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}

/// What was said so far, kept apart from the session that is judged.
#[derive(Default)]
struct Said {
    hello: bool,
    ready: bool,
    leaving: bool,
    left: bool,
    ring: bool,
    messages: bool,
}

impl Said {
    fn note(&mut self, frame: &FromWorker) {
        let is_hello = matches!(frame, FromWorker::Hello { .. });
        assert_ne!(is_hello, self.hello, "Hello comes first, and once");
        self.hello = true;
        let is_answer = matches!(frame, FromWorker::Alive { .. });
        assert!(!self.left || is_answer, "{frame:?} after Left");
        let once = match frame {
            FromWorker::Ready => &mut self.ready,
            FromWorker::Leaving => &mut self.leaving,
            FromWorker::OpenRing => &mut self.ring,
            FromWorker::OpenMessages => &mut self.messages,
            FromWorker::Left(_) => &mut self.left,
            _ => return,
        };
        assert!(!std::mem::replace(once, true), "{frame:?} twice");
    }
}
