//! What a modem says of what happened: words or numbers, in the manner of its family.

use super::config::Family;
use super::settings::Settings;

/// What two modems agreed on when they had trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// What this one sends and hears, bit/s.
    pub sends: u32,
    /// The same for what it hears.
    pub hears: u32,
    /// With error control.
    pub reliable: bool,
    /// With compression, which a modem only says: coded media cannot be compressed.
    pub compressed: bool,
}

/// A result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResultCode {
    Ok,
    Connect(Agreed),
    Ring,
    NoCarrier,
    Error,
    NoDialTone,
    Busy,
    NoAnswer,
    Ringing,
    Voice,
}

impl ResultCode {
    /// The bytes for the terminal. `port_bps` is the speed of the modem's port.
    pub(super) fn text(self, family: Family, settings: &Settings, port_bps: u32) -> Vec<u8> {
        let lines = match settings.verbose {
            true => self.words(family, settings, port_bps),
            false => {
                let mut text = self.number(family, settings).to_string().into_bytes();
                text.push(settings.carriage_return());
                return text;
            }
        };
        let mut text = Vec::new();
        for line in lines {
            text.extend(framed(settings, &line));
        }
        text
    }

    fn words(self, family: Family, settings: &Settings, port_bps: u32) -> Vec<String> {
        let word = match self {
            Self::Connect(agreed) => {
                let mut lines = Vec::new();
                if settings.reports_rates {
                    lines.push(format!("+MRR: {},{}", agreed.sends, agreed.hears));
                }
                lines.extend(connect(family, settings, port_bps, agreed));
                return lines;
            }
            Self::Ok => "OK",
            Self::Ring => "RING",
            Self::NoCarrier => "NO CARRIER",
            Self::Error => "ERROR",
            Self::NoDialTone if family == Family::Courier => "NO DIAL TONE",
            Self::NoDialTone => "NO DIALTONE",
            Self::Busy => "BUSY",
            Self::NoAnswer => "NO ANSWER",
            Self::Ringing => "RINGING",
            Self::Voice => "VOICE",
        };
        vec![word.to_owned()]
    }

    fn number(self, family: Family, settings: &Settings) -> u32 {
        match self {
            Self::Ok => 0,
            Self::Connect(_) if settings.progress == 0 => 1,
            Self::Connect(agreed) => rate_number(family, agreed.hears),
            Self::Ring => 2,
            Self::NoCarrier => 3,
            Self::Error => 4,
            Self::NoDialTone => 6,
            Self::Busy => 7,
            Self::NoAnswer => 8,
            Self::Ringing => 11,
            Self::Voice => 12,
        }
    }
}

/// A line of text as a modem puts it in words.
pub(super) fn framed(settings: &Settings, line: &str) -> Vec<u8> {
    let ends = [settings.carriage_return(), settings.line_feed()];
    [&ends, line.as_bytes(), &ends].concat()
}

fn connect(family: Family, settings: &Settings, port_bps: u32, agreed: Agreed) -> Vec<String> {
    if settings.progress == 0 {
        return vec!["CONNECT".into()];
    }
    let rate = agreed.hears;
    let protocol = match agreed.reliable {
        true => "LAP-M",
        false => "NONE",
    };
    match family {
        Family::Courier => vec![format!("CONNECT {rate}{}", courier_tail(settings, agreed))],
        Family::MultiTech => {
            let reliable = if agreed.reliable { " LAPM" } else { "" };
            let packed = if agreed.compressed { " COMPRESSED" } else { "" };
            vec![format!("CONNECT {rate}{reliable}{packed}")]
        }
        Family::Chipset if settings.messages == 1 => vec![
            format!("CARRIER {rate}"),
            format!("PROTOCOL: {protocol}"),
            format!(
                "COMPRESSION: {}",
                if agreed.compressed { "V.42BIS" } else { "NONE" }
            ),
            format!("CONNECT {port_bps}"),
        ],
        Family::Chipset => {
            let rate = if settings.messages == 0 {
                port_bps
            } else {
                rate
            };
            let tail = match settings.names_protocol {
                true => format!("/{protocol}"),
                false => String::new(),
            };
            vec![format!("CONNECT {rate}{tail}")]
        }
    }
}

