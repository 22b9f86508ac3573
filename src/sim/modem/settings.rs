//! What a modem is set to: its registers and the values of its commands.
//!
//! Promise: plain values, in the modem, in its store (`&W`) and in the factory (`&F`) alike. What
//! follows from them is left to the modem.

use super::config::{Family, ModemConfig, Role, Start};
use crate::proto::time::{BitRate, Duration};

/// All that commands can change and `&W` keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) echo: bool,
    /// `Q`: 0 says results, 1 none, 2 none while answering.
    pub(super) quiet: u8,
    /// Words and not numbers.
    pub(super) verbose: bool,
    /// `X`.
    pub(super) progress: u8,
    /// `W`, on a Courier `&A`.
    pub(super) messages: u8,
    /// `\V`: the protocol behind the rate.
    pub(super) names_protocol: bool,
    /// `&C1`: DCD is true.
    pub(super) true_dcd: bool,
    /// `&D`.
    pub(super) dtr: u8,
    pub(super) flow: Flow,
    /// `&L`.
    pub(super) leased: u8,
    pub(super) error_control: ErrorControl,
    pub(super) compression: bool,
    /// The least and the most it agrees to, bit/s.
    pub(super) rates: (u32, u32),
    /// The first number of `+MS`.
    pub(super) modulation: u8,
    /// A Courier with `&B0`: the port takes the line's rate when a call begins.
    pub(super) port_follows_line: bool,
    /// `&R`.
    pub(super) rts: u8,
    /// `&S`; a Courier with 2 has CTS off while a leased line trains.
    pub(super) dsr: u8,
    /// `L` and `M`.
    pub(super) speaker: (u8, u8),
    /// `+MR`: the rates before `CONNECT`.
    pub(super) reports_rates: bool,
    s: [u8; REGISTERS],
}

/// Flow control at the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// What finds no room is lost.
    None,
    /// RTS and CTS.
    Hardware,
    /// XON and XOFF, which the modem takes out of the data.
    Software,
}

/// What it says to the other modem about error control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorControl {
    /// Not with me.
    None,
    /// If you can.
    Auto,
    /// Or no call.
    Required,
}

impl Settings {
    /// What the maker has put in, the template with that number where there are several.
    pub(super) fn factory(family: Family, template: u32) -> Self {
        let mut s = [0; REGISTERS];
        for (register, value) in [
            (2, b'+'),
            (3, b'\r'),
            (4, b'\n'),
            (5, 8),
            (6, 2),
            (7, 60),
            (8, 2),
            (9, 6),
            (10, 14),
            (11, 70),
            (12, 50),
            (25, 5),
        ] {
            s[register] = value;
        }
        let courier = family == Family::Courier;
        Self {
            echo: true,
            quiet: 0,
            verbose: true,
            progress: if courier && template == 0 { 1 } else { 4 },
            messages: match (family, template) {
                (Family::Courier, 0) => 1,
                (Family::Courier, _) => 3,
                _ => 2,
            },
            names_protocol: false,
            true_dcd: true,
            dtr: 2,
            flow: match template {
                0 if courier => Flow::None,
                2 => Flow::Software,
                _ => Flow::Hardware,
            },
            leased: 0,
            error_control: ErrorControl::Auto,
            compression: true,
            rates: (300, 33_600),
            modulation: 11,
            port_follows_line: courier && template == 0,
            rts: if courier { 2 } else { 1 },
            dsr: 0,
            speaker: (2, 1),
            reports_rates: false,
            s,
        }
    }

    /// What a modem of this kind has in its store on the first day.
    pub(super) fn delivered(config: &ModemConfig) -> Self {
        let mut settings = Self::factory(config.family, 1);
        if config.leased {
            // As the makers say: no echo, and on a Courier no CTS before the carrier.
            settings.echo = false;
            if config.family == Family::Courier {
                settings.dsr = CTS_AFTER_CARRIER;
            }
            settings.leased = match (config.family, config.role) {
                (Family::Courier, _) | (_, Role::Originate) => 1,
                (_, Role::Answer) => 2,
            };
            if config.role == Role::Answer && config.family == Family::Chipset {
                settings.s[0] = 1;
            }
        }
        match config.start {
            Start::Silent => {
                settings.echo = false;
                settings.quiet = 1;
            }
            Start::StuckInData => settings.s[10] = FOR_EVER,
            Start::Idle | Start::Off => {}
        }
        settings
    }

    /// A register.
    pub(super) fn s(&self, register: u8) -> Option<u8> {
        self.s.get(usize::from(register)).copied()
    }

