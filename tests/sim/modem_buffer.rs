//! Modems with deep buffers behind a fast port, at a rate that nobody told: the link finds out what the line
//! carries, and keeps the modem empty.

use std::time::Duration;

use copperlink::proto::config::{LineConfig, LinkConfig};
use copperlink::proto::time::Instant;
use copperlink::sim::{AudioConfig, AudioSource, Call, LineModelConfig, Noise, Side, World};

use crate::common::{AUDIO, CONTROL, LINE, VIDEO, control, end, rate, seconds, video};

const PORT: u32 = 115_200;
/// From the last bit in to the last bit out of a pair of modems.
const MODEMS: Duration = Duration::from_millis(40);
/// Audio over the bare line, ms.
const GOAL: f64 = 40.0;

/// What the modems carry from when on, s and bit/s.
type Rates = &'static [(f64, u32)];

const FAST: Rates = &[(0.0, 33_600)];
const SLOW: Rates = &[(0.0, 14_400)];
const FALLEN: Rates = &[(0.0, 16_800)];
const SLOWEST: Rates = &[(0.0, 9600)];
const DIRECT: Rates = &[(0.0, 38_400)];
const FAST_FALLS: Rates = &[(0.0, 33_600), (30.0, 16_800), (60.0, 33_600)];
const SLOW_FALLS: Rates = &[(0.0, 28_800), (30.0, 14_400), (60.0, 28_800)];

/// A pair of modems, and what the ends know of them.
#[derive(Clone, Copy, Debug)]
struct Modems {
    rates: Rates,
    buffer: usize,
    /// Bytes that the far end's adapter hands over at once.
    chunk: usize,
    noise: Noise,
    /// What the settings say of the line, if anything.
    told: Option<u32>,
    /// Of the port, when the settings do not say.
    port: u32,
    /// Video is so many times the first rate; none without.
    video: f64,
    /// From stop to stop, and how long nothing comes; what came meanwhile comes at once, or at the line's
    /// rate.
    stops: Option<(f64, f64, Then)>,
    lasts: f64,
}

/// What comes after a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// All that waited: the far end's machine was busy.
    AllAtOnce,
    /// The modem asked for something again, and goes on.
    AsBefore,
}

impl Modems {
    const fn at(rates: Rates) -> Self {
        Self {
            rates,
            buffer: 2048,
            chunk: 8,
            noise: Noise::NONE,
            told: None,
            port: PORT,
            video: 1.5,
            stops: None,
            lasts: 60.0,
        }
    }

    fn first(&self) -> u32 {
        self.rates[0].1
    }

    /// The rate that these modems have then.
    fn rate(&self, at: f64) -> u32 {
        let before = self.rates.iter().rev().find(|&&(from, _)| from <= at);
        before.map_or(self.first(), |&(_, rate)| rate)
    }

    fn end(&self, name: &str, session: u32) -> LinkConfig {
        let mut config = end(name, session, PORT);
        config.lines = vec![LineConfig {
            is_rate_known: self.told.is_some(),
            ..LineConfig::new("line", rate(self.told.unwrap_or(self.port)))
        }];
        config
    }

    /// Voice that leaves something to the others on the slowest line: 77 % of 16800, 80 % of 14400, 68 % of
    /// 9600.
    fn voice(&self) -> AudioConfig {
        let slowest = self.rates.iter().map(|&(_, rate)| rate).min().unwrap_or(0);
        let (ms, payload) = match slowest {
            ..12_000 => (40, 20),
            12_000..16_800 => (40, 40),
            _ => (20, 20),
        };
        AudioConfig {
            interval: Duration::from_millis(ms),
            payload,
            ..AudioConfig::G729
        }
    }

    /// The same, where the settings say what they carry.
    fn told(self, bits_per_second: u32) -> Self {
        Self {
            told: Some(bits_per_second),
            ..self
        }
    }

    fn run(self) -> Run {
        let model = |seed| {
            LineModelConfig::clean(rate(self.first()))
                .with_delay(MODEMS)
                .with_buffer(self.buffer)
                .with_chunk(self.chunk)
                .with_noise(self.noise)
                .with_seed(seed)
        };
        let (a, b) = (
            self.end("room-1", 0x1111_0001),
            self.end("room-2", 0x2222_0001),
        );
        let mut run = Run {
            modems: self,
            world: World::new(a, b, vec![[model(1), model(2)]]).expect("valid"),
            call: Call::default(),
            estimates: Vec::new(),
            carried: Vec::new(),
        };
        for side in Side::BOTH {
            let (seed, until) = (side as u64 + 1, Some(seconds(self.lasts)));
            let voice = AudioConfig {
                seed,
                start: seconds(1.0),
                ..self.voice()
            };
            let video_rate = (f64::from(self.first()) * self.video) as u32;
            run.call.add(side, AUDIO, AudioSource::new(voice), until);
            if video_rate > 0 {
                run.call.add(side, VIDEO, video(video_rate, seed), until);
            }
            run.call.add(side, CONTROL, control(2000, 300, seed), until);
        }
        run.go();
        run
    }
}

