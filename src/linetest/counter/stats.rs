//! What a tester has counted.

use serde::Serialize;

use crate::linetest::g821::{Counts, Evaluator};
use crate::linetest::intervals::Intervals;
use crate::linetest::pattern::{Pattern, Polarity};
use crate::linetest::timeline::Timeline;

/// Everything that was counted. Bits are data bits: of the ten of a character the line carries eight.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// Bytes handed to the line.
    pub bytes_sent: u64,
    /// Bits turned over in them on purpose.
    pub injected: u64,
    /// Bytes that came, of any kind.
    pub bytes_received: u64,
    /// The pattern that is received, once one was found.
    pub pattern: Option<Pattern>,
    /// Whether it is as the register gives it.
    pub polarity: Option<Polarity>,
    /// A pattern that came in place of the one that was expected.
    pub other_pattern: Option<Pattern>,
    /// Whether it is received now.
    pub is_synchronised: bool,
    /// Time from the start to the first synchronisation, µs.
    pub synchronised_after_us: Option<u64>,
    /// Bits that were compared, in seconds that were not lost.
    pub bits: u64,
    /// Those that were wrong.
    pub errors: u64,
    /// Bits since the first synchronisation that could not be judged: around slips, and in lost seconds.
    pub unjudged_bits: u64,
    /// Times that the pattern went on at another place, other than after silence or a loss.
    pub slips: u64,
    /// Whole bytes that slips lost, and those too many.
    pub slipped_bytes_lost: u64,
    /// Bytes too many.
    pub slipped_bytes_extra: u64,
    /// Slips by part of a byte, or too far to say.
    pub slips_of_bits: u64,
    /// Times that synchronisation was lost.
    pub synchronisation_losses: u64,
    /// Seconds in which nothing came.
    pub silent_seconds: u64,
    /// Seconds as G.821 counts them, from the first synchronisation on.
    pub seconds: Counts,
    /// The stretches between errors.
    pub intervals: Intervals,
    /// Second by second.
    pub timeline: Timeline,
}

impl Stats {
    /// Of a test that has not begun.
    pub(super) fn new() -> Self {
        Self {
            bytes_sent: 0,
            injected: 0,
            bytes_received: 0,
            pattern: None,
            other_pattern: None,
            polarity: None,
            is_synchronised: false,
            synchronised_after_us: None,
            bits: 0,
            errors: 0,
            unjudged_bits: 0,
            slips: 0,
            slipped_bytes_lost: 0,
            slipped_bytes_extra: 0,
            slips_of_bits: 0,
            synchronisation_losses: 0,
            silent_seconds: 0,
            seconds: Evaluator::new().counts(),
            intervals: Intervals::default(),
            timeline: Timeline::default(),
        }
    }

    /// Share of the bits that were wrong; `None` before any was compared.
    pub fn bit_error_rate(&self) -> Option<f64> {
        (self.bits > 0).then(|| self.errors as f64 / self.bits as f64)
    }
}
