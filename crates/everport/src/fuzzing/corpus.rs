//! The corpus, replayed: what the fuzzer once found interesting stays mended.

use std::fs;
use std::path::Path;

/// Runs a target on every file of its corpus.
fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let files = fs::read_dir(corpus.join(target)).unwrap();
    let mut replayed = 0;
    for file in files {
        let path = file.unwrap().path();
        println!("{}", path.display());
        run(&fs::read(path).unwrap());
        replayed += 1;
    }
    assert!(replayed > 5, "only {replayed} files for {target}");
}

#[test]
fn frames_are_replayed() {
    replay("frame", super::frame);
}

#[test]
fn conversations_are_replayed() {
    replay("conversation", super::conversation);
}

#[test]
fn messages_are_replayed() {
    replay("message", super::message);
}

#[test]
fn output_is_replayed() {
    replay("output", super::output);
}

#[test]
fn records_are_replayed() {
    replay("record", super::record);
}

#[test]
fn rings_are_replayed() {
    replay("ring", super::ring);
}

#[test]
fn addresses_are_replayed() {
    replay("address", super::address);
}

#[test]
fn transfers_are_replayed() {
    replay("transfer", super::transfer);
}