/// A call that was held.
struct Run {
    modems: Modems,
    world: World,
    call: Call,
    /// Every tenth of a second: when, and the estimates of both ends then.
    estimates: Vec<(f64, [u64; 2])>,
    /// Then too: bytes that the line from A to B had carried.
    carried: Vec<u64>,
}

const STEP: f64 = 0.1;

impl Run {
    fn go(&mut self) {
        let (mut at, mut stop) = (0.0, self.modems.stops.map_or(f64::MAX, |(every, ..)| every));
        // What waits for the end of the call still arrives.
        let lasts = self.modems.lasts + 10.0;
        while at < lasts {
            if self.modems.rate(at) != self.modems.rate(at - STEP) {
                self.set_rate(self.modems.rate(at));
            }
            if let Some((every, pause, then)) = self.modems.stops
                && at >= stop
            {
                stop += every;
                self.stand_still(pause, then);
            }
            at = ((at / STEP).round() + 1.0) * STEP;
            self.call.run_until(&mut self.world, seconds(at));
            let estimates = Side::BOTH.map(|side| {
                let session = self.world.session(side).expect("runs");
                session.stats().lines[0].rate_bps
            });
            self.estimates.push((at, estimates));
            self.carried
                .push(self.world.line_mut(Side::A, LINE).stats().delivered);
        }
    }

    fn set_rate(&mut self, bits_per_second: u32) {
        let now = self.world.now();
        for side in Side::BOTH {
            self.world
                .line_mut(side, LINE)
                .set_rate(now, rate(bits_per_second));
        }
    }

    fn stand_still(&mut self, pause: f64, then: Then) {
        let at = self.world.now().since(Instant::ZERO).as_secs_f64();
        // A byte comes in 200 ms.
        self.set_rate(50);
        self.call.run_until(&mut self.world, seconds(at + pause));
        if then == Then::AllAtOnce {
            self.set_rate(10_000_000);
            self.call
                .run_until(&mut self.world, seconds(at + pause + 0.005));
        }
        self.set_rate(self.modems.rate(at));
    }

    /// Delays of audio that was sent in that time, sorted.
    fn delays(&self, from: f64, to: f64) -> Vec<Duration> {
        let mut delays = Vec::new();
        for side in Side::BOTH {
            let tally = self.call.tally(side, AUDIO).expect("a stream");
            let of = tally.arrivals.iter().zip(&tally.delays);
            let of =
                of.filter(|&(&at, &delay)| (seconds(from)..seconds(to)).contains(&(at - delay)));
            delays.extend(of.map(|(_, &delay)| delay));
        }
        delays.sort_unstable();
        delays
    }

    /// The delay over the bare line's that so many of the packets do not exceed, ms.
    fn over(&self, share: f64, from: f64, to: f64) -> f64 {
        let delays = self.delays(from, to);
        let index = ((delays.len() as f64 * share).ceil() as usize).clamp(1, delays.len().max(1));
        let delay = delays.get(index - 1).copied().unwrap_or(Duration::MAX);
        (delay.as_secs_f64() - MODEMS.as_secs_f64()) * 1000.0
    }

    /// What the line carried from A to B in that time, of what it could.
    fn used(&self, from: f64, to: f64) -> f64 {
        let index = |at: f64| ((at / STEP).round() as usize).clamp(1, self.carried.len()) - 1;
        let (mut could, mut at) = (0.0, from);
        while at < to - STEP / 2.0 {
            could += f64::from(self.modems.rate(at + STEP / 2.0)) / 10.0 * STEP;
            at += STEP;
        }
        (self.carried[index(to)] - self.carried[index(from)]) as f64 / could
    }

    /// What audio takes on this line when the rate is known, and 20 ms, ms.
    fn usual(&self) -> f64 {
        self.over(0.95, 3.0, self.modems.lasts) + 20.0
    }

    /// How long it takes from that time until, for two seconds, 95 % of the audio waits no longer than that, ms.
    fn good_after(&self, from: f64, most: f64) -> f64 {
        let mut at = from;
        while at < self.modems.lasts - 2.0 && self.over(0.95, at, at + 2.0) > most {
            at += STEP;
        }
        at - from
    }

