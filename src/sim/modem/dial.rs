//! A number as it is dialled: digits, pauses, waits, and how long each takes.

use std::collections::VecDeque;

use super::settings::Settings;
use crate::proto::time::Duration;

/// What a dial string asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dialling {
    /// Before the first digit comes [`Step::Begin`], unless the string begins with `W`.
    pub(super) steps: VecDeque<Step>,
    /// The digits.
    pub(super) number: String,
    /// `@`: then it says `NO ANSWER`.
    pub(super) quiet_answer: bool,
    /// `;`: back to commands when it is dialled.
    pub(super) stay: bool,
}

/// One thing to do, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Listen for a dial tone, or wait for S6, as `X` says.
    Begin,
    /// Listen for a dial tone whatever `X` says.
    Wait,
    /// It has listened for long enough.
    Listened,
    /// Take time.
    Take(Duration),
}

impl Dialling {
    /// Reads what stands behind `D`; `None` when it is none.
    pub(super) fn parse(text: &str, settings: &Settings) -> Option<Self> {
        let mut dialling = Self {
            steps: VecDeque::from([Step::Begin]),
            number: String::new(),
            quiet_answer: false,
            stay: false,
        };
        let mut pulses = false;
        for letter in text.chars() {
            match letter.to_ascii_uppercase() {
                'T' => pulses = false,
                'P' => pulses = true,
                digit @ ('0'..='9' | '*' | '#') => {
                    let time = match (pulses, digit.to_digit(10)) {
                        (true, None) => continue,
                        (true, Some(0)) => PULSE * 10 + BETWEEN_DIGITS,
                        (true, Some(pulses)) => PULSE * pulses + BETWEEN_DIGITS,
                        (false, _) => settings.tone(),
                    };
                    dialling.number.push(digit);
                    dialling.steps.push_back(Step::Take(time));
                }
                ',' => dialling.steps.push_back(Step::Take(settings.comma())),
                'W' => dialling.steps.push_back(Step::Wait),
                '!' => dialling.steps.push_back(Step::Take(FLASH)),
                '@' => dialling.quiet_answer = true,
                ';' => dialling.stay = true,
                '-' | '(' | ')' | '.' | '/' => {}
                _ => return None,
            }
        }
        Some(dialling)
    }
}

/// One pulse of a digit.
const PULSE: Duration = Duration::from_millis(100);
const BETWEEN_DIGITS: Duration = Duration::from_millis(800);
const FLASH: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::modem::Family;

    fn parse(text: &str) -> Option<(String, Duration)> {
        let settings = Settings::factory(Family::Chipset, 1);
        let dialling = Dialling::parse(text, &settings)?;
        let times = dialling.steps.iter().filter_map(|step| match step {
            Step::Take(time) => Some(*time),
            Step::Begin | Step::Wait | Step::Listened => None,
        });
        Some((dialling.number, times.sum()))
    }

    #[test]
    fn digits_take_the_time_that_they_take() {
        let ms = Duration::from_millis;
        assert_eq!(parse("T1002"), Some(("1002".into(), ms(4 * 140))));
        assert_eq!(parse("p10"), Some(("10".into(), ms(100 + 1000 + 1600))));
        assert_eq!(parse("T9,,1-2"), Some(("912".into(), ms(3 * 140 + 4000))));
        assert_eq!(parse("T#*"), Some(("#*".into(), ms(280))));
        assert_eq!(parse("T10x2"), None);
    }
}
