//! The parser against a full WebSocket library: same bytes, cut at random places, same messages.

use futures_util::StreamExt as _;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;
use tokio_websockets::{ClientBuilder, Limits};

use super::super::messages::{Incoming, MessageAssembler};
use super::*;

/// A message as both parsers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

/// What came, and whether it ended with a broken protocol.
type Outcome = (Vec<Seen>, bool);

/// Feeds `stream` in pieces that end at `cuts`.
fn ours(stream: &[u8], cuts: &[usize]) -> Outcome {
    let mut parser = FrameParser::default();
    let mut assembler = MessageAssembler::default();
    let mut seen = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([stream.len()]) {
        let result = parser.feed(&stream[start..end], |frame| {
            let message = assembler.accept(frame, |message| match message {
                Incoming::Text(bytes) => Seen::Text(bytes.to_vec()),
                Incoming::Binary(bytes) => Seen::Binary(bytes.to_vec()),
                Incoming::Ping(bytes) => Seen::Ping(bytes.to_vec()),
                Incoming::Pong => Seen::Pong,
                Incoming::Close(code) => Seen::Close(code),
            });
            match message {
                Err(_) => ControlFlow::Break(true),
                Ok(None) => ControlFlow::Continue(()),
                Ok(Some(message)) => {
                    let last = matches!(message, Seen::Close(_));
                    seen.push(message);
                    if last {
                        ControlFlow::Break(false)
                    } else {
                        ControlFlow::Continue(())
                    }
                }
            }
        });
        match result {
            Err(_) => return (seen, true),
            Ok(ControlFlow::Break(broken)) => return (seen, broken),
            Ok(ControlFlow::Continue(())) => start = end,
        }
    }
    (seen, false)
}

/// The same stream through tokio-websockets.
fn oracle(stream: &[u8]) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (client, mut server) = tokio::io::duplex(stream.len() + 4_096);
        server.write_all(stream).await.unwrap();
        server.shutdown().await.unwrap();
        let limits = Limits::default().max_payload_len(Some(MAX_PAYLOAD));
        let mut socket = ClientBuilder::new().limits(limits).take_over(client);
        let mut seen = Vec::new();
        while let Some(message) = socket.next().await {
            let message = match message {
                Ok(message) => message,
                Err(tokio_websockets::Error::Io(_)) => return (seen, false),
                Err(_) => return (seen, true),
            };
            let bytes = message.as_payload().to_vec();
            if message.is_text() {
                seen.push(Seen::Text(bytes));
            } else if message.is_binary() {
                seen.push(Seen::Binary(bytes));
            } else if message.is_ping() {
                seen.push(Seen::Ping(bytes));
            } else if message.is_pong() {
                seen.push(Seen::Pong);
            } else if message.is_close() {
                let code = bytes
                    .first_chunk::<2>()
                    .map(|code| u16::from_be_bytes(*code));
                seen.push(Seen::Close(code));
                return (seen, false);
            }
        }
        (seen, false)
    })
}

