//! One control frame, from a worker or from the watcher.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| everport::fuzzing::frame(bytes));
