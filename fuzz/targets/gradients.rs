#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kantor_fuzz::gradients(data));
