//! Plain, gzip and zip inputs in any encoding.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logweir_fuzz::input(data));
