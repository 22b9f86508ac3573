//! What the commands do.
//!
//! Promise: the commands of a line are done in order, up to the first that this family does not
//! have; those before it stay done. An answer takes a moment, in which the modem hears nothing.

use super::command::{Command, Extended, parse};
use super::config::{Family, Role};
use super::dial::Dialling;
use super::editor::Typed;
use super::escape::EscapeWatch;
use super::result::{ResultCode, framed};
use super::settings::{ErrorControl, Flow, Settings};
use super::state::{GRACE, Modem, State};
use crate::proto::time::{Duration, Instant};

/// How a command ended.
enum Done {
    /// The next one.
    Next,
    /// With a line of information.
    Said(String),
    /// There is none such.
    Unknown,
    /// It goes on by itself, or has given its result.
    Over,
}

impl Modem {
    /// A byte in command mode.
    pub(super) fn type_in(&mut self, now: Instant, byte: u8) {
        if self.settings.echo {
            self.port.say(&[byte]);
        }
        let (end, backspace) = (self.settings.carriage_return(), self.settings.backspace());
        match self.editor.byte(byte, end, backspace) {
            Typed::Nothing => {}
            Typed::Line(line) => {
                self.last_line.clone_from(&line);
                self.execute(now, &line);
            }
            Typed::Again => {
                let line = self.last_line.clone();
                self.execute(now, &line);
            }
            Typed::TooLong => self.answer(now, Vec::new(), ResultCode::Error),
        }
    }

    fn execute(&mut self, now: Instant, line: &[u8]) {
        self.stats.commands += 1;
        let was_leased = self.leased_role();
        let mut said = Vec::new();
        for command in parse(line) {
            match self.one(now, command) {
                Done::Next => {}
                Done::Said(text) => said.extend(framed(&self.settings, &text)),
                Done::Unknown => {
                    self.stats.errors += 1;
                    return self.answer(now, said, ResultCode::Error);
                }
                Done::Over => return,
            }
        }
        self.answer(now, said, ResultCode::Ok);
        if self.leased_role() != was_leased
            && let State::Idle { off_hook: false } | State::Paused(_) = self.state
        {
            self.enter_idle(now);
        }
    }

    /// After a moment.
    fn answer(&mut self, now: Instant, mut said: Vec<u8>, result: ResultCode) {
        if self.settings.quiet != 1 {
            said.extend(self.result_text(result));
        }
        self.thinking = Some((now + THINKING, said));
    }

    fn one(&mut self, now: Instant, command: Command) -> Done {
        match command {
            Command::Unknown => Done::Unknown,
            Command::Dial(number) => self.dial(now, number),
            Command::Store(number) => {
                self.stored_number = number;
                Done::Next
            }
            Command::Point(register) => {
                self.pointed_at = register;
                known(self.settings.s(register).is_some())
            }
            Command::Set(register, value) => {
                let register = register.unwrap_or(self.pointed_at);
                known(self.settings.set_s(register, value))
            }
            Command::Ask(register) => {
                let value = self.settings.s(register.unwrap_or(self.pointed_at));
                value.map_or(Done::Unknown, |value| Done::Said(format!("{value:03}")))
            }
            Command::Extended { name, what } => self.extended(&name, what),
            Command::Basic {
                prefix: None,
                letter,
                number,
            } => self.letter(now, letter, number),
            Command::Basic {
                prefix: Some(b'&'),
                letter,
                number,
            } => self.ampersand(letter, number),
            Command::Basic {
                prefix: Some(prefix),
                letter,
                number,
            } => self.backslash_or_percent(prefix, letter, number),
        }
    }

    fn letter(&mut self, now: Instant, letter: u8, number: u32) -> Done {
        let settings = &mut self.settings;
        match (letter, number) {
            (b'A', 0) => return self.answer_call(now),
            (b'E', 0 | 1) => settings.echo = number == 1,
            (b'H', 0) => self.hang_up_told(now),
            (b'H', 1) => {
                if let State::Idle { .. } = self.state {
                    self.state = State::Idle { off_hook: true };
                }
            }
            (b'I', 0..=11) => return Done::Said(self.information(number)),
            (b'O', 0..=3) => return self.back_to_data(now),
            (b'Q', 0..=2) => settings.quiet = number as u8,
            (b'V', 0 | 1) => settings.verbose = number == 1,
            (b'X', 0..=4) => settings.progress = number as u8,
            (b'X', 5..=7) if self.config.family == Family::Courier => {
                settings.progress = number as u8;
            }
            (b'W', 0..=2) if self.config.family != Family::Courier => {
                settings.messages = number as u8;
            }
            (b'Z', 0..=5) => {
                self.hang_up_told(now);
                self.settings = self.stored;
            }
            (b'L', 0..=3) => settings.speaker.0 = number as u8,
            (b'M', 0..=3) => settings.speaker.1 = number as u8,
            // Tones, answer tone, long space: nothing that can be seen here.
            (b'B', 0..=16) | (b'N' | b'P' | b'T' | b'Y' | b'C' | b'F', 0..=5) => {}
            _ => return Done::Unknown,
        }
        Done::Next
    }

