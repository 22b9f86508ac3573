//! What the line brings for a flow.

use bytes::Bytes;

use super::{Flow, Incoming};
use crate::proto::channel::{Piece, Place};
use crate::proto::framing::segment::{Cut, Data};
use crate::proto::time::Instant;

impl Flow {
    /// Takes audio packets from the line; says whether some are missing in front of them.
    pub(crate) fn on_packet(
        &mut self,
        place: Place,
        number: Cut,
        data: Data<'_>,
        deliver: &mut dyn FnMut(Bytes),
    ) -> bool {
        let Incoming::Audio(receiver) = &mut self.incoming else {
            self.received.refused += 1;
            return false;
        };
        receiver.on_packet(place, number, data, &mut self.received, deliver)
    }

    /// Takes audio packets from the line that were sent before.
    pub(crate) fn on_again(&mut self, number: Cut, data: Data<'_>, deliver: &mut dyn FnMut(Bytes)) {
        match &mut self.incoming {
            Incoming::Audio(receiver) => {
                receiver.on_again(number, data, &mut self.received, deliver);
            }
            Incoming::Messages(_) => self.received.refused += 1,
        }
    }

    /// Takes a steady audio packet from the line, which goes by that context of the flow; says the
    /// same.
    pub(crate) fn on_steady(
        &mut self,
        place: Place,
        context: usize,
        low: u8,
        payload: &[u8],
        deliver: &mut dyn FnMut(Bytes),
    ) -> bool {
        let Incoming::Audio(receiver) = &mut self.incoming else {
            self.received.refused += 1;
            return false;
        };
        receiver.on_steady(place, context, low, payload, &mut self.received, deliver)
    }

    /// Takes a whole message from the line.
    pub(crate) fn on_message(
        &mut self,
        now: Instant,
        place: Place,
        number: Cut,
        data: Data<'_>,
        deliver: &mut dyn FnMut(Bytes),
    ) {
        match &mut self.incoming {
            Incoming::Messages(receiver) => {
                receiver.on_message(now, place, number, data, &mut self.received, deliver);
            }
            Incoming::Audio(_) => self.received.refused += 1,
        }
    }

    /// Takes a piece of a message from the line.
    pub(crate) fn on_piece(
        &mut self,
        now: Instant,
        piece: Piece<'_>,
        deliver: &mut dyn FnMut(Bytes),
    ) {
        match &mut self.incoming {
            Incoming::Messages(receiver) => {
                receiver.on_piece(now, piece, &mut self.received, deliver);
            }
            Incoming::Audio(_) => self.received.refused += 1,
        }
    }

    /// The far end gave up all messages below this number.
    pub(crate) fn on_advance(&mut self, now: Instant, number: Cut, deliver: &mut dyn FnMut(Bytes)) {
        match &mut self.incoming {
            Incoming::Messages(receiver) => {
                receiver.on_advance(now, number, &mut self.received, deliver);
            }
            Incoming::Audio(_) => self.received.refused += 1,
        }
    }

    /// Bytes and messages that came and were not given out.
    #[cfg(test)]
    pub(crate) fn held(&self) -> (usize, usize) {
        match &self.incoming {
            Incoming::Messages(receiver) => receiver.held(),
            Incoming::Audio(_) => (0, 0),
        }
    }
}
