//! The Common Event Format.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logweir_fuzz::dialect("CEF", data));
