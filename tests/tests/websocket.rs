//! The list of cases of the Autobahn test suite for WebSocket servers (sections 1 to 7, 9 and 10; 12
//! and 13 are compression by extension, which is not negotiated), against the gateway.
//!
//! That suite talks to a server that sends every message back. The gateway answers heartbeats, so a
//! message that has to arrive is a heartbeat and its echo the acknowledgement; where the list says
//! which bytes a message has, and they are no payload, 4002 says that the message arrived whole, and
//! 1007 that it was no text. What is larger than the protocol's own 4,096 bytes is refused at its header.
//!
//! Each case has its number in the list. Nothing waits: what must be refused before it is whole is never
//! sent whole.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use guildhall_tests::raw::{FIN, Frame, frame, header, opcode};
use guildhall_tests::{RawSocket, World};

const TEXT: u8 = FIN | opcode::TEXT;
const BINARY: u8 = FIN | opcode::BINARY;
const LAST: u8 = FIN | opcode::CONTINUATION;
const PING: u8 = FIN | opcode::PING;
const PONG: u8 = FIN | opcode::PONG;
const CLOSE: u8 = FIN | opcode::CLOSE;

/// Most bytes of a message.
const MOST: usize = 4_096;
const PROTOCOL: u16 = 1002;
const NO_TEXT: u16 = 1007;
const NO_PAYLOAD: u16 = 4002;

/// What has to come back.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    /// The heartbeat's.
    Echo,
    Pong(Vec<u8>),
    /// The server ends the connection with this code.
    Close(u16),
}
use Answer::{Close, Echo, Pong};

/// How the bytes are cut on their way.
#[derive(Debug, Clone, Copy)]
enum Chops {
    /// All at once.
    None,
    /// Frame by frame.
    Frames,
    /// So many at a time.
    Of(usize),
}

struct Case {
    id: String,
    frames: Vec<Vec<u8>>,
    chops: Chops,
    answers: Vec<Answer>,
}

fn case(id: impl Into<String>, frames: Vec<Vec<u8>>, answers: Vec<Answer>) -> Case {
    Case {
        id: id.into(),
        frames,
        chops: Chops::None,
        answers,
    }
}

impl Case {
    fn chopped(mut self, chops: Chops) -> Self {
        self.chops = chops;
        self
    }

    async fn send(&self, socket: &mut RawSocket) {
        let pieces: Vec<Vec<u8>> = match self.chops {
            Chops::None => vec![self.frames.concat()],
            Chops::Frames => self.frames.clone(),
            Chops::Of(size) => {
                let wire = self.frames.concat();
                wire.chunks(size).map(<[u8]>::to_vec).collect()
            }
        };
        for piece in pieces {
            // The server may have seen enough, and closed.
            if !socket.try_write(&piece).await {
                return;
            }
        }
    }

    async fn run(self, world: &World) {
        let id = &self.id;
        let mut socket = RawSocket::gateway(&world.server).await;
        self.send(&mut socket).await;
        let ends = matches!(self.answers.last(), Some(Close(_)));
        if !ends {
            // A clean end, which also shows that the connection goes on until then.
            socket.frame(CLOSE, &1000_u16.to_be_bytes()).await;
        }
        let mut answers = Vec::new();
        while let Some(frame) = socket.try_read_frame().await {
            answers.push(answer(&frame));
            if let Some(Close(_)) = answers.last() {
                break;
            }
        }
        let mut expected = self.answers;
        if !ends {
            expected.push(Close(1000));
        }
        assert_eq!(answers, expected, "case {id}");
    }
}

fn answer(frame: &Frame) -> Answer {
    match frame.first {
        TEXT => {
            let payload: serde_json::Value = serde_json::from_slice(&frame.payload).unwrap();
            assert_eq!(payload["op"], 11, "{payload}");
            Echo
        }
        PONG => Pong(frame.payload.clone()),
        CLOSE => Close(frame.close_code()),
        _ => panic!("{frame:?}"),
    }
}

