//! What a thread uses again for each record: an encoder, and its own name.

use std::cell::Cell;
use std::thread;

use crate::record::Encoder;

thread_local! {
    /// Absent while it is in use: an event that is logged while a field of another one is formatted, or while a panic is
    /// told, gets one of its own.
    static SPARE: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// A thread's encoder and its name.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) encoder: Encoder,
    pub(super) thread: Box<str>,
}

impl Scratch {
    /// That of this thread, or another one where that is in use. What unwinds past it loses it, which costs an
    /// allocation.
    pub(super) fn take() -> Box<Self> {
        match SPARE.try_with(Cell::take) {
            Ok(Some(scratch)) => scratch,
            Ok(None) => Self::new(this_thread()),
            // The thread is ending and cannot be asked for its name any more.
            Err(_) => Self::new("ending".into()),
        }
    }

    pub(super) fn give_back(mut self: Box<Self>) {
        self.encoder.shrink();
        // Where the thread is ending it is dropped.
        SPARE.try_with(|spare| spare.set(Some(self))).ok();
    }

    fn new(thread: Box<str>) -> Box<Self> {
        Box::new(Self {
            encoder: Encoder::default(),
            thread,
        })
    }
}

/// This thread's name, or its id where it has none.
fn this_thread() -> Box<str> {
    let thread = thread::current();
    match thread.name() {
        Some(name) => name.into(),
        None => format!("{:?}", thread.id()).into(),
    }
}
