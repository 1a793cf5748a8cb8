//! Makes a panic a record, so that it stands in the log whole and in its place.

use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, Once};
use std::time::SystemTime;

use super::ThreadLog;
use super::outlet::{Outlet, Ring};
use super::scratch::Scratch;
use crate::Cluster;
use crate::backtrace::Detail;
use crate::log::Level;
use crate::panic_payload;
use crate::record::Header;
use crate::watcher::note_panic;

/// What is done about a panic.
pub(super) type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// What a panic's record is about.
const TARGET: &str = "panic";

/// The process's hook for workers that are threads: one for all of them.
static FOR_THREADS: Once = Once::new();

/// Hands panics over to the watcher as records: level `error`, target `panic`, the message, and fields with the location,
/// the thread and the backtrace: none with `RUST_BACKTRACE=0`, and with `RUST_BACKTRACE=full` that of the whole process
/// rather than the program's part. One that cannot be handed over is told by the hook that was there before, which is the
/// standard library's mostly: it prints to standard error. Standalone this does nothing. [`init`](super::init) does it.
///
/// For a worker that is a thread this is about its own panics, on its own thread and those of its runtime. Panics of
/// other threads are told by the hook that was there before.
pub fn forward_panics(cluster: &Cluster) {
    let outlet = Outlet::of(&cluster.state);
    match (cluster.state.thread_log(), outlet) {
        (Some(log), outlet) => {
            log.forward_panics(outlet);
            FOR_THREADS.call_once(|| install(ring_of_this_thread));
        }
        (None, Outlet::Ring(ring)) => install(move || Some(Arc::clone(&ring))),
        (None, _) => {}
    }
}

fn install(ring: impl Fn() -> Option<Arc<dyn Ring>> + Send + Sync + 'static) {
    panic::set_hook(hook(ring, Detail::wanted(), panic::take_hook()));
}

fn ring_of_this_thread() -> Option<Arc<dyn Ring>> {
    match ThreadLog::outlet_of_this_thread() {
        Some(Outlet::Ring(ring)) => Some(ring),
        _ => None,
    }
}

/// Tells each panic once: by the ring of the thread that panics, or otherwise by the previous hook.
pub(super) fn hook(
    ring: impl Fn() -> Option<Arc<dyn Ring>> + Send + Sync + 'static,
    detail: Detail,
    previous: Hook,
) -> Hook {
    Box::new(move |info| {
        // The watcher of a thread wants to know where it was, whoever tells the panic. The record tells how it came there.
        note_panic(info, Detail::Nothing);
        if !ring().is_some_and(|ring| hand_over(&*ring, detail, info)) {
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
    encoder.message(panic_payload::text(info.payload()).unwrap_or("a panic without a text"));
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
