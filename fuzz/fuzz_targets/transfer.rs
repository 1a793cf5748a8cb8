//! What anybody may write to a stream that sockets are to come out of.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| everport::fuzzing::transfer(bytes));
