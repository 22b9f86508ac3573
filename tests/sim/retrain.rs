//! The modem changes its rate in the middle of a call, or stands still and then gives all at once.

use std::time::Duration;

use copperlink::proto::event::Event;
use copperlink::proto::stats::LineState;
use copperlink::proto::time::Instant;
use copperlink::sim::{Call, Noise, Side, World};

use crate::common::{AUDIO, CONTROL, LINE, VIDEO, audio, call, control, rate, seconds, world};

const RATE: u32 = 38_400;
const CHANGE: f64 = 20.0;
const END: f64 = 60.0;

fn set_rate(world: &mut World, bits_per_second: u32) {
    let now = world.now();
    for side in Side::BOTH {
        world
            .line_mut(side, LINE)
            .set_rate(now, rate(bits_per_second));
    }
}

/// The delay that 99 of 100 audio packets did not exceed from then on.
fn audio_delay(call: &Call, side: Side, from: Instant) -> Duration {
    let tally = call.tally(side, AUDIO).expect("a stream");
    let arrived = tally.arrivals.iter().zip(&tally.delays);
    let late = arrived.filter(|(at, _)| **at >= from);
    let mut delays: Vec<_> = late.map(|(_, delay)| *delay).collect();
    delays.sort_unstable();
    delays
        .get(delays.len() * 99 / 100)
        .copied()
        .unwrap_or(Duration::MAX)
}

fn downs(world: &World) -> usize {
    let events = Side::BOTH.map(|side| world.events(side));
    let downs = events.iter().flat_map(|events| events.iter());
    downs
        .filter(|(_, event)| matches!(event, Event::LineDown { .. }))
        .count()
}

/// Nothing wrong, nothing twice, no control lost, still the same session.
fn check(world: &World, call: &Call) {
    for side in Side::BOTH {
        for port in [AUDIO, VIDEO, CONTROL] {
            assert_eq!(call.tally(side, port).map_or(0, |tally| tally.wrong), 0);
        }
        let control = call.tally(side, CONTROL).expect("a stream");
        assert_eq!((control.delivered, control.lost), (control.offered, 0));
        let stats = world.session(side).expect("runs").stats();
        assert_eq!((stats.lines[0].state, stats.sessions), (LineState::Up, 1));
    }
}

/// A call without video.
fn voice() -> Call {
    let mut call = Call::default();
    for side in Side::BOTH {
        let (seed, until) = (side as u64 + 1, Some(seconds(END)));
        call.add(side, AUDIO, audio(seed), until);
        call.add(side, CONTROL, control(2000, 512, seed), until);
    }
    call
}

/// A call on a line that carries another rate from [`CHANGE`] on, of which nobody tells the pacer.
fn retrained(to: u32, video: u32, is_measured: bool) -> Duration {
    let mut world = world(RATE, Noise::NONE, 1);
    for side in Side::BOTH {
        world.set_measured(side, LINE, is_measured);
    }
    let mut call = match video {
        0 => voice(),
        _ => call(video, seconds(END), 1),
    };
    call.run_until(&mut world, seconds(CHANGE));
    set_rate(&mut world, to);
    call.run_until(&mut world, seconds(END + 30.0));
    check(&world, &call);
    let settled = seconds(CHANGE + 10.0);
    let delays = Side::BOTH.map(|side| audio_delay(&call, side, settled));
    let delay = delays.into_iter().max().unwrap_or_default();
    println!(
        "{RATE} bit/s becomes {to}, video of {video} bit/s, the driver {} what waits: audio p99 {delay:.0?} \
         10 s later, said to be down {} times",
        if is_measured {
            "tells"
        } else {
            "does not tell"
        },
        downs(&world),
    );
    delay
}

#[test]
fn a_call_goes_on_when_the_modem_comes_back_at_another_rate() {
    for is_measured in [false, true] {
        for video in [0, 20_000] {
            let faster = retrained(RATE * 2, video, is_measured);
            assert!(faster < Duration::from_millis(30), "{faster:?}");
            let slower = retrained(RATE / 2, video, is_measured);
            // Where the driver does not tell what waits, the far end does, later and less exactly.
            let most = if is_measured { 60 } else { 250 };
            assert!(slower < Duration::from_millis(most), "{slower:?}");
        }
    }
}

/// A modem with error control asks for something again: nothing comes, and then all that is late.
fn stand_still(world: &mut World, call: &mut Call, time: Duration) {
    set_rate(world, SLOWEST);
    call.run_until(world, world.now() + time);
    set_rate(world, FASTEST);
    call.run_until(world, world.now() + Duration::from_millis(5));
    set_rate(world, RATE);
}

/// Two bytes come in half a second.
const SLOWEST: u32 = 50;
const FASTEST: u32 = 10_000_000;

#[test]
fn bytes_that_come_late_and_all_at_once_are_no_cut() {
    for seed in 1..=5 {
        let mut world = world(RATE, Noise::NONE, seed);
        let mut call = call(5000, seconds(END), seed);
        for n in 0..20u32 {
            call.run_until(&mut world, seconds(5.0 + 2.1 * f64::from(n)));
            stand_still(&mut world, &mut call, Duration::from_millis(400));
        }
        call.run_until(&mut world, seconds(END + 10.0));
        check(&world, &call);
        for side in Side::BOTH {
            let audio = call.tally(side, AUDIO).expect("a stream");
            let line = world.session(side).expect("runs").stats().lines[0].clone();
            println!(
                "seed {seed} {side:?}: audio lost {} of {}, delay max {:.0?}, p99 at the end {:.0?}, \
                 frames lost {}, bad {}",
                audio.lost,
                audio.offered,
                audio.delay(1.0),
                audio_delay(&call, side, seconds(END - 8.0)),
                line.frames_lost,
                line.frames_bad,
            );
            assert_eq!((audio.lost, line.frames_lost, line.frames_bad), (0, 0, 0));
            assert!(audio.delay(1.0) < Duration::from_millis(800));
            assert!(audio_delay(&call, side, seconds(END - 8.0)) < Duration::from_millis(40));
        }
        assert_eq!(downs(&world), 0);
    }
}
