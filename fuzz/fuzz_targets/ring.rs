//! The memory of a ring, as a worker leaves it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| everport::fuzzing::ring(bytes));
