//! What may be said to a modem: commands, and numbers to dial.
//!
//! Promises: what a user writes can neither end a command line nor begin another one, and no line is
//! longer than the modem takes. Whether a command means something to a modem only the modem knows.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use thiserror::Error;

use crate::proto::time::Duration;

/// A command without the `AT` in front of it and the end of the line behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Command(String);

impl Command {
    /// The longest that any modem takes, characters behind `AT`.
    pub const LONGEST: usize = 255;

    /// As it is written in words for people, `AT` in front.
    pub fn line(&self) -> String {
        format!("AT{}", self.0)
    }

    /// Without the `AT`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Command {
    type Error = CommandError;

    fn try_from(text: String) -> Result<Self, CommandError> {
        text.parse()
    }
}

impl FromStr for Command {
    type Err = CommandError;

    fn from_str(text: &str) -> Result<Self, CommandError> {
        let text = text.trim();
        let bare = match text.get(..2) {
            Some(at) if at.eq_ignore_ascii_case("AT") => &text[2..],
            _ => text,
        };
        if bare.is_empty() {
            return Err(CommandError::Empty);
        }
        if let Some(strange) = bare.chars().find(|c| !matches!(c, ' '..='~')) {
            return Err(CommandError::Character { strange });
        }
        if bare.len() > Self::LONGEST {
            return Err(CommandError::TooLong { length: bare.len() });
        }
        Ok(Self(bare.to_owned()))
    }
}

/// Why a text is no command.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// Nothing behind `AT`.
    #[error("an empty command, expected one such as \"&K3\"")]
    Empty,
    /// What is no letter, digit or sign.
    #[error("the character {strange:?} in a command, expected letters, digits and signs")]
    Character {
        /// The first such character.
        strange: char,
    },
    /// No modem takes it.
    #[error("a command of {length} characters, expected at most 255")]
    TooLong {
        /// Its length.
        length: usize,
    },
}

/// How digits are sent when the number does not say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialling {
    /// By tones.
    #[default]
    Tone,
    /// By pulses, for exchanges without tones.
    Pulse,
}

impl Dialling {
    const fn letter(self) -> char {
        match self {
            Self::Tone => 'T',
            Self::Pulse => 'P',
        }
    }
}

/// A number to dial, with pauses and what else a modem understands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialString {
    /// The parts between `;`, in capitals, never empty.
    parts: Vec<String>,
}

impl DialString {
    /// The longest number, characters.
    pub const LONGEST: usize = 128;

    /// The command lines that dial it, without `AT`, each at most `longest` characters. All but the last
    /// leave the modem in command mode (`;`).
    pub fn commands(&self, by: Dialling, longest: usize) -> Vec<Command> {
        // `DT` in front, `;` behind; and a digit at least.
        let most = longest.saturating_sub(3).max(1);
        let mut by = by.letter();
        let mut lines = Vec::new();
        for part in &self.parts {
            for piece in part.as_bytes().chunks(most) {
                let piece: String = piece.iter().map(|byte| char::from(*byte)).collect();
                // A letter in the number holds for the lines behind it, too.
                let begins = piece.chars().next().filter(|c| matches!(c, 'P' | 'T'));
                let prefix = if begins.is_some() {
                    "D".to_owned()
                } else {
                    format!("D{by}")
                };
                by = piece
                    .chars()
                    .rfind(|c| matches!(c, 'P' | 'T'))
                    .unwrap_or(by);
                lines.push(prefix + &piece + ";");
            }
        }
        if let Some(last) = lines.last_mut() {
            last.pop();
        }
        lines.into_iter().map(Command).collect()
    }

    /// How long dialling may take before it can ring.
    pub fn longest_time(&self) -> Duration {
        let letters = self.parts.iter().flat_map(|part| part.chars());
        letters.map(time_of).sum()
    }
}

/// Time that a modem spends on a letter of a number at most; pulses take the longest.
const fn time_of(letter: char) -> Duration {
    match letter {
        // S8: 2 s as modems leave the factory.
        ',' => Duration::from_secs(2),
        'W' | '@' => Duration::from_secs(30),
        '!' => Duration::from_secs(1),
        _ => Duration::from_millis(1800),
    }
}

impl FromStr for DialString {
    type Err = DialError;

    fn from_str(text: &str) -> Result<Self, DialError> {
        if text.len() > Self::LONGEST {
            return Err(DialError::TooLong { length: text.len() });
        }
        let mut whole = String::new();
        for letter in text.chars() {
            match letter.to_ascii_uppercase() {
                // As people write numbers.
                ' ' | '-' | '.' | '/' | '(' | ')' => {}
                kept @ ('0'..='9' | '*' | '#' | ',' | ';' | 'W' | '@' | '!' | 'P' | 'T' | 'R') => {
                    whole.push(kept);
                }
                '+' => return Err(DialError::Plus),
                _ => return Err(DialError::Character { strange: letter }),
            }
        }
        if !whole.contains(|c: char| c.is_ascii_digit() || matches!(c, '*' | '#')) {
            return Err(DialError::Empty);
        }
        if whole.ends_with(';') {
            return Err(DialError::StaysInCommands);
        }
        if whole.find('R').is_some_and(|at| at + 1 < whole.len()) {
            return Err(DialError::Reverse);
        }
        let parts = whole.split(';').filter(|part| !part.is_empty());
        Ok(Self {
            parts: parts.map(str::to_owned).collect(),
        })
    }
}

