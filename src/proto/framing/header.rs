//! The first byte of a frame, and the frame number.
//!
//! ```text
//!   7 6   5   4 3 2 1 0
//! +-----+---+-----------+  +-----------------+
//! | kind| L | number    |  | number, bits    |   the second byte only when L is set
//! |     |   | bits 4..0 |  | 12..5           |
//! +-----+---+-----------+  +-----------------+
//!
//! kind 0  ordinary: may be interrupted           check: CRC-32
//!      1  service: needs no session              check: CRC-32; L is 0, the five bits name the service
//!      2  express: may stand inside an ordinary  check: CRC-32
//!      3  express, short: the same               check: CRC-16, audio only
//! ```
//!
//! Only the low bits of the number travel, and the receiver completes them: thirteen bits to the
//! number nearest to the one it expects, five bits to the first that is not below it. Express
//! frames leave in the order of their numbers, so five bits do for them; an ordinary frame may
//! arrive after later ones that interrupted it, and always has thirteen. The check covers the
//! whole number, so a wrong guess is a bad frame.

use super::check::CheckKind;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// May be interrupted by express frames.
    Ordinary,
    /// Needs no session: hello, table, and the order wire.
    Service(Service),
    /// May interrupt an ordinary frame.
    Express(CheckKind),
}

/// The service frames, with their numbers on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Who is there, and does it hear me.
    Hello = 0,
    /// The channel table in words.
    Table = 1,
    /// Text of the technician.
    Text = 2,
    /// That text was heard.
    Heard = 3,
}

impl FrameKind {
    /// The check at the end of such a frame.
    pub(crate) const fn check(self) -> CheckKind {
        match self {
            Self::Express(check) => check,
            Self::Ordinary | Self::Service(_) => CheckKind::Long,
        }
    }
}

/// A header as it was read: the number is still cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: FrameKind,
    /// Low bits of the number.
    low: u64,
    /// How many bits of it there are; 0 for service frames.
    bits: u32,
}

/// How many bits of a frame number travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberForm {
    /// Five bits: for express frames while fewer than [`SHORT_WINDOW`] are unacknowledged.
    Short,
    /// Thirteen bits.
    Long,
}

/// Frames this far ahead of the first that is not acknowledged need the long form.
pub(crate) const SHORT_WINDOW: u64 = 1 << SHORT_BITS;

const SHORT_BITS: u32 = 5;
const LONG_BITS: u32 = 13;
const LONG_FLAG: u8 = 0x20;
/// A frame that is about to come has a number as near as this.
const NEAR: u64 = 16;
/// So many times the numbers may have gone round in a cut: an hour and more of audio.
const MOST_GUESSES: u64 = 32;

/// Appends the header of a numbered frame.
pub(crate) fn write(kind: FrameKind, number: u64, form: NumberForm, out: &mut Vec<u8>) {
    let kind_bits = match kind {
        FrameKind::Ordinary => 0,
        FrameKind::Service(service) => {
            out.push(1 << 6 | service as u8);
            return;
        }
        FrameKind::Express(CheckKind::Long) => 2 << 6,
        FrameKind::Express(CheckKind::Short) => 3 << 6,
    };
    let low = (number & 0x1F) as u8;
    match form {
        NumberForm::Short => out.push(kind_bits | low),
        NumberForm::Long => out.extend([kind_bits | LONG_FLAG | low, (number >> SHORT_BITS) as u8]),
    }
}

/// Whether a frame that begins with this byte is an ordinary one.
const fn is_ordinary(first: u8) -> bool {
    first >> 6 == 0
}

/// Whether a frame that begins with this byte may be interrupted: an ordinary one, or one of the order
/// wire.
pub(crate) const fn may_be_interrupted(first: u8) -> bool {
    const TEXT: u8 = 1 << 6 | Service::Text as u8;
    const HEARD: u8 = 1 << 6 | Service::Heard as u8;
    is_ordinary(first) || matches!(first, TEXT | HEARD)
}

/// Whether a frame, still in COBS, says that it is an express frame with the short check.
pub(crate) fn is_short_express(wire: &[u8]) -> bool {
    // Behind a code byte of 1 comes a zero: an ordinary frame.
    matches!(wire, [code, first, ..] if *code > 1 && first >> 6 == 3)
}

