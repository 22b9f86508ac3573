//! What a line is told to be like. Values only: any of them makes a line, none is refused.

use crate::proto::time::{BitRate, Duration};
use crate::sim::{Fault, Noise};

/// What one direction of a line is like.
#[derive(Clone, Debug, PartialEq)]
pub struct LineModelConfig {
    /// Bit rate; a byte takes ten bits.
    pub rate: BitRate,
    /// From the last bit of a byte at the sender to its last bit at the receiver.
    pub delay: Duration,
    /// Most bytes that wait at the sender's side (terminal or modem), the one that is being
    /// sent among them.
    pub buffer: usize,
    /// The receiving UART hands over bytes when it has this many, or after four byte times of
    /// silence. At 1 (or 0) each byte at once.
    pub chunk: usize,
    /// Random damage.
    pub noise: Noise,
    /// Systematic damage.
    pub fault: Fault,
    /// Where chance begins.
    pub seed: u64,
}

impl LineModelConfig {
    /// Default of [`LineModelConfig::buffer`]: the output buffer of a Linux terminal.
    pub const BUFFER: usize = 4096;

    /// A perfect line without delay, which hands over each byte at once.
    pub const fn clean(rate: BitRate) -> Self {
        Self {
            rate,
            delay: Duration::ZERO,
            buffer: Self::BUFFER,
            chunk: 1,
            noise: Noise::NONE,
            fault: Fault::None,
            seed: 1,
        }
    }

    /// The same with that delay.
    #[must_use]
    pub const fn with_delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// The same with that buffer, in bytes.
    #[must_use]
    pub const fn with_buffer(self, buffer: usize) -> Self {
        Self { buffer, ..self }
    }

    /// The same with that chunk, in bytes.
    #[must_use]
    pub const fn with_chunk(self, chunk: usize) -> Self {
        Self { chunk, ..self }
    }

    /// The same with that noise.
    #[must_use]
    pub const fn with_noise(self, noise: Noise) -> Self {
        Self { noise, ..self }
    }

    /// The same with that fault.
    #[must_use]
    pub const fn with_fault(self, fault: Fault) -> Self {
        Self { fault, ..self }
    }

    /// The same with that seed.
    #[must_use]
    pub const fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }
}
