//! The order wire: what the technicians say to each other arrives, whatever the line and the tables are like.

use std::time::Duration;

use copperlink::proto::config::{ChannelConfig, Class, LinkConfig};
use copperlink::proto::event::{Event, TextId};
use copperlink::proto::stats::LineState;
use copperlink::sim::{
    AudioConfig, AudioSource, Call, Fault, LineModelConfig, Noise, Side, Wiring, World,
};

use crate::common::{AUDIO, LINE, VIDEO, call, end, rate, seconds, world};

const NOISY: Noise = Noise {
    bit_error_rate: 1e-3,
    ..Noise::NONE
};

/// What was said to an end so far.
fn shown(world: &World, side: Side) -> Vec<String> {
    let texts = world
        .events(side)
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Text { text, .. } => Some(text.clone()),
            _ => None,
        });
    texts.collect()
}

/// Which texts of an end were marked as delivered.
fn delivered(world: &World, side: Side) -> Vec<u64> {
    let ids = world
        .events(side)
        .iter()
        .filter_map(|(_, event)| match event {
            Event::TextDelivered { id: TextId(id) } => Some(*id),
            _ => None,
        });
    ids.collect()
}

fn sayings(side: Side, count: u64) -> Vec<String> {
    (0..count)
        .map(|i| format!("{side:?} {i}: 선로 점검 중입니다, wait for pair {}", i * 7))
        .collect()
}

#[test]
fn both_technicians_talk_over_a_full_call_at_one_wrong_bit_in_a_thousand() {
    for (line_rate, video) in [(9600, 4000), (38_400, 16_000)] {
        let mut world = world(line_rate, NOISY, 5);
        let mut call = call(video, seconds(180.0), 5);
        let said = Side::BOTH.map(|side| sayings(side, 30));
        for (i, texts) in said[0].iter().zip(&said[1]).enumerate() {
            call.run_until(&mut world, seconds(5.0 + 4.0 * i as f64));
            world.say(Side::A, texts.0).expect("there is room");
            world.say(Side::B, texts.1).expect("there is room");
        }
        call.run_until(&mut world, seconds(180.0));
        for side in Side::BOTH {
            let stats = world.session(side).expect("runs").stats().order_wire;
            println!("{line_rate} {side:?}: {stats:?}");
            assert_eq!(shown(&world, side), said[side.other() as usize]);
            assert_eq!(delivered(&world, side), (0..30).collect::<Vec<_>>());
            assert_eq!(stats.queued, 0);
        }
    }
}

/// Audio and video of a minute, with or without talk both ways: packets lost and late, and the
/// delay of audio.
fn minute(line_rate: u32, video: u32, talks: bool) -> (u64, Duration, u64, Duration) {
    let mut world = world(line_rate, Noise::NONE, 3);
    let mut call = Call::default();
    for side in Side::BOTH {
        let voice = AudioSource::new(AudioConfig {
            // As much as leaves room for pictures.
            interval: Duration::from_millis(if line_rate < 19_200 { 40 } else { 20 }),
            start: seconds(1.0),
            ..AudioConfig::G729
        });
        call.add(side, AUDIO, voice, Some(seconds(61.0)));
        call.add(
            side,
            VIDEO,
            crate::common::video(video, 3),
            Some(seconds(61.0)),
        );
    }
    for second in 2..61 {
        call.run_until(&mut world, seconds(f64::from(second)));
        for side in Side::BOTH {
            if talks && second % 2 == 0 {
                let text = format!("{second}: pair seven is quiet now, what do you hear?");
                world.say(side, &text).expect("there is room");
            }
        }
    }
    call.run_until(&mut world, seconds(70.0));
    let audio = call.tally(Side::A, AUDIO).expect("a stream");
    let video = call.tally(Side::A, VIDEO).expect("a stream");
    if talks {
        assert_eq!(shown(&world, Side::B).len(), 30);
    }
    let p99 = |tally: &copperlink::sim::Tally| tally.delay(0.99);
    (audio.lost, p99(audio), video.lost, p99(video))
}

#[test]
fn talk_does_not_hold_up_audio() {
    for (line_rate, video) in [(9600, 1500), (38_400, 16_000)] {
        let without = minute(line_rate, video, false);
        let with = minute(line_rate, video, true);
        println!(
            "{line_rate} bit/s: audio lost, p99, video lost, p99 without talk {without:?}, with {with:?}"
        );
        assert!(with.0 <= without.0 + 1, "{with:?}");
        assert!(with.1 <= without.1 + Duration::from_millis(4), "{with:?}");
    }
}

