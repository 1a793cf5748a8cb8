//! Events and their fields.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::SystemTime;

use tracing::dispatcher::with_default;
use tracing::{Dispatch, debug, error, info, trace, warn};
use tracing_core::callsite::Callsite;
use tracing_core::field::FieldSet;
use tracing_core::metadata::Kind;
use tracing_core::subscriber::Interest;
use tracing_core::{Event, Metadata, identify_callsite};
use tracing_subscriber::layer::SubscriberExt;

use super::kept::{Kept, handed_over, one};
use crate::log::Level;
use crate::record::LONGEST_RECORD;

#[derive(Debug, thiserror::Error)]
#[error("cannot open the shop")]
struct Closed(#[source] Lost);

#[derive(Debug, thiserror::Error)]
#[error("the key is lost")]
struct Lost(#[source] std::io::Error);

#[test]
fn a_record_tells_when_where_and_what() {
    let before = SystemTime::now();
    let record = one(|| warn!(target: "shop::door", "it is {}", "open"));
    assert!((before..=SystemTime::now()).contains(&record.time));
    assert_eq!(record.level, Level::Warn);
    assert_eq!(record.target, "shop::door");
    assert_eq!(record.message, "it is open");
    assert_eq!((record.fields, record.spans), (vec![], vec![]));
    assert!(!record.is_cut);
    let record = one(|| info!("here"));
    assert_eq!(record.target, module_path!());
}

#[test]
fn every_level_is_itself() {
    let records = handed_over(|| {
        error!("");
        warn!("");
        info!("");
        debug!("");
        trace!("");
    });
    let levels: Vec<Level> = records.iter().map(|record| record.level).collect();
    assert_eq!(levels, Level::ALL);
}

#[test]
fn fields_keep_their_types() {
    let record = one(|| {
        info!(
            signed = -1,
            unsigned = 2_u64,
            float = 0.5,
            yes = true,
            less = i128::MIN,
            more = u128::MAX,
            text = "a \"b\"",
            shown = %"c d",
            debug = ?Some("e"),
            optional = Some(3),
            absent = None::<u8>,
            not_zero = NonZeroU8::MIN,
            r#type = "raw",
            bytes = b"ab".as_slice(),
            dotted.name = 1,
            "all of them"
        );
    });
    let expected = [
        "signed=Signed(-1)",
        "unsigned=Unsigned(2)",
        "float=Float(0.5)",
        "yes=Bool(true)",
        &format!("less=Signed128({})", i128::MIN),
        &format!("more=Unsigned128({})", u128::MAX),
        "text=a \"b\"",
        "shown=c d",
        "debug=Some(\"e\")",
        "optional=Signed(3)",
        "not_zero=Unsigned(1)",
        "type=raw",
        "bytes=[61 62]",
        "dotted.name=Signed(1)",
    ];
    assert_eq!(record.fields, expected);
    assert_eq!(record.message, "all of them");
}

#[test]
fn an_error_is_told_with_its_sources() {
    let error = Closed(Lost(std::io::Error::other("under the mat")));
    let error: &(dyn std::error::Error + 'static) = &error;
    let record = one(|| error!(error, "closed"));
    let expected = "error=cannot open the shop: the key is lost: under the mat";
    assert_eq!(record.fields, [expected]);
}

#[test]
fn a_message_is_found_wherever_it_stands() {
    let check = |application: fn(), message: &str, fields: &[&str]| {
        let record = one(application);
        assert_eq!(
            (record.message.as_str(), &*record.fields),
            (message, &*strings(fields))
        );
    };
    check(|| info!("first"), "first", &[]);
    check(|| info!(a = 1, "text"), "text", &["a=Signed(1)"]);
    check(
        || info!(a = 1, message = "text", b = 2),
        "text",
        &["a=Signed(1)", "b=Signed(2)"],
    );
    check(
        || info!(a = 1, message = %"shown"),
        "shown",
        &["a=Signed(1)"],
    );
    check(|| info!(a = 1), "", &["a=Signed(1)"]);
    check(|| info!(message = "one", "two"), "two", &["message=one"]);
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// An event that needs no subscriber of the thread's: those are shut while they are in use.
struct Inner;

static INNER: Inner = Inner;

static INNER_METADATA: Metadata<'static> = Metadata::new(
    "inner",
    "inner",
    tracing::Level::INFO,
    None,
    None,
    None,
    FieldSet::new(&[], identify_callsite!(&INNER)),
    Kind::EVENT,
);

impl Callsite for Inner {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        &INNER_METADATA
    }
}

#[test]
fn what_is_logged_while_a_field_is_formatted_comes_before_it() {
    struct Talkative<'a>(&'a Dispatch);
    impl fmt::Debug for Talkative<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let values = INNER_METADATA.fields().value_set(&[]);
            self.0.event(&Event::new(&INNER_METADATA, &values));
            f.write_str("talkative")
        }
    }
    let kept = Arc::<Kept>::default();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(kept.layer()));
    with_default(
        &dispatch,
        || info!(before = 1, who = ?Talkative(&dispatch), "outer"),
    );
    let [inner, outer] = &kept.read()[..] else {
        panic!("{:?}", kept.read());
    };
    assert_eq!((inner.target.as_str(), inner.fields.len()), ("inner", 0));
    assert_eq!(outer.message, "outer");
    assert_eq!(outer.fields, ["before=Signed(1)", "who=talkative"]);
}

#[test]
fn what_panics_while_it_is_formatted_harms_no_later_record() {
    struct Explosive;
    impl fmt::Debug for Explosive {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("tick")?;
            std::panic::resume_unwind(Box::new(())) // no hook prints it
        }
    }
    let records = handed_over(|| {
        let logging = || info!(before = 1, bomb = ?Explosive, "lost");
        assert!(std::panic::catch_unwind(logging).is_err());
        info!(after = 2, "here");
    });
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].message, "here");
    assert_eq!(records[0].fields, ["after=Signed(2)"]);
}

#[test]
fn what_is_too_long_is_cut_and_the_rest_stays_whole() {
    let long = "ä".repeat(LONGEST_RECORD);
    let record = one(|| info!(long, after = 1, "text"));
    assert!(record.is_cut);
    assert_eq!(record.message, "text");
    let text = record.fields[0].strip_prefix("long=").unwrap();
    assert!(text.len() > LONGEST_RECORD / 2 && text.chars().all(|letter| letter == 'ä'));

    let record = one(|| info!("{long}{}", "end"));
    assert!(record.is_cut && !record.message.contains("end"));
}

#[test]
fn a_value_that_is_not_asked_for_is_not_formatted() {
    thread_local!(static ASKED: Cell<u32> = const { Cell::new(0) });
    struct Counted;
    impl fmt::Display for Counted {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            ASKED.set(ASKED.get() + 1);
            f.write_str("counted")
        }
    }
    one(|| info!(counted = %Counted));
    assert_eq!(ASKED.get(), 1);
}
