//! What the modems agreed on, from what they say of it.
//!
//! Promise: the rate of the port is never taken for the rate of the line. Modems put either behind
//! `CONNECT`; which one it is shows by what else they say (`CARRIER`, `+MRR`, a second rate), by
//! whether a line can have it, and by whether the port has it. In doubt the rate is unknown, and left to be
//! measured. Leaves out what it does not know: each maker has words of its own.

use std::fmt;

use serde::Serialize;

/// A connection, as far as the modem told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Connection {
    /// What the line carries towards the far end, bit/s.
    pub line_rate: Option<u32>,
    /// What it carries from there, bit/s, where the modem told both.
    pub receive_rate: Option<u32>,
    /// The rate between modem and port, bit/s, where the modem told it.
    pub port_rate: Option<u32>,
    /// For instance `V.34`.
    pub modulation: Option<String>,
    /// Whether the modems repair the line.
    pub error_control: ErrorControl,
    /// Whether they compress.
    pub compression: Compression,
    /// The modem's own words.
    pub said: Vec<String>,
}

/// Error control between the modems.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorControl {
    /// The modem did not tell.
    #[default]
    Unknown,
    /// None: errors of the line arrive.
    None,
    /// V.42 (LAPM): errors of the line become delay.
    V42,
    /// MNP: the same.
    Mnp,
    /// One or the other.
    Some,
}

/// Data compression between the modems.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// The modem did not tell.
    #[default]
    Unknown,
    /// None.
    None,
    /// V.42bis.
    V42bis,
    /// V.44.
    V44,
    /// MNP 5.
    Mnp5,
    /// One of them.
    Some,
}

impl Connection {
    /// Takes a line that is about the connection. Says whether it is.
    pub(super) fn take_report(&mut self, line: &str) -> bool {
        let words = line.to_ascii_uppercase();
        let about = |names: &[&str]| {
            names.iter().find_map(|name| {
                let rest = words.strip_prefix(name)?;
                rest.starts_with([':', ' ', '='])
                    .then(|| rest.trim_start_matches([':', ' ', '=']).to_owned())
            })
        };
        if let Some(rates) = about(&["CARRIER", "+MRR"]) {
            let mut rates = rates.split([',', '/', ' ']).filter_map(line_rate);
            self.line_rate = rates.next().or(self.line_rate);
            self.receive_rate = rates.next().or(self.receive_rate);
        } else if let Some(modulation) = about(&["+MCR", "MODULATION"]) {
            self.take_words(&modulation);
        } else if let Some(protocol) = about(&["PROTOCOL", "+ER"]) {
            match is_none(&protocol) {
                true => self.error_control = ErrorControl::None,
                false => self.take_words(&protocol),
            }
            if self.error_control == ErrorControl::Unknown && !protocol.is_empty() {
                self.error_control = ErrorControl::Some;
            }
        } else if let Some(compression) = about(&["COMPRESSION", "+DR"]) {
            match is_none(&compression) {
                true => self.compression = Compression::None,
                // `CLASS 5`, `V.42 BIS`.
                false => self.take_word(&compression.replace(' ', "")),
            }
            if self.compression == Compression::Unknown && !compression.is_empty() {
                self.compression = Compression::Some;
            }
        } else {
            return false;
        }
        self.remember(line);
        true
    }

    /// Takes the line that begins with `CONNECT`. `baud` is the rate of the port, bit/s.
    pub(super) fn take_connect(&mut self, line: &str, baud: u32) {
        self.remember(line);
        let words = line.to_ascii_uppercase();
        let words = words.strip_prefix("CONNECT").unwrap_or(&words).trim();
        let mut rates = Rates::default();
        for token in words.split(['/', ' ', ',', ':']).filter(|t| !t.is_empty()) {
            if !rates.take(token) {
                self.take_word(token);
            }
        }
        let Rates {
            first,
            second,
            transmit,
            receive,
            ..
        } = rates;
        let told = transmit.or(second).filter(|rate| is_line_rate(*rate));
        self.receive_rate = self.receive_rate.or(receive);
        // Where the modem tells the line's rate apart, the first number is the port's.
        let is_told_apart = self.line_rate.or(told).is_some();
        self.line_rate = self
            .line_rate
            .or(told)
            .or_else(|| first.filter(|rate| is_line_rate(*rate) && *rate != baud));
        self.port_rate = first.filter(|rate| {
            !is_line_rate(*rate)
                || *rate == baud
                || (is_told_apart && Some(*rate) != self.line_rate)
        });
    }

    /// Whether the modem says a rate that the line has, and not only the port.
    pub fn rate_is_known(&self) -> bool {
        self.line_rate.is_some()
    }

