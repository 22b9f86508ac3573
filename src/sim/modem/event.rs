//! What people beside the modems would see and hear.

use std::fmt;

use super::result::Agreed;

/// Something that a modem did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModemEvent {
    /// A number went out.
    Dials(String),
    /// The bell.
    Rings,
    /// It whistles with the other one.
    Trains,
    /// They agreed.
    Connected(Agreed),
    /// They whistle in the middle of a call.
    Retrains(Agreed),
    /// A byte from its terminal made it give up dialling or training.
    Aborted,
    /// It hears nothing any more.
    CarrierLost,
    /// It ended the call.
    HangsUp,
    /// Somebody switched it on or off.
    Power(bool),
    /// Somebody put its line in, or pulled it.
    Plugged(bool),
}

impl fmt::Display for ModemEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dials(number) => write!(f, "dials {number}"),
            Self::Rings => f.write_str("rings"),
            Self::Trains => f.write_str("trains"),
            Self::Connected(agreed) => write!(f, "is connected: {agreed}"),
            Self::Retrains(agreed) => write!(f, "trains again: then {agreed}"),
            Self::Aborted => f.write_str("gives up: a byte came from the terminal too early"),
            Self::CarrierLost => f.write_str("has lost the carrier"),
            Self::HangsUp => f.write_str("hangs up"),
            Self::Power(true) => f.write_str("is switched on"),
            Self::Power(false) => f.write_str("is switched off"),
            Self::Plugged(true) => f.write_str("has its line again"),
            Self::Plugged(false) => f.write_str("has its line pulled"),
        }
    }
}

impl fmt::Display for Agreed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sends, hears, .. } = self;
        write!(f, "sends {sends}, hears {hears} bit/s")?;
        if self.reliable {
            f.write_str(", with error control")?;
        }
        Ok(())
    }
}
