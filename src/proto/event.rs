//! What a session tells the technician, in words.

use std::fmt;

use super::config::{ChannelId, Class, LineId, SessionId};
use super::time::Duration;

/// Something the technician wants to know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The line carries frames both ways.
    LineUp {
        /// Which line.
        line: LineId,
    },
    /// The line no longer carries frames.
    LineDown {
        /// Which line.
        line: LineId,
    },
    /// Something is wrong with a line, or no longer (`None`).
    Trouble {
        /// Which line.
        line: LineId,
        /// What is wrong.
        trouble: Option<Trouble>,
    },
    /// A session with the far end has begun.
    SessionStarted {
        /// The far end's number.
        peer: SessionId,
        /// The far end's name; made harmless for a terminal.
        name: String,
        /// The far end was restarted: an earlier session came before.
        after_restart: bool,
    },
    /// The far end is stopping on purpose.
    PeerClosed,
    /// The technician at the far end says something.
    Text {
        /// The far end's name, empty when it is not known; made harmless for a terminal.
        from: String,
        /// What was said; made harmless for a terminal.
        text: String,
    },
    /// The far end has heard a text.
    TextDelivered {
        /// Which one.
        id: TextId,
    },
}

/// A text that was given to [`Session::handle_text`](super::Session::handle_text): they count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextId(pub u64);

/// What is wrong with a line. `Display` says what happened, then what to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The device is not open: not there, or unplugged.
    DeviceAbsent,
    /// The modem reports no carrier, or the terminal does not let us send.
    NoCarrier,
    /// The other side of the cable holds our output off (CTS).
    HeldOff {
        /// For how long.
        lasts: Duration,
    },
    /// The device takes no bytes.
    Stalled {
        /// For how long.
        lasts: Duration,
    },
    /// Not one byte has arrived.
    NothingHeard {
        /// For how long.
        silence: Duration,
    },
    /// Bytes arrive, but no frame among them is whole.
    BytesButNoFrames {
        /// Bytes received since the last good frame.
        bytes: u64,
        /// What the bytes look like.
        cause: LikelyCause,
    },
    /// What arrives is what was sent.
    Loop,
    /// The far end is heard, but it does not hear this end.
    NotHeardThere,
    /// The far end speaks another version of the protocol.
    VersionDiffers {
        /// Spoken here.
        here: u8,
        /// Spoken there.
        there: u8,
    },
    /// The two channel tables do not agree.
    TablesDiffer {
        /// Each difference.
        differences: Vec<TableDifference>,
    },
}

/// What the bytes of a line look like on which no frame is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LikelyCause {
    /// Nothing special: most likely the speeds differ.
    Speed,
    /// No byte has its top bit set.
    SevenBits,
    /// The same byte over and over.
    StuckByte(u8),
}

/// A channel on which the two ends do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDifference {
    /// The channel.
    pub id: ChannelId,
    /// What it is here; `None` when this end has no such channel.
    pub here: Option<ChannelWords>,
    /// What it is there.
    pub there: Option<ChannelWords>,
}

/// A channel as the other end describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelWords {
    /// Its class.
    pub class: Class,
    /// Its name; made harmless for a terminal.
    pub name: String,
    /// Whether RTCP rides with it.
    pub rtcp: bool,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeviceAbsent => f.write_str(
                "the device is not there; waiting for it. `copperlink ports` shows what is there",
            ),
            Self::NoCarrier => f.write_str(
                "no carrier (DCD): the modem has no connection with the far modem. Check the pair, \
                 and that the far end is on; set carrier = false if the cable has no such wire",
            ),
            Self::HeldOff { lasts } => write!(
                f,
                "the terminal holds us off (CTS) for {:.0} s. Check its power and the cable, \
                 or set flow = \"none\" if the cable has no CTS wire",
                lasts.as_secs_f64()
            ),
            Self::Stalled { lasts } => write!(
                f,
                "the device takes no bytes for {:.0} s. Check that the terminal is on and not \
                 held off itself (XOFF, CTS), or that the terminal server is reached",
                lasts.as_secs_f64()
            ),
            Self::NothingHeard { silence } => write!(
                f,
                "nothing heard from the far end for {:.0} s. Check that copperlink runs there, \
                 the pair, and that transmit and receive are crossed",
                silence.as_secs_f64()
            ),
            Self::BytesButNoFrames { bytes, cause } => {
                write!(f, "{bytes} bytes arrived, but no whole frame. ")?;
                match cause {
                    LikelyCause::Speed => f.write_str(
                        "Most likely the speed (baud) differs between the two ends, \
                         or one has parity or 7 data bits set, or XON/XOFF on the way eats bytes",
                    ),
                    LikelyCause::SevenBits => f.write_str(
                        "No byte has its top bit set: the path carries 7 bits only. \
                         Set 8 data bits and no parity on every terminal of the line",
                    ),
                    LikelyCause::StuckByte(byte) => write!(
                        f,
                        "They are all 0x{byte:02x}: a stuck line, a break, or a modem in a test loop"
                    ),
                }
            }
            Self::Loop => f.write_str(
                "loop on the line: what arrives is what this end sent. \
                 Remove the loop plug, or end the modem's loop test at either end",
            ),
            Self::NotHeardThere => f.write_str(
                "the far end is heard, but it does not hear this end. \
                 Check the wire from here to there (transmit, and flow control)",
            ),
            Self::VersionDiffers { here, there } => write!(
                f,
                "the far end speaks version {there} of the protocol, this end version {here}. \
                 Install the same copperlink at both ends"
            ),
            Self::TablesDiffer { differences } => {
                f.write_str("the channel tables differ: ")?;
                for (i, difference) in differences.iter().enumerate() {
                    if i > 0 {
                        f.write_str("; ")?;
                    }
                    difference.fmt(f)?;
                }
                f.write_str(". Make the [[channel]] entries of both settings files agree")
            }
        }
    }
}

impl fmt::Display for TableDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "channel {}: here ", self.id)?;
        write_side(f, self.here.as_ref())?;
        f.write_str(", there ")?;
        write_side(f, self.there.as_ref())
    }
}

fn write_side(f: &mut fmt::Formatter<'_>, side: Option<&ChannelWords>) -> fmt::Result {
    match side {
        None => f.write_str("none"),
        Some(words) => {
            let rtcp = if words.rtcp { " with rtcp" } else { "" };
            write!(f, "{} '{}'{rtcp}", words.class, words.name)
        }
    }
}

/// Makes text from the line harmless for a terminal: what is not UTF-8 becomes U+FFFD; control
/// characters, line ends, and what turns the direction of writing become `?`.
pub fn harmless(text: &[u8]) -> String {
    String::from_utf8_lossy(text)
        .chars()
        .map(|c| if is_harmful(c) { '?' } else { c })
        .collect()
}

fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn nothing_from_the_line_moves_the_cursor_or_turns_the_writing() {
        let text = "ok \u{1b}[2J\r\n\u{202e}x\u{2066}\u{9b}1m\u{85} 좋아요 é\u{200d}";
        assert_eq!(
            harmless(text.as_bytes()),
            "ok ?[2J???x??1m? 좋아요 é\u{200d}"
        );
        assert_eq!(harmless(b"a\xffb\xec\xa2"), "a\u{fffd}b\u{fffd}");
    }
}