#[test]
fn an_order_wire_that_nobody_uses_costs_not_one_byte() {
    let mut world = world(38_400, Noise::NONE, 3);
    world.run_until(seconds(5.0));
    let sent = |world: &World| world.session(Side::A).expect("runs").stats().lines[0].bytes_sent;
    let before = sent(&world);
    world.run_until(seconds(15.0));
    let idle = sent(&world) - before;
    world.say(Side::A, "hello").expect("there is room");
    world.run_until(seconds(16.0));
    let before = sent(&world);
    world.run_until(seconds(26.0));
    assert!(sent(&world) - before <= idle + 40, "it is silent again");
}

#[test]
fn they_talk_while_their_tables_disagree() {
    let mut other = end("room-2", 0x2222_0001, 9600);
    other.channels = vec![ChannelConfig::new(1, "slides", Class::Control)];
    let mut world = world_of(end("room-1", 0x1111_0001, 9600), other);
    world.run_until(seconds(4.0));
    assert_eq!(state(&world, Side::A), LineState::Refused);
    world.say(Side::A, "channel 1 is audio").expect("room");
    world.say(Side::B, "is it? moment").expect("room");
    world.run_until(seconds(7.0));
    assert_eq!(shown(&world, Side::B), ["channel 1 is audio"]);
    assert_eq!(shown(&world, Side::A), ["is it? moment"]);
    let from = world
        .events(Side::B)
        .iter()
        .find_map(|(_, event)| match event {
            Event::Text { from, .. } => Some(from.clone()),
            _ => None,
        });
    assert_eq!(from.as_deref(), Some("room-1"));
    assert_eq!(delivered(&world, Side::A), [0]);
}

#[test]
fn what_is_said_in_a_cut_of_half_a_minute_arrives_after_it_once_and_in_order() {
    let mut world = world(38_400, NOISY, 9);
    let said = sayings(Side::A, 12);
    world.run_until(seconds(5.0));
    for text in &said[..3] {
        world.say(Side::A, text).expect("room");
    }
    world.run_until(seconds(5.1));
    world.set_cut(LINE, true);
    for text in &said[3..] {
        world.run_until(world.now() + Duration::from_secs(3));
        world.say(Side::A, text).expect("room");
    }
    world.run_until(seconds(35.1));
    world.set_cut(LINE, false);
    world.run_until(seconds(50.0));
    assert_eq!(shown(&world, Side::B), said);
    assert_eq!(delivered(&world, Side::A), (0..12).collect::<Vec<_>>());
}

#[test]
fn a_far_end_that_is_started_again_hears_all_that_was_not_heard() {
    for seed in 0..8 {
        let mut world = world(2400, NOISY, seed);
        let said = sayings(Side::A, 6);
        world.run_until(seconds(5.0));
        for text in &said {
            world.say(Side::A, text).expect("room");
        }
        world.run_until(seconds(6.0 + seed as f64 * 0.7));
        let heard = shown(&world, Side::B).len();
        world.kill(Side::B);
        world.run_until(seconds(20.0));
        let again = end("room-2", 0x2222_0002, 2400);
        world.start(Side::B, again).expect("valid");
        world.run_until(seconds(120.0));
        // What was heard, but for the last the answer may have been lost.
        let all = shown(&world, Side::B);
        let (before, behind) = all.split_at(heard);
        assert_eq!(before, &said[..heard]);
        let again = (heard + behind.len()) - said.len();
        assert!(again <= 1, "seed {seed}: {all:?}");
        assert_eq!(behind, &said[heard - again..], "seed {seed}");
        assert_eq!(delivered(&world, Side::A), (0..6).collect::<Vec<_>>());
    }
}