/// `/ARQ`, then the modulation, then how.
fn courier_tail(settings: &Settings, agreed: Agreed) -> String {
    let mut tail = String::new();
    if settings.messages >= 1 && agreed.reliable {
        tail += "/ARQ";
    }
    if settings.messages >= 2 {
        tail += match agreed.hears {
            ..=2400 => "/V22",
            2401..=14_400 => "/V32",
            _ => "/V34",
        };
    }
    if settings.messages >= 3 && agreed.reliable {
        tail += "/LAPM";
        if agreed.compressed {
            tail += "/V42BIS";
        }
    }
    tail
}

/// The number of `CONNECT` with a rate; 1 where a family has none.
fn rate_number(family: Family, rate: u32) -> u32 {
    let numbers: &[(u32, u32)] = match family {
        Family::Courier => &[
            (1200, 5),
            (2400, 10),
            (9600, 13),
            (4800, 18),
            (7200, 20),
            (12_000, 21),
            (14_400, 25),
            (16_800, 43),
            (19_200, 85),
            (21_600, 91),
            (24_000, 99),
            (26_400, 103),
            (28_800, 107),
        ],
        Family::Chipset | Family::MultiTech => {
            &[(1200, 5), (2400, 10), (4800, 11), (9600, 12), (28_800, 59)]
        }
    };
    let found = numbers.iter().find(|(bits, _)| *bits == rate);
    found.map_or(1, |(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Agreed = Agreed {
        sends: 26_400,
        hears: 28_800,
        reliable: true,
        compressed: true,
    };

    fn says(family: Family, change: impl Fn(&mut Settings), result: ResultCode) -> String {
        let mut settings = Settings::factory(family, 1);
        change(&mut settings);
        String::from_utf8(result.text(family, &settings, 115_200)).unwrap()
    }

    #[test]
    fn each_family_says_connect_in_its_own_way() {
        let plain = Agreed {
            reliable: false,
            compressed: false,
            ..GOOD
        };
        let chipset = |messages, agreed| {
            says(
                Family::Chipset,
                |settings| settings.messages = messages,
                ResultCode::Connect(agreed),
            )
        };
        assert_eq!(chipset(0, GOOD), "\r\nCONNECT 115200\r\n");
        assert_eq!(chipset(2, GOOD), "\r\nCONNECT 28800\r\n");
        assert_eq!(
            chipset(1, GOOD),
            "\r\nCARRIER 28800\r\n\r\nPROTOCOL: LAP-M\r\n\r\nCOMPRESSION: V.42BIS\r\n\r\nCONNECT 115200\r\n"
        );
        assert!(chipset(1, plain).contains("PROTOCOL: NONE\r\n\r\nCOMPRESSION: NONE"));
        let courier = |messages, agreed| {
            says(
                Family::Courier,
                |settings| settings.messages = messages,
                ResultCode::Connect(agreed),
            )
        };
        assert_eq!(
            courier(3, GOOD),
            "\r\nCONNECT 28800/ARQ/V34/LAPM/V42BIS\r\n"
        );
        assert_eq!(courier(1, GOOD), "\r\nCONNECT 28800/ARQ\r\n");
        assert_eq!(courier(3, plain), "\r\nCONNECT 28800/V34\r\n");
        let multitech = |agreed| says(Family::MultiTech, |_| {}, ResultCode::Connect(agreed));
        assert_eq!(multitech(GOOD), "\r\nCONNECT 28800 LAPM COMPRESSED\r\n");
        assert_eq!(multitech(plain), "\r\nCONNECT 28800\r\n");
    }

    #[test]
    fn numbers_in_place_of_words_and_no_rate_with_x0() {
        let numeric = |progress: u8, result| {
            says(
                Family::Courier,
                |settings| {
                    settings.verbose = false;
                    settings.progress = progress;
                },
                result,
            )
        };
        assert_eq!(numeric(4, ResultCode::Ok), "0\r");
        assert_eq!(numeric(4, ResultCode::NoCarrier), "3\r");
        assert_eq!(numeric(4, ResultCode::Connect(GOOD)), "107\r");
        assert_eq!(numeric(0, ResultCode::Connect(GOOD)), "1\r");
        let x0 = says(
            Family::Chipset,
            |settings| settings.progress = 0,
            ResultCode::Connect(GOOD),
        );
        assert_eq!(x0, "\r\nCONNECT\r\n");
    }
}
