//! Clients that misbehave: each gets its code, the server's memory stays bounded, and a bystander in the
//! same guild notices nothing (invariant I8).

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use guildhall_tests::process::mib;
use guildhall_tests::raw::{header, unmasked};
use guildhall_tests::{Bystander, RawSocket, Setup, World, eventually};
use serde_json::json;

/// WebSocket opcodes with the final bit.
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const PING: u8 = 0x89;

/// Memory that a misbehaving client may cost the server, in MiB.
const COST: f64 = 64.0;

/// Sends these bytes on an identified connection beside a bystander; the server closes with `code`.
async fn is_closed_with(code: u16, bytes: Vec<u8>) {
    let world = World::new(1).await;
    let bystander = Bystander::start(&world).await;
    let mut socket = RawSocket::identified(&world.server, &world.member().token).await;
    // What comes after a close is of no interest to the server.
    socket.try_write(&bytes).await;
    assert_eq!(socket.expect_close().await, code);
    bystander.noticed_nothing().await;
}

fn text(payload: &[u8]) -> Vec<u8> {
    guildhall_tests::raw::frame(TEXT, payload)
}

#[tokio::test]
async fn i8_malformed_json_is_closed_with_4002() {
    is_closed_with(4002, text(b"{\"op\":")).await;
}

#[tokio::test]
async fn i8_wrong_types_are_closed_with_4002() {
    is_closed_with(4002, text(b"{\"op\":\"one\",\"d\":null}")).await;
}

#[tokio::test]
async fn i8_a_payload_over_4096_bytes_is_closed_with_4002() {
    is_closed_with(4002, text(&[b' '; 4_097])).await;
}

#[tokio::test]
async fn i8_a_frame_that_announces_gigabytes_is_closed_at_its_header() {
    is_closed_with(4002, header(BINARY, 1 << 40)).await;
}

#[tokio::test]
async fn i8_fragments_that_grow_over_4096_bytes_are_closed_with_4002() {
    let mut bytes = guildhall_tests::raw::frame(0x01, &[b' '; 4_000]);
    bytes.extend(guildhall_tests::raw::frame(0x80, &[b' '; 97]));
    is_closed_with(4002, bytes).await;
}

#[tokio::test]
async fn i8_unmasked_frames_are_closed_with_1002() {
    is_closed_with(1002, unmasked(TEXT, b"{}")).await;
}

#[tokio::test]
async fn i8_reserved_bits_are_closed_with_1002() {
    is_closed_with(1002, guildhall_tests::raw::frame(0xc1, b"{}")).await;
}

#[tokio::test]
async fn i8_text_that_is_not_utf_8_is_closed_with_1007() {
    is_closed_with(1007, text(&[b'"', 0xff, b'"'])).await;
}

#[tokio::test]
async fn i8_a_flood_of_payloads_is_closed_with_4008() {
    let beat = text(b"{\"op\":1,\"d\":null}");
    is_closed_with(4008, beat.repeat(500)).await;
}

#[tokio::test]
async fn i8_a_flood_of_pings_is_closed_with_4008() {
    let ping = guildhall_tests::raw::frame(PING, b"are you there");
    is_closed_with(4008, ping.repeat(5_000)).await;
}

#[tokio::test]
async fn unknown_opcodes_and_interleaved_control_frames_are_borne() {
    let world = World::new(1).await;
    let mut socket = RawSocket::identified(&world.server, &world.member().token).await;
    socket.text(&json!({"op": 99, "d": {"a": [1]}})).await;
    socket.frame(0x01, b"{\"op\":1,").await;
    socket.frame(PING, b"between").await;
    socket.frame(0x80, b"\"d\":null}").await;
    let pong = socket.read_frame().await;
    assert_eq!(pong.payload, b"between");
    socket.expect_op(11).await;
}

/// A client that takes nothing of what it is sent is closed, and costs neither time nor memory.
#[tokio::test]
async fn i8_a_client_that_never_reads_is_closed_and_harms_nobody() {
    let setup = Setup::new().set("gateway.lane_max_bytes=65536");
    let world = World::with(setup, 1).await;
    let deaf = RawSocket::identified(&world.server, &world.member().token).await;
    let bystander = Bystander::start(&world).await;
    let before = world.server.process().memory();
    let filling = "x".repeat(2_000);
    // What its socket's buffers take is not slow yet: several megabytes.
    eventually("the overflow of a lane", || async {
        for _ in 0..50 {
            world.owner.rest.say(&world.channel, &filling).await;
        }
        let overflows = world
            .admin
            .metrics()
            .await
            .sum("guildhall_lane_overflows_total", &[]);
        (overflows >= 1.0).then_some(())
    })
    .await;
    let cost = mib(world.server.process().memory()) - mib(before);
    assert!(cost < COST, "{cost} MiB");
    bystander.noticed_nothing().await;
    drop(deaf);
}

/// Connections that never speak are dropped in time, whatever they opened with.
#[tokio::test]
async fn i8_connections_that_never_speak_are_dropped() {
    const SILENT: usize = 1_000;
    let setup = Setup::new().set("gateway.silent_timeout_s=2");
    let world = World::with(setup, 1).await;
    let bystander = Bystander::start(&world).await;
    let before = world.server.process();
    let (memory, files) = (before.memory(), before.open_files());
    let mut silent = Vec::new();
    for number in 0..SILENT {
        silent.push(match number % 3 {
            0 => RawSocket::gateway(&world.server).await,
            1 => RawSocket::connect(&world.server).await,
            _ => {
                let mut socket = RawSocket::connect(&world.server).await;
                socket.write(b"GET /gateway HTTP/1.1\r\nHost: a").await;
                socket
            }
        });
    }
    let cost = mib(world.server.process().memory()) - mib(memory);
    assert!(cost < COST, "{cost} MiB");
    eventually("the end of all silent connections", || async {
        (world.server.process().open_files() <= files + 5).then_some(())
    })
    .await;
    bystander.noticed_nothing().await;
}

/// A client that connects again and again without a pause is held back, not refused, and others log in
/// meanwhile.
#[tokio::test]
async fn i8_reconnecting_without_a_pause_is_held_back() {
    let setup = Setup::new()
        .set("limits.upgrades_burst=100")
        .set("limits.upgrades_per_address_per_second=200");
    let world = World::with(setup, 1).await;
    let bystander = Bystander::start(&world).await;
    for _ in 0..300 {
        // Each is dropped as soon as it was greeted.
        RawSocket::gateway(&world.server).await;
    }
    let held = world
        .admin
        .metrics()
        .await
        .sum("guildhall_upgrades_held_total", &[]);
    assert!(held >= 1.0, "nothing was held back");
    world.login(world.member()).await;
    bystander.noticed_nothing().await;
}
