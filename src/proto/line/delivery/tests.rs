use std::collections::VecDeque;

use proptest::prelude::*;

use super::super::pacer::Pacer;
use super::*;

/// A line that is paced by what is found, and a far end that reports.
#[derive(Clone, Copy)]
struct Line {
    port: u32,
    is_known: bool,
    /// What the modem said, bit/s.
    told: Option<u32>,
    /// Bit/s that it carries, by the time in seconds.
    carries: fn(f64) -> f64,
    /// Bytes a second that there are to send.
    load: f64,
    /// Of the far end's clock, in parts of a million.
    drift: f64,
    /// The far end's adapter hands over what came, every so many seconds.
    adapter: f64,
    /// From report to report, s.
    every: f64,
}

const FRAME: f64 = 60.0;
const WAY: f64 = 0.04;
const STEP: f64 = 0.001;

impl Line {
    const fn new(port: u32, carries: fn(f64) -> f64) -> Self {
        Self {
            port,
            is_known: false,
            told: None,
            carries,
            load: f64::INFINITY,
            drift: 0.0,
            adapter: 0.0,
            every: 0.25,
        }
    }

    /// Lets it run; `watch` gets the time, the estimate in bit/s, and how long the last frame that arrived
    /// had waited, s.
    fn run(self, seconds: f64, mut watch: impl FnMut(f64, f64, f64)) {
        let start = Instant::from_micros(5_000_000);
        let instant = |at: f64| start + Duration::from_secs_f64(at.max(0.0));
        let port = BitRate::new(self.port).unwrap();
        let mut delivery = Delivery::new(port, self.is_known, start);
        if let Some(told) = self.told {
            delivery.on_told(start, BitRate::new(told).unwrap());
        }
        let mut pacer = Pacer::new(delivery.rate(), Duration::from_millis(4));
        let (mut sent, mut offered, mut idle_at) = (0_u64, 0.0, 0.0_f64);
        // Of each frame: bytes up to its end, when it left, arrived, and how long it waited.
        let mut on_way: VecDeque<(u64, f64, f64, f64)> = VecDeque::new();
        // Of each report: when it comes, and of which frame.
        let mut reports: VecDeque<(f64, (u64, f64, f64, f64))> = VecDeque::new();
        let (mut next_report, mut in_frame) = (self.every, 0.0);
        for step in 0..(seconds / STEP) as u64 {
            let at = step as f64 * STEP;
            offered = (offered + self.load * STEP).min(4.0 * FRAME);
            let takes = pacer.allowance(instant(at)).min(offered as usize);
            if takes > 0 {
                delivery.on_sent(instant(at), sent);
                pacer.on_sent(instant(at), takes);
                sent += takes as u64;
                offered -= takes as f64;
                in_frame += takes as f64;
                let begins = idle_at.max(at);
                idle_at = begins + takes as f64 * 10.0 / (self.carries)(at);
                if in_frame >= FRAME {
                    in_frame = 0.0;
                    let arrives = match self.adapter > 0.0 {
                        true => ((idle_at + WAY) / self.adapter).ceil() * self.adapter,
                        false => idle_at + WAY,
                    };
                    on_way.push_back((sent, at, arrives, idle_at - at));
                }
            }
            if at >= next_report {
                next_report += self.every;
                let there = on_way.partition_point(|&(_, _, arrives, _)| arrives <= at);
                if let Some(last) = on_way.drain(..there).next_back() {
                    reports.push_back((at + WAY, last));
                }
            }
            while let Some(&(_, (bytes, left, arrived, waited))) =
                reports.front().filter(|(comes, _)| *comes <= at)
            {
                reports.pop_front();
                let by_far_clock = 1234.5 + arrived * (1.0 + self.drift / 1e6);
                let mark = Mark {
                    bytes,
                    left: instant(left),
                    heard: instant(arrived + WAY),
                    at: (by_far_clock * 4000.0) as u64 as u16,
                };
                let found = delivery.on_arrived(instant(at), mark, sent);
                pacer.set_rate(instant(at), found.rate);
                pacer.on_reported(instant(at), found.waits);
                watch(at, f64::from(found.rate.bits_per_second()), waited);
            }
        }
    }
}

#[test]
fn what_a_modem_says_is_used_at_once_and_tried_from_there() {
    // V.42 strips start and stop bits: 28800 on the line carry 36000 of ten-bit characters.
    let line = Line {
        told: Some(28_800),
        ..Line::new(115_200, |_| 36_000.0)
    };
    let mut last = 0.0;
    line.run(20.0, |at, rate, waited| {
        assert!(
            at > 1.0 || (28_000.0..=37_000.0).contains(&rate),
            "{rate} at {at:.1} s"
        );
        assert!(waited < 0.1, "{waited} at {at:.1} s");
        last = rate;
    });
    println!("told 28800, found {last}");
    assert!((32_400.0..=40_000.0).contains(&last), "{last}");
}

