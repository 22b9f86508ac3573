//! The test vectors of `firmware-notes/vectors/` against this implementation.

use super::config::SessionId;
use super::framing::check::{CheckKind, Seal};
use super::framing::decoder::{Decoder, Verdict};
use super::framing::encoder::encode;
use super::framing::header::{self, FrameKind, NumberForm, Service};
use super::framing::parity::Parity;
use super::framing::segment;
use super::line::handshake::{Hello, Table};
use super::talk::frames::{Heard, Piece};

const FRAMES: &str = include_str!("../../firmware-notes/vectors/frames.txt");
const STREAMS: &str = include_str!("../../firmware-notes/vectors/streams.txt");
const SEAL: Seal = Seal::new(SessionId(0x1111_0001), SessionId(0x2222_0001));

/// The paragraphs of a file of vectors; each line is `key: value`.
fn paragraphs(text: &'static str) -> Vec<Vec<(&'static str, &'static str)>> {
    text.split("\n\n")
        .map(|paragraph| {
            paragraph
                .lines()
                .filter_map(|line| line.split_once(": "))
                .collect()
        })
        .filter(|fields: &Vec<(&str, &str)>| fields.first().is_some_and(|(key, _)| *key == "name"))
        .collect()
}

fn field(fields: &[(&'static str, &'static str)], key: &str) -> &'static str {
    let found = fields.iter().find(|(name, _)| *name == key);
    found.unwrap_or_else(|| panic!("{fields:?} has no {key}")).1
}

/// The parity of a frame: none when nothing is said.
fn parity(fields: &[(&'static str, &'static str)]) -> Parity {
    let said = fields.iter().find(|(name, _)| *name == "parity");
    let len = said.map_or(0, |(_, len)| len.parse().expect("a number"));
    let mut all = Parity::ALL.into_iter();
    all.find(|parity| parity.len() == len)
        .expect("a parity that there is")
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex"))
        .collect()
}

fn kind(word: &str, number: u64) -> FrameKind {
    match (word, number) {
        ("ordinary", _) => FrameKind::Ordinary,
        ("express", _) => FrameKind::Express(CheckKind::Long),
        ("express-short", _) => FrameKind::Express(CheckKind::Short),
        ("service", 0) => FrameKind::Service(Service::Hello),
        ("service", 1) => FrameKind::Service(Service::Table),
        ("service", 2) => FrameKind::Service(Service::Text),
        ("service", 3) => FrameKind::Service(Service::Heard),
        _ => panic!("no such kind: {word} {number}"),
    }
}

#[test]
fn every_frame_is_made_and_read_as_the_vectors_say() {
    let vectors = paragraphs(FRAMES);
    assert!(vectors.len() >= 15);
    for fields in vectors {
        let name = field(&fields, "name");
        let number: u64 = field(&fields, "number").parse().expect("a number");
        let kind = kind(field(&fields, "kind"), number);
        let (seal, number) = match kind {
            FrameKind::Service(_) => (Seal::SERVICE, 0),
            _ => (SEAL, number),
        };
        let form = if field(&fields, "form") == "short" {
            NumberForm::Short
        } else {
            NumberForm::Long
        };
        let (content, wire) = (hex(field(&fields, "content")), hex(field(&fields, "wire")));

        let parity = parity(&fields);
        let mut body = Vec::new();
        header::write(kind, number, form, &mut body);
        body.extend_from_slice(&content);
        assert_eq!(
            encode(kind, number, seal, parity, &mut body),
            wire,
            "{name}: made"
        );

        let mut read = Vec::new();
        let mut decoder = Decoder::default();
        decoder.feed(&wire, &mut |found| {
            assert_eq!(found.parity, parity, "{name}: parity");
            let frame = found.body;
            let mut rest = frame;
            let header = header::read(&mut rest).expect("a header");
            let header_len = frame.len() - rest.len();
            let good = seal
                .open(header.kind.check(), header.number(number), frame)
                .expect("a good check");
            read = good[header_len..].to_vec();
            Verdict::Ordinary
        });
        assert_eq!(read, content, "{name}: read");
        match kind {
            FrameKind::Service(Service::Hello) => {
                let hello = Hello::read(&content).expect("a hello");
                let mut again = Vec::new();
                hello.write(&mut again);
                assert_eq!(again, content, "{name}: hello");
            }
            FrameKind::Service(Service::Table) => {
                let (session, table) = Table::read(&content).expect("a table");
                let mut again = Vec::new();
                table.write(session, &mut again);
                assert_eq!(again, content, "{name}: table");
            }
            FrameKind::Service(Service::Text) => {
                let piece = Piece::read(&content).expect("a piece of text");
                let mut again = Vec::new();
                piece.write(&mut again);
                assert_eq!(again, content, "{name}: text");
            }
            FrameKind::Service(Service::Heard) => {
                let heard = Heard::read(&content).expect("an answer");
                let mut again = Vec::new();
                heard.write(&mut again);
                assert_eq!(again, content, "{name}: heard");
            }
            _ => {
                let mut rest = content.as_slice();
                let mut reader = segment::Reader::default();
                while !rest.is_empty() {
                    let segment = reader.next(&mut rest);
                    assert!(segment.is_some(), "{name}: segments");
                    assert_rewrites(name, &content, segment);
                }
            }
        }
    }
}

/// A report that is alone in its frame is written as it was read.
fn assert_rewrites(name: &str, content: &[u8], segment: Option<segment::Segment<'_>>) {
    if let Some(segment::Segment::Report(report)) = segment {
        let mut body = Vec::new();
        segment::Writer::new(&mut body).report(&report);
        assert_eq!(body, content, "{name}: report");
    }
}

#[test]
fn interrupted_frames_come_out_as_the_vectors_say() {
    let vectors = paragraphs(STREAMS);
    assert!(vectors.len() >= 5);
    for fields in vectors {
        let stream = hex(field(&fields, "stream"));
        let expected: Vec<u64> = field(&fields, "frames")
            .split(' ')
            .map(|number| number.parse().expect("a number"))
            .collect();
        for piece in [1, 3, stream.len()] {
            let mut numbers = Vec::new();
            let mut decoder = Decoder::default();
            for bytes in stream.chunks(piece) {
                decoder.feed(bytes, &mut |found| {
                    let frame = found.body;
                    let mut rest = frame;
                    let Some(header) = header::read(&mut rest) else {
                        return Verdict::Bad;
                    };
                    let number = header.number(30);
                    let seal = match header.kind {
                        FrameKind::Service(_) => Seal::SERVICE,
                        _ => SEAL,
                    };
                    if seal.open(header.kind.check(), number, frame).is_none() {
                        return Verdict::Bad;
                    }
                    numbers.push(number);
                    match header.kind {
                        FrameKind::Ordinary => Verdict::Ordinary,
                        _ => Verdict::Express,
                    }
                });
            }
            assert_eq!(numbers, expected, "{}", field(&fields, "name"));
        }
    }
}