async fn run(cases: Vec<Case>) {
    let world = World::new(0).await;
    let count = cases.len();
    for case in cases {
        case.run(&world).await;
    }
    println!("{count} cases");
}

/// A heartbeat of exactly so many bytes.
fn heartbeat(len: usize) -> Vec<u8> {
    let mut payload = br#"{"op":1,"d":null}"#.to_vec();
    assert!(len >= payload.len());
    payload.resize(len, b' ');
    payload
}

/// One whole heartbeat.
fn echoed(first: u8) -> Vec<u8> {
    frame(first, &heartbeat(40))
}

/// A heartbeat in so many pieces, as frames: the first a text, the others its continuation.
fn fragments(count: usize) -> Vec<Vec<u8>> {
    let payload = heartbeat(40);
    let size = payload.len().div_ceil(count);
    let pieces: Vec<&[u8]> = payload.chunks(size).collect();
    in_frames(&pieces)
}

/// A text message of these pieces.
fn in_frames(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let last = pieces.len() - 1;
    let frames = pieces.iter().enumerate().map(|(at, piece)| {
        let code = if at == 0 {
            opcode::TEXT
        } else {
            opcode::CONTINUATION
        };
        let end = if at == last { FIN } else { 0 };
        frame(code | end, piece)
    });
    frames.collect()
}

#[tokio::test]
async fn section_1_framing() {
    let mut cases = Vec::new();
    for (section, first) in [(1, TEXT), (2, BINARY)] {
        let sizes = [0, 125, 126, 127, 128, 65_535, 65_536, 65_536];
        for (at, len) in sizes.into_iter().enumerate() {
            let (payload, answer) = match len {
                0 => (Vec::new(), Close(NO_PAYLOAD)),
                1..=MOST => (heartbeat(len), Echo),
                _ => (heartbeat(len), Close(NO_PAYLOAD)),
            };
            let mut case = case(
                format!("1.{section}.{}", at + 1),
                vec![frame(first, &payload)],
                vec![answer],
            );
            if len > MOST {
                // At its header: no more need come, so that nothing is left unread.
                case.frames[0] = header(first, len as u64);
            }
            if at == 7 {
                case = case.chopped(Chops::Of(997));
            }
            cases.push(case);
        }
        // This protocol's own bound in place of the sizes that it does not take.
        for chops in [Chops::None, Chops::Of(997)] {
            let whole = vec![frame(first, &heartbeat(MOST))];
            cases.push(case(format!("1.{section}, 4096"), whole, vec![Echo]).chopped(chops));
            let over = vec![header(first, MOST as u64 + 1)];
            cases.push(case(
                format!("1.{section}, 4097"),
                over,
                vec![Close(NO_PAYLOAD)],
            ));
        }
    }
    run(cases).await;
}

#[tokio::test]
async fn section_2_pings_and_pongs() {
    let mut cases = Vec::new();
    let small: &[u8] = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff";
    for (id, data) in [
        ("2.1", &b""[..]),
        ("2.2", b"Hello, world!"),
        ("2.3", small),
        ("2.4", &[0xfe; 125]),
    ] {
        cases.push(case(id, vec![frame(PING, data)], vec![Pong(data.to_vec())]));
    }
    let large = frame(PING, &[0xfe; 126]);
    cases.push(case("2.5", vec![large], vec![Close(PROTOCOL)]));
    let most = case(
        "2.6",
        vec![frame(PING, &[0xfe; 125])],
        vec![Pong(vec![0xfe; 125])],
    );
    cases.push(most.chopped(Chops::Of(1)));
    let unasked = frame(PONG, b"unsolicited pong payload");
    cases.push(case("2.7", vec![frame(PONG, b"")], vec![]));
    cases.push(case("2.8", vec![unasked.clone()], vec![]));
    let both = vec![unasked, frame(PING, b"ping payload")];
    cases.push(case("2.9", both, vec![Pong(b"ping payload".to_vec())]));
    for (id, chops) in [("2.10", Chops::None), ("2.11", Chops::Of(1))] {
        let data: Vec<Vec<u8>> = (0..10).map(|n| format!("payload-{n}").into()).collect();
        let pings = data.iter().map(|data| frame(PING, data)).collect();
        let answers = data.into_iter().map(Pong).collect();
        cases.push(case(id, pings, answers).chopped(chops));
    }
    run(cases).await;
}

