//! What a modem says: bytes become lines, lines become result codes.
//!
//! Promises: any bytes, in pieces of any size, take bounded memory and end in lines of plain letters;
//! results are understood in words (`V1`) and in numbers (`V0`). Leaves it to the caller to know
//! whether a number can be a result now (an answer to `ATS7?` looks the same), and what an echo is.

use std::collections::BTreeMap;

/// Cuts what comes from a modem into lines.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    line: String,
    is_overlong: bool,
    readable: u64,
    unreadable: u64,
}

impl Reader {
    /// Takes a byte. Gives the line that ends with it, without what surrounds it; never an empty one.
    pub fn take(&mut self, byte: u8) -> Option<String> {
        match byte {
            b'\r' | b'\n' => {
                self.readable += 1;
                let is_overlong = std::mem::take(&mut self.is_overlong);
                let line = std::mem::take(&mut self.line);
                let line = line.trim();
                return (!line.is_empty() && !is_overlong).then(|| line.to_owned());
            }
            b' '..=b'~' => {
                self.readable += 1;
                self.push(char::from(byte));
            }
            b'\t' => self.push(' '),
            // Flow control, and what some modems send before they reset.
            0x00 | 0x08 | 0x11 | 0x13 => {}
            _ => {
                self.unreadable += 1;
                self.push('?');
            }
        }
        None
    }

    /// What came since the last line end, for instance the echo of a command.
    pub fn rest(&self) -> &str {
        self.line.trim()
    }

    /// Whether anything came since [`Reader::forget`].
    pub fn has_heard(&self) -> bool {
        self.readable + self.unreadable > 0
    }

    /// Whether what came is mostly no text, as at a wrong speed.
    pub fn hears_garbage(&self) -> bool {
        self.unreadable > 0 && self.unreadable * 4 > self.readable
    }

    /// Begins anew.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    fn push(&mut self, letter: char) {
        if self.line.len() < LONGEST_LINE {
            self.line.push(letter);
        } else {
            self.is_overlong = true;
        }
    }
}

/// No modem says more in a line, bytes.
const LONGEST_LINE: usize = 256;

/// What a modem answers to a command, or says of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultCode {
    /// Done.
    Ok,
    /// Not understood, or not possible.
    Error,
    /// Connected; the whole line, see [`Connection`](super::Connection).
    Connect(String),
    /// A call comes in.
    Ring,
    /// It rings at the far end.
    Ringing,
    /// No carrier, or no longer.
    NoCarrier,
    /// No dial tone on the line.
    NoDialtone,
    /// The far end is busy.
    Busy,
    /// Nobody answers.
    NoAnswer,
    /// A person answers.
    Voice,
    /// The modem refuses to dial this number again.
    Blacklisted,
    /// The modem refuses to dial this number for a while.
    Delayed,
    /// Another telephone uses the line.
    LineInUse,
}

/// Whether a line of digits can be a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// It can: the modem may be set to `V0`.
    AreResults,
    /// It cannot: it is what was asked for.
    AreValues,
}

impl ResultCode {
    /// The result that a line is, if it is one. `meaning` says what a family's own numbers mean, each as
    /// the word that `V1` would have.
    pub fn of(line: &str, numbers: Numbers, meaning: &BTreeMap<String, String>) -> Option<Self> {
        if is_number(line) {
            return match numbers {
                Numbers::AreValues => None,
                Numbers::AreResults => match meaning.get(line) {
                    Some(words) => Self::of_words(words),
                    None => Self::of_number(line),
                },
            };
        }
        Self::of_words(line)
    }

    fn of_words(line: &str) -> Option<Self> {
        let words = line.to_ascii_uppercase();
        let is = |word: &str| {
            words
                .strip_prefix(word)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
        };
        if is("CONNECT") {
            return Some(Self::Connect(line.to_owned()));
        }
        // More may stand behind these: a time, who calls.
        for (word, code) in [
            ("DELAYED", Self::Delayed),
            ("BLACKLIST", Self::Blacklisted),
            ("BLACKLISTED", Self::Blacklisted),
            ("RING", Self::Ring),
            ("NO CARRIER", Self::NoCarrier),
        ] {
            if is(word) {
                return Some(code);
            }
        }
        Some(match words.as_str() {
            "OK" => Self::Ok,
            "ERROR" => Self::Error,
            "RINGING" | "RRING" | "RINGBACK" => Self::Ringing,
            "NO DIALTONE" | "NO DIAL TONE" => Self::NoDialtone,
            "BUSY" => Self::Busy,
            "NO ANSWER" => Self::NoAnswer,
            "VOICE" => Self::Voice,
            "LINE IN USE" | "NO LINE" => Self::LineInUse,
            _ => return None,
        })
    }