    /// What the line carries, bit/s in characters of ten bits: error control leaves start and stop bits
    /// out, and needs some room itself.
    pub fn character_rate(&self) -> Option<u32> {
        let rate = self.line_rate?;
        Some(match self.error_control {
            ErrorControl::V42 | ErrorControl::Mnp | ErrorControl::Some => rate / 100 * 120,
            ErrorControl::None | ErrorControl::Unknown => rate,
        })
    }

    fn take_words(&mut self, words: &str) {
        for word in words.split(['/', ' ', ',', '+']).filter(|w| !w.is_empty()) {
            self.take_word(word);
        }
    }

    fn take_word(&mut self, word: &str) {
        let plain: String = word.chars().filter(|c| !matches!(c, '.' | '-')).collect();
        let is_v42 = self.error_control == ErrorControl::V42;
        match plain.as_str() {
            "LAPM" | "RELLAPM" | "V42" | "LAPB" => self.error_control = ErrorControl::V42,
            "MNP" | "RELMNP" | "MNP2" | "MNP3" | "MNP4" | "MNP10" | "ALT" => {
                self.error_control = ErrorControl::Mnp;
            }
            // Either; more may be known already.
            "ARQ" | "REL" | "RELIABLE" | "EC" => {
                if self.error_control == ErrorControl::Unknown {
                    self.error_control = ErrorControl::Some;
                }
            }
            "NONE" | "NORMAL" | "DIRECT" | "NOEC" => {
                if self.error_control == ErrorControl::Unknown {
                    self.error_control = ErrorControl::None;
                }
            }
            "V42BIS" | "V42B" => {
                self.compression = Compression::V42bis;
                self.some_error_control();
            }
            "BIS" if is_v42 => self.compression = Compression::V42bis,
            "V44" => {
                self.compression = Compression::V44;
                self.some_error_control();
            }
            "MNP5" | "CLASS5" => {
                self.compression = Compression::Mnp5;
                self.error_control = ErrorControl::Mnp;
            }
            "COMP" | "COMPRESSED" | "COMPRESSION" => {
                if self.compression == Compression::Unknown {
                    self.compression = Compression::Some;
                }
            }
            other => {
                if let Some(modulation) = modulation(other) {
                    self.modulation = Some(modulation);
                }
            }
        }
    }

    /// Compression needs error control.
    fn some_error_control(&mut self) {
        if matches!(
            self.error_control,
            ErrorControl::Unknown | ErrorControl::Some
        ) {
            self.error_control = ErrorControl::V42;
        }
    }

    fn remember(&mut self, line: &str) {
        if self.said.len() < MOST_SAID {
            self.said.push(line.to_owned());
        }
    }
}

/// For instance "28800 bit/s, V.34, V.42, no compression"; what is not known is left out.
impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line_rate, self.receive_rate) {
            (Some(there), Some(here)) if there != here => {
                write!(f, "{there} bit/s there and {here} here")?;
            }
            (Some(rate), _) => write!(f, "{rate} bit/s")?,
            (None, _) => f.write_str("a rate that the modem did not tell")?,
        }
        if let Some(modulation) = &self.modulation {
            write!(f, ", {modulation}")?;
        }
        f.write_str(match self.error_control {
            ErrorControl::Unknown => "",
            ErrorControl::None => ", no error control",
            ErrorControl::V42 => ", V.42",
            ErrorControl::Mnp => ", MNP",
            ErrorControl::Some => ", error control",
        })?;
        f.write_str(match self.compression {
            Compression::Unknown => "",
            Compression::None => ", no compression",
            Compression::V42bis => ", V.42bis compression",
            Compression::V44 => ", V.44 compression",
            Compression::Mnp5 => ", MNP 5 compression",
            Compression::Some => ", compression",
        })
    }
}

/// The numbers of a `CONNECT` line, in their order.
#[derive(Default)]
struct Rates {
    first: Option<u32>,
    second: Option<u32>,
    transmit: Option<u32>,
    receive: Option<u32>,
    last: Option<u32>,
    has_words: bool,
}

impl Rates {
    /// Takes a token if it is a rate or says which one the last was.
    fn take(&mut self, token: &str) -> bool {
        let digits = token.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let (number, way) = (digits.parse().ok(), &token[digits.len()..]);
        match (number, way) {
            (Some(rate), "" | "TX" | "RX" | "BPS") => {
                self.last = Some(rate);
                match (way, self.first, self.has_words) {
                    ("TX", ..) => self.transmit = Some(rate),
                    ("RX", ..) => self.receive = Some(rate),
                    (_, None, false) => self.first = Some(rate),
                    _ => self.second = self.second.or(Some(rate)),
                }
            }
            (None, "TX") if digits.is_empty() => self.transmit = self.last,
            (None, "RX") if digits.is_empty() => self.receive = self.last,
            _ => {
                self.has_words = true;
                return false;
            }
        }
        true
    }
}

