//! Frames with a good check and hostile content: a far end that is broken, or means harm. What it
//! says may be nonsense; it must not cost more than its own words.
//!
//! `COPPERLINK_CHUNKS=1000000 cargo test --lib hostile` takes so many frames.

use bytes::Bytes;

use super::far_end::{
    Chance, EXPRESS, LINE, ORDINARY, SHORT, THERE, frame, hello, receiver, service,
};
use crate::proto::config::{ChannelId, Port, SessionId};
use crate::proto::framing::header::{NumberForm, Service};
use crate::proto::framing::parity::Parity;
use crate::proto::session::{MAX_EVENTS, Session};
use crate::proto::time::{Duration, Instant};

/// What a flow may hold: [`firmware-notes/wire-format.md`](../../../firmware-notes), section 5.
const MOST_HELD: (usize, usize) = (512 << 10, 4096);
const FRAMES_A_SESSION: u64 = 100;

fn frames() -> u64 {
    let asked = option_env!("COPPERLINK_CHUNKS").and_then(|chunks| chunks.parse().ok());
    asked.unwrap_or(10_000)
}

#[test]
fn a_far_end_that_means_harm_takes_no_more_memory_than_is_its_share() {
    for seed in 0..frames().div_ceil(FRAMES_A_SESSION) {
        let mut chance = Chance(seed);
        let (mut session, mut now) = (receiver(), Instant::ZERO);
        for _ in 0..FRAMES_A_SESSION {
            let pause = match chance.below(50) {
                0 => 10_000_000,
                1..10 => 300_000,
                _ => 10_000,
            };
            now += Duration::from_micros(chance.below(pause) as u64);
            session.handle_timeout(now);
            give(&mut session, now, &mut chance);
            let bytes = hostile_frame(&session, &mut chance);
            for piece in bytes.chunks(1 + chance.below(3000)) {
                session.handle_bytes(now, LINE, piece);
                assert_bounds(&session, seed);
                session.poll_transmit(now, LINE, 4096, &mut Vec::new());
                while session.poll_datagram().is_some() {}
            }
            assert!(session.poll_timeout().is_some());
            session.stats();
        }
    }
}

fn assert_bounds(session: &Session, seed: u64) {
    for flow in &session.flows {
        let (bytes, messages) = flow.held();
        assert!(
            bytes <= MOST_HELD.0 && messages <= MOST_HELD.1,
            "seed {seed}: {bytes} bytes in {messages} messages"
        );
    }
    let waiting: usize = session.datagrams.iter().map(|(_, data)| data.len()).sum();
    // All that the flows held, and what one piece of the line brought.
    assert!(waiting <= 5 * MOST_HELD.0, "seed {seed}: {waiting} bytes");
    assert!(session.events.len() <= MAX_EVENTS);
}

/// The equipment here sends something, so that the far end has frames of ours to lie about.
fn give(session: &mut Session, now: Instant, chance: &mut Chance) {
    let channel = 1 + chance.below(4) as u8;
    let len = 1 + chance.below(if channel == 1 { 60 } else { 1500 });
    let port = Port::media(ChannelId(channel));
    // A full queue refuses it.
    let _ = session.handle_datagram(now, port, Bytes::from(chance.bytes(len)));
    session.poll_transmit(now, LINE, 4096, &mut Vec::new());
    while session.poll_event().is_some() {}
}

fn hostile_frame(session: &Session, chance: &mut Chance) -> Vec<u8> {
    let next = session.lines[0].received_next();
    let number = match chance.below(12) {
        0 => next + chance.below(5000) as u64,
        1 => next.saturating_sub(chance.below(5000) as u64),
        2 => next + chance.below(100) as u64,
        _ => next,
    };
    let parity = Parity::ALL[chance.below(Parity::ALL.len())];
    let kind = [ORDINARY, ORDINARY, ORDINARY, EXPRESS, SHORT][chance.below(5)];
    let mut wire = match chance.below(40) {
        0 => {
            let session = SessionId([THERE.0, THERE.0 + 1][chance.below(2)]);
            hello(session, chance.next() as u32)
        }
        1 => {
            let len = chance.below(300);
            let content = [vec![1, 1, 0, 0x11, 0x11], chance.bytes(len)].concat();
            let kind = [
                Service::Hello,
                Service::Table,
                Service::Text,
                Service::Heard,
            ][chance.below(4)];
            service(kind, &content)
        }
        _ => {
            let content = content(chance, kind == ORDINARY);
            frame(kind, number, NumberForm::Long, parity, &content)
        }
    };
    match chance.below(20) {
        0 => chance.flip_bits(&mut wire, 1e-2),
        1 => {
            // Interrupted, by a frame that says more of the same.
            let inner = frame(
                EXPRESS,
                number + 1,
                NumberForm::Long,
                parity,
                &segment(chance),
            );
            let at = 1 + chance.below(wire.len() - 1);
            wire.splice(at..at, [vec![0], inner].concat());
        }
        _ => {}
    }
    wire
}

