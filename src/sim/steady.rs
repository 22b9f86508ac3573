//! Datagrams of one size at a steady pace: what a test generator or a transfer in bulk sends.

use bytes::Bytes;

use super::Source;
use super::rng::Rng;
use crate::proto::time::{BitRate, Duration, Instant};

/// Sends random datagrams of one size at a steady pace, for ever.
#[derive(Clone, Debug)]
pub struct Steady {
    due: Instant,
    size: usize,
    pause: Duration,
    rng: Rng,
}

impl Steady {
    /// Datagrams of so many bytes, the first at `start`. A pause below the clock's microsecond
    /// counts as one.
    pub fn new(start: Instant, size: usize, pause: Duration, seed: u64) -> Self {
        Self {
            due: start,
            size,
            pause: pause.max(Duration::from_micros(1)),
            rng: Rng::new(seed),
        }
    }

    /// Twice what a line of that rate carries.
    pub fn bulk(start: Instant, size: usize, rate: BitRate, seed: u64) -> Self {
        Self::new(start, size, rate.time_for(size) / 2, seed)
    }
}

impl Source for Steady {
    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.due)
    }

    fn poll_datagram(&mut self, now: Instant) -> Option<Bytes> {
        if now < self.due {
            return None;
        }
        self.due += self.pause;
        let mut bytes = vec![0; self.size];
        self.rng.fill(&mut bytes);
        Some(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bulk_is_twice_what_the_line_carries() {
        let rate = BitRate::new(38_400).unwrap();
        let mut source = Steady::bulk(Instant::ZERO, 960, rate, 1);
        let mut sent = 0;
        while let Some(now) = source
            .poll_timeout()
            .filter(|&at| at < Instant::ZERO + Duration::from_secs(10))
        {
            while let Some(datagram) = source.poll_datagram(now) {
                assert_eq!(datagram.len(), 960);
                sent += datagram.len();
            }
        }
        assert_eq!(sent, 76_800);
    }
}
