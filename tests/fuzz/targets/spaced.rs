//! Pairs whose values hold blanks.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logweir_fuzz::dialect("key=value with blanks", data));
