//! Control: never lost, never twice, never damaged, in order.

use std::time::Duration;

use bytes::Bytes;
use copperlink::proto::LineSignals;
use copperlink::proto::config::LinkConfig;
use copperlink::proto::time::Instant;
use copperlink::sim::{Call, ControlConfig, ControlSource, Noise, Rng, Side, Source, World};

use crate::common::{CONTROL, LINE, end, seconds, world};

fn messages(seed: u64) -> ControlConfig {
    // 10,000 messages in 2,500 s: about two thirds of a 38400 line.
    ControlConfig {
        start: seconds(1.0),
        mean_interval: Duration::from_millis(250),
        min: 1,
        max: 1400,
        seed,
    }
}

/// A line that flips bits, loses bytes and invents some.
const BAD: Noise = Noise {
    bit_error_rate: 5e-5,
    lost_byte_rate: 2e-5,
    inserted_byte_rate: 2e-5,
    ..Noise::NONE
};

#[test]
fn ten_thousand_messages_both_ways_over_a_bad_line_with_two_cuts() {
    let mut world = world(38_400, BAD, 11);
    let mut call = Call::default();
    for side in Side::BOTH {
        let source = AnySize {
            rng: Rng::new(side as u64 + 5),
            due: seconds(1.0),
        };
        call.add(side, CONTROL, Limited::new(source, 10_000), None);
    }
    for (at, long) in [(300.0, 4.0), (900.0, 45.0)] {
        call.run_until(&mut world, seconds(at));
        world.set_cut(LINE, true);
        call.run_until(&mut world, seconds(at + long));
        world.set_cut(LINE, false);
    }
    call.run_until(&mut world, seconds(3500.0));
    for side in Side::BOTH {
        let tally = call.tally(side, CONTROL).expect("a stream");
        let line = &world.session(side).expect("runs").stats().lines[0];
        println!(
            "{side:?}: {} offered, {} delivered, {} wrong; {} bad frames, {} frames lost, {} cuts; delay p50 {:?} p99 {:?}",
            tally.offered,
            tally.delivered,
            tally.wrong,
            line.frames_bad,
            line.frames_lost,
            line.cuts,
            tally.delay(0.5),
            tally.delay(0.99),
        );
        assert_eq!((tally.offered, tally.refused), (10_000, 0));
        assert_eq!((tally.delivered, tally.lost, tally.wrong), (10_000, 0, 0));
        assert!(line.frames_bad > 100, "the line was bad");
        assert_eq!(line.cuts, 2, "{:?}", world.events(side));
    }
}

/// One end is killed and started again while messages go both ways. What the living end accepted
/// arrives once and in order, whatever was on its way; `remembers` says whether the new run was
/// given the record that the program keeps.
fn across_a_restart(remembers: bool, seed: u64) -> (u64, u64, u64) {
    let config = messages(seed);
    let mut world = world(38_400, BAD, seed);
    let mut source = ControlSource::new(config);
    let mut rng = Rng::new(seed);
    let mut arrived = Vec::new();
    let mut now = world.now();
    for restart in 1..=5u32 {
        let until = now + Duration::from_secs_f64(20.0 + rng.uniform() * 5.0);
        run_messages(&mut world, &mut source, until, &mut arrived);
        let dead = world.kill(Side::B).expect("runs");
        let resume = if remembers { dead.resume_point() } else { None };
        drop(dead);
        now = until + Duration::from_secs_f64(rng.uniform() * 4.0);
        run_messages(&mut world, &mut source, now, &mut arrived);
        let again = LinkConfig {
            resume,
            ..end("room-2", 0x2222_0001 + restart, 38_400)
        };
        world.start(Side::B, again).expect("a valid configuration");
    }
    let end = now + Duration::from_secs(30);
    run_messages(&mut world, &mut source, end, &mut arrived);
    // Nothing more is sent: the rest arrives.
    world.run_until(end + Duration::from_secs(120));
    while let Some((_, _, datagram)) = world.poll_datagram(Side::B) {
        arrived.push(datagram);
    }
    let indices: Vec<u64> = arrived
        .iter()
        .map(|datagram| config.verify(datagram).expect("not one wrong byte"))
        .collect();
    let mut distinct = indices.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let backwards = indices.windows(2).filter(|pair| pair[1] <= pair[0]).count() as u64;
    (
        source.sent() - distinct.len() as u64,
        (indices.len() - distinct.len()) as u64,
        backwards,
    )
}

fn run_messages(
    world: &mut World,
    source: &mut ControlSource,
    until: Instant,
    arrived: &mut Vec<Bytes>,
) {
    while let Some(due) = source.poll_timeout().filter(|&due| due <= until) {
        world.run_until(due);
        while let Some(message) = source.poll_datagram(due) {
            world
                .send(Side::A, CONTROL, message)
                .expect("the queue is large enough");
        }
    }
    world.run_until(until);
    while let Some((_, _, datagram)) = world.poll_datagram(Side::B) {
        arrived.push(datagram);
    }
}

#[test]
fn what_the_living_end_accepted_arrives_once_after_the_other_was_killed() {
    for seed in 1..=6 {
        let (lost, twice, backwards) = across_a_restart(true, seed);
        assert_eq!((lost, twice, backwards), (0, 0, 0), "seed {seed}");
    }
}

