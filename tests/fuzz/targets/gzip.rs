//! The gzip writer: what it packs is what it was given.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logweir_fuzz::gzip(data));