fn is_none(words: &str) -> bool {
    matches!(words.trim(), "NONE" | "OFF" | "0")
}

fn line_rate(text: &str) -> Option<u32> {
    text.parse().ok().filter(|rate| is_line_rate(*rate))
}

/// Whether two modems can have it between them. 38400, 57600 and above only a port has; but for ISDN,
/// which no copper pair with analogue modems is.
fn is_line_rate(rate: u32) -> bool {
    match rate {
        75 | 300 | 600 | 1200 => true,
        2400..=33_600 if rate.is_multiple_of(2400) => true,
        // V.90 and V.92: steps of 8000/6 bit/s, rounded down or up.
        28_000..=56_000 => {
            let step = rate.saturating_add(1) * 3 / 4000;
            rate.abs_diff(step * 4000 / 3) <= 1
        }
        _ => false,
    }
}

/// The name of a modulation, as the standard writes it.
fn modulation(word: &str) -> Option<String> {
    let name = match word {
        "V21" | "V22" | "V23" | "V32" | "V34" | "V90" | "V92" => format!("V.{}", &word[1..]),
        "V22B" | "V22BIS" => "V.22bis".to_owned(),
        "V32B" | "V32BIS" => "V.32bis".to_owned(),
        "V32T" | "V32TERBO" | "V32TER" => "V.32terbo".to_owned(),
        "V34B" | "V34+" | "V34S" => "V.34".to_owned(),
        "VFC" | "HST" | "ZYX" | "X2" | "K56" | "K56FLEX" | "PEP" => word.to_owned(),
        _ => return None,
    };
    Some(name)
}