    fn ampersand(&mut self, letter: u8, number: u32) -> Done {
        let courier = self.config.family == Family::Courier;
        let multitech = self.config.family == Family::MultiTech;
        let settings = &mut self.settings;
        match (letter, number) {
            (b'C', 0 | 1) => settings.true_dcd = number == 1,
            (b'D', 0..=3) => settings.dtr = number as u8,
            (b'F', 0..=2) => {
                let template = number.max(u32::from(!courier));
                *settings = Settings::factory(self.config.family, template);
            }
            (b'L', 0..=1) => settings.leased = number as u8,
            (b'L', 2) if !courier => settings.leased = 2,
            (b'V', 0 | 1) => return Done::Said(settings.text(self.config.family)),
            (b'W', 0 | 1) => self.stored = *settings,
            (b'A', 0..=3) if courier => settings.messages = number as u8,
            (b'B', 0..=2) if courier => settings.port_follows_line = number == 0,
            (b'H', 0) if courier => settings.flow = Flow::None,
            (b'H', 1 | 3) if courier => settings.flow = Flow::Hardware,
            (b'H', 2) if courier => settings.flow = Flow::Software,
            (b'I', 0..=5) if courier => {}
            (b'K', 0..=3) if courier => settings.compression = number != 0,
            (b'M', 0) if courier => settings.error_control = ErrorControl::None,
            (b'M', 4) if courier => settings.error_control = ErrorControl::Auto,
            (b'M', 5) if courier => settings.error_control = ErrorControl::Required,
            (b'N', _) if courier => return limit(&mut settings.rates, number, true),
            (b'U', _) if courier => return limit(&mut settings.rates, number, false),
            (b'R', 0..=2) => settings.rts = number as u8,
            (b'S', 0..=5) => settings.dsr = number as u8,
            (b'K', 0) => settings.flow = Flow::None,
            (b'K', 3) => settings.flow = Flow::Hardware,
            (b'K', 4 | 5) => settings.flow = Flow::Software,
            (b'Q', 0) if multitech => settings.error_control = ErrorControl::None,
            (b'Q', 5) if multitech => settings.error_control = ErrorControl::Auto,
            (b'Q', 0 | 5 | 6) if !courier => {}
            // Guard tones, pulses, clocks, DSR, RTS, loops: nothing that can be seen here.
            (b'G' | b'P' | b'Y' | b'X' | b'Z', 0..=5) | (b'T', 0) => {}
            _ => return Done::Unknown,
        }
        Done::Next
    }

    fn backslash_or_percent(&mut self, prefix: u8, letter: u8, number: u32) -> Done {
        if self.config.family == Family::Courier {
            return Done::Unknown;
        }
        let settings = &mut self.settings;
        match (prefix, letter, number) {
            (b'\\', b'N', 0 | 1) => settings.error_control = ErrorControl::None,
            (b'\\', b'N', 2 | 4) => settings.error_control = ErrorControl::Required,
            (b'\\', b'N', 3 | 5..=7) => settings.error_control = ErrorControl::Auto,
            (b'\\', b'Q', 0) => settings.flow = Flow::None,
            (b'\\', b'Q', 1) => settings.flow = Flow::Software,
            (b'\\', b'Q', 3) => settings.flow = Flow::Hardware,
            (b'\\', b'V', 0..=2) => settings.names_protocol = number > 0,
            (b'%', b'C', 0..=3) => settings.compression = number != 0,
            (b'\\', b'A' | b'B' | b'G' | b'J' | b'K' | b'L' | b'T' | b'X', 0..=9)
            | (b'%', b'E' | b'L' | b'B' | b'D', 0..=9) => {}
            _ => return Done::Unknown,
        }
        Done::Next
    }

    /// `+MS` and `+MR`, the only ones that these modems have.
    fn extended(&mut self, name: &str, what: Extended) -> Done {
        let settings = &mut self.settings;
        if self.config.family == Family::Courier {
            return Done::Unknown;
        }
        if name == "MR" {
            match what {
                Extended::Ask => {
                    return Done::Said(format!("+MR: {}", u8::from(settings.reports_rates)));
                }
                Extended::Set(value) if matches!(&*value, "0" | "1") => {
                    settings.reports_rates = value == "1";
                    return Done::Next;
                }
                _ => return Done::Unknown,
            }
        }
        if name != "MS" {
            return Done::Unknown;
        }
        match what {
            Extended::Ask => Done::Said(format!(
                "+MS: {},1,{},{}",
                settings.modulation, settings.rates.0, settings.rates.1
            )),
            Extended::Test => Done::Said("+MS: (0-3,9-11),(0,1),(300-33600),(300-33600)".into()),
            Extended::Set(values) => known(settings.modulate(&values)),
            Extended::Do => Done::Unknown,
        }
    }