    /// The numbers on which all families agree.
    fn of_number(line: &str) -> Option<Self> {
        let connect = |rate: &str| Self::Connect(format!("CONNECT {rate}").trim().to_owned());
        Some(match line {
            "0" => Self::Ok,
            "1" => connect(""),
            "2" => Self::Ring,
            "3" => Self::NoCarrier,
            "4" => Self::Error,
            "5" => connect("1200"),
            "6" => Self::NoDialtone,
            "7" => Self::Busy,
            "8" => Self::NoAnswer,
            "10" => connect("2400"),
            _ => return None,
        })
    }
}

fn is_number(line: &str) -> bool {
    matches!(line.len(), 1..=3) && line.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let mut reader = Reader::default();
        bytes.iter().filter_map(|byte| reader.take(*byte)).collect()
    }

    fn result(line: &str) -> Option<ResultCode> {
        ResultCode::of(line, Numbers::AreResults, &BTreeMap::new())
    }

    #[test]
    fn lines_come_out_whatever_ends_and_surrounds_them() {
        assert_eq!(lines(b"\r\nOK\r\n"), ["OK"]);
        assert_eq!(lines(b"ATZ\r\r\nOK\r\n"), ["ATZ", "OK"]);
        assert_eq!(lines(b"0\r"), ["0"]);
        assert_eq!(lines(b"\n\n\r OK \t\r"), ["OK"]);
        assert_eq!(lines(b"\x11OK\x13\r\x00\r"), ["OK"]);
        assert_eq!(lines(b"O\xffK\r"), ["O?K"]);
    }

    #[test]
    fn an_endless_line_is_no_line_and_the_next_one_is() {
        let mut bytes = vec![b'a'; 100_000];
        bytes.extend(b"\rOK\r");
        assert_eq!(lines(&bytes), ["OK"]);
    }

    #[test]
    fn garbage_is_told_from_text() {
        let mut reader = Reader::default();
        for byte in b"\r\nOK\r\n" {
            reader.take(*byte);
        }
        assert!(!reader.hears_garbage());
        for byte in [0x9d, 0xf3, 0x80, 0x1f] {
            reader.take(byte);
        }
        assert!(reader.hears_garbage());
        reader.forget();
        assert!(!reader.has_heard() && !reader.hears_garbage());
    }

    #[test]
    fn results_in_words() {
        for (line, code) in [
            ("OK", ResultCode::Ok),
            ("ok", ResultCode::Ok),
            ("ERROR", ResultCode::Error),
            ("RING", ResultCode::Ring),
            ("RING 1234567", ResultCode::Ring),
            ("RINGING", ResultCode::Ringing),
            ("NO CARRIER", ResultCode::NoCarrier),
            ("NO DIALTONE", ResultCode::NoDialtone),
            ("NO DIAL TONE", ResultCode::NoDialtone),
            ("BUSY", ResultCode::Busy),
            ("NO ANSWER", ResultCode::NoAnswer),
            ("BLACKLISTED", ResultCode::Blacklisted),
            ("DELAYED", ResultCode::Delayed),
            ("DELAYED 00:59:30", ResultCode::Delayed),
            ("VOICE", ResultCode::Voice),
            ("CONNECT", ResultCode::Connect("CONNECT".to_owned())),
            (
                "CONNECT 28800/ARQ",
                ResultCode::Connect("CONNECT 28800/ARQ".to_owned()),
            ),
        ] {
            assert_eq!(result(line), Some(code), "{line}");
        }
        for line in ["OKAY", "CONNECTED", "RINGS", "NOT OK", "BUSY BEE", ""] {
            assert_eq!(result(line), None, "{line}");
        }
    }

    #[test]
    fn results_in_numbers_where_they_can_be_results() {
        for (line, code) in [
            ("0", ResultCode::Ok),
            ("3", ResultCode::NoCarrier),
            ("7", ResultCode::Busy),
            ("10", ResultCode::Connect("CONNECT 2400".to_owned())),
        ] {
            assert_eq!(result(line), Some(code), "{line}");
            let value = ResultCode::of(line, Numbers::AreValues, &BTreeMap::new());
            assert_eq!(value, None, "{line}");
        }
        // Families do not agree on it.
        assert_eq!(result("11"), None);
        let own = BTreeMap::from([("11".to_owned(), "RINGING".to_owned())]);
        assert_eq!(
            ResultCode::of("11", Numbers::AreResults, &own),
            Some(ResultCode::Ringing)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_stay_within_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
            let mut reader = Reader::default();
            for byte in bytes {
                if let Some(line) = reader.take(byte) {
                    prop_assert!(!line.is_empty() && line.len() <= LONGEST_LINE);
                    prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
                    result(&line);
                }
                prop_assert!(reader.line.capacity() <= 2 * LONGEST_LINE);
            }
        }
    }
}