    /// How long after that time both ends use so much of the line.
    fn used_after(&self, from: f64, least: f64) -> f64 {
        let enough = |&&(at, rates): &&(f64, [u64; 2])| {
            at > from && rates.iter().all(|&rate| rate as f64 >= least)
        };
        self.estimates
            .iter()
            .find(enough)
            .map_or(f64::MAX, |(at, _)| at - from)
    }

    /// The lowest and the highest estimate in that time.
    fn range(&self, from: f64, to: f64) -> (u64, u64) {
        let of = self
            .estimates
            .iter()
            .filter(|(at, _)| (from..to).contains(at));
        let rates = of.flat_map(|(_, rates)| *rates);
        rates.fold((u64::MAX, 0), |(least, most), rate| {
            (least.min(rate), most.max(rate))
        })
    }

    fn print(&self, step: f64) {
        let mut at = 0.0;
        while at < self.modems.lasts - step / 2.0 {
            let (from, to) = (at, at + step);
            let estimates = self
                .estimates
                .iter()
                .find(|(when, _)| *when >= to - STEP / 2.0);
            println!(
                "  {from:3.0} s: audio p50 {:5.1} p99 {:6.1} max {:6.1} ms over the bare line, estimates {:?}",
                self.over(0.5, from.max(1.0), to),
                self.over(0.99, from.max(1.0), to),
                self.over(1.0, from.max(1.0), to),
                estimates.map_or([0; 2], |(_, rates)| *rates),
            );
            at = to;
        }
    }

    /// One line of figures, from that time on.
    fn say(&self, what: &str, from: f64) {
        let to = self.modems.lasts;
        let audio = self.call.tally(Side::A, AUDIO).expect("a stream");
        println!(
            "{what}: from {from} s on audio p50 {:.1} p99 {:.1} max {:.1} ms over the bare line (goal p99 {GOAL}), \
             lost {:.2} %; line used {:.1} %, estimates {:?}",
            self.over(0.5, from, to),
            self.over(0.99, from, to),
            self.over(1.0, from, to),
            audio.loss() * 100.0,
            self.used(from, to) * 100.0,
            self.range(from, to),
        );
    }

    fn assert_nothing_wrong(&self) {
        for side in Side::BOTH {
            let of = |port| self.call.tally(side, port).cloned();
            let control = of(CONTROL).expect("a stream");
            assert_eq!((control.delivered, control.wrong), (control.offered, 0));
            assert_eq!(of(AUDIO).map_or(0, |tally| tally.wrong), 0);
            assert_eq!(of(VIDEO).map_or(0, |tally| tally.wrong), 0);
        }
    }
}

#[test]
fn audio_does_not_wait_in_a_modem_whose_rate_nobody_told() {
    for rates in [FAST, SLOW] {
        let modems = Modems::at(rates);
        let bits = modems.first();
        let told = modems.told(bits).run();
        told.say(&format!("{bits} bit/s, told"), 3.0);
        for buffer in [2048, 8192] {
            let run = Modems { buffer, ..modems }.run();
            run.say(
                &format!("{bits} bit/s behind {PORT}, not told, buffer {buffer}"),
                3.0,
            );
            run.print(5.0);
            let start = run.good_after(1.0, told.usual());
            println!(
                "  the start: audio is as on a line told, or 20 ms later, {start:.1} s after it begins, and \
                 {:.0} ms late at most",
                run.over(1.0, 1.0, 4.0)
            );
            run.assert_nothing_wrong();
            // On the slow line a packet alone takes 32 ms.
            let most = if bits == 33_600 {
                GOAL
            } else {
                told.over(0.99, 3.0, 60.0) + GOAL + 20.0
            };
            assert!(run.over(0.99, 3.0, 60.0) <= most);
            assert!(start <= 8.0 && run.over(1.0, 1.0, 4.0) <= 600.0);
            assert!(run.used(3.0, 60.0) >= 0.95);
        }
    }
}

#[test]
fn the_link_follows_a_modem_that_falls_back_and_comes_up_again() {
    for (rates, slow) in [(FAST_FALLS, FALLEN), (SLOW_FALLS, SLOW)] {
        for (noise, words) in [
            (Noise::NONE, "clean"),
            (Noise::bit_errors(1e-4), "BER 1e-4"),
        ] {
            let modems = Modems {
                noise,
                lasts: 90.0,
                ..Modems::at(rates)
            };
            let told = Modems {
                noise,
                ..Modems::at(slow)
            }
            .told(slow[0].1)
            .run();
            told.say(&format!("{slow:?}, {words}, told"), 3.0);
            let run = modems.run();
            println!("{rates:?}, {words}, buffer {}", modems.buffer);
            run.print(5.0);
            let good = run.good_after(30.0, told.usual());
            let risen = run.used_after(60.0, f64::from(modems.first()) * 0.9);
            println!(
                "  after the fall 95 % of the audio is within {GOAL} ms in {:.1} s, and no more than 20 ms later \
                 than on a line told ({:.0} ms) in {good:.1} s; the risen rate is used after {risen:.1} s; \
                 line used {:.1} %",
                run.good_after(30.0, GOAL),
                told.usual(),
                run.used(5.0, 90.0) * 100.0,
            );
            run.assert_nothing_wrong();
            assert!(good <= 6.0, "{good}");
            assert!(risen <= 12.0, "{risen}");
            assert!(run.used(5.0, 90.0) >= 0.9);
        }
    }
}

