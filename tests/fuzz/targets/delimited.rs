//! CSV and its kin.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logweir_fuzz::dialect("delimited", data));
