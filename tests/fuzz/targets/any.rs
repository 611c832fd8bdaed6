//! Records that describe themselves.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logweir_fuzz::dialect("self-describing", data));
