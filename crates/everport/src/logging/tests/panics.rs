//! Panics as records.

use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::kept::{Kept, Read};
use crate::backtrace::Detail;
use crate::log::Level;
use crate::logging::outlet::Ring;
use crate::logging::panic::hook;

/// The hook is the whole process's, so that one test at a time may change it.
static TURN: Mutex<()> = Mutex::new(());

/// The thread whose panics are looked at; those of other tests are told as ever.
const NAME: &str = "who panics";

/// What is handed over, and how often the previous hook ran.
fn told(kept: &Arc<Kept>, panicking: impl FnOnce() + Send + 'static) -> (Vec<Read>, u32) {
    told_in(Detail::Short, kept, panicking)
}

fn told_in(
    detail: Detail,
    kept: &Arc<Kept>,
    panicking: impl FnOnce() + Send + 'static,
) -> (Vec<Read>, u32) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let told_before = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&told_before);
    let previous = move |_: &PanicHookInfo<'_>| {
        counter.fetch_add(1, Ordering::SeqCst);
    };
    let ring = Arc::clone(kept) as Arc<dyn Ring>;
    let ring = move || Some(Arc::clone(&ring));
    let ours = hook(ring, detail, Box::new(previous));
    let others = Arc::new(panic::take_hook());
    let theirs = Arc::clone(&others);
    panic::set_hook(Box::new(move |info| match thread::current().name() {
        Some(NAME) => ours(info),
        _ => theirs(info),
    }));
    let thread = thread::Builder::new().name(NAME.to_owned());
    assert!(thread.spawn(panicking).unwrap().join().is_err());
    panic::set_hook(Box::new(move |info| others(info)));
    (kept.read(), told_before.load(Ordering::SeqCst))
}

#[test]
fn a_panic_is_a_record_with_its_place_and_the_way_there() {
    let kept = Arc::<Kept>::default();
    let (records, told_before) = told(&kept, || panic!("no {} left", "coffee"));
    assert_eq!((records.len(), told_before), (1, 0));
    let Read {
        level,
        thread,
        target,
        message,
        fields,
        ..
    } = &records[0];
    assert_eq!((*level, target.as_str()), (Level::Error, "panic"));
    assert_eq!(
        (message.as_str(), thread.as_str()),
        ("no coffee left", NAME)
    );
    assert!(
        fields[0].starts_with(concat!("location=", file!(), ":")),
        "{fields:?}"
    );
    assert_eq!(fields[1], format!("thread={NAME}"));
    let this_function = "a_panic_is_a_record_with_its_place_and_the_way_there";
    assert!(
        fields[2].starts_with("backtrace= 0: ") && fields[2].contains(this_function),
        "{fields:?}"
    );
    let first = fields[2].lines().next().unwrap();
    assert!(first.contains(this_function), "{fields:?}");
    assert!(
        !fields[2].contains("__rust_begin_short_backtrace"),
        "{fields:?}"
    );
}

#[test]
fn a_backtrace_that_is_not_wanted_is_left_out() {
    let kept = Arc::<Kept>::default();
    let (records, _) = told_in(Detail::Nothing, &kept, || panic!("no coffee left"));
    let [location, thread] = &records[0].fields[..] else {
        panic!("{:?}", records[0].fields);
    };
    assert!(location.starts_with("location=") && thread.starts_with("thread="));
}

#[test]
fn a_panic_that_cannot_be_handed_over_is_told_by_the_previous_hook() {
    let kept = Arc::<Kept>::default();
    kept.is_full.store(true, Ordering::SeqCst);
    let (records, told_before) = told(&kept, || panic!("lost"));
    assert_eq!((records.len(), told_before), (0, 1));
}

#[test]
fn a_panic_without_a_text_is_told_as_one() {
    let kept = Arc::<Kept>::default();
    let (records, _) = told(&kept, || panic::panic_any(7));
    assert_eq!(records[0].message, "a panic without a text");
    let first = records[0].fields[2].lines().next().unwrap();
    assert!(first.contains("a_panic_without_a_text"), "{first}");
}

#[test]
fn a_panic_while_a_record_is_made_is_a_record() {
    use tracing_subscriber::layer::SubscriberExt;
    struct Explosive;
    impl std::fmt::Debug for Explosive {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("while it is formatted")
        }
    }
    let kept = Arc::<Kept>::default();
    let subscriber = tracing_subscriber::registry().with(kept.layer());
    let (records, told_before) = told(&kept, || {
        tracing::subscriber::with_default(subscriber, || tracing::info!(bomb = ?Explosive));
    });
    assert_eq!((records.len(), told_before), (1, 0));
    assert_eq!(records[0].message, "while it is formatted");
}
