//! A command line as a modem reads it: what stands between `AT` and the carriage return.
//!
//! Promise: any bytes give commands up to the first thing that is none; nothing panics. What a
//! command means, and whether this modem has it, is left to `execute`.

/// One command of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// A letter with a number, `0` when none is written: `E1`, `&C1`, `\N3`.
    Basic {
        /// `&`, `\`, `%`, `#` or `*`.
        prefix: Option<u8>,
        /// In upper case.
        letter: u8,
        /// What stands behind it.
        number: u32,
    },
    /// `Sn=v`; `None` is `S=v`, the register that was named last.
    Set(Option<u8>, u32),
    /// `Sn?`; `None` is `S?` or `?`.
    Ask(Option<u8>),
    /// `Sn` alone: names a register.
    Point(u8),
    /// `D` and all that follows.
    Dial(String),
    /// `&Zn=…`: a number to keep.
    Store(String),
    /// `+NAME=…`, `+NAME?`, `+NAME=?` or `+NAME`.
    Extended {
        /// Without the plus, in upper case.
        name: String,
        /// What of it.
        what: Extended,
    },
    /// What no modem has.
    Unknown,
}

/// What is wanted of a command that begins with a plus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Extended {
    /// Set it.
    Set(String),
    /// Say what it is.
    Ask,
    /// Say what it can be.
    Test,
    /// Do it.
    Do,
}

