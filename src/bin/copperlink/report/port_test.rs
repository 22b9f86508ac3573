//! What a port with a loopback plug did, in words.

use std::fmt::Write;

use serde::Serialize;

use copperlink::proto::time::BitRate;

/// A signal that this side drives, and one that the plug joins to it.
#[derive(Debug, Serialize)]
pub(crate) struct Signal {
    pub(crate) drives: &'static str,
    pub(crate) hears: &'static str,
    pub(crate) works: bool,
}

/// The result.
#[derive(Debug, Serialize)]
pub(crate) struct PortReport {
    device: String,
    baud: u32,
    bytes: Bytes,
    /// What it really carries, bit/s, where that could be measured.
    speed_bps: Option<f64>,
    signals: Vec<Signal>,
    /// What is wrong, and what to try.
    problems: Vec<String>,
    notes: Vec<String>,
}

/// What became of the 256 byte values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Bytes {
    /// All came back.
    All,
    /// Nothing did.
    Nothing,
    /// All without their top bit.
    SevenBits,
    /// All but XON and XOFF, of which there are fewer or more.
    NoXonXoff,
    /// Only some of them, as they were sent.
    Some,
    /// Others than were sent.
    Others,
}

impl Bytes {
    fn of(back: &[u8]) -> Self {
        let all = 0..=255u8;
        if back.is_empty() {
            Self::Nothing
        } else if all.clone().eq(back.iter().copied()) {
            Self::All
        } else if all.clone().map(|byte| byte & 0x7f).eq(back.iter().copied()) {
            Self::SevenBits
        } else if all
            .filter(is_other)
            .eq(back.iter().copied().filter(is_other))
        {
            Self::NoXonXoff
        } else if back.windows(2).all(|pair| pair[0] < pair[1]) {
            Self::Some
        } else {
            Self::Others
        }
    }

    fn problem(self, back: &[u8]) -> Option<String> {
        Some(match self {
            Self::All => return None,
            Self::Nothing => "nothing came back. Put the loopback plug on (pins 2 and 3 joined), and check with \
                              `copperlink ports` that this is the port it is on"
                .to_owned(),
            Self::SevenBits => "the top bit of each byte is lost. Set the port, and what is behind it, to 8 data \
                                bits and no parity"
                .to_owned(),
            Self::NoXonXoff => "the bytes 11 and 13 do not come back: something takes them for XON and XOFF. Switch \
                                software flow control off, or use `flow = \"software\"` at both ends of the link"
                .to_owned(),
            Self::Some => format!(
                "only {} of 256 bytes came back. The port is too slow for its speed, or loses its contact: try \
                 another cable, a lower speed",
                back.len()
            ),
            Self::Others => {
                let first = back.iter().zip(0..=255u8).find(|(back, sent)| *back != sent);
                let which = first.map_or_else(String::new, |(back, sent)| {
                    format!(" (sent {sent:02x}, back came {back:02x})")
                });
                format!(
                    "{} bytes came back, and not those that were sent{which}. That is no plug but a device that talks, \
                     or one that is set to another speed",
                    back.len()
                )
            }
        })
    }
}

/// Neither XON nor XOFF, which may be eaten on the way, or said.
fn is_other(byte: &u8) -> bool {
    !matches!(*byte, XON | XOFF)
}

impl PortReport {
    /// `back` is what came of all the byte values in their order.
    pub(crate) fn new(
        device: String,
        baud: BitRate,
        back: Vec<u8>,
        speed_bps: Option<f64>,
        signals: Vec<Signal>,
    ) -> Self {
        let bytes = Bytes::of(&back);
        let baud = baud.bits_per_second();
        let mut report = Self {
            problems: bytes.problem(&back).into_iter().collect(),
            notes: Vec::new(),
            device,
            baud,
            bytes,
            speed_bps,
            signals,
        };
        report.judge_speed();
        report.judge_signals();
        report
    }

    /// Bytes came before any was sent.
    pub(crate) fn note_talking(&mut self) {
        let words = "bytes come without being asked for: something at this port talks by itself";
        self.notes.push(words.to_owned());
    }

