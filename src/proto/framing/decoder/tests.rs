//! Tests of the decoder.

use super::super::check::{CheckKind, Seal};
use super::super::encoder::encode;
use super::super::header::{self, FrameKind, NumberForm};
use super::*;
use crate::proto::config::SessionId;
use proptest::prelude::*;

const SEAL: Seal = Seal::new(SessionId(1), SessionId(2));
const ORDINARY: FrameKind = FrameKind::Ordinary;
const EXPRESS: FrameKind = FrameKind::Express(CheckKind::Long);

fn frame(kind: FrameKind, number: u64, data: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    header::write(kind, number, NumberForm::Long, &mut body);
    body.extend_from_slice(data);
    encode(kind, number, SEAL, Parity::NONE, &mut body)
}

/// What a session does: read the header, complete the number, test the check.
fn judge_into<'a>(taken: &'a mut Vec<Vec<u8>>) -> impl FnMut(Found<'_>) -> Verdict + 'a {
    |found: Found<'_>| {
        let decoded = found.body;
        let mut rest = decoded;
        let Some(header) = header::read(&mut rest) else {
            return Verdict::Bad;
        };
        let number = header.number(0);
        let Some(good) = SEAL.open(header.kind.check(), number, decoded) else {
            return Verdict::Bad;
        };
        taken.push(good[2..].to_vec());
        if matches!(header.kind, FrameKind::Express(_)) {
            Verdict::Express
        } else {
            Verdict::Ordinary
        }
    }
}

fn decode(stream: &[u8]) -> (Vec<Vec<u8>>, DecoderCounts) {
    let mut decoder = Decoder::default();
    let mut taken = Vec::new();
    decoder.feed(stream, &mut judge_into(&mut taken));
    (taken, decoder.counts())
}

/// `long` with each of `express` put in at its place, as the outbox does it.
fn interrupted(long: &[u8], express: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut from = 0;
    for (at, frame) in express {
        stream.extend_from_slice(&long[from..*at]);
        stream.push(0);
        stream.extend_from_slice(frame);
        from = *at;
    }
    stream.extend_from_slice(&long[from..]);
    stream
}

fn some_data(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 % 251) as u8).collect()
}

#[test]
fn an_interrupted_frame_comes_whole_wherever_it_was_interrupted() {
    let data = some_data(300);
    let long = frame(ORDINARY, 1, &data);
    // At the very last place the long frame is complete but for its delimiter, and comes first.
    for at in 1..long.len() - 1 {
        let (taken, counts) = decode(&interrupted(&long, &[(at, frame(EXPRESS, 2, b"now"))]));
        assert_eq!(
            taken,
            [b"now".to_vec(), data.clone()],
            "interrupted at {at}"
        );
        assert_eq!(counts.bad, 0);
    }
}

#[test]
fn thirty_interruptions_of_one_frame() {
    let data = some_data(600);
    let long = frame(ORDINARY, 1, &data);
    let express: Vec<_> = (1..=30)
        .map(|i| (i * 20, frame(EXPRESS, i as u64 + 1, &[i as u8])))
        .collect();
    let (taken, counts) = decode(&interrupted(&long, &express));
    assert_eq!(taken.len(), 31);
    assert_eq!(taken[30], data);
    assert_eq!((counts.good, counts.joined, counts.bad), (31, 1, 0));
}

#[test]
fn a_damaged_express_frame_does_not_cost_the_frame_it_interrupted() {
    let data = some_data(300);
    let mut express = frame(EXPRESS, 2, b"now");
    express[4] ^= 0x55;
    let (taken, counts) = decode(&interrupted(&frame(ORDINARY, 1, &data), &[(150, express)]));
    assert_eq!(taken, [data]);
    assert_eq!((counts.good, counts.joined, counts.bad), (1, 1, 1));
}