#[test]
fn a_full_line_is_measured_within_a_few_percent_whatever_the_port_carries() {
    for (port, carries) in [
        (115_200, (|_| 33_600.0) as fn(f64) -> f64),
        (115_200, |_| 14_400.0),
        (57_600, |_| 28_800.0),
        (38_400, |_| 9600.0),
        (115_200, |_| 115_200.0),
    ] {
        let line = Line::new(port, carries);
        line.run(60.0, |at, rate, waited| {
            let right = carries(at);
            if at > 10.0 {
                assert!(
                    (0.9 * right..=1.12 * right).contains(&rate),
                    "{rate} of {right} at {at:.1} s"
                );
                assert!(waited < 0.15, "{waited} at {at:.1} s");
            }
        });
    }
}

#[test]
fn clocks_that_differ_by_200_parts_of_a_million_change_nothing() {
    for drift in [-200.0, 200.0] {
        for (load, least) in [(f64::INFINITY, 31_000.0), (1300.0, 20_000.0)] {
            let line = Line {
                drift,
                load,
                ..Line::new(115_200, |_| 33_600.0)
            };
            let (mut sum, mut n) = (0.0, 0.0);
            line.run(600.0, |at, rate, waited| {
                if at > 10.0 {
                    assert!(rate >= least, "{rate} at {at:.1} s, drift {drift}");
                    assert!(waited < 0.15, "{waited} at {at:.1} s, drift {drift}");
                    sum += waited;
                    n += 1.0;
                }
            });
            assert!(sum / n < 0.07, "{} s on average, drift {drift}", sum / n);
        }
    }
}

#[test]
fn an_adapter_that_holds_bytes_back_for_16_ms_is_no_slow_line() {
    let line = Line {
        adapter: 0.016,
        ..Line::new(115_200, |_| 33_600.0)
    };
    let (mut sum, mut n) = (0.0, 0.0);
    line.run(120.0, |at, rate, _| {
        if at > 10.0 {
            sum += rate.min(33_600.0);
            n += 1.0;
            assert!(rate > 25_000.0, "{rate} at {at:.1} s");
        }
    });
    assert!(sum / n > 0.93 * 33_600.0, "{} on average", sum / n);
}

#[test]
fn a_rate_that_is_known_stays_while_the_line_carries_it() {
    for adapter in [0.0, 0.016] {
        let line = Line {
            is_known: true,
            adapter,
            ..Line::new(38_400, |_| 38_400.0)
        };
        line.run(60.0, |at, rate, _| {
            assert_eq!(rate, 38_400.0, "at {at:.1} s");
        });
    }
}

#[test]
fn a_frame_on_a_quiet_line_that_is_found_with_the_next_one_does_not_make_the_line_slow() {
    let rate = BitRate::new(38_400).unwrap();
    let mut delivery = Delivery::new(rate, true, Instant::ZERO);
    for i in 1..200_u64 {
        let left = Instant::from_micros(i * 700_000);
        // Its delimiter was damaged.
        let late = if i % 50 == 0 { 700 } else { 0 };
        let arrived = left + Duration::from_millis(5 + late);
        delivery.on_sent(left, (i - 1) * 11);
        let mark = Mark {
            bytes: i * 11,
            left,
            heard: arrived + Duration::from_millis(10),
            at: (arrived.as_micros() / 250) as u16,
        };
        let found = delivery.on_arrived(mark.heard, mark, i * 11);
        assert_eq!(found.rate, rate, "frame {i}");
    }
}

#[test]
fn a_line_that_falls_is_followed_down_at_once_and_up_within_seconds() {
    let line = Line::new(115_200, |at| {
        if (20.0..50.0).contains(&at) {
            16_800.0
        } else {
            33_600.0
        }
    });
    let (mut fell, mut rose) = (None, None);
    line.run(80.0, |at, rate, _| {
        if at > 20.0 && rate < 18_500.0 {
            fell.get_or_insert(at - 20.0);
        }
        if at > 50.0 && rate > 30_000.0 {
            rose.get_or_insert(at - 50.0);
        }
    });
    assert!(fell.is_some_and(|after| after < 2.0), "{fell:?}");
    assert!(rose.is_some_and(|after| after < 12.0), "{rose:?}");
}

proptest! {
    #[test]
    fn no_report_whatever_brings_the_rate_out_of_its_bounds(
        port in 50u32..=20_000_000,
        is_known: bool,
        marks in prop::collection::vec(
            (any::<u16>(), 0u64..40_000_000, 0u64..20_000_000, any::<u32>(), any::<bool>()),
            1..60,
        ),
    ) {
        let port = BitRate::new(port).unwrap();
        let mut delivery = Delivery::new(port, is_known, Instant::ZERO);
        let (mut now, mut sent) = (Instant::ZERO, 0_u64);
        for (at, later, before, bytes, is_cut) in marks {
            delivery.on_sent(now, sent);
            sent += u64::from(bytes);
            now += Duration::from_micros(later);
            let mark = Mark {
                bytes: sent - u64::from(bytes / 2),
                left: now - Duration::from_micros(before),
                heard: now - Duration::from_micros(before / 3),
                at,
            };
            let found = delivery.on_arrived(now, mark, sent);
            let least = BitRate::new(1200).unwrap();
            prop_assert!(found.rate <= port && found.rate >= least.min(port));
            let rest = found.rate.bytes_in(Duration::from_millis(5));
            prop_assert!(found.waits as u64 <= sent + rest as u64 + 1);
            delivery.wants_report(now, sent);
            if is_cut {
                delivery.on_cut();
            }
        }
    }
}
