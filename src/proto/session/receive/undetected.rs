//! How often noise passes for a frame: what `firmware-notes/wire-format.md` says in section 13, against
//! what the receiver does.
//!
//! A wrong frame is too rare to be counted in a short test, but the guesses are not: each guess that
//! only the short check keeps out passes it once in 65536. Those that do are counted, too.
//! `COPPERLINK_CHUNKS=1000000 cargo test --release --lib undetected -- --nocapture` takes so many
//! frames of each kind, and prints the figures.

use std::collections::VecDeque;

use super::far_end::{Chance, EXPRESS, LINE, ORDINARY, SEAL, SHORT, frame, receiver};
use super::survey;
use crate::proto::framing::check::CheckKind;
use crate::proto::framing::decoder::{Found, Verdict};
use crate::proto::framing::header::{self, FrameKind, NumberForm};
use crate::proto::framing::parity::Parity;
use crate::proto::framing::segment::{FlowId, Writer};
use crate::proto::session::Session;
use crate::proto::time::{Duration, Instant};

/// What goes over the line.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Noise {
    /// Frames with wrong bits at that rate.
    Errors(f64),
    /// Bytes of chance, as long as frames are.
    Garbage,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Frames sent of which nothing came out, or chunks of garbage.
    bad: u64,
    /// Wrong frames that would be taken if the check passed, by short and long check; as many as the
    /// chance with which it passes has it.
    guesses: [u64; 2],
    /// Wrong frames that were taken.
    wrong: u64,
}

/// Frames of each kind of noise.
fn chunks() -> u64 {
    let asked = option_env!("COPPERLINK_CHUNKS").and_then(|chunks| chunks.parse().ok());
    asked.unwrap_or(3000)
}

/// Sends frames of 20 bytes of audio with that parity, or in their place ordinary ones of 200 bytes.
fn run(kind: FrameKind, parity: Parity, noise: Noise, chunks: u64) -> Counts {
    let mut session = receiver();
    let mut chance = Chance(chunks + parity.len() as u64);
    let (mut counts, mut now) = (Counts::default(), Instant::ZERO);
    let mut sent: VecDeque<Vec<u8>> = VecDeque::new();
    for chunk in 0..chunks {
        now += Duration::from_millis(20);
        // A wrong frame may have had any number, or said hello: go on from there.
        let number = session.lines[0].received_next();
        if chunk % 50 == 0 {
            // Which parity the short check goes with; and the far end is there.
            let mut told = Vec::new();
            Writer::new(&mut told).express_parity(parity);
            let tell = frame(EXPRESS, number, NumberForm::Long, parity, &told);
            session.handle_bytes(now, LINE, &[vec![0], tell].concat());
        }
        let number = session.lines[0].received_next();
        let content = content(kind, number, &mut chance);
        let form = if kind == SHORT {
            NumberForm::Short
        } else {
            NumberForm::Long
        };
        let mut wire = frame(kind, number, form, parity, &content);
        let mut body = Vec::new();
        header::write(kind, number, form, &mut body);
        body.extend_from_slice(&content);
        SEAL.append(kind.check(), number, &mut body);
        match noise {
            Noise::Errors(rate) => chance.flip_bits(&mut wire, rate),
            Noise::Garbage => {
                let len = wire.len() - 8 + chance.below(16);
                wire = chance.bytes(len);
                wire.iter_mut().for_each(|byte| *byte = (*byte).max(1));
                wire.push(0);
            }
        }
        sent.push_back(body);
        if sent.len() > 64 {
            sent.pop_front();
        }
        let before = session.lines[0].received_next();
        feed(&mut session, now, &wire, &sent, &mut counts);
        counts.bad += u64::from(session.lines[0].received_next() == before);
        session.datagrams.clear();
        session.events.clear();
    }
    counts
}

/// A packet of audio as it goes, or a message.
fn content(kind: FrameKind, number: u64, chance: &mut Chance) -> Vec<u8> {
    let mut content = Vec::new();
    let mut writer = Writer::new(&mut content);
    if kind == SHORT {
        writer.packet(FlowId(1), number, &chance.bytes(20));
    } else {
        writer.message(FlowId(2), number, &chance.bytes(200));
    }
    content
}

