//! Entries for every target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logweir_fuzz::block::render(data));
