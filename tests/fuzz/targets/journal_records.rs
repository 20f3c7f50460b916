#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    guildhall_server::fuzz::run("journal_records", bytes);
});