/// Segments, up to a whole frame of them.
fn content(chance: &mut Chance, long: bool) -> Vec<u8> {
    let most = match chance.below(10) {
        0 if long => 8000,
        1..4 => 600,
        _ => 60,
    };
    let mut content = Vec::new();
    while content.len() < most {
        content.extend(segment(chance));
        if chance.below(4) == 0 {
            break;
        }
    }
    content.truncate(8180);
    content
}

/// Something like a segment, with values at its limits.
fn segment(chance: &mut Chance) -> Vec<u8> {
    let flow = match chance.below(4) {
        0 => chance.below(32),
        _ => 1 + chance.below(8),
    } as u8;
    let number = match chance.below(3) {
        0 => chance.next() as u16,
        _ => chance.below(40) as u16,
    };
    let number = [number as u8, (number >> 8) as u8 & 0x3F];
    let data = data(chance);
    let length = match chance.below(12) {
        0 => vec![0xFF, 0xFF, 0x7F],
        1 => vec![0xFF, 0xFF, 0xFF],
        _ => varint(data.len()),
    };
    let flags = 0x80 | (chance.below(2) as u8) << 6;
    match chance.below(14) {
        0 => {
            let len = chance.below(30);
            chance.bytes(len)
        }
        1 => [vec![1], chance.bytes(24)].concat(),
        2 => [vec![5], chance.bytes(4)].concat(),
        3 => vec![[2, 2, 2, 3][chance.below(4)]],
        4 => vec![4, flow, number[0], number[1]],
        5 | 6 => [vec![0x20 | flow, number[0] & 0x3F | flags], length, data].concat(),
        7 => [
            vec![11, 0x20 | flow, number[0] & 0x3F | flags],
            length,
            data,
        ]
        .concat(),
        8 => {
            let slot = chance.below(8) as u8;
            [vec![0x80 | slot << 4 | number[0] & 15], data].concat()
        }
        9 => [
            vec![0x40 | flow, number[0], number[1] | flags],
            length,
            data,
        ]
        .concat(),
        10 => {
            // As many as there is room for, with nothing in them.
            let count = chance.below(3000);
            [
                vec![0x40 | flow, number[0], number[1] | 0x80, 0],
                vec![10; count],
            ]
            .concat()
        }
        _ => {
            let place = match chance.below(4) {
                0 => (1 << 21) - 1 - chance.below(2),
                1 => 2 * (65_511 - data.len()) + chance.below(2),
                2 => chance.below(2 * 65_511),
                _ => chance.below(64),
            };
            let head = vec![0x60 | flow, number[0], number[1] | 0x80];
            [head, varint(place), length, data].concat()
        }
    }
}

/// Data, of which some may be a compressed header or a packet to be kept.
fn data(chance: &mut Chance) -> Vec<u8> {
    let len = match chance.below(8) {
        0 => 0,
        1 => 1200,
        _ => chance.below(60),
    };
    let mut data = chance.bytes(len);
    if chance.below(2) == 0 {
        // Keep, and an RTP header with any number of sources.
        let head = [
            chance.below(64) as u8 & 0x2F,
            160,
            1,
            0x80 | chance.below(16) as u8,
        ];
        let count = head.len().min(data.len());
        data[..count].copy_from_slice(&head[..count]);
    }
    data
}

fn varint(value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::proto::framing::varint::write(value as u32, &mut bytes);
    bytes
}
