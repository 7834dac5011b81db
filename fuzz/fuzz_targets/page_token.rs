#![no_main]

#[path = "../targets.rs"]
#[expect(dead_code, reason = "each target uses one function of the file")]
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::page_token(input));