    fn dial(&mut self, now: Instant, text: String) -> Done {
        let (State::Idle { .. } | State::Paused(_)) = self.state else {
            return Done::Unknown;
        };
        let text = match text.trim_start_matches(['T', 't', 'P', 'p']) {
            "L" | "l" => self.last_number.clone(),
            again if again.to_ascii_uppercase().starts_with('S') => self.stored_number.clone(),
            _ => text,
        };
        let Some(mut dialling) = Dialling::parse(&text, &self.settings) else {
            return Done::Unknown;
        };
        if let State::Idle { off_hook: true } = self.state
            && !self.dialled.is_empty()
        {
            // A number that is dialled in pieces: the exchange has the first ones already.
            dialling.steps.pop_front();
            dialling.number.insert_str(0, &self.dialled);
        }
        self.dialled.clear();
        self.last_number = text;
        self.state = State::Dialling(dialling, now);
        self.grace = now + GRACE;
        Done::Over
    }

    fn answer_call(&mut self, now: Instant) -> Done {
        let (State::Idle { .. } | State::Paused(_)) = self.state else {
            return Done::Unknown;
        };
        self.seek(now, Role::Answer, false);
        Done::Over
    }

    fn back_to_data(&mut self, now: Instant) -> Done {
        let State::Online(online) = &mut self.state else {
            self.answer(now, Vec::new(), ResultCode::NoCarrier);
            return Done::Over;
        };
        online.command = false;
        online.escape = EscapeWatch::new(now);
        let agreed = online.agreed;
        self.result(ResultCode::Connect(agreed));
        Done::Over
    }

    /// The receiver goes down, whatever it was at.
    fn hang_up_told(&mut self, now: Instant) {
        match self.state {
            State::Online(_) => self.hang_up(now),
            State::Idle { .. } => self.enter_idle(now),
            _ => {}
        }
    }

    fn information(&self, number: u32) -> String {
        match number {
            4 => self.settings.text(self.config.family),
            6 => format!(
                "Connections {} Retrains {} Carrier lost {}",
                self.stats.connections, self.stats.retrains, self.stats.carrier_lost
            ),
            3 => format!("Simulated {:?} modem", self.config.family),
            _ => self.config.top_rate.bits_per_second().to_string(),
        }
    }

    /// What its settings make of it on a leased line; `None` on the telephone.
    pub(super) fn leased_role(&self) -> Option<Role> {
        match (self.config.family, self.settings.leased) {
            (_, 0) => None,
            (Family::Courier, _) => Some(self.config.role),
            // There `&L` says that it is a leased line, and S0 who answers.
            (Family::Chipset, _) if self.settings.answer_after() > 0 => Some(Role::Answer),
            (Family::Chipset, _) | (_, 1) => Some(Role::Originate),
            _ => Some(Role::Answer),
        }
    }
}

impl Settings {
    /// `+MS=modulation,automode,least,most`; what is left out is as wide as the modulation.
    fn modulate(&mut self, values: &str) -> bool {
        let mut values = values.split(',').map(str::trim);
        let (modulation, top) = match values.next() {
            Some("11" | "V34") => (11, 33_600),
            Some("10" | "V32B") => (10, 14_400),
            Some("9" | "V32") => (9, 9600),
            Some("2" | "V22B") => (2, 2400),
            Some("1" | "V22") => (1, 1200),
            Some("0" | "V21") => (0, 300),
            _ => return false,
        };
        let mut number = |otherwise: u32, range: &[&str]| {
            let text = values.next().filter(|text| !text.is_empty());
            let text = text.filter(|text| !range.contains(text));
            text.map_or(Some(otherwise), |text| text.parse().ok())
        };
        let (Some(auto), Some(least), Some(most)) =
            (number(1, &[]), number(300, &["0"]), number(top, &["0"]))
        else {
            return false;
        };
        if auto > 1 || least > most || !(300..=33_600).contains(&most) {
            return false;
        }
        self.modulation = modulation;
        self.rates = (least, most.min(top));
        true
    }
}

/// `&N` and `&U` of a Courier: the n-th rate at most, or at least.
fn limit(rates: &mut (u32, u32), number: u32, most: bool) -> Done {
    let (least, top) = match number {
        0 => (300, 33_600),
        _ => match COURIER_RATES.get(number as usize - 1) {
            Some(&rate) => (rate, rate),
            None => return Done::Unknown,
        },
    };
    match most {
        // A fixed rate, unless `&U` widens it.
        true => *rates = (least, top),
        false => rates.0 = least,
    }
    Done::Next
}

const fn known(known: bool) -> Done {
    match known {
        true => Done::Next,
        false => Done::Unknown,
    }
}

/// From a carriage return to the answer.
const THINKING: Duration = Duration::from_millis(20);
/// `&N1` to `&N16`, bit/s.
const COURIER_RATES: [u32; 16] = [
    300, 1200, 2400, 4800, 7200, 9600, 12_000, 14_400, 16_800, 19_200, 21_600, 24_000, 26_400,
    28_800, 31_200, 33_600,
];