const MOST_SAID: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is said before CONNECT, and the rest.
    fn connection(lines: &[&str]) -> Connection {
        let mut connection = Connection::default();
        for line in lines {
            if line.starts_with("CONNECT") {
                connection.take_connect(line, 115_200);
            } else {
                assert!(connection.take_report(line), "{line}");
            }
        }
        connection
    }

    #[test]
    fn connect_strings_of_many_makers() {
        use Compression as C;
        use ErrorControl as E;
        for (lines, rate, port, modulation, error_control, compression) in [
            (&["CONNECT"][..], None, None, None, E::Unknown, C::Unknown),
            (
                &["CONNECT 28800"],
                Some(28_800),
                None,
                None,
                E::Unknown,
                C::Unknown,
            ),
            (
                &["CONNECT 1200"],
                Some(1200),
                None,
                None,
                E::Unknown,
                C::Unknown,
            ),
            (
                &["CONNECT 115200"],
                None,
                Some(115_200),
                None,
                E::Unknown,
                C::Unknown,
            ),
            (
                &["CONNECT 57600"],
                None,
                Some(57_600),
                None,
                E::Unknown,
                C::Unknown,
            ),
            (
                &["CONNECT 38400"],
                None,
                Some(38_400),
                None,
                E::Unknown,
                C::Unknown,
            ),
            (
                &["CONNECT 33600/ARQ/V34/LAPM/V42BIS"],
                Some(33_600),
                None,
                Some("V.34"),
                E::V42,
                C::V42bis,
            ),
            (
                &["CONNECT 28800/NONE"],
                Some(28_800),
                None,
                None,
                E::None,
                C::Unknown,
            ),
            (
                &["CONNECT 14400/ARQ"],
                Some(14_400),
                None,
                None,
                E::Some,
                C::Unknown,
            ),
            (
                &["CONNECT 16800/HST/NONE"],
                Some(16_800),
                None,
                Some("HST"),
                E::None,
                C::Unknown,
            ),
            (
                &["CONNECT 50666/ARQ/V90/LAPM/V42BIS"],
                Some(50_666),
                None,
                Some("V.90"),
                E::V42,
                C::V42bis,
            ),
            (
                &["CONNECT 28800/REL-LAPM V.42 BIS"],
                Some(28_800),
                None,
                None,
                E::V42,
                C::V42bis,
            ),
            (
                &["CONNECT 9600/REL/COMP"],
                Some(9600),
                None,
                None,
                E::Some,
                C::Some,
            ),
            (
                &["CONNECT 14400 REL MNP5"],
                Some(14_400),
                None,
                None,
                E::Mnp,
                C::Mnp5,
            ),
            (
                &["CONNECT 28800/LAPM V.42 BIS"],
                Some(28_800),
                None,
                None,
                E::V42,
                C::V42bis,
            ),
            (
                &["CONNECT 57600/V34 28800/V42b"],
                Some(28_800),
                Some(57_600),
                Some("V.34"),
                E::V42,
                C::V42bis,
            ),
            (
                &["CONNECT 19200/V32b 14400/V42"],
                Some(14_400),
                Some(19_200),
                Some("V.32bis"),
                E::V42,
                C::Unknown,
            ),
            (
                &["CONNECT 115200/V34/LAPM/V42BIS/33600:TX/31200:RX"],
                Some(33_600),
                Some(115_200),
                Some("V.34"),
                E::V42,
                C::V42bis,
            ),
            (
                &["CONNECT 1200TX/75RX"],
                Some(1200),
                None,
                None,
                E::Unknown,
                C::Unknown,
            ),
            (
                &[
                    "CARRIER 28800",
                    "PROTOCOL: LAP-M",
                    "COMPRESSION: V.42BIS",
                    "CONNECT 115200",
                ],
                Some(28_800),
                Some(115_200),
                None,
                E::V42,
                C::V42bis,
            ),
            (
                &[
                    "CARRIER 31200",
                    "PROTOCOL: NONE",
                    "COMPRESSION: NONE",
                    "CONNECT 19200",
                ],
                Some(31_200),
                Some(19_200),
                None,
                E::None,
                C::None,
            ),
            (
                &[
                    "CARRIER 14400",
                    "PROTOCOL: ALT",
                    "COMPRESSION: CLASS 5",
                    "CONNECT 57600",
                ],
                Some(14_400),
                Some(57_600),
                None,
                E::Mnp,
                C::Mnp5,
            ),
            (
                &[
                    "+MCR: V34",
                    "+MRR: 33600,31200",
                    "+ER: LAPM",
                    "+DR: V42B",
                    "CONNECT 115200",
                ],
                Some(33_600),
                Some(115_200),
                Some("V.34"),
                E::V42,
                C::V42bis,
            ),
            (
                &[
                    "+MCR: V32B",
                    "+MRR: 14400",
                    "+ER: NONE",
                    "+DR: NONE",
                    "CONNECT",
                ],
                Some(14_400),
                None,
                Some("V.32bis"),
                E::None,
                C::None,
            ),
        ] {
            let found = connection(lines);
            let said = format!("{lines:?}: {found:?}");
            assert_eq!(found.line_rate, rate, "{said}");
            assert_eq!(found.port_rate, port, "{said}");
            assert_eq!(found.modulation.as_deref(), modulation, "{said}");
            assert_eq!(found.error_control, error_control, "{said}");
            assert_eq!(found.compression, compression, "{said}");
        }
    }

    #[test]
    fn both_directions_where_they_differ() {
        let found = connection(&["+MRR: 33600,31200", "CONNECT 115200"]);
        assert_eq!(found.receive_rate, Some(31_200));
        assert_eq!(found.to_string(), "33600 bit/s there and 31200 here");
    }

    #[test]
    fn a_rate_that_the_port_has_may_be_the_ports() {
        let mut found = Connection::default();
        found.take_connect("CONNECT 19200", 19_200);
        assert_eq!((found.line_rate, found.port_rate), (None, Some(19_200)));
        let mut found = Connection::default();
        found.take_connect("CONNECT 19200", 115_200);
        assert_eq!((found.line_rate, found.port_rate), (Some(19_200), None));
    }

    #[test]
    fn words_for_the_technician() {
        let found = connection(&["PROTOCOL: LAPM", "COMPRESSION: NONE", "CONNECT 28800"]);
        assert_eq!(found.to_string(), "28800 bit/s, V.42, no compression");
        assert_eq!(found.character_rate(), Some(34_560));
        let found = connection(&["CONNECT"]);
        assert_eq!(found.to_string(), "a rate that the modem did not tell");
        assert_eq!(found.character_rate(), None);
    }

    #[test]
    fn other_lines_are_not_about_it() {
        let mut connection = Connection::default();
        for line in ["OK", "CARRIERS 28800", "RING", "+CID: 28800", "PROTOCOLS"] {
            assert!(!connection.take_report(line), "{line}");
        }
        assert_eq!(connection, Connection::default());
    }

    proptest! {
        #[test]
        fn any_line_is_taken_without_harm(line in "(CONNECT|CARRIER|\\+MRR|PROTOCOL:)?[ -~]{0,80}", baud in any::<u32>()) {
            let mut connection = Connection::default();
            for _ in 0..20 {
                connection.take_report(&line);
                connection.take_connect(&line, baud);
            }
            prop_assert!(connection.said.len() <= MOST_SAID);
            prop_assert!(connection.line_rate.is_none_or(is_line_rate));
            prop_assert_ne!(connection.line_rate, Some(115_200));
            let _words = connection.to_string();
        }
    }
}
