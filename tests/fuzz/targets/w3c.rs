//! The W3C extended log file format.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logweir_fuzz::dialect("W3C", data));
