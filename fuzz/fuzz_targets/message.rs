//! One frame of a message, and what several peers say through the switch.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| everport::fuzzing::message(bytes));
