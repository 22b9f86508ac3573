//! The line is cut in the middle of a call, for a moment or for minutes, and comes back.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use copperlink::proto::config::Port;
use copperlink::proto::event::Event;
use copperlink::proto::stats::LineState;
use copperlink::proto::time::Instant;
use copperlink::sim::{
    AudioConfig, AudioSource, Call, ControlConfig, Noise, Rng, Side, Source, Tally, VideoConfig,
    VideoSource, World,
};

use crate::common::{AUDIO, CONTROL, LINE, VIDEO, rate, seconds, world};

/// What equipment sends on a line of that rate: two thirds of what it carries.
#[derive(Clone, Copy, Debug)]
struct Equipment {
    rate: u32,
    payload: usize,
    interval: Duration,
    /// Bit/s and pictures per second; none at 0.
    video: (u32, u32),
    /// Mean time between two messages, seconds, and the longest.
    control: (f64, usize),
    /// First audio after the line returned. The goal is 100 ms; where a packet comes every 40 ms
    /// and takes 30 ms of line time, or several share a frame of 200 ms, it is some of them.
    first_audio: Duration,
}

const FAST: Equipment = Equipment {
    rate: 38_400,
    payload: 20,
    interval: Duration::from_millis(20),
    video: (8000, 10),
    control: (1.0, 256),
    first_audio: Duration::from_millis(100),
};
const MIDDLE: Equipment = Equipment {
    rate: 9600,
    payload: 10,
    interval: Duration::from_millis(40),
    video: (1000, 2),
    control: (4.0, 256),
    first_audio: Duration::from_millis(200),
};
const SLOW: Equipment = Equipment {
    rate: 2400,
    payload: 6,
    interval: Duration::from_millis(40),
    video: (0, 1),
    control: (20.0, 40),
    first_audio: Duration::from_millis(1200),
};

const GOAL: Duration = Duration::from_millis(100);
const SOON: Duration = Duration::from_millis(800);
const BOTH: &[Side] = &Side::BOTH;
const ONE: &[Side] = &[Side::A];

/// A call, and a cut in it.
#[derive(Clone, Copy, Debug)]
struct Case {
    equipment: Equipment,
    /// Whose bytes do not arrive.
    cut: &'static [Side],
    at: f64,
    lasts: f64,
    seed: u64,
    has_audio: bool,
}

/// What became of it.
struct Outcome {
    case: Case,
    world: World,
    call: Call,
    /// Index of the message that was handed in during the cut.
    during: usize,
    /// Bytes that each end sent per second when the line had been said to be cut.
    quiet: Option<[f64; 2]>,
}

/// Control messages at certain times.
struct Messages {
    times: VecDeque<Instant>,
    config: ControlConfig,
    sent: u64,
}

impl Source for Messages {
    fn poll_timeout(&self) -> Option<Instant> {
        self.times.front().copied()
    }

    fn poll_datagram(&mut self, now: Instant) -> Option<Bytes> {
        self.times.front().filter(|&&due| due <= now)?;
        self.times.pop_front();
        self.sent += 1;
        Some(self.config.message(self.sent - 1))
    }
}

impl Case {
    fn from(self) -> Instant {
        seconds(self.at)
    }

    fn back(self) -> Instant {
        seconds(self.at + self.lasts)
    }

    fn until(self) -> Instant {
        self.back() + Duration::from_secs_f64((self.lasts * 0.3).clamp(15.0, 90.0))
    }

    /// The call, and how many messages come before the one in the middle of the cut.
    fn call(self) -> (Call, usize) {
        let mut call = Call::default();
        let (until, start) = (self.until(), seconds(5.0));
        let during = seconds(self.at + self.lasts / 2.0);
        let mut before = 0;
        for side in Side::BOTH {
            let seed = self.seed + side as u64 * 100;
            let audio = AudioSource::new(AudioConfig {
                start,
                interval: self.equipment.interval,
                payload: self.equipment.payload,
                ssrc: seed as u32,
                seed,
                ..AudioConfig::G729
            });
            let (bits, pictures) = self.equipment.video;
            let video = VideoSource::new(VideoConfig {
                start,
                seed,
                frames_per_second: pictures,
                ..VideoConfig::h263(bits)
            });
            let mut rng = Rng::new(seed);
            let (mut times, mut at) = (vec![during], start);
            while at < until {
                times.push(at);
                at += Duration::from_secs_f64(self.equipment.control.0 * (0.5 + rng.uniform()));
            }
            times.sort_unstable();
            if side == self.cut[0] {
                before = times.partition_point(|&at| at < during);
            }
            let config = ControlConfig {
                start,
                mean_interval: Duration::ZERO,
                min: 8,
                max: self.equipment.control.1,
                seed,
            };
            let messages = Messages {
                times: times.into(),
                config,
                sent: 0,
            };
            call.add(side, CONTROL, messages, Some(until));
            if self.has_audio {
                call.add(side, AUDIO, audio, Some(until));
            }
            if bits > 0 {
                call.add(side, VIDEO, video, Some(until));
            }
        }
        (call, before)
    }

