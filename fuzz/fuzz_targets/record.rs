//! One record, as a worker leaves it in its ring.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| everport::fuzzing::record(bytes));