impl fmt::Display for DialString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts.join(";"))
    }
}

/// Why a text cannot be dialled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DialError {
    /// No digit in it.
    #[error("there is no digit in the number")]
    Empty,
    /// A letter or sign that means nothing to a modem.
    #[error("{strange:?} cannot be dialled")]
    Character {
        /// The first such character.
        strange: char,
    },
    /// As in mobile telephones.
    #[error("'+' cannot be dialled: write the digits of the international prefix, for instance 00")]
    Plus,
    /// With `;` at the end no modem waits for the far end.
    #[error("with ';' at the end the modem would not wait for the far end")]
    StaysInCommands,
    /// `R` turns the roles round for the whole call.
    #[error("'R' (call an originating modem) can only stand at the end")]
    Reverse,
    /// No exchange takes it.
    #[error("the number has {length} characters, at most 128 are possible")]
    TooLong {
        /// Its length.
        length: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(number: &str, longest: usize) -> Vec<String> {
        let number: DialString = number.parse().unwrap();
        let commands = number.commands(Dialling::Tone, longest);
        commands.iter().map(Command::line).collect()
    }

    #[test]
    fn numbers_are_dialled_as_people_write_them() {
        assert_eq!(lines("0123 / 456-78", 40), ["ATDT012345678"]);
        assert_eq!(lines("0,(089) 1.2", 40), ["ATDT0,08912"]);
        assert_eq!(lines("9w1@2!#*", 40), ["ATDT9W1@2!#*"]);
        assert_eq!(lines("p123", 40), ["ATDP123"]);
        assert_eq!(lines("0T45", 40), ["ATDT0T45"]);
        assert_eq!(lines("45R", 40), ["ATDT45R"]);
        let pulse = "45".parse::<DialString>().unwrap();
        assert_eq!(pulse.commands(Dialling::Pulse, 40)[0].line(), "ATDP45");
    }

    #[test]
    fn long_numbers_take_several_lines() {
        assert_eq!(lines("12;34", 40), ["ATDT12;", "ATDT34"]);
        assert_eq!(lines("1234567", 6), ["ATDT123;", "ATDT456;", "ATDT7"]);
        // The letter holds for what comes behind.
        assert_eq!(lines("1P2345", 6), ["ATDT1P2;", "ATDP345"]);
    }

    #[test]
    fn what_cannot_be_dialled_is_refused() {
        for (text, error) in [
            ("", DialError::Empty),
            (" - ", DialError::Empty),
            (",W", DialError::Empty),
            ("12\r34", DialError::Character { strange: '\r' }),
            ("12x", DialError::Character { strange: 'x' }),
            ("12\u{e9}", DialError::Character { strange: '\u{e9}' }),
            ("+49 89", DialError::Plus),
            ("12;", DialError::StaysInCommands),
            ("1R2", DialError::Reverse),
        ] {
            assert_eq!(text.parse::<DialString>(), Err(error), "{text:?}");
        }
        let long = "1".repeat(DialString::LONGEST);
        assert!(long.parse::<DialString>().is_ok());
        assert!((long + "1").parse::<DialString>().is_err());
    }

    #[test]
    fn commands_stay_within_their_line() {
        let command = |text: &str| text.parse::<Command>().map(|command| command.line());
        assert_eq!(command("&K3").unwrap(), "AT&K3");
        assert_eq!(command(" at&K3 ").unwrap(), "AT&K3");
        assert_eq!(command("AT"), Err(CommandError::Empty));
        assert_eq!(
            command("E0\rATDT1"),
            Err(CommandError::Character { strange: '\r' })
        );
        assert!(command(&"x".repeat(Command::LONGEST)).is_ok());
        assert!(command(&"x".repeat(Command::LONGEST + 1)).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_refused_or_dialled_in_whole_lines(text in ".{0,140}", longest in 0usize..60) {
            let Ok(number) = text.parse::<DialString>() else {
                return Ok(());
            };
            let lines = number.commands(Dialling::Tone, longest);
            prop_assert!(!lines.is_empty());
            for (i, line) in lines.iter().enumerate() {
                prop_assert!(line.as_str().len() <= longest.max(5));
                prop_assert!(line.as_str().bytes().all(|b| (b' '..=b'~').contains(&b)));
                let is_last = i + 1 == lines.len();
                prop_assert_eq!(line.as_str().ends_with(';'), !is_last);
            }
        }
    }
}
