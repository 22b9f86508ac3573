//! Tests of the choice: what a line with that damage gets, and how soon.

use super::*;

/// Deterministic chance.
struct Chance(u64);

impl Chance {
    fn draw(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A line with so many wrong bytes, and so many bursts, that frames are sent over as the choice says.
struct Line {
    quality: Quality,
    chance: Chance,
    errors: f64,
    bursts: f64,
    carried: f64,
    sent: f64,
}

impl Line {
    fn new(bits: u32) -> Self {
        Self {
            quality: Quality::new(BitRate::new(bits).unwrap()),
            chance: Chance(7),
            errors: 0.0,
            bursts: 0.0,
            carried: 0.0,
            sent: 0.0,
        }
    }

    /// Sends frames until so many bytes are on the line; says which share of them was carried.
    fn send(&mut self, bytes: usize) -> f64 {
        (self.carried, self.sent) = (0.0, 0.0);
        while self.sent < bytes as f64 {
            self.send_frame();
        }
        self.carried / self.sent
    }

    fn send_frame(&mut self) {
        let body = self.quality.frame_length() + 4;
        let parity = self.quality.parity(body, false);
        let wire = parity.wire_len(body + body / 254 + 1) + 1;
        let blocks = wire.div_ceil(255);
        let mut wrong = vec![0; blocks];
        let mut burst = false;
        for i in 0..wire {
            wrong[i % blocks] += u16::from(self.chance.draw() < self.errors);
            burst |= self.chance.draw() < self.bursts;
        }
        let arrives = !burst
            && wrong
                .iter()
                .all(|&wrong| wrong as usize <= parity.repairs());
        if arrives {
            let bytes = wrong.iter().sum();
            self.quality.on_repairs(Repairs {
                bytes,
                frames: u8::from(bytes > 0),
                slips: 0,
            });
            self.carried += body as f64 - 8.0;
        }
        self.sent += wire as f64;
        self.quality.on_settled(&[SettledFrame {
            wire,
            parity,
            kind: FrameKind::Ordinary,
            fate: if arrives { Fate::Arrived } else { Fate::Lost },
            place: 0,
        }]);
    }
}

#[test]
fn random_errors_get_the_parity_that_carries_most() {
    // BER, least share of the line from a cold start within 20 s, and then, frames one by one.
    for (ber, cold, steady) in [
        (1e-5_f64, 0.95, 0.97),
        (1e-4, 0.92, 0.94),
        (3e-4, 0.90, 0.92),
        (1e-3, 0.86, 0.88),
        (3e-3, 0.72, 0.76),
    ] {
        let mut line = Line::new(38_400);
        line.errors = 1.0 - (1.0 - ber).powi(8);
        let shares = (line.send(20 * 3840), line.send(100 * 3840));
        let stats = line.quality.stats();
        println!("{ber:.0e}: {shares:.3?} {stats:?}");
        assert!(shares.0 >= cold && shares.1 >= steady, "{ber}: {shares:?}");
        assert!(stats.parity > 0);
        let found = stats.quality.error_rate / line.errors;
        assert!((0.4..2.5).contains(&found), "{ber}: {found}");
    }
}

#[test]
fn bursts_get_shorter_frames_and_little_parity() {
    for (per_second, least) in [(0.5, 0.90), (0.1, 0.94)] {
        let mut line = Line::new(38_400);
        line.bursts = per_second / 3840.0;
        line.send(60 * 3840);
        let share = line.send(200 * 3840);
        println!(
            "{per_second} bursts a second: {share:.3} {:?}",
            line.quality.stats()
        );
        assert!(share >= least, "{per_second}: {share}");
        assert!(line.quality.stats().parity <= 4);
    }
}

#[test]
fn a_clean_line_has_no_parity_and_long_frames() {
    for bits in [9600, 38_400, 921_600] {
        let mut line = Line::new(bits);
        line.send(100_000);
        let stats = line.quality.stats();
        assert_eq!((stats.parity, stats.express_parity), (0, 0));
        assert_eq!(stats.frame_bytes, LONGEST as u64);
    }
}

#[test]
fn a_line_begins_moderately_and_frames_grow_with_what_arrives() {
    let new = |rate| Quality::new(BitRate::new(rate).unwrap());
    assert_eq!(new(921_600).frame_length(), FIRST_BYTES);
    assert_eq!(new(38_400).frame_length(), 576);
    assert_eq!(new(2400).frame_length(), SHORTEST);
    let mut line = Line::new(9600);
    let mut sent = 0.0;
    for (length, least, most) in [(288, 1100.0, 1500.0), (2400, 9500.0, 11_500.0)] {
        while line.quality.frame_length() < length {
            assert!(sent < most, "{length} not within {sent} bytes");
            line.sent = 0.0;
            line.send_frame();
            sent += line.sent;
        }
        assert!((least..most).contains(&sent), "{length} after {sent}");
    }
}

#[test]
fn a_change_of_the_weather_is_followed_within_two_seconds() {
    // At 9600 the frame on its way alone takes eight.
    for bits in [38_400, 115_200] {
        let second = bits as usize / 10;
        let mut line = Line::new(bits);
        line.send(30 * second);
        line.errors = 8e-3;
        let first = line.send(2 * second);
        let bad = line.send(5 * second);
        line.errors = 0.0;
        let after = [(); 4].map(|()| line.send(2 * second));
        println!("{bits}: {first:.2}, then {bad:.2}; clean again {after:.2?}");
        assert!(bad >= 0.75, "{bits}: {bad}");
        assert!(after[1] >= 0.9 * 0.97, "{bits}: {after:?}");
    }
}

#[test]
fn audio_gets_the_parity_that_loses_few_packets() {
    for (ber, least, most) in [
        (1e-5_f64, 0, 2),
        (1e-4, 2, 4),
        (3e-4, 2, 4),
        (1e-3, 4, 8),
        (3e-3, 8, 8),
    ] {
        let mut line = Line::new(38_400);
        line.errors = 1.0 - (1.0 - ber).powi(8);
        line.send(60 * 3840);
        let mut changes = 0;
        for _ in 0..20 {
            let before = line.quality.express_parity();
            line.send(2 * 3840);
            changes += u32::from(line.quality.express_parity() != before);
        }
        let parity = line.quality.stats().express_parity;
        println!("{ber:.0e}: express parity {parity}, changed {changes} times in 40 s");
        assert!((least..=most).contains(&parity), "{ber}: {parity}");
        assert!(changes <= 6, "{ber}: flaps {changes}");
    }
}
