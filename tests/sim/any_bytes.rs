//! Any bytes in: a recorded stream of one end, damaged in every way, is fed to the other.
//! No panic, no wrong datagram, nothing twice, and no memory beyond what one frame may take.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use copperlink::proto::config::Port;
use copperlink::proto::time::Instant;
use copperlink::proto::{LineSignals, Session};
use proptest::prelude::*;

use crate::common::{AUDIO, CONTROL, LINE, VIDEO, end};

/// What end A put on the line in some seconds of call, and what it was given to send.
struct Recording {
    stream: Vec<u8>,
    sent: HashSet<(Port, Bytes)>,
    control: Vec<Bytes>,
}

/// Two sessions joined without loss; what A sends is kept.
fn recording() -> Recording {
    let mut now = Instant::ZERO;
    let mut a = Session::new(end("room-1", 0x1111_0001, 38_400), now).expect("valid");
    let mut b = fresh_b(now);
    a.handle_signals(now, LINE, LineSignals::OPEN);
    let mut recording = Recording {
        stream: Vec::new(),
        sent: HashSet::new(),
        control: Vec::new(),
    };
    let mut index = 0u32;
    for step in 0..1500u32 {
        now += Duration::from_millis(2);
        if step > 200 {
            let sizes = [(10, AUDIO, 32), (250, VIDEO, 900), (200, CONTROL, 300)];
            for (every, port, size) in sizes {
                if step % every == 0 {
                    index += 1;
                    let mut data = vec![port.channel.0; size];
                    data[..4].copy_from_slice(&index.to_be_bytes());
                    let datagram = Bytes::from(data);
                    a.handle_datagram(now, port, datagram.clone())
                        .expect("accepted");
                    recording.sent.insert((port, datagram.clone()));
                    if port == CONTROL {
                        recording.control.push(datagram);
                    }
                }
            }
        }
        let (mut to_b, mut to_a) = (Vec::new(), Vec::new());
        a.handle_timeout(now);
        b.handle_timeout(now);
        a.poll_transmit(now, LINE, 4096, &mut to_b);
        b.poll_transmit(now, LINE, 4096, &mut to_a);
        a.handle_bytes(now, LINE, &to_a);
        b.handle_bytes(now, LINE, &to_b);
        recording.stream.extend_from_slice(&to_b);
    }
    recording
}

fn fresh_b(now: Instant) -> Session {
    let mut b = Session::new(end("room-2", 0x2222_0001, 38_400), now).expect("valid");
    b.handle_signals(now, LINE, LineSignals::OPEN);
    b
}

/// Feeds a stream to a fresh end; says what its equipment got.
fn feed(stream: &[u8], piece: usize) -> (Vec<(Port, Bytes)>, Session) {
    let mut now = Instant::ZERO;
    let mut b = fresh_b(now);
    let mut got = Vec::new();
    let mut out = Vec::new();
    for piece in stream.chunks(piece.max(1)) {
        now += Duration::from_micros(260 * piece.len() as u64);
        b.handle_bytes(now, LINE, piece);
        if b.poll_timeout().is_some_and(|(at, _)| at <= now) {
            b.handle_timeout(now);
        }
        out.clear();
        b.poll_transmit(now, LINE, 4096, &mut out);
        while let Some(datagram) = b.poll_datagram() {
            got.push(datagram);
        }
        while b.poll_event().is_some() {}
    }
    (got, b)
}

fn check(recording: &Recording, got: &[(Port, Bytes)]) -> Result<(), TestCaseError> {
    let mut seen = HashSet::new();
    for datagram in got {
        prop_assert!(
            recording.sent.contains(datagram),
            "a datagram that nobody sent"
        );
        prop_assert!(seen.insert(datagram.clone()), "a datagram came twice");
    }
    let control: Vec<_> = got
        .iter()
        .filter(|(port, _)| *port == CONTROL)
        .map(|(_, data)| data)
        .collect();
    // In order, without a gap: the stream was cut somewhere, but control waits.
    prop_assert!(
        recording
            .control
            .iter()
            .zip(&control)
            .all(|(sent, got)| sent == *got)
    );
    Ok(())
}

#[test]
fn an_undamaged_recording_gives_everything_once() {
    let recording = recording();
    for piece in [1, 7, 64, 10_000] {
        let (got, session) = feed(&recording.stream, piece);
        check(&recording, &got).expect("right");
        assert!(
            got.len() >= recording.sent.len() * 9 / 10,
            "{} of {}",
            got.len(),
            recording.sent.len()
        );
        assert_eq!(session.stats().lines[0].frames_bad, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_stream_gives_no_wrong_datagram(
        damages in prop::collection::vec((any::<prop::sample::Index>(), 0u8..5, any::<u8>(), 1usize..400), 0..80),
        piece in 1usize..200,
    ) {
        let recording = recording();
        let mut stream = recording.stream.clone();
        for (at, kind, value, len) in damages {
            if stream.is_empty() {
                break;
            }
            let at = at.index(stream.len());
            let end = (at + len).min(stream.len());
            match kind {
                0 => stream[at] ^= value,
                1 => drop(stream.remove(at)),
                2 => stream.insert(at, value),
                // Cut out, and splice in from elsewhere.
                3 => drop(stream.drain(at..end)),
                _ => {
                    let from = usize::from(value) * recording.stream.len() / 256;
                    let to = (from + len).min(recording.stream.len());
                    stream.splice(at..at, recording.stream[from..to].iter().copied());
                }
            }
        }
        let (got, _) = feed(&stream, piece);
        check(&recording, &got)?;
    }

    #[test]
    fn random_bytes_give_no_datagram(
        bytes in prop::collection::vec(prop_oneof![1 => Just(0u8), 12 => any::<u8>()], 0..20_000),
        piece in 1usize..500,
    ) {
        let (got, session) = feed(&bytes, piece);
        prop_assert!(got.is_empty());
        prop_assert_eq!(session.stats().lines[0].frames_received, 0);
    }
}