/// The commands of a line without its `AT`, in order. What cannot be read ends it.
pub(super) fn parse(line: &[u8]) -> Vec<Command> {
    let line: Vec<u8> = line.iter().copied().filter(|&byte| byte != b' ').collect();
    let mut rest = Reader(&line);
    let mut commands = Vec::new();
    while let Some(byte) = rest.next() {
        let command = rest.command(byte.to_ascii_uppercase());
        let over = matches!(command, Command::Unknown | Command::Dial(_));
        commands.push(command);
        if over {
            break;
        }
    }
    commands
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn take(&mut self, wanted: u8) -> bool {
        let is_there = self.0.first() == Some(&wanted);
        if is_there {
            self.0 = &self.0[1..];
        }
        is_there
    }

    /// A whole number, if one stands here; more than any modem has stays that.
    fn number(&mut self) -> Option<u32> {
        let mut number = None;
        while let Some(digit) = self.0.first().filter(|byte| byte.is_ascii_digit()) {
            let so_far: u32 = number.unwrap_or(0);
            number = Some(
                so_far
                    .saturating_mul(10)
                    .saturating_add(u32::from(digit - b'0')),
            );
            self.0 = &self.0[1..];
        }
        number
    }

    /// All up to a semicolon, which goes too.
    fn up_to_semicolon(&mut self) -> String {
        let end = self.0.iter().position(|&byte| byte == b';');
        let (text, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest.get(1..).unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    fn command(&mut self, first: u8) -> Command {
        match first {
            b'D' => Command::Dial(self.all()),
            b'S' => self.register(),
            b'?' => Command::Ask(None),
            b'+' => self.extended(),
            b'&' | b'\\' | b'%' | b'#' | b'*' => match self.next() {
                Some(letter) if letter.is_ascii_alphabetic() => self.basic(Some(first), letter),
                _ => Command::Unknown,
            },
            letter if letter.is_ascii_alphabetic() => self.basic(None, letter),
            _ => Command::Unknown,
        }
    }

    fn all(&mut self) -> String {
        let text = String::from_utf8_lossy(self.0).into_owned();
        self.0 = &[];
        text
    }

    fn basic(&mut self, prefix: Option<u8>, letter: u8) -> Command {
        let letter = letter.to_ascii_uppercase();
        let number = self.number().unwrap_or(0);
        if (prefix, letter) == (Some(b'&'), b'Z') && self.take(b'=') {
            return Command::Store(self.all());
        }
        Command::Basic {
            prefix,
            letter,
            number,
        }
    }

    fn register(&mut self) -> Command {
        let which = match self.number() {
            None => None,
            Some(number) => match u8::try_from(number) {
                Ok(number) => Some(number),
                Err(_) => return Command::Unknown,
            },
        };
        if self.take(b'=') {
            return Command::Set(which, self.number().unwrap_or(0));
        }
        if self.take(b'?') {
            return Command::Ask(which);
        }
        which.map_or(Command::Unknown, Command::Point)
    }

    fn extended(&mut self) -> Command {
        let text = self.up_to_semicolon().to_ascii_uppercase();
        let end = text
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(text.len());
        let (name, value) = text.split_at(end);
        let what = match value {
            "" => Extended::Do,
            "?" => Extended::Ask,
            "=?" => Extended::Test,
            _ => match value.strip_prefix('=') {
                Some(value) => Extended::Set(value.to_owned()),
                None => return Command::Unknown,
            },
        };
        Command::Extended {
            name: name.to_owned(),
            what,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(text: &str) -> Command {
        let bytes = text.as_bytes();
        let prefix = (!bytes[0].is_ascii_alphabetic()).then_some(bytes[0]);
        let at = usize::from(prefix.is_some());
        Command::Basic {
            prefix,
            letter: bytes[at],
            number: text[at + 1..].parse().unwrap_or(0),
        }
    }

    #[test]
    fn several_commands_stand_on_a_line_with_or_without_spaces() {
        let expected = [
            basic("&F1"),
            basic("E0"),
            basic("V1"),
            basic("X4"),
            basic("\\N3"),
            basic("%C0"),
            Command::Set(Some(0), 1),
            Command::Set(Some(7), 90),
        ];
        assert_eq!(parse(b"&F1E0V1X4\\N3%C0S0=1S7=90"), expected);
        assert_eq!(parse(b" &f1 e v1 x4 \\n3 %c S0=1 s7=90"), expected);
        assert_eq!(parse(b""), []);
    }

    #[test]
    fn what_dials_takes_the_rest() {
        let dial = |text: &str| Command::Dial(text.to_owned());
        assert_eq!(parse(b"X4DT9,W1002;"), [basic("X4"), dial("T9,W1002;")]);
        assert_eq!(parse(b"D"), [dial("")]);
    }

    #[test]
    fn a_plus_command_ends_with_a_semicolon() {
        let plus = |what| Command::Extended {
            name: "MS".into(),
            what,
        };
        assert_eq!(
            parse(b"+MS=11,0,2400,16800;E0"),
            [plus(Extended::Set("11,0,2400,16800".into())), basic("E0")]
        );
        assert_eq!(parse(b"+ms?"), [plus(Extended::Ask)]);
        assert_eq!(parse(b"+MS=?"), [plus(Extended::Test)]);
        assert_eq!(parse(b"+MS"), [plus(Extended::Do)]);
    }

    #[test]
    fn registers_are_set_asked_and_pointed_at() {
        assert_eq!(
            parse(b"S2=S12?S9?"),
            [
                Command::Set(Some(2), 0),
                Command::Ask(Some(12)),
                Command::Ask(Some(9))
            ]
        );
        assert_eq!(
            parse(b"S7S=5?"),
            [Command::Point(7), Command::Set(None, 5), Command::Ask(None)]
        );
        assert_eq!(parse(b"S300=1E0"), [Command::Unknown]);
    }

    #[test]
    fn what_cannot_be_read_ends_the_line_and_any_bytes_do_no_harm() {
        assert_eq!(parse(b"E0@V1"), [basic("E0"), Command::Unknown]);
        assert_eq!(
            parse(b"E99999999999"),
            [Command::Basic {
                prefix: None,
                letter: b'E',
                number: u32::MAX
            }]
        );
        let mut rng = crate::sim::Rng::new(1);
        for length in 0..200 {
            let mut line = vec![0; length];
            rng.fill(&mut line);
            parse(&line);
        }
    }
}
