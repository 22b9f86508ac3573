//! The parity of express frames, and when the short check may go with it.
//!
//! A receiver takes a frame with the short check only with the parity that it was told. So when the parity
//! changes, audio has the long check, and tells the new one, until such a frame is known to have
//! arrived: four bytes a packet for one round trip, and never a wrong guess.

use crate::proto::framing::parity::Parity;

/// The parity of the express frames that are sent.
#[derive(Debug, Default)]
pub(super) struct ExpressParity {
    parity: Parity,
    /// Frames from this number on have it; `None` when the far end knows it.
    untold_from: Option<u64>,
}

impl ExpressParity {
    /// What express frames have now.
    pub(super) fn parity(&self) -> Parity {
        self.parity
    }

    /// Whether the far end knows it, so that the short check does.
    pub(super) fn is_told(&self) -> bool {
        self.untold_from.is_none()
    }

    /// From the frame `next` on they have another.
    pub(super) fn change(&mut self, parity: Parity, next: u64) {
        if self.parity != parity {
            self.parity = parity;
            self.untold_from = Some(next);
        }
    }

    /// A frame with that number, which tells the parity, arrived.
    pub(super) fn on_told(&mut self, number: u64) {
        if self.untold_from.is_some_and(|from| number >= from) {
            self.untold_from = None;
        }
    }

    /// A session begins: the far end takes it that there is none.
    pub(super) fn restart(&mut self) {
        self.untold_from = (self.parity != Parity::NONE).then_some(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_check_waits_until_the_far_end_knows_the_parity() {
        let (none, some) = (Parity::ALL[0], Parity::ALL[2]);
        let mut express = ExpressParity::default();
        assert!(express.is_told());
        express.change(none, 3);
        assert!(express.is_told(), "nothing changed");
        express.change(some, 7);
        assert!(!express.is_told());
        express.on_told(6);
        assert!(!express.is_told(), "that one had another");
        express.on_told(9);
        assert!(express.is_told());
        express.restart();
        assert!(!express.is_told());
        express.on_told(0);
        assert!(express.is_told());
    }
}
