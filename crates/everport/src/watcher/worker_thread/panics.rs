//! Where a panic happened that ends a worker's thread: only the process's panic hook is told that.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

thread_local! {
    static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
    /// The latest panic of this thread.
    static LATEST: RefCell<Option<Noted>> = const { RefCell::new(None) };
}

/// A panic, as the hook has seen it.
struct Noted {
    place: String,
    text: String,
}

/// From now on the process's panic hook notes the panics of workers' threads, before whatever it did anyway.
pub(super) fn note_on_worker_threads() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            note(info);
            previous(info);
        }));
    });
}

/// This thread is a worker's.
pub(super) fn watch_this_thread() {
    IS_WATCHED.set(true);
}

/// Notes a panic of a worker's own thread. A hook that does not pass a panic on to the one before it has to call this.
pub(crate) fn note(info: &PanicHookInfo<'_>) {
    let (true, Some(location)) = (IS_WATCHED.get(), info.location()) else {
        return;
    };
    let noted = Noted {
        place: location.to_string(),
        text: text(info.payload()).to_owned(),
    };
    // A thread that ends may have none any more, and a panic in here would end the whole process.
    drop(LATEST.try_with(|latest| latest.replace(Some(noted))));
}

/// What a panic says that has unwound the main function: with its place if the hook has seen it.
pub(super) fn describe(payload: Box<dyn Any + Send>) -> String {
    let text = text(&*payload).to_owned();
    // What the application has put into it may panic as it is dropped.
    let drop_it = panic::AssertUnwindSafe(|| drop(payload));
    drop(panic::catch_unwind(drop_it));
    match LATEST.take() {
        Some(noted) if noted.text == text => format!("at {}: {text}", noted.place),
        _ => format!("with: {text}"),
    }
}

fn text(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a panic without a text"
    }
}
