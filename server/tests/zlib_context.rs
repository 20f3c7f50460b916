//! What a `zlib-stream` connection costs: memory, counted by the allocator, and bytes on the wire.

// An allocator that counts can only be written as an unsafe implementation.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Instant;

use guildhall_server::protocol::compression::zlib::{SYNC_MARKER, ZlibStream};

/// The system's allocator, counting what each thread holds of it.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that is going away counts no more.
    let _ = LIVE.try_with(|live| live.set(live.get() + bytes));
}

fn live() -> isize {
    LIVE.with(Cell::get)
}

// SAFETY: all calls go to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(address, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A message of 500 to 600 bytes as a busy channel sees them; numbers and words vary.
fn message(s: u64) -> String {
    const WORDS: [&str; 16] = [
        "raid", "tonight", "who", "is", "in", "the", "guild", "hall", "bring", "potions", "late",
        "again", "sorry", "see", "you", "there",
    ];
    let mut seed = s.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let user = 3_000_000_000_000_000_000 + random(50);
    let id = 1_000_000_000_000_000_000 + (s << 22) * 977 + random(4_096);
    let micros = random(1_000_000);
    let words: Vec<_> = (0..10).map(|_| WORDS[random(16) as usize]).collect();
    let content = words.join(" ");
    format!(
        r#"{{"op":0,"t":"MESSAGE_CREATE","s":{s},"d":{{"id":"{id}","channel_id":"2000000000000000001","guild_id":"2000000000000000000","author":{{"id":"{user}","username":"user{user}","discriminator":"0","avatar":null}},"content":"{content}","timestamp":"2026-01-01T00:00:00.{micros:06}+00:00","edited_timestamp":null,"tts":false,"mention_everyone":false,"mentions":[],"mention_roles":[],"attachments":[],"embeds":[],"pinned":false,"type":0,"member":{{"roles":[],"deaf":false,"mute":false}}}}}}"#
    )
}

#[test]
fn a_context_costs_at_most_64_kib_whatever_goes_through_it() {
    const STREAMS: usize = 20;
    let long_runs = vec![b'x'; 1 << 20];
    let chat: String = (0..4_000).map(|i| message(i * 7_919)).collect();
    // The digits of a generator of random numbers do not compress at all.
    let mut seed = 1_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 56) as u8
    };
    let noise: Vec<u8> = (0..1 << 20).map(|_| random()).collect();
    let payloads: [&[u8]; 5] = [&long_runs, chat.as_bytes(), &noise, b"", b"{}"];
    let mut out = Vec::with_capacity(4 << 20);
    let mut streams = Vec::with_capacity(STREAMS);

    let before = live();
    for _ in 0..STREAMS {
        streams.push(ZlibStream::new());
    }
    let fresh = (live() - before).cast_unsigned() / STREAMS;
    for stream in &mut streams {
        for payload in payloads {
            out.clear();
            stream.compress(&[payload], &mut out);
            assert!(out.ends_with(&SYNC_MARKER));
        }
    }
    let used = (live() - before).cast_unsigned() / STREAMS;
    streams.clear();
    let left = live() - before;

    // Only now: what is printed and captured is memory of this thread too.
    println!("a context takes {used} bytes");
    assert_eq!(fresh, ZlibStream::CONTEXT_BYTES);
    assert_eq!(used, fresh, "a context grows with use");
    assert!(used <= 64 << 10);
    assert_eq!(left, 0, "a context is given back whole");
}

#[test]
fn a_busy_channel_takes_less_than_a_fifth_of_its_bytes() {
    const MESSAGES: u64 = 2_000;
    let payloads: Vec<_> = (1..=MESSAGES).map(message).collect();
    let plain: usize = payloads.iter().map(String::len).sum();
    let mut stream = ZlibStream::new();
    let mut out = Vec::with_capacity(4_096);
    let mut packed = 0;
    #[allow(clippy::disallowed_methods)] // there is no server around it
    let begun = Instant::now();
    for payload in &payloads {
        out.clear();
        stream.compress(&[payload.as_bytes()], &mut out);
        packed += out.len();
    }
    let each = begun.elapsed() / MESSAGES as u32;
    let mean = plain / payloads.len();
    println!("{mean} bytes a message, {plain} to {packed} bytes, {each:?} each");
    assert!((500..=600).contains(&mean), "{mean}");
    assert!(packed * 5 < plain, "{plain} to {packed} bytes");
}