    fn run(self) -> Outcome {
        let mut world = world(self.equipment.rate, Noise::NONE, self.seed);
        let (mut call, during) = self.call();
        call.run_until(&mut world, self.from());
        set_cut(&mut world, self.cut, true);
        // By then it was said.
        let settled = self.from() + Duration::from_secs(7);
        let mut quiet = None;
        if settled < self.back() {
            call.run_until(&mut world, settled);
            let before = bytes_sent(&world);
            call.run_until(&mut world, self.back());
            let after = bytes_sent(&world);
            let time = self.back().since(settled).as_secs_f64();
            quiet = Some([0, 1].map(|i| (after[i] - before[i]) as f64 / time));
        }
        call.run_until(&mut world, self.back());
        set_cut(&mut world, self.cut, false);
        call.run_until(&mut world, self.until() + Duration::from_secs(30));
        Outcome {
            case: self,
            world,
            call,
            during,
            quiet,
        }
    }
}

fn set_cut(world: &mut World, sides: &[Side], cut: bool) {
    let now = world.now();
    for &side in sides {
        world.line_mut(side, LINE).set_cut(now, cut);
    }
}

fn bytes_sent(world: &World) -> [u64; 2] {
    Side::BOTH.map(|side| world.session(side).expect("runs").stats().lines[0].bytes_sent)
}

fn first_after(tally: &Tally, at: Instant) -> Duration {
    let first = tally.arrivals.iter().find(|&&arrival| arrival >= at);
    first.map_or(Duration::MAX, |first| first.since(at))
}

impl Outcome {
    fn tally(&self, side: Side, port: Port) -> Tally {
        self.call.tally(side, port).cloned().unwrap_or_default()
    }

    /// When an end said that the line is down, and when that it is up again, since the cut began.
    fn said(&self, side: Side) -> [Vec<Duration>; 2] {
        let from = self.case.from();
        let when = |which: fn(&Event) -> bool| {
            let events = self.world.events(side).iter();
            let events = events.filter(|(at, event)| *at >= from && which(event));
            events.map(|(at, _)| at.since(from)).collect()
        };
        [
            when(|event| matches!(event, Event::LineDown { .. })),
            when(|event| matches!(event, Event::LineUp { .. })),
        ]
    }

    /// First audio of a direction that was cut.
    fn first_audio(&self) -> Duration {
        let sides = self.case.cut.iter();
        let first = sides.map(|&side| first_after(&self.tally(side, AUDIO), self.case.back()));
        first.max().unwrap_or_default()
    }

    /// How long after the cut the message of the cut came.
    fn message(&self) -> Duration {
        let arrivals = self.tally(self.case.cut[0], CONTROL).arrivals;
        arrivals[self.during].since(self.case.back())
    }

    /// Audio packets that were lost and not handed in during the cut.
    fn audio_lost(&self) -> u64 {
        let in_cut = (self.case.lasts / self.case.equipment.interval.as_secs_f64()).ceil() as u64;
        let sides = self.case.cut.iter();
        let lost = sides.map(|&side| self.tally(side, AUDIO).lost.saturating_sub(in_cut));
        lost.max().unwrap_or_default()
    }

    /// What holds for every cut.
    fn check(&self) {
        let case = self.case;
        for side in Side::BOTH {
            let stats = self.world.session(side).expect("runs").stats();
            assert_eq!(stats.lines[0].state, LineState::Up, "{case:?}");
            assert_eq!(stats.sessions, 1, "{case:?}");
            let [audio, video, control] =
                [AUDIO, VIDEO, CONTROL].map(|port| self.tally(side, port));
            let wrong = (audio.wrong, video.wrong, control.wrong);
            assert_eq!(wrong, (0, 0, 0), "{case:?}");
            let arrived = (control.delivered, control.lost, control.refused);
            assert_eq!(arrived, (control.offered, 0, 0), "{case:?}");
            // 150 ms in the queue, and its frame behind a short message, with parity.
            let frame = rate(case.equipment.rate).time_for(160);
            let oldest = Duration::from_millis(160) + frame;
            assert!(
                audio.delay(1.0) <= oldest,
                "{case:?} {:?}",
                audio.delay(1.0)
            );
            // 400 ms, or twice that for what was begun; on a slow line a frame of 240 bytes beside
            // audio on top.
            let oldest = match case.equipment.rate {
                38_400 => Duration::from_millis(900),
                _ => Duration::from_millis(1600),
            };
            assert!(
                video.delay(1.0) <= oldest,
                "{case:?} {:?}",
                video.delay(1.0)
            );
            let [down, up] = self.said(side);
            if case.lasts <= 1.0 {
                // A moment is no cut.
                assert!(down.is_empty(), "{case:?}");
            } else if case.lasts > 7.0 {
                assert_eq!((down.len(), up.len()), (1, 1), "{case:?}");
            }
        }
    }
}

