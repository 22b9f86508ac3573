//! A line that is read by somebody who is not at its ends: what was recorded tells the same as the end that
//! was there counted.

use copperlink::proto::listen::{Direction, Heard, LineView, Listener, Said};
use copperlink::proto::stats::{LineState, LineStats};
use copperlink::sim::{Bursts, Noise, Side, World};
use std::time::Duration;

use crate::common::{LINE, call, end, seconds, world};

const LINES: [Noise; 4] = [
    Noise::NONE,
    Noise {
        bit_error_rate: 1e-3,
        ..Noise::NONE
    },
    Noise {
        bit_error_rate: 1e-4,
        lost_byte_rate: 1e-4,
        inserted_byte_rate: 1e-4,
        ..Noise::NONE
    },
    Noise {
        bursts: Some(Bursts {
            mean_burst: Duration::from_millis(20),
            mean_gap: Duration::from_secs(2),
            bit_error_rate: 0.3,
        }),
        ..Noise::NONE
    },
];

fn stats(world: &World) -> LineStats {
    world.session(Side::A).expect("runs").stats().lines[0].clone()
}

/// Begins to read at a moment, by way of what is written down of it.
fn listen(world: &mut World) -> Listener {
    let session = world.session(Side::A).expect("runs");
    let view = session.line_view(LINE).expect("there is a line");
    let written = serde_json::to_string(&view).expect("JSON");
    let view: LineView = serde_json::from_str(&written).expect("the same");
    let now = world.now();
    world.record(Side::A);
    Listener::new(&view, now).expect("a view that a session gave")
}

fn play(world: &mut World, listener: &mut Listener) -> Vec<(Direction, Heard)> {
    let mut all = Vec::new();
    for (at, direction, bytes) in world.record(Side::A) {
        let mut found = Vec::new();
        listener.handle_bytes(at, direction, &bytes, &mut found);
        all.extend(found.into_iter().map(|heard| (direction, heard)));
    }
    all
}

/// Whether the counters of what came are those of the end itself, from then to now.
fn assert_same(listener: &Listener, before: &LineStats, now: &LineStats) {
    let heard = listener.counts(Direction::Received);
    let figures = [
        (heard.bytes, before.bytes_received, now.bytes_received),
        (heard.frames, before.frames_received, now.frames_received),
        (heard.frames_joined, before.frames_joined, now.frames_joined),
        (heard.frames_bad, before.frames_bad, now.frames_bad),
        (
            heard.bytes_repaired,
            before.incoming.bytes_repaired,
            now.incoming.bytes_repaired,
        ),
        (
            heard.frames_repaired,
            before.incoming.frames_repaired,
            now.incoming.frames_repaired,
        ),
        (heard.slips, before.incoming.slips, now.incoming.slips),
    ];
    for (place, (heard, before, now)) in figures.into_iter().enumerate() {
        assert_eq!(
            heard,
            now - before,
            "figure {place}: {:?}",
            listener.counts(Direction::Received)
        );
    }
}

#[test]
fn a_recording_from_any_moment_on_tells_what_the_end_itself_counted() {
    for (place, noise) in LINES.into_iter().enumerate() {
        for begin in 0..2 {
            let mut world = world(38_400, noise, 7 + begin);
            let mut call = call(16_000, seconds(60.0), 7);
            // In the midst of a frame, most likely.
            call.run_until(&mut world, seconds(10.0 + begin as f64 * 0.037));
            let before = stats(&world);
            let mut listener = listen(&mut world);
            world.say(Side::A, "does it hold?").expect("room");
            call.run_until(&mut world, seconds(50.0));
            let found = play(&mut world, &mut listener);
            assert_same(&listener, &before, &stats(&world));
            let noises = found.iter().filter(|(direction, heard)| {
                *direction == Direction::Received && matches!(heard, Heard::Noise(_))
            });
            let bad = listener.counts(Direction::Received).frames_bad;
            assert_eq!(noises.count() as u64, bad, "line {place}");
            // What left has no noise, and all of it is read.
            let sent = listener.counts(Direction::Sent);
            assert_eq!(
                (sent.frames_bad, sent.bytes_repaired),
                (0, 0),
                "line {place}"
            );
            let frames = stats(&world).frames_sent - before.frames_sent;
            assert!(
                sent.frames.abs_diff(frames) <= 2,
                "{} of {frames}",
                sent.frames
            );
            let said = |(_, heard): &(_, Heard)| matches!(heard, Heard::Frame(frame) if frame.said == Some(Said::Text("does it hold?".into())));
            assert_eq!(found.iter().filter(|heard| said(heard)).count(), 1);
        }
    }
}

#[test]
fn sessions_that_begin_meanwhile_are_followed() {
    let mut world = world(38_400, LINES[1], 3);
    world.run_until(seconds(0.01));
    let before = stats(&world);
    let mut listener = listen(&mut world);
    let mut call = call(16_000, seconds(60.0), 7);
    call.run_until(&mut world, seconds(20.0));
    world.kill(Side::B);
    call.run_until(&mut world, seconds(24.0));
    world
        .start(Side::B, end("room-2", 0x2222_0002, 38_400))
        .expect("valid");
    call.run_until(&mut world, seconds(50.0));
    assert_eq!(stats(&world).state, LineState::Up);
    let found = play(&mut world, &mut listener);
    assert_same(&listener, &before, &stats(&world));
    let mut sessions: Vec<u32> = found
        .iter()
        .filter_map(|(direction, heard)| match heard {
            Heard::Frame(frame) if *direction == Direction::Received => match &frame.said {
                Some(Said::Hello { session, .. }) => Some(session.0),
                _ => None,
            },
            _ => None,
        })
        .collect();
    sessions.dedup();
    assert_eq!(sessions, [0x2222_0001, 0x2222_0002]);
    let numbered =
        |(_, heard): &&(_, Heard)| matches!(heard, Heard::Frame(frame) if frame.number.is_some());
    assert!(found.iter().filter(numbered).count() > 2000);
}
