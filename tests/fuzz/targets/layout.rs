//! Layouts of a configuration.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logweir_fuzz::layout(data));
