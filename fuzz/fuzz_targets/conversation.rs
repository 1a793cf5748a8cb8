//! All that a worker says over its link, frame by frame.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| everport::fuzzing::conversation(bytes));
