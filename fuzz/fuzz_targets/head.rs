//! The head parser, and the loop that serves a connection.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    harness::fuzz::head(bytes);
    harness::fuzz::connection(bytes);
});