#[tokio::test]
async fn sections_3_and_4_reserved_bits_and_opcodes() {
    let reserved = |first: u8, bits: u8| frame(first | bits << 4, &heartbeat(40));
    let fails = vec![Close(PROTOCOL)];
    let echo_and_fail = vec![Echo, Close(PROTOCOL)];
    let mut cases = vec![case("3.1", vec![reserved(TEXT, 1)], fails.clone())];
    for (id, bits, chops) in [
        ("3.2", 2, Chops::None),
        ("3.3", 3, Chops::Frames),
        ("3.4", 4, Chops::Of(1)),
    ] {
        let frames = vec![echoed(TEXT), reserved(TEXT, bits)];
        cases.push(case(id, frames, echo_and_fail.clone()).chopped(chops));
    }
    cases.push(case("3.5", vec![reserved(BINARY, 5)], fails.clone()));
    cases.push(case("3.6", vec![reserved(BINARY, 6)], fails.clone()));
    cases.push(case("3.7", vec![frame(CLOSE | 7 << 4, b"")], fails.clone()));
    for (section, from) in [(1, 3), (2, 11)] {
        for n in 0..5_u8 {
            let data = if n % 2 == 0 { &b""[..] } else { b"reserved" };
            let unknown = frame(FIN | (from + n), data);
            let (frames, answers) = if n < 2 {
                (vec![unknown], fails.clone())
            } else {
                (vec![echoed(TEXT), unknown], echo_and_fail.clone())
            };
            let chops = if n == 4 { Chops::Of(1) } else { Chops::None };
            cases.push(case(format!("4.{section}.{}", n + 1), frames, answers).chopped(chops));
        }
    }
    run(cases).await;
}

#[tokio::test]
async fn section_5_fragments() {
    let fails = || vec![Close(PROTOCOL)];
    let all = [Chops::None, Chops::Frames, Chops::Of(1)];
    let ping = || frame(PING, b"ping payload");
    let answered = || Pong(b"ping payload".to_vec());
    let mut cases = vec![
        case("5.1", vec![frame(opcode::PING, b"fragment1")], fails()),
        case("5.2", vec![frame(opcode::PONG, b"fragment1")], fails()),
    ];
    for (at, chops) in all.into_iter().enumerate() {
        cases.push(case(format!("5.{}", 3 + at), fragments(2), vec![Echo]).chopped(chops));
        let mut pinged = fragments(2);
        pinged.insert(1, ping());
        let id = format!("5.{}", 6 + at);
        cases.push(case(id, pinged, vec![answered(), Echo]).chopped(chops));
        for (from, first) in [(9, LAST), (12, opcode::CONTINUATION)] {
            let nothing = vec![frame(first, b"non-continuation payload")];
            cases.push(case(format!("5.{}", from + at), nothing, fails()).chopped(chops));
        }
    }
    let mut then_nothing = fragments(2);
    then_nothing.push(frame(opcode::CONTINUATION, b"fragment3"));
    cases.push(case("5.15", then_nothing, vec![Echo, Close(PROTOCOL)]));
    for (id, first) in [("5.16", opcode::CONTINUATION), ("5.17", LAST)] {
        cases.push(case(id, vec![frame(first, b"fragment1")], fails()));
    }
    let twice = vec![frame(opcode::TEXT, b"fragment1"), frame(TEXT, b"fragment2")];
    cases.push(case("5.18", twice, fails()));
    for (id, chops) in [("5.19", Chops::None), ("5.20", Chops::Frames)] {
        let mut frames = fragments(5);
        frames.insert(2, frame(PING, b"pongme 1!"));
        frames.insert(5, frame(PING, b"pongme 2!"));
        let [one, other] = ["pongme 1!", "pongme 2!"].map(|data| Pong(data.into()));
        let answers = vec![one, other, Echo];
        cases.push(case(id, frames, answers).chopped(chops));
    }
    run(cases).await;
}

