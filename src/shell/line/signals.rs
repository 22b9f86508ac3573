//! The signals of a port, and which of them the link goes by.
//!
//! A port tells four: CTS, DSR, DCD and RI. All of them are shown to the technician. The core hears
//! of CTS where hardware flow control is set, and of DCD where it means something. A cable without
//! the wire leaves DCD off for ever, and a link over it must not wait for a carrier; so, unless the
//! settings say otherwise, DCD counts from the moment it was seen on. So does CTS of a terminal
//! server: of a port without signals it may say that they are off, and it minds CTS itself.
//!
//! Assumes nothing; asking the port is left to whoever holds it.

use serde::Serialize;

use super::{CarrierRule, Device, Flow, LineSetup};
use crate::proto::LineSignals;

/// The signals that a port receives from its modem or cable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModemLines {
    /// CTS: the terminal takes bytes.
    pub clear_to_send: bool,
    /// DSR: the terminal is on.
    pub data_set_ready: bool,
    /// DCD: the modem hears the other one.
    pub carrier: bool,
    /// RI: the telephone rings.
    pub ring: bool,
}

/// Which signals the core hears of.
#[derive(Clone, Copy, Debug)]
pub(super) struct SignalRules {
    clear_to_send: bool,
    /// Whether CTS counts from the moment it was seen on.
    clear_to_send_seen: bool,
    carrier: CarrierRule,
    carrier_seen: bool,
}

impl SignalRules {
    /// The rules of a line. `carrier_seen` says that DCD has been on before, when the same device
    /// was open.
    pub(super) fn new(setup: &LineSetup, carrier_seen: bool) -> Self {
        Self {
            clear_to_send: setup.flow == Flow::Hardware,
            clear_to_send_seen: !matches!(setup.device, Device::Rfc2217(_)),
            carrier: setup.carrier,
            carrier_seen,
        }
    }

    /// What the core is told. `None` stands for a port without such signals.
    pub(super) fn apply(&mut self, lines: Option<ModemLines>) -> LineSignals {
        let Some(lines) = lines else {
            return LineSignals::OPEN;
        };
        self.carrier_seen |= lines.carrier;
        self.clear_to_send_seen |= lines.clear_to_send;
        let relies_on_carrier = match self.carrier {
            CarrierRule::Auto => self.carrier_seen,
            CarrierRule::Always => true,
            CarrierRule::Never => false,
        };
        LineSignals {
            open: true,
            carrier: relies_on_carrier.then_some(lines.carrier),
            clear_to_send: (self.clear_to_send && self.clear_to_send_seen)
                .then_some(lines.clear_to_send),
        }
    }

    /// Whether DCD has ever been on.
    pub(super) fn carrier_seen(&self) -> bool {
        self.carrier_seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(flow: Flow, carrier: CarrierRule) -> SignalRules {
        let device = Device::Serial("/dev/null".into());
        let setup = LineSetup {
            carrier,
            ..LineSetup::new(device, 9600, flow)
        };
        SignalRules::new(&setup, false)
    }

    fn carrier(on: bool) -> Option<ModemLines> {
        Some(ModemLines {
            carrier: on,
            ..ModemLines::default()
        })
    }

    #[test]
    fn a_cable_without_dcd_is_not_waited_for() {
        let mut rules = rules(Flow::None, CarrierRule::Auto);
        for _ in 0..3 {
            assert_eq!(rules.apply(carrier(false)), LineSignals::OPEN);
        }
    }

    #[test]
    fn dcd_that_was_on_and_goes_off_is_a_lost_carrier() {
        let mut rules = rules(Flow::None, CarrierRule::Auto);
        assert_eq!(rules.apply(carrier(false)).carrier, None);
        assert_eq!(rules.apply(carrier(true)).carrier, Some(true));
        assert_eq!(rules.apply(carrier(false)).carrier, Some(false));
        assert!(rules.carrier_seen());
    }

    #[test]
    fn the_settings_can_say_that_dcd_counts_or_that_it_does_not() {
        let mut always = rules(Flow::None, CarrierRule::Always);
        assert_eq!(always.apply(carrier(false)).carrier, Some(false));
        let mut never = rules(Flow::None, CarrierRule::Never);
        assert_eq!(never.apply(carrier(true)).carrier, None);
        assert_eq!(never.apply(carrier(false)).carrier, None);
    }

    #[test]
    fn cts_counts_with_hardware_flow_control_only() {
        let on = Some(ModemLines {
            clear_to_send: true,
            ..ModemLines::default()
        });
        for (flow, off_is, on_is) in [
            (Flow::Hardware, Some(false), Some(true)),
            (Flow::None, None, None),
            (Flow::Software, None, None),
        ] {
            let mut rules = rules(flow, CarrierRule::Never);
            assert_eq!(rules.apply(carrier(false)).clear_to_send, off_is);
            assert_eq!(rules.apply(on).clear_to_send, on_is);
        }
    }

    #[test]
    fn a_terminal_server_that_knows_no_signals_does_not_hold_us_off() {
        let device = Device::Rfc2217("host:1".to_owned());
        let setup = LineSetup::new(device, 9600, Flow::Hardware);
        let mut rules = SignalRules::new(&setup, false);
        assert_eq!(rules.apply(carrier(false)), LineSignals::OPEN);
        let on = ModemLines {
            clear_to_send: true,
            ..ModemLines::default()
        };
        assert_eq!(rules.apply(Some(on)).clear_to_send, Some(true));
        assert_eq!(rules.apply(carrier(false)).clear_to_send, Some(false));
    }

    #[test]
    fn a_port_without_signals_is_just_open() {
        let mut rules = rules(Flow::Hardware, CarrierRule::Always);
        assert_eq!(rules.apply(None), LineSignals::OPEN);
    }
}