    fn judge_speed(&mut self) {
        let Some(speed) = self.speed_bps else {
            if self.bytes == Bytes::All {
                self.notes
                    .push("the speed could not be measured".to_owned());
            }
            return;
        };
        let share = speed / f64::from(self.baud);
        if share < SLOW {
            self.problems.push(format!(
                "a block took the time of {speed:.0} bit/s. The adapter is slower than its speed says: choose a lower \
                 one"
            ));
        } else if share > FAST {
            self.notes.push(format!(
                "a block came back faster than {} bit/s allow: there is no line behind this port that keeps its speed",
                self.baud
            ));
        }
    }

    fn judge_signals(&mut self) {
        if self.signals.is_empty() {
            let words =
                "this port has no signals (RTS, CTS, DTR, DSR, DCD), or they cannot be asked for";
            self.notes.push(words.to_owned());
        }
        for signal in self.signals.iter().filter(|signal| !signal.works) {
            self.problems.push(format!(
                "{} does not follow {}. Join them in the plug; if they are, the port or its cable lacks the wire, and \
                 hardware flow control cannot be used",
                signal.hears, signal.drives
            ));
        }
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let verdict = match self.is_good() {
            true => "the port is GOOD",
            false => "the port FAILED",
        };
        let mut out = format!("{} at {} bit/s: {verdict}\n", self.device, self.baud);
        for problem in &self.problems {
            let _ = writeln!(out, "  {problem}");
        }
        if self.bytes == Bytes::All {
            out.push_str("  bytes    all 256 values came back as they were sent\n");
        }
        if let Some(speed) = self.speed_bps {
            let _ = writeln!(out, "  speed    {speed:.0} bit/s measured");
        }
        for signal in self.signals.iter().filter(|signal| signal.works) {
            let _ = writeln!(out, "  signal   {} follows {}", signal.hears, signal.drives);
        }
        for note in &self.notes {
            let _ = writeln!(out, "  note: {note}");
        }
        out
    }
}

const XON: u8 = 0x11;
const XOFF: u8 = 0x13;
/// Of the nominal speed: gaps between characters, and a machine that is busy.
const SLOW: f64 = 0.8;
const FAST: f64 = 1.1;

#[cfg(test)]
mod tests {
    use super::*;

    fn report(back: Vec<u8>, speed: Option<f64>, signals: Vec<Signal>) -> PortReport {
        let baud = BitRate::new(38_400).unwrap();
        PortReport::new("/dev/ttyS0".to_owned(), baud, back, speed, signals)
    }

    fn all() -> Vec<u8> {
        (0..=255).collect()
    }

    #[test]
    fn each_fault_has_words_of_its_own() {
        let back = |change: fn(u8) -> Option<u8>| all().into_iter().filter_map(change).collect();
        for (back, words) in [
            (vec![], "loopback plug"),
            (back(|byte| Some(byte & 0x7f)), "8 data bits"),
            (
                back(|byte| (byte != XON && byte != XOFF).then_some(byte)),
                "XON and XOFF",
            ),
            (back(|byte| (byte != 7).then_some(byte)), "255 of 256"),
            (back(|byte| Some(byte ^ 1)), "sent 00, back came 01"),
        ] {
            let report = report(back, None, Vec::new());
            assert!(!report.is_good());
            assert!(report.text().contains(words), "{}", report.text());
        }
        assert!(report(all(), Some(38_000.0), Vec::new()).is_good());
    }

    #[test]
    fn a_slow_port_fails_and_a_fast_one_is_noted() {
        assert!(!report(all(), Some(38_400.0 * 0.79), Vec::new()).is_good());
        assert!(report(all(), Some(38_400.0 * 0.81), Vec::new()).is_good());
        let fast = report(all(), Some(38_400.0 * 1.2), Vec::new());
        assert!(fast.is_good() && fast.text().contains("faster than"));
    }

    #[test]
    fn a_signal_that_does_not_follow_fails() {
        let signal = |works| Signal {
            drives: "RTS",
            hears: "CTS",
            works,
        };
        assert!(report(all(), None, vec![signal(true)]).is_good());
        let bad = report(all(), None, vec![signal(false)]);
        assert!(
            bad.text().contains("CTS does not follow RTS"),
            "{}",
            bad.text()
        );
    }
}