#[test]
fn a_damaged_frame_before_does_not_cost_an_interrupted_one() {
    let data = some_data(300);
    let mut stream = frame(ORDINARY, 1, &some_data(50));
    stream[20] ^= 0x40;
    let long = frame(ORDINARY, 2, &data);
    stream.extend(interrupted(&long, &[(99, frame(EXPRESS, 3, b"now"))]));
    let (taken, counts) = decode(&stream);
    assert_eq!(taken, [b"now".to_vec(), data]);
    assert_eq!(counts.bad, 1);
}

#[test]
fn a_frame_that_was_lost_with_many_parts_costs_no_later_one() {
    let express = |n: u64| frame(EXPRESS, n, &[n as u8; 20]);
    let long = |n: u64| frame(ORDINARY, n, &some_data(600 + n as usize));
    let mut lost = long(0);
    lost[300] ^= 0x10;
    let mut stream = Vec::new();
    for (n, long) in [(0, lost), (40, long(40)), (80, long(80))] {
        let express: Vec<_> = (1..30).map(|i| (i * 20, express(n + i as u64))).collect();
        stream.extend(interrupted(&long, &express));
    }
    let (taken, counts) = decode(&stream);
    let ordinary: Vec<_> = taken.iter().filter(|data| data.len() > 20).collect();
    assert_eq!(ordinary, [&some_data(640), &some_data(680)]);
    assert_eq!((counts.joined, counts.bad), (2, 30));
}

#[test]
fn a_damaged_express_frame_among_many_does_not_cost_the_frame_they_interrupted() {
    let data = some_data(300);
    let long = frame(ORDINARY, 1, &data);
    for victim in 0..10 {
        let mut express: Vec<_> = (0..10)
            .map(|i| (20 + i * 25, frame(EXPRESS, i as u64 + 2, b"now")))
            .collect();
        express[victim].1[4] ^= 0x55;
        let (taken, counts) = decode(&interrupted(&long, &express));
        assert_eq!(taken.last(), Some(&data), "victim {victim}");
        assert_eq!((counts.joined, counts.bad), (1, 1));
    }
}

#[test]
fn a_frame_of_the_largest_size_passes_and_one_byte_more_does_not() {
    let mut decoder = Decoder::default();
    let mut judged = Vec::new();
    let mut judge = |found: Found<'_>| {
        judged.push(found.body.len());
        Verdict::Bad
    };
    for len in [MAX_WIRE, MAX_WIRE + 1] {
        decoder.feed(&vec![1; len], &mut judge);
        decoder.feed(&[0], &mut judge);
    }
    assert!(judged.iter().all(|&len| len <= MAX_WIRE));
    assert_eq!(
        judged.iter().filter(|&&len| len == MAX_WIRE - 1).count(),
        1,
        "as a whole"
    );
}

#[test]
fn memory_stays_bounded_when_nothing_is_good() {
    let mut decoder = Decoder::default();
    let mut judge = |_: Found<'_>| Verdict::Bad;
    for i in 0..5000u32 {
        decoder.feed(&some_data(1 + i as usize % 200), &mut judge);
        decoder.feed(&[7; 2 * MAX_WIRE], &mut judge);
    }
    assert!(decoder.chunk.capacity() <= 2 * MAX_WIRE);
    assert!(decoder.held.len() <= MAX_WIRE);
    assert!(decoder.held.parts() <= held::MAX_PARTS);
}

