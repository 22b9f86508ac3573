//! How good the way here is: figures of the last seconds, from what the decoder counts, and what of it
//! the far end is told.

use crate::proto::framing::decoder::DecoderCounts;
use crate::proto::framing::report::Repairs;
use crate::proto::stats::QualityStats;
use crate::proto::time::{Duration, Instant};

/// The way here.
#[derive(Debug)]
pub(super) struct Incoming {
    /// The counters at the last two looks, and how many frames had not arrived.
    looks: [(DecoderCounts, u64); 2],
    looked: Instant,
    /// When the session began.
    begun: DecoderCounts,
    /// What the last two tellings said: each is told twice, as one may be lost.
    told: [Repairs; 2],
}

/// The figures are of the last one to two of these.
const LOOK_EVERY: Duration = Duration::from_secs(4);

impl Incoming {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            looks: [(DecoderCounts::default(), 0); 2],
            looked: now,
            begun: DecoderCounts::default(),
            told: [Repairs::default(); 2],
        }
    }

    /// Looks at the counters now and then; `absent` frames of the session did not arrive.
    pub(super) fn on_bytes(&mut self, now: Instant, counts: DecoderCounts, absent: u64) {
        if now.since(self.looked) >= LOOK_EVERY {
            self.looks = [(counts, absent), self.looks[0]];
            self.looked = now;
        }
    }

    /// A session begins: what is told counts from here.
    pub(super) fn begin_session(&mut self, counts: DecoderCounts) {
        self.begun = counts;
        self.told = [Repairs::default(); 2];
    }

    /// What to tell beside the next report, if there is news.
    pub(super) fn tell(&mut self, counts: DecoderCounts) -> Option<Repairs> {
        let since = |now: u64, begun: u64| now.wrapping_sub(begun);
        let repairs = Repairs {
            bytes: since(counts.repaired_bytes, self.begun.repaired_bytes) as u16,
            frames: since(counts.repaired_frames, self.begun.repaired_frames) as u8,
            slips: since(counts.slips, self.begun.slips) as u8,
        };
        if self.told == [repairs; 2] {
            return None;
        }
        self.told = [repairs, self.told[0]];
        Some(repairs)
    }

    pub(super) fn stats(&self, counts: DecoderCounts, absent: u64) -> QualityStats {
        let (before, absent_before) = self.looks[1];
        let since = |now: u64, before: u64| now.saturating_sub(before) as f64;
        let repaired = since(counts.repaired_bytes, before.repaired_bytes);
        let good_bytes = since(counts.good_bytes, before.good_bytes);
        let bad = since(counts.bad, before.bad);
        let bytes = good_bytes + since(counts.bad_bytes, before.bad_bytes);
        // A frame that interrupted ones tore to pieces is one. One that is on its way is absent, too.
        let lost = since(absent, absent_before).min(bad);
        let frames = since(counts.good, before.good) + lost;
        let squares = since(counts.good_squares, before.good_squares);
        let pairs = since(counts.repaired_pairs, before.repaired_pairs);
        // Spread at random, wrong bytes make a pair in a frame as often as the square of their rate.
        let expected = squares * (repaired / good_bytes.max(1.0)).powi(2);
        QualityStats {
            // What is beyond repair has one wrong byte at least.
            error_rate: (repaired + bad) / bytes.max(1.0),
            loss_rate: lost / frames.max(1.0),
            burstiness: if expected > 0.0 {
                pairs / expected
            } else {
                0.0
            },
            bytes_repaired: counts.repaired_bytes,
            frames_repaired: counts.repaired_frames,
            slips: counts.slips,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(frames: &[u64]) -> DecoderCounts {
        let wrong = frames.iter().filter(|&&wrong| wrong > 0);
        DecoderCounts {
            good: frames.len() as u64,
            good_bytes: 100 * frames.len() as u64,
            good_squares: 10_000 * frames.len() as u64,
            repaired_bytes: frames.iter().sum(),
            repaired_frames: wrong.clone().count() as u64,
            repaired_pairs: wrong.map(|wrong| wrong * (wrong - 1)).sum(),
            ..DecoderCounts::default()
        }
    }

    #[test]
    fn errors_in_bursts_are_told_from_errors_at_random() {
        let incoming = Incoming::new(Instant::ZERO);
        // Two in a hundred on average: Poisson, and all of them in one frame of eight.
        let random = [0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 5, 2, 1, 1, 2];
        let bursts = [0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 8];
        let random = incoming.stats(counts(&random), 0);
        let bursts = incoming.stats(counts(&bursts), 0);
        assert!((random.error_rate - 0.02).abs() < 1e-6, "{random:?}");
        assert!((0.7..1.3).contains(&random.burstiness), "{random:?}");
        assert!(bursts.burstiness > 3.0, "{bursts:?}");
    }

    #[test]
    fn what_was_repaired_is_told_twice_and_then_no_more() {
        let mut incoming = Incoming::new(Instant::ZERO);
        let none = counts(&[0]);
        assert_eq!(incoming.tell(none), None);
        let some = counts(&[0, 3]);
        let told = incoming.tell(some).expect("news");
        assert_eq!((told.bytes, told.frames), (3, 1));
        assert_eq!(incoming.tell(some), Some(told));
        assert_eq!(incoming.tell(some), None);
        incoming.begin_session(some);
        assert_eq!(incoming.tell(some), None, "it was before the session");
    }

    #[test]
    fn the_figures_are_those_of_the_last_seconds() {
        let mut incoming = Incoming::new(Instant::ZERO);
        let noisy = counts(&[2; 50]);
        for second in 0..20 {
            let now = Instant::ZERO + Duration::from_secs(second);
            incoming.on_bytes(now, noisy, 0);
        }
        let mut later = noisy;
        later.good += 50;
        later.good_bytes += 5000;
        later.good_squares += 500_000;
        let stats = incoming.stats(later, 0);
        assert_eq!((stats.error_rate, stats.burstiness), (0.0, 0.0));
        assert_eq!(stats.bytes_repaired, 100);
    }

    #[test]
    fn a_frame_that_is_lost_in_pieces_is_lost_once() {
        let incoming = Incoming::new(Instant::ZERO);
        let mut noisy = counts(&[0; 90]);
        noisy.bad = 40;
        assert!((incoming.stats(noisy, 10).loss_rate - 0.1).abs() < 1e-9);
        let clean = counts(&[0; 90]);
        assert_eq!(incoming.stats(clean, 1).loss_rate, 0.0, "one is on its way");
    }
}
