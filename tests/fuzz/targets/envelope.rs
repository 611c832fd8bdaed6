//! What syslog daemons and collectors put in front of a record.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logweir_fuzz::envelope(data));