#[test]
fn noise_adapters_and_stops_do_not_spoil_what_is_known_of_the_line() {
    let modems = Modems::at(FAST);
    let every = |pause, then| Some((pause * 20.0, pause, then));
    for (words, modems) in [
        (
            "BER 1e-4",
            Modems {
                noise: Noise::bit_errors(1e-4),
                ..modems
            },
        ),
        (
            "BER 1e-3",
            Modems {
                noise: Noise::bit_errors(1e-3),
                ..modems
            },
        ),
        (
            "62 bytes at once",
            Modems {
                chunk: 62,
                ..modems
            },
        ),
        (
            "busy for 400 ms every 8 s",
            Modems {
                stops: every(0.4, Then::AllAtOnce),
                ..modems
            },
        ),
        (
            "stops of 400 ms every 8 s",
            Modems {
                stops: every(0.4, Then::AsBefore),
                ..modems
            },
        ),
        (
            "stops of 1 s every 20 s",
            Modems {
                stops: every(1.0, Then::AsBefore),
                ..modems
            },
        ),
    ] {
        let run = modems.run();
        run.say(words, 3.0);
        run.assert_nothing_wrong();
        let told = modems.told(modems.first()).run();
        told.say("  told", 3.0);
        let later = run.over(0.99, 3.0, 60.0) - told.over(0.99, 3.0, 60.0);
        assert!(later <= GOAL, "{words}: {later} ms later");
        let less = told.used(3.0, 60.0) - run.used(3.0, 60.0);
        assert!(less <= 0.05, "{words}: {less} of the line unused");
    }
}

#[test]
fn a_line_that_is_never_full_is_not_taken_for_a_slow_one() {
    for (words, rates, port, chunk) in [
        ("no modem", DIRECT, 38_400, 8),
        ("no modem, 62 bytes at once", DIRECT, 38_400, 62),
        ("modem", FAST, PORT, 8),
        ("modem, 62 bytes at once", FAST, PORT, 62),
    ] {
        let run = Modems {
            port,
            chunk,
            video: 0.0,
            ..Modems::at(rates)
        }
        .run();
        run.say(&format!("{words}, voice only"), 3.0);
        run.print(20.0);
        run.assert_nothing_wrong();
        assert!(run.range(3.0, 60.0).0 >= 20_000);
        assert!(run.over(0.99, 3.0, 60.0) <= GOAL);
    }
}

#[test]
fn a_line_without_modem_is_used_in_full_though_nobody_said_so() {
    for (bits, rates) in [
        (9600, SLOWEST),
        (38_400, DIRECT),
        (115_200, &[(0.0, 115_200)]),
    ] {
        for chunk in [8, 62] {
            let modems = Modems {
                port: bits,
                chunk,
                ..Modems::at(rates)
            };
            let run = modems.run();
            run.say(&format!("{bits}, no modem, {chunk} bytes at once"), 5.0);
            let told = modems.told(bits).run();
            told.say("  told", 5.0);
            let used = run.used_after(1.0, f64::from(bits) * 0.9);
            println!("  90 % of the rate {used:.1} s after the call begins");
            run.assert_nothing_wrong();
            assert!(used <= 5.0);
            assert!(run.over(0.99, 5.0, 60.0) <= told.over(0.99, 5.0, 60.0) + 10.0);
            assert!(run.used(5.0, 60.0) >= told.used(5.0, 60.0) - 0.01);
        }
    }
}

#[test]
fn a_rate_in_the_settings_that_is_too_high_is_corrected() {
    let run = Modems::at(&[(0.0, 28_800)]).told(33_600).run();
    run.say("28800, told 33600", 3.0);
    run.print(5.0);
    run.assert_nothing_wrong();
    assert!(run.over(0.99, 3.0, 60.0) <= GOAL);
    assert!(run.used(3.0, 60.0) >= 0.95);
}

#[test]
fn a_rate_in_the_settings_that_is_too_low_is_kept() {
    let run = Modems::at(FAST).told(28_800).run();
    run.say("33600, told 28800", 3.0);
    run.assert_nothing_wrong();
    assert_eq!(run.range(3.0, 60.0), (28_800, 28_800));
}
