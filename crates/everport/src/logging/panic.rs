//! Makes a panic a record, so that it stands in the log whole and in its place.

use std::any::Any;
use std::panic::{self, PanicHookInfo};
use std::sync::Arc;
use std::time::SystemTime;

use super::backtrace::Detail;
use super::outlet::{Outlet, Ring};
use super::scratch::Scratch;
use crate::Cluster;
use crate::log::Level;
use crate::record::Header;

/// What is done about a panic.
pub(super) type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// What a panic's record is about.
const TARGET: &str = "panic";

/// Hands panics over to the watcher as records: level `error`, target `panic`, the message, and fields with the location,
/// the thread and the backtrace: none with `RUST_BACKTRACE=0`, and with `RUST_BACKTRACE=full` that of the whole process
/// rather than the program's part. One that cannot be handed over is told by the hook that was there before, which is the
/// standard library's mostly: it prints to standard error. Standalone this does nothing. [`init`](super::init) does it.
pub fn forward_panics(cluster: &Cluster) {
    if let Outlet::Ring(ring) = Outlet::of(&cluster.state) {
        panic::set_hook(hook(ring, Detail::wanted(), panic::take_hook()));
    }
}

/// Tells each panic once: by the ring, or otherwise by the previous hook.
pub(super) fn hook(ring: Arc<dyn Ring>, detail: Detail, previous: Hook) -> Hook {
    Box::new(move |info| {
        if !hand_over(&*ring, detail, info) {
            previous(info);
        }
    })
}

/// Whether the ring has taken the panic. Nothing of the application's runs here, and nothing panics: that would abort the
/// process.
fn hand_over(ring: &dyn Ring, detail: Detail, info: &PanicHookInfo<'_>) -> bool {
    let backtrace = detail.capture();
    let mut scratch = Scratch::take();
    let Scratch { encoder, thread } = &mut *scratch;
    encoder.begin(&Header {
        time: SystemTime::now(),
        level: Level::Error,
        thread,
        target: TARGET,
    });
    encoder.message(message(info.payload()));
    if let Some(location) = info.location() {
        encoder.display("location", format_args!("{location}"));
    }
    encoder.text("thread", thread);
    if let Some(backtrace) = backtrace {
        encoder.text("backtrace", &backtrace);
    }
    let was_taken = ring.hand_over_soon(encoder.finish());
    scratch.give_back();
    was_taken
}

fn message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a panic without a text"
    }
}