#[test]
fn a_flood_of_text_is_bounded_and_leaves_the_call_alone() {
    let mut world = world(38_400, Noise::NONE, 3);
    let mut call = call(16_000, seconds(30.0), 3);
    call.run_until(&mut world, seconds(5.0));
    let long = "flood ".repeat(70);
    let accepted = (0..1000)
        .filter(|_| world.say(Side::A, &long).is_ok())
        .count();
    assert!(accepted <= 64, "{accepted}");
    call.run_until(&mut world, seconds(120.0));
    let stats = world.session(Side::A).expect("runs").stats().order_wire;
    assert_eq!(stats.accepted + stats.refused, 1000);
    assert_eq!(shown(&world, Side::B).len(), accepted);
    let audio = call.tally(Side::A, AUDIO).expect("a stream");
    assert_eq!(audio.lost, 0);
    assert!(audio.delay(0.99) < Duration::from_millis(40));
}

#[test]
fn ones_own_voice_over_a_loop_is_not_shown_and_waits_for_the_far_end() {
    let mut world = world(38_400, Noise::NONE, 1);
    for side in Side::BOTH {
        world.set_wiring(side, LINE, Wiring::Loop);
    }
    world.say(Side::A, "anybody there?").expect("room");
    world.run_until(seconds(20.0));
    assert_eq!(shown(&world, Side::A), Vec::<String>::new());
    assert_eq!(delivered(&world, Side::A), Vec::<u64>::new());
    for side in Side::BOTH {
        world.set_wiring(side, LINE, Wiring::Straight);
    }
    world.run_until(seconds(40.0));
    assert_eq!(shown(&world, Side::B), ["anybody there?"]);
    assert_eq!(delivered(&world, Side::A), [0]);
}

#[test]
fn a_loop_in_mid_call_shows_nobody_his_own_words() {
    let mut world = world(38_400, Noise::NONE, 1);
    world.run_until(seconds(5.0));
    world.set_wiring(Side::A, LINE, Wiring::Loop);
    world.say(Side::A, "testing the pair").expect("room");
    world.run_until(seconds(20.0));
    assert_eq!(shown(&world, Side::A), Vec::<String>::new());
    let stats = world.session(Side::A).expect("runs").stats().order_wire;
    assert!(stats.own_voice > 0, "{stats:?}");
    world.set_wiring(Side::A, LINE, Wiring::Straight);
    world.run_until(seconds(60.0));
    assert_eq!(shown(&world, Side::B), ["testing the pair"]);
}

#[test]
fn text_does_not_wait_for_a_long_frame_of_bulk() {
    let mut world = world(9600, Noise::NONE, 1);
    world.run_until(seconds(2.0));
    for _ in 0..40 {
        let datagram = vec![7; 1200].into();
        let control = crate::common::CONTROL;
        world.send(Side::A, control, datagram).expect("room");
    }
    world.run_until(seconds(6.0));
    world.say(Side::A, "still busy here").expect("room");
    world.run_until(seconds(7.0));
    assert_eq!(shown(&world, Side::B), ["still busy here"]);
    assert_eq!(delivered(&world, Side::A), [0]);
}

#[test]
fn seven_bits_and_silence_do_no_harm_and_the_text_waits() {
    let mut world = world(9600, Noise::NONE, 1);
    world.run_until(seconds(2.0));
    for side in Side::BOTH {
        let now = world.now();
        world.line_mut(side, LINE).set_fault(now, Fault::SevenBits);
    }
    world.say(Side::A, "안녕").expect("room");
    world.run_until(seconds(30.0));
    assert_eq!(shown(&world, Side::B), Vec::<String>::new());
    for side in Side::BOTH {
        let now = world.now();
        world.line_mut(side, LINE).set_fault(now, Fault::None);
    }
    world.run_until(seconds(45.0));
    assert_eq!(shown(&world, Side::B), ["안녕"]);
}

fn world_of(a: LinkConfig, b: LinkConfig) -> World {
    let model = |seed| {
        LineModelConfig::clean(rate(9600))
            .with_delay(Duration::from_millis(5))
            .with_seed(seed)
    };
    World::new(a, b, vec![[model(1), model(2)]]).expect("a valid configuration")
}

fn state(world: &World, side: Side) -> LineState {
    world.session(side).expect("runs").stats().lines[0].state
}

#[test]
fn a_call_without_talk_is_as_it_was() {
    // Nothing but the answer to a text goes on the order wire.
    let mut world = world(38_400, Noise::NONE, 3);
    let mut quiet = Call::default();
    quiet.run_until(&mut world, seconds(10.0));
    let stats = world.session(Side::B).expect("runs").stats().order_wire;
    assert_eq!(stats, copperlink::proto::stats::OrderWireStats::default());
}