/// Cuts of that length at several moments, and a line about them.
fn cuts(equipment: Equipment, cut: &'static [Side], lasts: f64, has_audio: bool) -> Vec<Outcome> {
    let moments: u8 = match (equipment.rate, lasts > 100.0) {
        (_, true) => 1,
        (38_400, false) => 6,
        (_, false) => 3,
    };
    let outcomes: Vec<_> = (0..moments)
        .map(|n| {
            let at = 12.0 + f64::from(n) * 1.017;
            let seed = u64::from(n) + 1;
            let case = Case {
                equipment,
                cut,
                at,
                lasts,
                seed,
                has_audio,
            };
            let outcome = case.run();
            outcome.check();
            outcome
        })
        .collect();
    let most =
        |figure: &dyn Fn(&Outcome) -> Option<Duration>| outcomes.iter().filter_map(figure).max();
    let down = most(&|outcome| outcome.said(Side::B)[0].first().copied());
    let lasted = Duration::from_secs_f64(lasts);
    let up = |outcome: &Outcome| {
        let up = Side::BOTH.map(|side| outcome.said(side)[1].last().copied());
        up.into_iter()
            .flatten()
            .max()
            .map(|up| up.saturating_sub(lasted))
    };
    let video = outcomes
        .iter()
        .map(|outcome| outcome.tally(Side::A, VIDEO).lost)
        .max();
    let lost = outcomes.iter().map(Outcome::audio_lost).max();
    print!(
        "{} bit/s, {} cut for {lasts} s: ",
        equipment.rate,
        if cut.len() == 2 {
            "both ways"
        } else {
            "one way"
        }
    );
    if has_audio {
        print!(
            "first audio {:.0?} (goal {GOAL:?}), {} packets lost beside those of the cut, ",
            most(&|outcome| Some(outcome.first_audio())).unwrap_or_default(),
            lost.unwrap_or_default()
        );
    }
    println!(
        "message {:.0?}, {} video packets lost; said after {:.1?}, up again {:.0?} after it; sent {:.0?} byte/s",
        most(&|outcome| Some(outcome.message())).unwrap_or_default(),
        video.unwrap_or_default(),
        down.unwrap_or_default(),
        most(&up).unwrap_or_default(),
        outcomes[0].quiet.unwrap_or_default(),
    );
    outcomes
}

#[test]
fn after_a_cut_audio_is_back_at_once_and_nothing_else_is_missing() {
    for equipment in [FAST, MIDDLE, SLOW] {
        for cut in [BOTH, ONE] {
            for lasts in [0.05, 0.1, 0.3, 1.0, 3.0, 30.0, 300.0] {
                for outcome in cuts(equipment, cut, lasts, true) {
                    let first = outcome.first_audio();
                    assert!(
                        first <= equipment.first_audio,
                        "{:?} {first:?}",
                        outcome.case
                    );
                    // On a slow line a frame holds five, and a message takes the place of some.
                    let few = if equipment.rate < MIDDLE.rate { 12 } else { 2 };
                    let most = first.as_millis() / equipment.interval.as_millis() + few;
                    let lost = outcome.audio_lost();
                    assert!(u128::from(lost) <= most, "{:?} {lost}", outcome.case);
                    // What was sent into a short cut is behind a frame or two of up to 250 ms.
                    let message = outcome.message();
                    let soon = lasts > 1.0 || equipment.rate < FAST.rate;
                    assert!(soon || message < SOON, "{:?} {message:?}", outcome.case);
                }
            }
        }
    }
}

#[test]
fn without_audio_a_line_that_is_cut_is_quiet() {
    for equipment in [FAST, MIDDLE, SLOW] {
        for cut in [BOTH, ONE] {
            for lasts in [3.0, 30.0, 300.0] {
                for outcome in cuts(equipment, cut, lasts, false) {
                    for sent in outcome.quiet.into_iter().flatten() {
                        assert!(sent <= 170.0, "{:?} {sent} byte/s", outcome.case);
                    }
                }
            }
        }
    }
}