    /// Sets a register; says whether there is one.
    pub(super) fn set_s(&mut self, register: u8, value: u32) -> bool {
        match (self.s.get_mut(usize::from(register)), u8::try_from(value)) {
            (Some(place), Ok(value)) => {
                *place = value;
                true
            }
            _ => false,
        }
    }

    /// S0: after how many rings to answer; 0 is never.
    pub(super) const fn answer_after(&self) -> u8 {
        self.s[0]
    }

    /// S2: what escapes from data, if anything does.
    pub(super) fn escape(&self) -> Option<u8> {
        Some(self.s[2]).filter(|&byte| byte <= 127)
    }

    /// S3.
    pub(super) const fn carriage_return(&self) -> u8 {
        self.s[3]
    }

    /// S4.
    pub(super) const fn line_feed(&self) -> u8 {
        self.s[4]
    }

    /// S5.
    pub(super) const fn backspace(&self) -> u8 {
        self.s[5]
    }

    /// S6: before it dials blindly.
    pub(super) fn wait_for_dial_tone(&self) -> Duration {
        Duration::from_secs(self.s[6].max(2).into())
    }

    /// S7: for a carrier.
    pub(super) fn wait_for_carrier(&self) -> Duration {
        Duration::from_secs(self.s[7].max(1).into())
    }

    /// S8: a comma.
    pub(super) fn comma(&self) -> Duration {
        Duration::from_secs(self.s[8].into())
    }

    /// S10: without carrier before it hangs up; `None` is for ever.
    pub(super) fn loss_of_carrier(&self) -> Option<Duration> {
        (self.s[10] != FOR_EVER).then(|| Duration::from_millis(100 * u64::from(self.s[10])))
    }

    /// S11: of a tone, and as long a pause.
    pub(super) fn tone(&self) -> Duration {
        Duration::from_millis(2 * u64::from(self.s[11].max(50)))
    }

    /// S12: around an escape.
    pub(super) fn guard(&self) -> Duration {
        Duration::from_millis(20 * u64::from(self.s[12]))
    }

    /// S25: for which DTR must be off to count.
    pub(super) fn dtr_delay(&self) -> Duration {
        Duration::from_millis(10 * u64::from(self.s[25]))
    }

    /// The most that it agrees to, given what it can do.
    pub(super) fn top_rate(&self, can: BitRate) -> u32 {
        self.rates.1.min(can.bits_per_second())
    }

    /// As `&V` shows them, or `I4` on a Courier.
    pub(super) fn text(&self, family: Family) -> String {
        let flag = u8::from;
        let mut text = format!(
            "E{} L{} M{} Q{} V{} X{} &C{} &D{} &L{} &R{} &S{} ",
            flag(self.echo),
            self.speaker.0,
            self.speaker.1,
            self.quiet,
            flag(self.verbose),
            self.progress,
            flag(self.true_dcd),
            self.dtr,
            self.leased,
            self.rts,
            self.dsr,
        );
        let [none, hardware, software] = match family {
            Family::Courier => [0, 1, 2],
            Family::Chipset | Family::MultiTech => [0, 3, 4],
        };
        let flow = match self.flow {
            Flow::None => none,
            Flow::Hardware => hardware,
            Flow::Software => software,
        };
        let [none, auto, required] = match family {
            Family::Courier => [0, 4, 5],
            Family::Chipset => [0, 3, 4],
            Family::MultiTech => [0, 5, 6],
        };
        let control = match self.error_control {
            ErrorControl::None => none,
            ErrorControl::Auto => auto,
            ErrorControl::Required => required,
        };
        let compression = flag(self.compression);
        text += &match family {
            Family::Courier => format!(
                "&A{} &B{} &H{flow} &K{compression} &M{control}",
                self.messages,
                flag(!self.port_follows_line),
            ),
            Family::Chipset | Family::MultiTech => format!(
                "W{} &K{flow} {}{control} %C{compression} +MS={},1,{},{}",
                self.messages,
                if family == Family::MultiTech {
                    "&Q"
                } else {
                    "\\N"
                },
                self.modulation,
                self.rates.0,
                self.rates.1,
            ),
        };
        text += "\r\n";
        for register in SHOWN {
            text += &format!("S{register:02}:{:03} ", self.s[usize::from(register)]);
        }
        text
    }
}

/// `&S` of a Courier.
pub(super) const CTS_AFTER_CARRIER: u8 = 2;
const REGISTERS: usize = 100;
/// S10 with this value: a lost carrier is no reason to hang up.
const FOR_EVER: u8 = 255;
const SHOWN: [u8; 14] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 25];
