//! What a panic carries: mostly a text, and always something that has to be let go of with care.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The text that `panic!` was given, unless somebody took pains to give it something else.
pub(crate) fn text(payload: &(dyn Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// Drops it. What the application has put into it may panic as it is dropped.
pub(crate) fn let_go(payload: Box<dyn Any + Send>) {
    drop(catch_unwind(AssertUnwindSafe(|| drop(payload))));
}
