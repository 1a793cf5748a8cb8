//! An address as people write it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| everport::fuzzing::address(bytes));
