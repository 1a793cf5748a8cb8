//! What is let through.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use tracing::{debug, error, info, trace, warn};
use tracing_subscriber::layer::{Layer, SubscriberExt};

use super::kept::Kept;
use crate::log::Level;
use crate::logging::LogFilter;
use crate::logging::filter::{from_environment, parse};

fn say_everything() {
    error!("error");
    warn!("warn");
    info!("info");
    debug!("debug");
    trace!("trace");
    debug!(target: "shop::db::pool", "pool");
}

#[track_caller]
fn check(filter: &LogFilter, expected: &[&str]) {
    for as_a_layer in [true, false] {
        let kept = Arc::<Kept>::default();
        let (filter, registry) = (filter.clone(), tracing_subscriber::registry());
        let dispatch: tracing::Dispatch = match as_a_layer {
            true => registry.with(filter).with(kept.layer()).into(),
            false => registry.with(kept.layer().with_filter(filter)).into(),
        };
        tracing::dispatcher::with_default(&dispatch, say_everything);
        let records = kept.read();
        let messages: Vec<&str> = records
            .iter()
            .map(|record| record.message.as_str())
            .collect();
        assert_eq!(messages, expected, "as a layer: {as_a_layer}");
    }
}

fn filter(directives: &str) -> LogFilter {
    LogFilter::new(parse(directives).unwrap())
}

#[test]
fn a_filter_lets_through_what_its_directives_say() {
    check(&filter("info"), &["error", "warn", "info"]);
    check(&filter("off"), &[]);
    check(&filter("WARN, shop::db=debug,"), &["error", "warn", "pool"]);
    check(&filter("shop"), &["pool"]);
    check(
        &filter("trace,shop=info"),
        &["error", "warn", "info", "debug", "trace"],
    );
    check(&filter("1"), &["error"]);
}

#[test]
fn a_change_counts_at_once() {
    let filter = filter("error");
    let kept = Arc::<Kept>::default();
    let layers = tracing_subscriber::registry().with(filter.clone());
    let dispatch = tracing::Dispatch::new(layers.with(kept.layer()));
    tracing::dispatcher::with_default(&dispatch, || {
        say_everything();
        filter.set_level(Level::Warn);
        say_everything();
        filter.set("off,shop=debug").unwrap();
        say_everything();
        assert!(filter.set("shop=loud").is_err());
        say_everything();
    });
    let records = kept.read();
    let messages: Vec<&str> = records
        .iter()
        .map(|record| record.message.as_str())
        .collect();
    assert_eq!(messages, ["error", "error", "warn", "pool", "pool"]);
    assert_eq!(filter.to_string(), "shop=debug,off");
}

#[test]
fn the_environment_may_say_nothing() {
    let read = |text: &str| from_environment(Some(OsString::from(text)));
    assert_eq!(from_environment(None), Ok(None));
    assert_eq!(read(""), Ok(None));
    assert_eq!(read("  "), Ok(None));
    assert_eq!(
        read("debug"),
        parse("debug").map(Some).map_err(|_| unreachable!())
    );
}

#[test]
fn what_is_no_filter_is_an_error_with_the_way_out() {
    let check = |value: &OsStr, expected: &str| {
        let error = from_environment(Some(value.to_owned())).unwrap_err();
        let way_out = "(give a level, targets with levels, or both: RUST_LOG=warn,shop::db=debug)";
        assert_eq!(error.to_string(), format!("{expected} {way_out}"));
    };
    check(
        OsStr::new("warn,shop=loud"),
        "RUST_LOG is \"warn,shop=loud\", in which \"loud\" is none of the levels off, error, warn, info, debug and trace",
    );
    check(
        OsStr::new("warn,debgu"),
        "RUST_LOG is \"warn,debgu\", in which \"debgu\" looks like the level debug: write debug, or debgu=trace for a target of that name",
    );
    check(
        OsStr::new("shop="),
        "RUST_LOG is \"shop=\", in which \"\" is none of the levels off, error, warn, info, debug and trace",
    );
    check(
        OsStr::new("shop[order{id=7}]=debug"),
        "RUST_LOG is \"shop[order{id=7}]=debug\", in which \"shop[order{id=7}]=debug\" is about spans, fields or patterns, which are not supported",
    );
    check(
        OsStr::from_bytes(b"sh\xffp=info"),
        "RUST_LOG is \"sh\u{fffd}p=info\", in which there is something that is not UTF-8",
    );
}

#[test]
fn what_the_program_gives_is_named_otherwise() {
    let error = filter("info").set("a=b=c").unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot filter the log by \"a=b=c\", in which \"b=c\" is none of the levels off, error, warn, info, debug and trace (give a level, targets with levels, or both: warn,shop::db=debug)"
    );
}