/// A frame of a server, by its bits and with the length in a form of choice.
fn encode(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    match payload.len() {
        short @ 0..=125 => out.push(short as u8),
        medium @ 126..=0xFFFF => {
            out.push(126);
            out.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![
        8 => 0_usize..40,
        4 => 120_usize..132,
        2 => 300_usize..2_000,
        1 => 65_530_usize..65_542,
    ];
    // ASCII: the library checks UTF-8, which the light parser leaves to the JSON parser.
    (length, b' '..=b'~').prop_map(|(length, byte)| vec![byte; length])
}

/// A few frames that make a correct stream.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let control = prop::option::of((prop_oneof![Just(0x89_u8), Just(0x8A)], 0_usize..126));
    let fragments = prop::collection::vec((payload(), control), 1..4);
    (prop_oneof![Just(1_u8), Just(2)], fragments).prop_map(|(opcode, fragments)| {
        let mut out = Vec::new();
        let last = fragments.len() - 1;
        for (index, (payload, control)) in fragments.into_iter().enumerate() {
            let opcode = if index == 0 { opcode } else { 0 };
            let fin = if index == last { 0x80 } else { 0 };
            encode(fin | opcode, &payload, &mut out);
            if let Some((first, length)) = control {
                encode(first, &vec![b'c'; length], &mut out);
            }
        }
        out
    })
}

fn cuts(indices: &[prop::sample::Index], length: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = indices
        .iter()
        .map(|index| index.index(length + 1))
        .collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    #[test]
    fn a_correct_stream_gives_the_librarys_messages_however_it_is_cut(
        messages in prop::collection::vec(message(), 0..6),
        close in prop::option::of(prop_oneof![Just(None), (4_000_u16..4_999).prop_map(Some)]),
        indices in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let mut stream = messages.concat();
        if let Some(code) = close {
            let payload = code.map_or(Vec::new(), |code| [&code.to_be_bytes()[..], b"bye"].concat());
            encode(0x88, &payload, &mut stream);
            encode(0x81, b"after the end", &mut stream);
        }
        let (expected, broken) = oracle(&stream);
        prop_assert!(!broken);
        // The library answers a close without code as 1005.
        let expected: Vec<Seen> = expected
            .into_iter()
            .map(|seen| if seen == Seen::Close(Some(1005)) { Seen::Close(None) } else { seen })
            .collect();
        prop_assert_eq!(ours(&stream, &cuts(&indices, stream.len())), (expected, false));
    }

    #[test]
    fn a_wrong_byte_in_a_header_breaks_both_or_neither(
        before in prop::collection::vec(message(), 0..2),
        first: u8,
        length in 0_u8..126,
        indices in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut stream = before.concat();
        encode(first, &vec![b'a'; usize::from(length)], &mut stream);
        let cuts = cuts(&indices, stream.len());
        // Close codes have rules of their own, which only the library knows.
        prop_assume!(first & 0x0F != 8);
        let (expected, broken) = oracle(&stream);
        let (seen, ours_broken) = ours(&stream, &cuts);
        prop_assert_eq!(ours_broken, broken);
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn any_bytes_are_taken_without_panic_and_cuts_do_not_matter(
        stream in prop::collection::vec(any::<u8>(), 0..400),
        indices in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let cuts = cuts(&indices, stream.len());
        prop_assert_eq!(ours(&stream, &cuts), ours(&stream, &[]));
    }
}

#[test]
fn byte_by_byte_is_the_same_as_at_once() {
    let mut stream = Vec::new();
    encode(0x81, &vec![b'a'; 70_000], &mut stream);
    encode(0x01, b"half ", &mut stream);
    encode(0x89, b"ping", &mut stream);
    encode(0x80, b"whole", &mut stream);
    let every: Vec<usize> = (0..stream.len()).collect();
    let (seen, broken) = ours(&stream, &every);
    assert!(!broken);
    assert_eq!(
        seen[1..],
        [
            Seen::Ping(b"ping".to_vec()),
            Seen::Text(b"half whole".to_vec())
        ]
    );
    assert_eq!(seen, ours(&stream, &[]).0);
}

#[test]
fn each_broken_rule_has_its_error() {
    let parse = |bytes: &[u8]| {
        FrameParser::default()
            .feed(bytes, |_| ControlFlow::<()>::Continue(()))
            .unwrap_err()
    };
    assert_eq!(parse(&[0xC1, 0]), FrameError::Reserved);
    assert_eq!(parse(&[0x83, 0]), FrameError::Opcode(3));
    assert_eq!(parse(&[0x81, 0x80]), FrameError::Masked);
    assert_eq!(parse(&[0x09, 0]), FrameError::Control);
    assert_eq!(parse(&[0x89, 126, 0, 126]), FrameError::Control);
    assert_eq!(parse(&[0x81, 126, 0, 125]), FrameError::LengthForm);
    assert_eq!(
        parse(&[0x81, 127, 0, 0, 0, 0, 0, 0, 255, 255]),
        FrameError::LengthForm
    );
    assert_eq!(
        parse(&[0x81, 127, 0, 0, 0, 1, 0, 0, 0, 0]),
        FrameError::TooLong(1 << 32)
    );
}

#[test]
fn a_large_remainder_is_given_back() {
    let mut stream = Vec::new();
    encode(0x81, &vec![b'a'; 100_000], &mut stream);
    let mut parser = FrameParser::default();
    let mut frames = 0;
    for piece in [&stream[..50_000], &stream[50_000..]] {
        let result = parser.feed(piece, |_| {
            frames += 1;
            ControlFlow::<()>::Continue(())
        });
        assert_eq!(result, Ok(ControlFlow::Continue(())));
    }
    assert_eq!(frames, 1);
    assert_eq!(parser.partial.capacity(), 0);
}