/// Hands bytes to the session as it takes them from a line, and looks at all that it tries.
fn feed(
    session: &mut Session,
    now: Instant,
    bytes: &[u8],
    sent: &VecDeque<Vec<u8>>,
    counts: &mut Counts,
) {
    let (mut decoder, _) = session.lines[0].begin_decoding(now, bytes);
    decoder.feed(bytes, &mut |found| {
        let is_right = sent.iter().any(|sent| sent == found.body);
        if !is_right && let Some(check) = would_be_taken(session, found) {
            let weight = chance_of_passing(found.body, check, sent);
            counts.guesses[usize::from(check == CheckKind::Long)] += weight;
        }
        let verdict = session.judge(now, 0, found);
        counts.wrong += u64::from(verdict != Verdict::Bad && !is_right);
        verdict
    });
    session.lines[0].end_decoding(now, decoder);
}

/// In how many of 65536 (short) or 2^32 cases the check passes: it finds all of up to three wrong bits
/// (five), and the short one any odd number.
fn chance_of_passing(body: &[u8], check: CheckKind, sent: &VecDeque<Vec<u8>>) -> u64 {
    let alike = sent.iter().filter(|sent| sent.len() == body.len());
    let wrong_bits = |sent: &Vec<u8>| -> u32 {
        let pairs = sent.iter().zip(body);
        pairs.map(|(a, b)| (a ^ b).count_ones()).sum()
    };
    match (check, alike.map(wrong_bits).min()) {
        (CheckKind::Short, Some(0..=3)) | (CheckKind::Long, Some(0..=5)) => 0,
        (CheckKind::Short, Some(bits)) if bits % 2 == 1 => 0,
        (CheckKind::Short, Some(_)) => 2,
        _ => 1,
    }
}

/// Whether this is taken for a frame if the check says so, and by which check.
fn would_be_taken(session: &Session, found: Found<'_>) -> Option<CheckKind> {
    let mut rest = found.body;
    let header = header::read(&mut rest)?;
    let check = header.kind.check();
    let content = rest.get(..rest.len().checked_sub(check.len())?)?;
    if matches!(header.kind, FrameKind::Service(_)) {
        return Some(check);
    }
    if header.kind == SHORT {
        let next = session.lines[0].received_next();
        if !session.lines[0].trusts(found) || header.number(next) > next + 64 {
            return None;
        }
    }
    survey(header.kind, content).map(|_| check)
}

/// Wrong frames of audio that only the short check keeps out, for each frame that fails.
fn documented(parity: Parity) -> f64 {
    match parity.len() {
        0 => 0.2,
        2 => 0.33,
        4 => 0.04,
        _ => 2e-5,
    }
}

/// The same with the long check.
const DOCUMENTED_LONG: f64 = 8.0;

#[test]
fn noise_passes_for_audio_no_more_often_than_the_document_says() {
    println!("wrong frames that only the short check keeps out, for each bad frame");
    for (parity, noise) in kinds([0, 2, 4, 8]) {
        let counts = run(SHORT, parity, noise, chunks());
        let most = documented(parity);
        let passed = counts.guesses[0] as f64;
        println!(
            "parity {:2}, {noise:?}: {:.1e} of {}, documented {most:.1e}; {:.2} expected to be taken, {} were",
            parity.len(),
            passed / counts.bad.max(1) as f64,
            counts.bad,
            passed / 65_536.0,
            counts.wrong,
        );
        let expected = most * counts.bad as f64;
        assert!(passed <= expected + 3.0 * expected.sqrt() + 2.0);
        assert!(counts.wrong as f64 <= 3.0 + 3.0 * passed / 65_536.0);
    }
}

#[test]
fn noise_is_held_against_the_long_check_no_more_often_than_the_document_says() {
    println!("wrong frames that only the long check keeps out, for each bad frame of 200 bytes");
    for (parity, noise) in kinds([0, 4, 8, 16]) {
        let counts = run(ORDINARY, parity, noise, chunks() / 4);
        let each = counts.guesses[1] as f64 / counts.bad.max(1) as f64;
        println!(
            "parity {:2}, {noise:?}: {each:.2} of {}, documented {DOCUMENTED_LONG}; {} were taken",
            parity.len(),
            counts.bad,
            counts.wrong,
        );
        assert!(each <= DOCUMENTED_LONG && counts.wrong == 0);
    }
}

/// Frames of each of these parities in each noise.
fn kinds<const N: usize>(lens: [usize; N]) -> impl Iterator<Item = (Parity, Noise)> {
    let parities = Parity::ALL.into_iter();
    let parities = parities.filter(move |parity| lens.contains(&parity.len()));
    let noises = [Noise::Errors(1e-2), Noise::Errors(3e-3), Noise::Garbage];
    parities.flat_map(move |parity| noises.map(|noise| (parity, noise)))
}