#[test]
fn a_stream_of_small_numbers_does_not_take_the_machine() {
    let mut decoder = Decoder::default();
    let mut judged = 0;
    let pattern = [[1; 31].as_slice(), &[5, 0]].concat();
    for _ in 0..1000 {
        decoder.feed(&pattern, &mut |_| {
            judged += 1;
            Verdict::Bad
        });
    }
    println!("33 kB of small numbers: {judged} looks");
    assert!(judged <= 200_000, "{judged}");
    // Without a bound on the steps it is half a minute.
    // And behind the next good frame, one of nothing but small code bytes comes whole.
    decoder.feed(&[0], &mut |_| Verdict::Bad);
    decoder.feed(
        &frame(ORDINARY, 4, &[9; 20]),
        &mut judge_into(&mut Vec::new()),
    );
    let long = frame(ORDINARY, 5, &[0; 6000]);
    let cuts: Vec<_> = (1..60)
        .map(|i| (i * 100, frame(EXPRESS, 5 + i as u64, &[9; 20])))
        .collect();
    let mut taken = Vec::new();
    let stream = interrupted(&long, &cuts);
    decoder.feed(&stream, &mut judge_into(&mut taken));
    assert_eq!(taken.last().map(Vec::len), Some(6000));
    assert_eq!(taken.len(), 60);
}

#[derive(Debug, Clone)]
struct Damage {
    at: prop::sample::Index,
    kind: u8,
    value: u8,
}

proptest! {
    #[test]
    fn one_damaged_frame_costs_one_frame(
        sizes in prop::collection::vec(0usize..400, 3..12),
        victim in any::<prop::sample::Index>(),
        damages in prop::collection::vec(
            (any::<prop::sample::Index>(), 0u8..3, 1u8..)
                .prop_map(|(at, kind, value)| Damage { at, kind, value }),
            1..6,
        ),
    ) {
        let frames: Vec<Vec<u8>> = sizes
            .iter()
            .enumerate()
            .map(|(i, &size)| frame(ORDINARY, i as u64, &some_data(size + i)))
            .collect();
        let victim = victim.index(frames.len());
        let mut stream = Vec::new();
        for (i, wire) in frames.iter().enumerate() {
            let mut wire = wire.clone();
            if i == victim {
                // Anything but the delimiter: bytes changed (also into delimiters), lost, added.
                let delimiter = wire.pop();
                for damage in &damages {
                    if wire.is_empty() {
                        break;
                    }
                    let at = damage.at.index(wire.len());
                    match damage.kind {
                        0 => wire[at] ^= damage.value,
                        1 => drop(wire.remove(at)),
                        _ => wire.insert(at, damage.value),
                    }
                }
                wire.extend(delimiter);
            }
            stream.extend(wire);
        }
        let (taken, _) = decode(&stream);
        let expected: Vec<Vec<u8>> =
            sizes.iter().enumerate().map(|(i, &size)| some_data(size + i)).collect();
        let without: Vec<Vec<u8>> =
            expected.iter().enumerate().filter(|(i, _)| *i != victim).map(|(_, d)| d.clone()).collect();
        prop_assert!(taken == without || taken == expected, "cost more than frame {victim}");
    }

    #[test]
    fn any_bytes_in_any_pieces_give_no_frame_and_no_panic(
        stream in prop::collection::vec(prop_oneof![1 => Just(0u8), 8 => any::<u8>()], 0..3000),
        cut in 1usize..50,
    ) {
        let mut decoder = Decoder::default();
        let mut taken = Vec::new();
        for piece in stream.chunks(cut) {
            decoder.feed(piece, &mut judge_into(&mut taken));
        }
        prop_assert!(taken.is_empty());
    }
}

