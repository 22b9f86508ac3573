//! What is typed in command mode, up to a whole command line.
//!
//! Promise: bytes that are no command do nothing, and a line has a bound.

/// A line as it is typed.
#[derive(Clone, Debug, Default)]
pub(super) struct Editor {
    phase: Phase,
    line: Vec<u8>,
    is_too_long: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// For an `A`.
    #[default]
    Hunting,
    SawA,
    Line,
}

/// What a byte completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// Nothing yet.
    Nothing,
    /// A command line, without `AT` and the carriage return.
    Line(Vec<u8>),
    /// `A/`.
    Again,
    /// A line that no modem has room for.
    TooLong,
}

impl Editor {
    /// Whether a command line has begun and not ended.
    pub(super) fn is_in_line(&self) -> bool {
        self.phase == Phase::Line
    }

    pub(super) fn byte(&mut self, byte: u8, carriage_return: u8, backspace: u8) -> Typed {
        // The top bit is parity to a modem that listens for commands.
        let byte = byte & 0x7f;
        match self.phase {
            Phase::Hunting | Phase::SawA if byte.eq_ignore_ascii_case(&b'A') => {
                self.phase = Phase::SawA;
            }
            Phase::SawA if byte.eq_ignore_ascii_case(&b'T') => self.phase = Phase::Line,
            Phase::SawA if byte == b'/' => {
                self.phase = Phase::Hunting;
                return Typed::Again;
            }
            Phase::Hunting | Phase::SawA => self.phase = Phase::Hunting,
            Phase::Line if byte == carriage_return => {
                self.phase = Phase::Hunting;
                let line = std::mem::take(&mut self.line);
                return match std::mem::take(&mut self.is_too_long) {
                    true => Typed::TooLong,
                    false => Typed::Line(line),
                };
            }
            Phase::Line if byte == backspace => {
                self.line.pop();
            }
            Phase::Line if byte < b' ' => {}
            Phase::Line if self.line.len() < MAX_LINE => self.line.push(byte),
            Phase::Line => self.is_too_long = true,
        }
        Typed::Nothing
    }
}

/// Letters behind `AT`.
const MAX_LINE: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn type_in(text: &[u8]) -> Vec<Typed> {
        let mut editor = Editor::default();
        let typed = text.iter().map(|&byte| editor.byte(byte, b'\r', 8));
        typed.filter(|typed| *typed != Typed::Nothing).collect()
    }

    #[test]
    fn a_line_begins_with_at_and_ends_with_a_carriage_return() {
        let line = |text: &[u8]| Typed::Line(text.to_vec());
        assert_eq!(type_in(b"AT\r"), [line(b"")]);
        assert_eq!(type_in(b"\n~xAaTe0v1\r\nat\r"), [line(b"e0v1"), line(b"")]);
        assert_eq!(type_in(b"ATE0\x08\x081\r"), [line(b"1")]);
        assert_eq!(type_in(b"AT\x08\x08Z\r"), [line(b"Z")]);
        assert_eq!(type_in(b"A/a/"), [Typed::Again, Typed::Again]);
        assert_eq!(type_in(b"hello\rT\rA T\r"), []);
        // Even parity.
        assert_eq!(type_in(&[0x41, 0xd4, 0x8d]), [line(b"")]);
    }

    #[test]
    fn a_line_of_the_full_length_passes_and_one_more_does_not() {
        let line = |length| [b"AT".to_vec(), vec![b'M'; length], b"\rAT\r".to_vec()].concat();
        assert_eq!(type_in(&line(60))[0], Typed::Line(vec![b'M'; 60]));
        assert_eq!(
            type_in(&line(61)),
            [Typed::TooLong, Typed::Line(Vec::new())]
        );
    }
}
