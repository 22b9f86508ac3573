//! What the shell knows of a line's device.

/// What is known of a line's device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineSignals {
    /// The device is open and usable.
    pub open: bool,
    /// DCD, where the port has it and the settings rely on it.
    pub carrier: Option<bool>,
    /// CTS, where the port has it and the settings rely on it.
    pub clear_to_send: Option<bool>,
}

impl LineSignals {
    /// An open device without modem lines.
    pub const OPEN: Self = Self {
        open: true,
        carrier: None,
        clear_to_send: None,
    };
    /// No device.
    pub const CLOSED: Self = Self {
        open: false,
        carrier: None,
        clear_to_send: None,
    };
}
