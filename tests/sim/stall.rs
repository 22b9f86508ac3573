//! The device below takes nothing for a while, or less than it was told.

use std::time::Duration;

use copperlink::proto::LineSignals;
use copperlink::proto::event::{Event, Trouble};
use copperlink::proto::time::Instant;
use copperlink::sim::{Noise, Side, World};

use crate::common::{AUDIO, CONTROL, LINE, VIDEO, call, rate, seconds, world};

const RATE: u32 = 38_400;
const STALL: (f64, f64) = (10.0, 14.0);
/// Bytes in the bound of 4 ms.
const BOUND: usize = 15;

/// What holds the output of an end off.
#[derive(Clone, Copy, Debug)]
enum Holds {
    /// The terminal, by CTS.
    Signal,
    /// The device has no room.
    Room,
}

impl Holds {
    fn set(self, world: &mut World, holds: bool) {
        match self {
            Self::Room => world.set_full(Side::A, LINE, holds),
            Self::Signal => {
                let clear_to_send = Some(!holds);
                let signals = LineSignals {
                    clear_to_send,
                    ..LineSignals::OPEN
                };
                world.set_signals(Side::A, LINE, signals);
            }
        }
    }
}

fn waiting(world: &World, channel: usize) -> (u64, u64) {
    let stats = world.session(Side::A).expect("runs").stats();
    let sent = stats.channels[channel].sent;
    (sent.queued, sent.dropped_late)
}

/// What was said of the line since the first stall. At the start no device was open.
fn troubles(world: &World) -> Vec<(Instant, Option<Trouble>)> {
    let trouble = |(at, event): &(Instant, Event)| match event {
        Event::Trouble { trouble, .. } if *at > seconds(1.0) => Some((*at, trouble.clone())),
        _ => None,
    };
    world.events(Side::A).iter().filter_map(trouble).collect()
}

#[test]
fn while_nothing_can_be_sent_media_grow_old_and_nothing_floods_after_it() {
    for holds in [Holds::Signal, Holds::Room] {
        let mut world = world(RATE, Noise::NONE, 1);
        let mut call = call(20_000, seconds(25.0), 1);
        call.run_until(&mut world, seconds(STALL.0));
        holds.set(&mut world, true);
        for at in [10.6, 11.2, 12.4, 13.9] {
            let before = (waiting(&world, 0).1, waiting(&world, 1).1);
            call.run_until(&mut world, seconds(at));
            // Audio of 150 ms, and video of 400 ms, or 800 ms for what was begun.
            let (audio, late) = waiting(&world, 0);
            assert!(
                audio <= 8 && late > before.0,
                "{holds:?} at {at}: {audio} {late}"
            );
            let (video, late) = waiting(&world, 1);
            assert!(
                video <= 12 && late > before.1,
                "{holds:?} at {at}: {video} {late}"
            );
        }
        call.run_until(&mut world, seconds(STALL.1));
        let taken = world.line_mut(Side::A, LINE).stats().accepted;
        holds.set(&mut world, false);
        let mut at = STALL.1;
        while at < STALL.1 + 1.0 {
            at += 0.001;
            call.run_until(&mut world, seconds(at));
            let queued = world.line_mut(Side::A, LINE).queued(seconds(at));
            assert!(queued <= BOUND, "{holds:?} at {at}: {queued}");
            let taken = world.line_mut(Side::A, LINE).stats().accepted - taken;
            let most = (at - STALL.1) * f64::from(RATE) / 10.0 + BOUND as f64 + 1.0;
            assert!(taken as f64 <= most, "{holds:?} at {at}: {taken} of {most}");
        }
        call.run_until(&mut world, seconds(30.0));
        let audio = call.tally(Side::A, AUDIO).expect("a stream");
        let first = audio.arrivals.iter().find(|&&at| at >= seconds(STALL.1));
        let first = first.expect("audio again").since(seconds(STALL.1));
        println!(
            "{holds:?}: first audio {first:?} after the stall, oldest {:?}",
            audio.delay(1.0)
        );
        assert!(first < Duration::from_millis(100), "{first:?}");
        assert!(
            audio.delay(1.0) < Duration::from_millis(250),
            "{:?}",
            audio.delay(1.0)
        );
        for side in Side::BOTH {
            let control = call.tally(side, CONTROL).expect("a stream");
            assert_eq!((control.delivered, control.wrong), (control.offered, 0));
            assert_eq!(call.tally(side, VIDEO).expect("a stream").wrong, 0);
        }
    }
}

#[test]
fn a_stall_is_said_in_words_and_so_is_its_end() {
    for (holds, words) in [
        (Holds::Signal, "the terminal holds us off (CTS) for 2 s"),
        (Holds::Room, "the device takes no bytes for 2 s"),
    ] {
        let mut world = world(RATE, Noise::NONE, 1);
        let mut call = call(20_000, seconds(25.0), 1);
        call.run_until(&mut world, seconds(STALL.0));
        holds.set(&mut world, true);
        // Shorter than a moment: not a word.
        call.run_until(&mut world, seconds(STALL.0 + 0.5));
        holds.set(&mut world, false);
        call.run_until(&mut world, seconds(STALL.0 + 1.0));
        assert!(troubles(&world).is_empty(), "{:?}", troubles(&world));
        holds.set(&mut world, true);
        call.run_until(&mut world, seconds(STALL.1));
        let said = troubles(&world);
        let (at, trouble) = said.first().expect("a word");
        let trouble = trouble.as_ref().expect("a trouble").to_string();
        assert!(trouble.starts_with(words), "{trouble}");
        let after = at.since(seconds(STALL.0 + 1.0));
        assert!(after < Duration::from_millis(2600), "{after:?}");
        let shown = &world.session(Side::A).expect("runs").stats().lines[0].trouble;
        let shown = shown.as_deref().expect("a trouble");
        assert!(
            shown.contains("for 3 s") || shown.contains("for 2 s"),
            "{shown}"
        );
        holds.set(&mut world, false);
        call.run_until(&mut world, seconds(STALL.1 + 2.0));
        assert_eq!(troubles(&world).last().expect("a word").1, None);
    }
}

#[test]
fn a_line_slower_than_told_keeps_its_queue_short_whoever_tells() {
    let mut longest = [0, 0];
    for (measured, longest) in [false, true].into_iter().zip(&mut longest) {
        let mut world = world(RATE, Noise::NONE, 1);
        // What the terminal really carries.
        let slower = rate(RATE * 97 / 100);
        world
            .line_mut(Side::A, LINE)
            .set_rate(Instant::ZERO, slower);
        world.set_measured(Side::A, LINE, measured);
        let mut call = call(60_000, seconds(20.0), 1);
        for step in 0..2000 {
            let at = seconds(f64::from(step) * 0.01);
            call.run_until(&mut world, at);
            *longest = world.line_mut(Side::A, LINE).queued(at).max(*longest);
            if measured && step > 0 {
                let shown = world.session(Side::A).expect("runs").stats().lines[0].queue_us;
                assert!(shown <= 5000, "{shown}");
            }
        }
    }
    println!("longest queue {longest:?} bytes, without and with measurement");
    // Without the driver's word it is the far end's reports that tell: later, and less exactly. With neither
    // it would be 2000 bytes.
    assert!((4 * BOUND..300).contains(&longest[0]), "{longest:?}");
    assert!(longest[1] <= BOUND + 2, "{longest:?}");
}