/// What became of ordinary and express frames over a noisy line: lost, of how many.
fn over_noise(
    ber: f64,
    (length, parity): (usize, Parity),
    (every, express_parity): (usize, Parity),
    count: usize,
) -> ([usize; 2], [usize; 2], DecoderCounts) {
    let mut chance = 88_172_645_463_325_252u64;
    let mut random = move || {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        (chance >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut make = |kind, number: u64, len, parity| {
        let data: Vec<u8> = (0..len).map(|_| (random() * 256.0) as u8).collect();
        let mut body = Vec::new();
        header::write(kind, number, NumberForm::Long, &mut body);
        body.extend_from_slice(&data);
        encode(kind, number, SEAL, parity, &mut body)
    };
    let mut stream = Vec::new();
    let (mut number, mut sent) = (0, [0, 0]);
    for _ in 0..count {
        let long = make(ORDINARY, number, length, parity);
        let mut express = Vec::new();
        for at in (every..long.len() - 1).step_by(every) {
            number += 1;
            express.push((at, make(EXPRESS, number, 24, express_parity)));
        }
        number += 1;
        sent[0] += 1;
        sent[1] += express.len();
        stream.extend(interrupted(&long, &express));
    }
    let mut noise = 1234u64;
    let mut wrong = move || {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((noise >> 11) as f64 / (1u64 << 53) as f64) < ber
    };
    for byte in &mut stream {
        for bit in 0..8 {
            *byte ^= u8::from(wrong()) << bit;
        }
    }
    let (mut decoder, mut taken) = (Decoder::default(), [0, 0]);
    let mut expected = 0;
    for piece in stream.chunks(8) {
        decoder.feed(piece, &mut |found| {
            let mut rest = found.body;
            let Some(header) = header::read(&mut rest) else {
                return Verdict::Bad;
            };
            let number = header.number(expected);
            if SEAL.open(header.kind.check(), number, found.body).is_none() {
                return Verdict::Bad;
            }
            expected = expected.max(number + 1);
            let is_express = header.kind != ORDINARY;
            taken[usize::from(is_express)] += 1;
            if is_express {
                Verdict::Express
            } else {
                Verdict::Ordinary
            }
        });
    }
    (
        sent,
        [sent[0] - taken[0], sent[1] - taken[1]],
        decoder.counts(),
    )
}

#[test]
fn few_frames_are_lost_to_noise() {
    let parity = |len| {
        Parity::ALL
            .into_iter()
            .find(|parity| parity.len() == len)
            .unwrap()
    };
    // And how many in a thousand may be: more wrong bytes than are repaired are no fault of the search.
    for (ber, length, len, express, most) in [
        (1e-4, 576, 4, 4, 5),
        (3e-4, 576, 8, 4, 5),
        (1e-3, 576, 16, 8, 5),
        (1e-3, 224, 16, 8, 5),
        (3e-3, 224, 24, 16, 40),
    ] {
        for every in [77, 10_000] {
            let (sent, lost, counts) =
                over_noise(ber, (length, parity(len)), (every, parity(express)), 2000);
            println!(
                "BER {ber:.0e}, {length} bytes + {len}, every {every}: lost {lost:?} of {sent:?}; {} joined, {} split",
                counts.joined, counts.split
            );
            assert!(lost[0] * 1000 <= most * sent[0], "{lost:?}");
            assert!(lost[1] * 1000 <= sent[1], "{lost:?}");
        }
    }
}

#[test]
fn a_byte_that_was_lost_or_came_out_of_nowhere_costs_no_frame_with_parity() {
    let parity = Parity::ALL[3];
    let frames: Vec<Vec<u8>> = (0..40)
        .map(|number| {
            let mut body = Vec::new();
            header::write(ORDINARY, number, NumberForm::Long, &mut body);
            body.extend_from_slice(&some_data(200 + number as usize));
            encode(ORDINARY, number, SEAL, parity, &mut body)
        })
        .collect();
    let mut stream = Vec::new();
    for (i, frame) in frames.iter().enumerate() {
        let mut frame = frame.clone();
        let place = 3 + i * 5;
        match i % 8 {
            1 => frame[place] ^= 0x11,
            3 => drop(frame.remove(place)),
            6 => frame.insert(place, 0x5A),
            _ => {}
        }
        stream.extend(frame);
    }
    let (taken, counts) = decode(&stream);
    let lens: Vec<_> = taken.iter().map(Vec::len).collect();
    let expected: Vec<_> = (0..40).map(|i| some_data(200 + i)).collect();
    assert_eq!(lens, (200..240).collect::<Vec<_>>(), "{counts:?}");
    assert_eq!(taken, expected);
    assert_eq!((counts.slips, counts.bad), (10, 0));
}