/// Bytes, and whether they are text.
type Sample = (Vec<u8>, bool);

fn samples(is_text: bool, all: &[&[u8]]) -> Vec<Sample> {
    all.iter().map(|bytes| (bytes.to_vec(), is_text)).collect()
}

/// "kosme" in Greek.
const KOSME: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";

/// Code points that are no characters, and text all the same.
fn non_characters() -> Vec<Sample> {
    let mut all = vec!['\u{fffe}', '\u{ffff}'];
    for plane in 1..=16_u32 {
        let ends = [0xfffe, 0xffff].map(|low| char::from_u32(plane << 16 | low).unwrap());
        all.extend(ends);
    }
    let text = |c: char| (c.to_string().into_bytes(), true);
    all.into_iter().map(text).collect()
}

/// Bytes that begin a character and are followed by none that goes on with it.
fn lonely(from: u8, to: u8) -> Sample {
    ((from..to).flat_map(|byte| [byte, b' ']).collect(), false)
}

type Bytes = &'static [u8];

const TEXTS: &[Bytes] = &[
    b"hello\x24world",
    b"hello\xc2\xa2world",
    b"hello\xe2\x82\xacworld",
    b"hello\xf0\xa4\xad\xa2world",
    KOSME,
];
const FIRST_OF_LENGTH: &[Bytes] = &[b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"];
const FIRST_TOO_LONG: &[Bytes] = &[b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"];
const LAST_OF_LENGTH: &[Bytes] = &[b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"];
const LAST_TOO_LONG: &[Bytes] = &[
    b"\xf7\xbf\xbf\xbf",
    b"\xfb\xbf\xbf\xbf\xbf",
    b"\xfd\xbf\xbf\xbf\xbf\xbf",
];
const BOUNDARIES: &[Bytes] = &[
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xef\xbf\xbd",
    b"\xf4\x8f\xbf\xbf",
];
const BEYOND: &[Bytes] = &[b"\xf4\x90\x80\x80"];
const FOLLOWING_NOTHING: &[Bytes] = &[
    b"\x80",
    b"\xbf",
    b"\x80\xbf",
    b"\x80\xbf\x80",
    b"\x80\xbf\x80\xbf",
    b"\x80\xbf\x80\xbf\x80",
    b"\x80\xbf\x80\xbf\x80\xbf",
];
const CUT: &[Bytes] = &[
    b"\xc0",
    b"\xe0\x80",
    b"\xf0\x80\x80",
    b"\xf8\x80\x80\x80",
    b"\xfc\x80\x80\x80\x80",
    b"\xdf",
    b"\xef\xbf",
    b"\xf7\xbf\xbf",
    b"\xfb\xbf\xbf\xbf",
    b"\xfd\xbf\xbf\xbf\xbf",
];
const IMPOSSIBLE: &[Bytes] = &[b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"];
const OVERLONG_SLASH: &[Bytes] = &[
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xf8\x80\x80\x80\xaf",
    b"\xfc\x80\x80\x80\x80\xaf",
];
const LONGEST_OVERLONG: &[Bytes] = &[
    b"\xc1\xbf",
    b"\xe0\x9f\xbf",
    b"\xf0\x8f\xbf\xbf",
    b"\xf8\x87\xbf\xbf\xbf",
    b"\xfc\x83\xbf\xbf\xbf\xbf",
];
const OVERLONG_NUL: &[Bytes] = &[
    b"\xc0\x80",
    b"\xe0\x80\x80",
    b"\xf0\x80\x80\x80",
    b"\xf8\x80\x80\x80\x80",
    b"\xfc\x80\x80\x80\x80\x80",
];
const SURROGATES: &[Bytes] = &[
    b"\xed\xa0\x80",
    b"\xed\xad\xbf",
    b"\xed\xae\x80",
    b"\xed\xaf\xbf",
    b"\xed\xb0\x80",
    b"\xed\xbe\x80",
    b"\xed\xbf\xbf",
];
const PAIRS_OF_SURROGATES: &[Bytes] = &[
    b"\xed\xa0\x80\xed\xb0\x80",
    b"\xed\xa0\x80\xed\xbf\xbf",
    b"\xed\xad\xbf\xed\xb0\x80",
    b"\xed\xad\xbf\xed\xbf\xbf",
    b"\xed\xae\x80\xed\xb0\x80",
    b"\xed\xae\x80\xed\xbf\xbf",
    b"\xed\xaf\xbf\xed\xb0\x80",
    b"\xed\xaf\xbf\xed\xbf\xbf",
];
const SPECIALS: &[Bytes] = &[
    b"\xef\xbf\xb9",
    b"\xef\xbf\xba",
    b"\xef\xbf\xbb",
    b"\xef\xbf\xbc",
    b"\xef\xbf\xbd",
    b"\xef\xbf\xbe",
    b"\xef\xbf\xbf",
];

/// Sections 6.5 to 6.23, after Markus Kuhn's test of UTF-8 decoders.
fn texts() -> Vec<Vec<Sample>> {
    let prefixes = (1..=KOSME.len()).map(|len| {
        let start = KOSME[..len].to_vec();
        let is_text = std::str::from_utf8(&start).is_ok();
        (start, is_text)
    });
    let following: Vec<u8> = (0x80..0xbf).collect();
    let starts = [
        (0xc0, 0xdf),
        (0xe0, 0xef),
        (0xf0, 0xf7),
        (0xf8, 0xfb),
        (0xfc, 0xfd),
    ];
    vec![
        samples(true, TEXTS),
        prefixes.collect(),
        samples(true, FIRST_OF_LENGTH),
        samples(false, FIRST_TOO_LONG),
        samples(true, LAST_OF_LENGTH),
        samples(false, LAST_TOO_LONG),
        [samples(true, BOUNDARIES), samples(false, BEYOND)].concat(),
        [samples(false, FOLLOWING_NOTHING), vec![(following, false)]].concat(),
        starts.map(|(from, to)| lonely(from, to)).to_vec(),
        samples(false, CUT),
        vec![(CUT.concat(), false)],
        samples(false, IMPOSSIBLE),
        samples(false, OVERLONG_SLASH),
        samples(false, LONGEST_OVERLONG),
        samples(false, OVERLONG_NUL),
        samples(false, SURROGATES),
        samples(false, PAIRS_OF_SURROGATES),
        non_characters(),
        samples(true, SPECIALS),
    ]
}

#[tokio::test]
async fn section_6_utf_8() {
    let arrives = || vec![Close(NO_PAYLOAD)];
    let fails = || vec![Close(NO_TEXT)];
    let mut cases = vec![
        case("6.1.1", in_frames(&[b""]), arrives()),
        case("6.1.2", in_frames(&[b"", b"", b""]), arrives()),
        case("6.1.3", in_frames(&[b"", &heartbeat(40), b""]), vec![Echo]),
    ];
    let hello = "Hello-µ@ßöäüàá-UTF-8!!";
    let octets = |text: &[u8]| in_frames(&text.chunks(1).collect::<Vec<_>>());
    let (one, other) = hello.split_at(hello.find('ü').unwrap());
    cases.push(case("6.2.1", in_frames(&[hello.as_bytes()]), arrives()));
    let halves = in_frames(&[one.as_bytes(), other.as_bytes()]);
    cases.push(case("6.2.2", halves, arrives()));
    cases.push(case("6.2.3", octets(hello.as_bytes()), arrives()));
    cases.push(case("6.2.4", octets(KOSME), arrives()));
    // A text of which a character is cut on the way is one all the same.
    let mut said = br#"{"op":1,"d":null,"say":""#.to_vec();
    said.extend_from_slice(hello.as_bytes());
    said.extend_from_slice(b"\"}");
    cases.push(case("6.2.3, a payload", octets(&said), vec![Echo]));
    let surrogate = [KOSME, b"\xed\xa0\x80", b"edited"].concat();
    cases.push(case("6.3.1", in_frames(&[&surrogate]), fails()));
    // Up to the byte that makes it wrong, which is not the last.
    let wrong = in_frames(
        &surrogate[..13]
            .chunks(1)
            .chain([&b"e"[..]])
            .collect::<Vec<_>>(),
    );
    cases.push(case("6.3.2", wrong[..13].to_vec(), fails()));
    // Refused as soon as it cannot become text: what follows is never sent.
    let parts = [KOSME, b"\xf4\x90\x80\x80", b"edited"];
    let whole = parts.concat();
    let frames = in_frames(&parts);
    cases.push(case("6.4.1", frames[..2].to_vec(), fails()).chopped(Chops::Frames));
    let frames = in_frames(&[&whole[..12], &whole[12..13], &whole[13..]]);
    cases.push(case("6.4.2", frames[..2].to_vec(), fails()).chopped(Chops::Frames));
    let frame = frame(TEXT, &whole);
    let start = frame.len() - whole.len();
    for (id, end) in [("6.4.3", KOSME.len() + 4), ("6.4.4", 13)] {
        let chops = vec![
            frame[..start + 11].to_vec(),
            frame[start + 11..start + end].to_vec(),
        ];
        cases.push(case(id, chops, fails()).chopped(Chops::Frames));
    }
    for (section, samples) in texts().into_iter().enumerate() {
        for (at, (bytes, is_text)) in samples.into_iter().enumerate() {
            let id = format!("6.{}.{}", section + 5, at + 1);
            let answers = if is_text { arrives() } else { fails() };
            cases.push(case(id, in_frames(&[&bytes]), answers));
        }
    }
    run(cases).await;
}

fn closing(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes(), reason].concat())
}

#[tokio::test]
async fn section_7_closes() {
    let normal = || closing(1000, b"");
    let ends = |code: u16| vec![Close(code)];
    let mut cases = vec![
        case(
            "7.1.1",
            vec![echoed(TEXT), normal()],
            vec![Echo, Close(1000)],
        ),
        case("7.1.2", vec![normal(), frame(CLOSE, b"")], ends(1000)),
        case("7.1.3", vec![normal(), frame(PING, b"")], ends(1000)),
        case("7.1.4", vec![normal(), echoed(TEXT)], ends(1000)),
    ];
    let mut inside = fragments(2);
    inside.insert(1, normal());
    cases.push(case("7.1.5", inside, ends(1000)));
    // 256 KiB are refused before the close comes.
    cases.push(case(
        "7.1.6",
        vec![header(TEXT, 256 << 10)],
        ends(NO_PAYLOAD),
    ));
    cases.push(case("7.3.1", vec![frame(CLOSE, b"")], ends(1000)));
    cases.push(case("7.3.2", vec![frame(CLOSE, b"a")], ends(PROTOCOL)));
    cases.push(case("7.3.3", vec![normal()], ends(1000)));
    let said = closing(1000, b"Hello World!");
    cases.push(case("7.3.4", vec![said], ends(1000)));
    let longest = closing(1000, &[b'*'; 123]);
    cases.push(case("7.3.5", vec![longest], ends(1000)));
    let longer = closing(1000, &[b'*'; 124]);
    cases.push(case("7.3.6", vec![longer], ends(PROTOCOL)));
    let surrogate = [KOSME, b"\xed\xa0\x80", b"edited"].concat();
    let no_text = closing(1000, &surrogate);
    cases.push(case("7.5.1", vec![no_text], ends(NO_TEXT)));
    let valid = [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
    ];
    for (at, code) in valid.into_iter().enumerate() {
        let id = format!("7.7.{}", at + 1);
        cases.push(case(id, vec![closing(code, b"")], ends(code)));
    }
    let invalid = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];
    for (at, code) in invalid.into_iter().enumerate() {
        let id = format!("7.9.{}", at + 1);
        cases.push(case(id, vec![closing(code, b"")], ends(PROTOCOL)));
    }
    for (id, code) in [("7.13.1", 5_000), ("7.13.2", u16::MAX)] {
        cases.push(case(id, vec![closing(code, b"")], ends(PROTOCOL)));
    }
    run(cases).await;
}

#[tokio::test]
async fn sections_9_and_10_limits() {
    let refused = || vec![Close(NO_PAYLOAD)];
    let mut cases = Vec::new();
    let sizes: [u64; 6] = [64 << 10, 256 << 10, 1 << 20, 4 << 20, 8 << 20, 16 << 20];
    for (section, first) in [(1, TEXT), (2, BINARY)] {
        for (at, size) in sizes.into_iter().enumerate() {
            let id = format!("9.{section}.{}", at + 1);
            cases.push(case(id, vec![header(first, size)], refused()));
        }
    }
    // 4 MiB in fragments: those that fit, and the header of the one that does not.
    for (section, code) in [(3, opcode::TEXT), (4, opcode::BINARY)] {
        let sizes = [
            64,
            256,
            1 << 10,
            4 << 10,
            16 << 10,
            64 << 10,
            256 << 10,
            1 << 20,
            4 << 20,
        ];
        for (at, size) in sizes.into_iter().enumerate() {
            let mut frames: Vec<Vec<u8>> = Vec::new();
            for n in 0..MOST / size {
                let first = if n == 0 { code } else { opcode::CONTINUATION };
                frames.push(frame(first, &vec![b'*'; size]));
            }
            let first = if frames.is_empty() {
                code
            } else {
                opcode::CONTINUATION
            };
            frames.push([header(first, size as u64), vec![0; 4]].concat());
            cases.push(case(format!("9.{section}.{}", at + 1), frames, refused()));
        }
    }
    // 1 MiB in chops.
    for (section, first) in [(5, TEXT), (6, BINARY)] {
        for (at, size) in [64, 128, 256, 512, 1_024, 2_048].into_iter().enumerate() {
            let id = format!("9.{section}.{}", at + 1);
            let large = case(id, vec![header(first, 1 << 20)], refused());
            cases.push(large.chopped(Chops::Of(size)));
            let most = case(
                format!("9.{section}.{}, 4096", at + 1),
                vec![frame(first, &heartbeat(MOST))],
                vec![Echo],
            );
            cases.push(most.chopped(Chops::Of(size)));
        }
    }
    let most = heartbeat(MOST);
    let frames = in_frames(&most.chunks(1_300).collect::<Vec<_>>());
    cases.push(case("10.1.1, 4096", frames, vec![Echo]));
    run(cases).await;
}

/// The list has a thousand messages there and back: here it is as many as a connection may send in a minute.
#[tokio::test]
async fn sections_9_7_and_9_8_round_trips() {
    let world = World::new(0).await;
    for first in [TEXT, BINARY] {
        for size in [17, 64, 256, 1_024, 4_096] {
            let mut socket = RawSocket::gateway(&world.server).await;
            for _ in 0..120 {
                socket.frame(first, &heartbeat(size)).await;
                assert_eq!(answer(&socket.read_frame().await), Echo);
            }
            socket.frame(first, &heartbeat(size)).await;
            assert_eq!(answer(&socket.read_frame().await), Close(4008));
        }
    }
}