#[test]
fn without_the_record_of_the_killed_run_nothing_is_lost_and_only_the_last_come_twice() {
    let mut repeats = 0;
    for seed in 1..=6 {
        let (lost, twice, _) = across_a_restart(false, seed);
        assert_eq!(lost, 0, "seed {seed}");
        assert!(twice <= 5 * 40, "seed {seed}: {twice} twice");
        repeats += twice;
    }
    assert!(
        repeats > 0,
        "the record is what keeps messages from coming twice"
    );
}

#[test]
fn a_device_that_is_unplugged_for_a_while_loses_no_control() {
    for side in Side::BOTH {
        unplug(side);
    }
}

fn unplug(side: Side) {
    let mut world = world(38_400, Noise::NONE, 3);
    let mut call = Call::default();
    call.add(
        Side::A,
        CONTROL,
        Limited::new(ControlSource::new(messages(5)), 200),
        None,
    );
    call.run_until(&mut world, seconds(10.0));
    world.set_signals(side, LINE, LineSignals::CLOSED);
    call.run_until(&mut world, seconds(22.0));
    world.set_signals(side, LINE, LineSignals::OPEN);
    call.run_until(&mut world, seconds(90.0));
    let tally = call.tally(Side::A, CONTROL).expect("a stream");
    assert_eq!((tally.delivered, tally.lost, tally.wrong), (200, 0, 0));
    let stats = world.session(Side::A).expect("runs").stats();
    assert_eq!(stats.sessions, 1, "the session outlives the cable");
}

#[test]
fn control_goes_on_after_the_line_was_joined_to_another_station_for_a_moment() {
    let mut world = world(38_400, Noise::NONE, 3);
    let config = messages(9);
    let (mut sent, mut arrived) = ([0; 2], [Vec::new(), Vec::new()]);
    let mut exchange = |world: &mut World, seconds: u64| {
        for _ in 0..seconds * 5 {
            for side in Side::BOTH {
                let message = config.message(sent[side as usize]);
                world
                    .send(side, CONTROL, message)
                    .expect("the queue is large enough");
                sent[side as usize] += 1;
            }
            world.run_until(world.now() + Duration::from_millis(200));
        }
        for side in Side::BOTH {
            while let Some((_, _, datagram)) = world.poll_datagram(side) {
                arrived[side.other() as usize]
                    .push(config.verify(&datagram).expect("not one wrong byte"));
            }
        }
    };
    exchange(&mut world, 20);
    for station in 0..3 {
        // Nothing is on its way when the line is moved: the other station would get it.
        world.run_until(world.now() + Duration::from_secs(20));
        exchange(&mut world, 0);
        let b = world.kill(Side::B).expect("runs");
        world
            .start(Side::B, end("elsewhere", 0x3333_0001 + station, 38_400))
            .expect("valid");
        world.run_until(world.now() + Duration::from_secs(2));
        while world.poll_datagram(Side::B).is_some() {}
        world.kill(Side::B);
        world.put_back(Side::B, b);
        exchange(&mut world, 20);
    }
    world.run_until(world.now() + Duration::from_secs(20));
    exchange(&mut world, 0);
    for side in Side::BOTH {
        let all: Vec<u64> = (0..sent[side as usize]).collect();
        assert_eq!(arrived[side as usize], all, "from {side:?}");
    }
}

#[test]
fn a_full_queue_refuses_and_keeps_what_it_accepted() {
    let mut world = world(2400, Noise::NONE, 3);
    let config = messages(9);
    let mut accepted = Vec::new();
    let mut refused = 0;
    for index in 0..8000 {
        match world.send(Side::A, CONTROL, config.message(index)) {
            Ok(()) => accepted.push(index),
            Err(copperlink::proto::error::Refused::QueueFull) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    let stats = world.session(Side::A).expect("runs").stats();
    let sent = stats
        .channels
        .iter()
        .find(|channel| channel.name == "control")
        .expect("is there")
        .sent;
    assert!(refused > 0);
    assert_eq!(
        (sent.dropped_queue_full, sent.accepted),
        (refused, accepted.len() as u64)
    );
    world.run_until(seconds(600.0));
    let mut arrived = Vec::new();
    while let Some((_, _, datagram)) = world.poll_datagram(Side::B) {
        arrived.push(config.verify(&datagram).expect("not one wrong byte"));
    }
    assert!(arrived.len() > 50);
    assert_eq!(arrived, accepted[..arrived.len()]);
}

/// Messages of 1 to 1400 random bytes, four a second in the mean.
struct AnySize {
    rng: Rng,
    due: Instant,
}

impl Source for AnySize {
    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.due)
    }

    fn poll_datagram(&mut self, now: Instant) -> Option<Bytes> {
        if now < self.due {
            return None;
        }
        self.due += Duration::from_secs_f64(self.rng.exponential(0.25));
        let mut message = vec![0; self.rng.between(1, 1400) as usize];
        self.rng.fill(&mut message);
        Some(message.into())
    }
}

/// A source that ends after so many datagrams.
struct Limited<S> {
    source: S,
    left: u64,
}

impl<S> Limited<S> {
    fn new(source: S, left: u64) -> Self {
        Self { source, left }
    }
}

impl<S: Source> Source for Limited<S> {
    fn poll_timeout(&self) -> Option<Instant> {
        if self.left == 0 {
            None
        } else {
            self.source.poll_timeout()
        }
    }

    fn poll_datagram(&mut self, now: Instant) -> Option<Bytes> {
        if self.left == 0 {
            return None;
        }
        let datagram = self.source.poll_datagram(now)?;
        self.left -= 1;
        Some(datagram)
    }
}
