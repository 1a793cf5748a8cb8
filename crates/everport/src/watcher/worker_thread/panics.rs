//! Where a panic happened that ends a worker's thread, and how it came there: only the process's panic hook knows.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

use crate::backtrace::Detail;
use crate::panic_payload;

thread_local! {
    static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
    /// The latest panic of this thread.
    static LATEST: RefCell<Option<Noted>> = const { RefCell::new(None) };
}

/// A panic, as the hook has seen it.
struct Noted {
    place: String,
    text: String,
    backtrace: Option<String>,
}

/// A panic that has unwound the main function.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Described {
    /// What it says, with its place if the hook has seen it.
    pub(super) text: String,
    /// The way to it, unless it is not wanted or was told as a record.
    pub(super) backtrace: Option<String>,
}

/// From now on the process's panic hook notes the panics of workers' threads, before whatever it did anyway.
pub(super) fn note_on_worker_threads() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            note(info, Detail::wanted());
            previous(info);
        }));
    });
}

/// This thread is a worker's.
pub(super) fn watch_this_thread() {
    IS_WATCHED.set(true);
}

/// Notes a panic of a worker's own thread. A hook that does not pass a panic on to the one before it has to call this.
pub(crate) fn note(info: &PanicHookInfo<'_>, detail: Detail) {
    let (true, Some(location)) = (IS_WATCHED.get(), info.location()) else {
        return;
    };
    let noted = Noted {
        place: location.to_string(),
        text: text(info.payload()),
        backtrace: detail.capture(),
    };
    // A thread that ends may have none any more, and a panic in here would end the whole process.
    drop(LATEST.try_with(|latest| latest.replace(Some(noted))));
}

/// What is known of a panic that has unwound the main function.
pub(super) fn describe(payload: Box<dyn Any + Send>) -> Described {
    let text = text(&*payload);
    panic_payload::let_go(payload);
    match LATEST.take() {
        Some(noted) if noted.text == text => Described {
            text: format!("at {}: {text}", noted.place),
            backtrace: noted.backtrace,
        },
        _ => Described {
            text: format!("with: {text}"),
            backtrace: None,
        },
    }
}

fn text(payload: &(dyn Any + Send)) -> String {
    panic_payload::text(payload)
        .unwrap_or("a panic without a text")
        .to_owned()
}
