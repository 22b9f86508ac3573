//! What the damage of a line most likely comes from.

use super::{Replayed, SILENCE};

/// Errors come together more than chance would have it.
const BURSTY: f64 = 2.5;

impl Replayed {
    pub(super) fn cause(&self) -> String {
        let (way, looks) = (&self.received, &self.looks);
        let counts = &way.counts;
        let mut words = Vec::new();
        if self.bytes_missing > 0 {
            words.push(format!(
                "The capture lacks {} bytes, so more looks wrong than was: record on a faster disk",
                self.bytes_missing
            ));
        }
        if counts.bytes == 0 {
            words.push(
                "Nothing came from the far end: check that copperlink runs there, the pair, and that \
                 transmit and receive are crossed"
                    .to_owned(),
            );
        } else if looks.own_voice > 0 {
            words.push("A loop: remove the loop plug, or end the modem's loop test".to_owned());
        } else if counts.frames == 0 {
            words.push(self.no_frames().to_owned());
        } else {
            words.push(self.damage());
        }
        let long = way
            .silences
            .iter()
            .filter(|silence| silence.seconds < self.seconds);
        let count = long.count();
        if count > 0 && counts.bytes > 0 {
            words.push(format!(
                "{count} times nothing came for {} s or more: cuts of the line, retrains of a modem, or the far end was \
                 stopped",
                SILENCE.as_secs()
            ));
        }
        words.join(". ")
    }

    fn no_frames(&self) -> &'static str {
        match (self.looks.varied, self.looks.top_bit) {
            (false, _) => "Always the same byte: a stuck line, a break, or a modem in a test loop",
            (true, false) => {
                "No byte has its top bit set: the path carries 7 bits only. Set 8 data bits and no parity \
                 on every terminal of the line"
            }
            (true, true) => {
                "Bytes, but no frame among them: most likely the speed (baud) differs between the two ends, or \
                 one has parity or 7 data bits set, or XON/XOFF on the way eats bytes"
            }
        }
    }

    fn damage(&self) -> String {
        let way = &self.received;
        let counts = &way.counts;
        let wrong = counts.bytes_repaired + counts.frames_bad;
        if wrong == 0 {
            return "The way here was clean".to_owned();
        }
        let each = format!(
            "1 byte in {:.0} arrived wrong",
            1.0 / way.error_rate.max(1e-12)
        );
        if counts.slips > 0 && 10 * counts.slips > counts.frames_repaired {
            format!(
                "{each}, and bytes were lost or came out of nowhere ({} times): a port that is not emptied in \
                 time, clocks of modems that slip, or XON/XOFF on the way. Check flow control at both ends",
                counts.slips
            )
        } else if way.burstiness > BURSTY || counts.frames_bad > counts.bytes_repaired {
            format!(
                "{each}, in bursts: impulses (ringing, switching, motors), a joint that opens, or a modem that loses \
                 its train. A lower modem speed helps little; look for the source"
            )
        } else {
            format!(
                "{each}, spread evenly: noise or a level that is too low. A lower modem speed helps, or another pair"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use copperlink::proto::listen::{Direction, HeardCounts};
    use copperlink::proto::time::Instant;

    /// What is said of a way here with these bytes and counters.
    fn cause(bytes: &[u8], counts: HeardCounts) -> String {
        let mut replayed = Replayed::default();
        if !bytes.is_empty() {
            replayed.on_bytes(Instant::ZERO, Direction::Received, bytes);
        }
        let way = &mut replayed.received;
        way.counts = HeardCounts {
            bytes: bytes.len() as u64,
            good_bytes: 100_000,
            good_squares: 10_000_000,
            ..counts
        };
        (way.error_rate, way.burstiness) = (way.counts.error_rate(), way.counts.burstiness());
        replayed.cause()
    }

    #[test]
    fn the_cause_is_named() {
        let none = HeardCounts::default();
        let some = HeardCounts {
            frames: 1000,
            ..none
        };
        let even = HeardCounts {
            bytes_repaired: 100,
            frames_repaired: 95,
            repaired_pairs: 10,
            ..some
        };
        let bursts = HeardCounts {
            repaired_pairs: 500,
            ..even
        };
        let slips = HeardCounts { slips: 20, ..even };
        for (bytes, counts, words) in [
            (&b""[..], none, "Nothing came"),
            (b"xxxxxxxxx", none, "Always the same byte"),
            (b"seven bits", none, "7 bits only"),
            (b"any\xff\x80\x00bits", none, "the speed (baud) differs"),
            (b"\x01\xff", some, "The way here was clean"),
            (b"\x01\xff", even, "spread evenly"),
            (b"\x01\xff", bursts, "in bursts"),
            (b"\x01\xff", slips, "bytes were lost or came out of nowhere"),
        ] {
            let said = cause(bytes, counts);
            assert!(said.contains(words), "{said} instead of {words}");
        }
    }

    #[test]
    fn what_is_missing_is_said_first() {
        let mut replayed = Replayed::default();
        replayed.on_gap(2, 900);
        assert!(replayed.cause().starts_with("The capture lacks 900 bytes"));
    }
}