/// Whether a piece of the line looks like the begin of an ordinary frame that may come when the number
/// `expected` is next. One piece in four thousand does by
/// chance.
pub(crate) fn begins(piece: &[u8], expected: u64) -> bool {
    // Behind the COBS code byte; when that is 2, the second byte is a zero.
    let &[code, first, second, ..] = piece else {
        return false;
    };
    if !is_ordinary(first) || first & LONG_FLAG == 0 || code < 2 {
        return false;
    }
    let second = if code == 2 { 0 } else { second };
    let header = Header {
        kind: FrameKind::Ordinary,
        low: u64::from(first & 0x1F) | u64::from(second) << SHORT_BITS,
        bits: LONG_BITS,
    };
    (expected..expected + NEAR).contains(&header.number(expected))
}

/// Takes a header off the front; `None` when there is no such header.
pub(crate) fn read(bytes: &mut &[u8]) -> Option<Header> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    let kind = match first >> 6 {
        0 => FrameKind::Ordinary,
        1 => {
            let service = match first & 0x3F {
                0 => Service::Hello,
                1 => Service::Table,
                2 => Service::Text,
                3 => Service::Heard,
                _ => return None,
            };
            return Some(Header {
                kind: FrameKind::Service(service),
                low: 0,
                bits: 0,
            });
        }
        2 => FrameKind::Express(CheckKind::Long),
        _ => FrameKind::Express(CheckKind::Short),
    };
    let low = u64::from(first & 0x1F);
    if first & LONG_FLAG == 0 {
        return Some(Header {
            kind,
            low,
            bits: SHORT_BITS,
        });
    }
    let (&second, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(Header {
        kind,
        low: low | u64::from(second) << SHORT_BITS,
        bits: LONG_BITS,
    })
}

impl Header {
    /// The whole number, when `expected` is the next one. Service frames have number 0.
    pub(crate) fn number(&self, expected: u64) -> u64 {
        let span = 1u64 << self.bits;
        let ahead = self.low.wrapping_sub(expected) & (span - 1);
        let number = expected + ahead;
        match self.bits {
            0 => 0,
            LONG_BITS if ahead >= span / 2 && number >= span => number - span,
            _ => number,
        }
    }

    /// Further numbers with the same low bits, up to so many beyond `expected`: what an express frame
    /// may have after a cut. The check tells which is right.
    pub(crate) fn later_numbers(&self, expected: u64, beyond: u64) -> impl Iterator<Item = u64> {
        let (first, span) = (self.number(expected), 1u64 << self.bits);
        let most = match self.kind {
            FrameKind::Express(_) => MOST_GUESSES,
            FrameKind::Ordinary | FrameKind::Service(_) => 0,
        };
        let later = (1..=most).map(move |n| first + n * span);
        later.take_while(move |&number| number <= expected.saturating_add(beyond))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How far a frame with thirteen bits may be away from the expected one.
    const LONG_WINDOW: u64 = 1 << (LONG_BITS - 1);

    const KINDS: [FrameKind; 3] = [
        FrameKind::Ordinary,
        FrameKind::Express(CheckKind::Long),
        FrameKind::Express(CheckKind::Short),
    ];

    #[test]
    fn one_byte_in_the_common_case() {
        let mut out = Vec::new();
        write(KINDS[2], 0x1234, NumberForm::Short, &mut out);
        assert_eq!(out, [0b1101_0100]);
        out.clear();
        write(KINDS[0], 0x1234, NumberForm::Long, &mut out);
        assert_eq!(out, [0b0011_0100, 0x91]);
    }

    #[test]
    fn unknown_services_and_cut_headers_are_refused() {
        assert!(read(&mut [0x44].as_slice()).is_none());
        assert!(read(&mut [0x60].as_slice()).is_none());
        assert!(read(&mut [0x20].as_slice()).is_none());
        assert!(read(&mut [].as_slice()).is_none());
        assert!(read(&mut [0x40].as_slice()).is_some());
    }

    proptest! {
        #[test]
        fn the_number_comes_back_inside_its_window(
            kind in prop::sample::select(&KINDS[..]),
            number in 0u64..1 << 40,
            behind in 0..LONG_WINDOW,
        ) {
            for (form, window) in [(NumberForm::Short, SHORT_WINDOW), (NumberForm::Long, LONG_WINDOW)] {
                let mut out = Vec::new();
                write(kind, number, form, &mut out);
                let mut rest = out.as_slice();
                let header = read(&mut rest).expect("just written");
                prop_assert!(rest.is_empty());
                prop_assert_eq!(header.kind, kind);
                // Some frames before this one were lost.
                prop_assert_eq!(header.number(number.saturating_sub(behind % window)), number);
                if form == NumberForm::Long {
                    // This frame was interrupted by so many.
                    prop_assert_eq!(header.number(number + behind), number);
                }
            }
        }
    }
}
