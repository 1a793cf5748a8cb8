//! Records of the `log` crate.

use std::sync::Arc;

use tracing_log::LogTracer;
use tracing_log::log::{Level as LogLevel, Log, Record};
use tracing_subscriber::layer::SubscriberExt;

use super::kept::{Kept, Read};
use crate::log::Level;
use crate::logging::layer::LogLayer;

fn logged(layer: impl FnOnce(LogLayer) -> LogLayer, target: &str) -> Read {
    let kept = Arc::<Kept>::default();
    let subscriber = tracing_subscriber::registry().with(layer(kept.layer()));
    tracing::subscriber::with_default(subscriber, || {
        LogTracer::new().log(
            &Record::builder()
                .args(format_args!("from {}", "log"))
                .level(LogLevel::Warn)
                .target(target)
                .module_path(Some("old::module"))
                .file(Some("src/old.rs"))
                .line(Some(12))
                .build(),
        );
    });
    let mut records = kept.read();
    assert_eq!(records.len(), 1, "{records:?}");
    records.remove(0)
}

#[test]
fn a_record_of_the_log_crate_keeps_its_target_and_has_no_fields() {
    let record = logged(|layer| layer, "old");
    assert_eq!((record.level, record.target.as_str()), (Level::Warn, "old"));
    assert_eq!(
        (record.message.as_str(), record.fields.len()),
        ("from log", 0)
    );
}

#[test]
fn its_location_is_told_if_that_is_asked_for() {
    let record = logged(|layer| layer.with_location(true), "old");
    let expected = ["module=old::module", "file=src/old.rs", "line=Unsigned(12)"];
    assert_eq!(record.fields, expected);
    let record = logged(|layer| layer.with_location(true), "old::module");
    assert_eq!(record.fields, expected[1..]);
}

#[test]
fn so_is_the_location_of_an_event() {
    let kept = Arc::<Kept>::default();
    let layer = kept.layer().with_location(true);
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || tracing::info!(a = 1, "here"));
    let fields = &kept.read()[0].fields;
    let expected = ["a=Signed(1)", concat!("file=", file!())];
    assert_eq!(fields[..2], expected);
    assert!(fields[2].starts_with("line=Unsigned("), "{fields:?}");
}
