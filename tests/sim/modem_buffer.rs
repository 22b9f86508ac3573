//! Modems with deep buffers behind a fast port, at a rate that nobody told: the link finds out what the line
//! carries, and keeps the modem empty.

use std::time::Duration;

use copperlink::proto::config::{LineConfig, LinkConfig};
use copperlink::proto::time::Instant;
use copperlink::sim::{AudioConfig, AudioSource, Call, LineModelConfig, Side, Tally, World};

use crate::common::{AUDIO, CONTROL, LINE, VIDEO, control, end, rate, seconds, video};

const PORT: u32 = 115_200;
/// From the last bit in to the last bit out of a pair of modems.
const MODEMS: Duration = Duration::from_millis(40);

/// What the modems carry from when on, s and bit/s.
type Rates = &'static [(f64, u32)];

struct Run {
    world: World,
    call: Call,
    rates: Rates,
    /// Seconds, and the estimates of both ends then.
    estimates: Vec<(f64, [u64; 2])>,
}

/// An end that was told the rate of its port, and nothing else.
fn untold(name: &str, session: u32) -> LinkConfig {
    let mut config = end(name, session, PORT);
    config.lines = vec![LineConfig {
        is_rate_known: false,
        ..LineConfig::new("line", rate(PORT))
    }];
    config
}

impl Run {
    /// A call both ways with video at 150 % of the modems' first rate.
    fn new(buffer: usize, rates: Rates, lasts: f64) -> Self {
        let model = |seed| {
            LineModelConfig::clean(rate(rates[0].1))
                .with_delay(MODEMS)
                .with_buffer(buffer)
                .with_chunk(8)
                .with_seed(seed)
        };
        let ends = [untold("room-1", 0x1111_0001), untold("room-2", 0x2222_0001)];
        let [a, b] = ends;
        let world = World::new(a, b, vec![[model(1), model(2)]]).expect("valid");
        let mut call = Call::default();
        for side in Side::BOTH {
            let (seed, until) = (side as u64 + 1, Some(seconds(lasts)));
            let voice = AudioConfig {
                seed,
                start: seconds(1.0),
                ..AudioConfig::G729
            };
            call.add(side, AUDIO, AudioSource::new(voice), until);
            call.add(side, VIDEO, video(rates[0].1 / 2 * 3, seed), until);
            call.add(side, CONTROL, control(2000, 300, seed), until);
        }
        Self {
            world,
            call,
            rates,
            estimates: Vec::new(),
        }
    }

    fn run_until(&mut self, until: f64) {
        let mut at = self.world.now().since(Instant::ZERO).as_secs_f64();
        while at < until {
            for &(_, bits) in self.rates.iter().filter(|&&(from, _)| from <= at) {
                for side in Side::BOTH {
                    let now = self.world.now();
                    self.world.line_mut(side, LINE).set_rate(now, rate(bits));
                }
            }
            at += 0.1;
            self.call.run_until(&mut self.world, seconds(at));
            let estimates = Side::BOTH.map(|side| {
                let session = self.world.session(side).expect("runs");
                session.stats().lines[0].rate_bps
            });
            self.estimates.push((at, estimates));
        }
    }

    fn audio(&self) -> [Tally; 2] {
        Side::BOTH.map(|side| self.call.tally(side, AUDIO).expect("a stream").clone())
    }

    /// Delays of audio that arrived in that time, sorted.
    fn delays(&self, from: f64, to: f64) -> Vec<Duration> {
        let mut delays = Vec::new();
        for tally in self.audio() {
            let of = tally.arrivals.iter().zip(&tally.delays);
            let of = of.filter(|&(&at, _)| at >= seconds(from) && at < seconds(to));
            delays.extend(of.map(|(_, &delay)| delay));
        }
        delays.sort_unstable();
        delays
    }

    /// The delay over the bare line's that so many of the packets do not exceed, ms.
    fn over(&self, share: f64, from: f64, to: f64) -> f64 {
        let delays = self.delays(from, to);
        let index = ((delays.len() as f64 * share).ceil() as usize).clamp(1, delays.len());
        (delays[index - 1].as_secs_f64() - MODEMS.as_secs_f64()) * 1000.0
    }

    /// Bytes that the line carried from A to B, of what it could.
    fn used(&mut self, from: u64, seconds: f64, bits: u32) -> f64 {
        let sent = self.world.line_mut(Side::A, LINE).stats().delivered - from;
        sent as f64 / (f64::from(bits) / 10.0 * seconds)
    }

    fn print(&self, step: f64) {
        let lasts = self.estimates.last().expect("ran").0;
        let mut at = 0.0;
        while at < lasts - step / 2.0 {
            let (from, to) = (at, at + step);
            let estimates = self.estimates.iter().find(|(when, _)| *when >= to - 0.05);
            let estimates = estimates.map_or([0; 2], |(_, rates)| *rates);
            if !self.delays(from, to).is_empty() {
                println!(
                    "  {from:4.0} s: audio p50 {:5.1} p99 {:6.1} max {:6.1} ms over the bare line, rates {estimates:?}",
                    self.over(0.5, from, to),
                    self.over(0.99, from, to),
                    self.over(1.0, from, to),
                );
            }
            at = to;
        }
    }

    fn assert_nothing_wrong(&self) {
        for side in Side::BOTH {
            let control = self.call.tally(side, CONTROL).expect("a stream");
            assert_eq!((control.delivered, control.wrong), (control.offered, 0));
            let video = self.call.tally(side, VIDEO).expect("a stream");
            assert_eq!(video.wrong, 0);
        }
    }
}

#[test]
fn audio_does_not_wait_in_a_modem_whose_rate_nobody_told() {
    for (bits, buffer) in [
        (33_600, 2048),
        (33_600, 8192),
        (14_400, 2048),
        (14_400, 8192),
    ] {
        let rates: Rates = match bits {
            33_600 => &[(0.0, 33_600)],
            _ => &[(0.0, 14_400)],
        };
        let mut run = Run::new(buffer, rates, 60.0);
        run.run_until(10.0);
        let from = run.world.line_mut(Side::A, LINE).stats().delivered;
        run.run_until(60.0);
        let used = run.used(from, 50.0, bits);
        run.run_until(75.0);
        println!(
            "{bits} bit/s behind {PORT}, buffer {buffer}: audio p99 {:.1} ms over the bare line (goal 40), from 5 s on {:.1}; line used {:.1} %",
            run.over(0.99, 0.0, 60.0),
            run.over(0.99, 5.0, 60.0),
            used * 100.0
        );
        run.print(5.0);
        run.assert_nothing_wrong();
    }
}

#[test]
fn the_link_follows_a_modem_that_falls_back_and_comes_up_again() {
    for buffer in [2048, 8192] {
        let rates: Rates = &[(0.0, 33_600), (30.0, 16_800), (60.0, 33_600)];
        let mut run = Run::new(buffer, rates, 90.0);
        run.run_until(105.0);
        println!("33600, from 30 s on 16800, from 60 s on 33600; buffer {buffer}");
        run.print(2.0);
        run.assert_nothing_wrong();
    }
}
