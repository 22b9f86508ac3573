//! The serial port of a modem: the cable in both directions, and what waits there for the terminal.
//!
//! ```text
//!   terminal -- cable --> the modem
//!            <-- cable -- said (results, echo) before received (the far end's data)
//! ```
//!
//! Promise: bytes take their time at the port's speed; when the terminal has another one than the
//! modem, they are garbled both ways. What waits is bounded, and what finds no room is counted.

use std::collections::VecDeque;

use crate::proto::time::{BitRate, Instant, earliest};
use crate::sim::{Fault, LineModel, LineModelConfig};

#[derive(Clone, Debug)]
pub(super) struct Port {
    /// What the terminal is set to, and what the modem is.
    terminal: BitRate,
    modem: BitRate,
    inward: LineModel,
    outward: LineModel,
    said: VecDeque<u8>,
    received: VecDeque<u8>,
    /// Most bytes of `received`, and of `said`.
    buffer: usize,
    /// The terminal says that it takes nothing now, by RTS or by XOFF.
    held: bool,
    /// Bytes for the terminal that found no room.
    pub(super) lost: u64,
}

impl Port {
    pub(super) fn new(modem: BitRate, buffer: usize) -> Self {
        let cable = |buffer| LineModel::new(LineModelConfig::clean(modem).with_buffer(buffer));
        Self {
            terminal: modem,
            modem,
            inward: cable(FIFO),
            outward: cable(FIFO),
            said: VecDeque::new(),
            received: VecDeque::new(),
            buffer,
            held: false,
            lost: 0,
        }
    }

    /// What the modem's side is set to.
    pub(super) const fn speed(&self) -> BitRate {
        self.modem
    }

    pub(super) fn set_speeds(&mut self, now: Instant, terminal: BitRate, modem: BitRate) {
        if (terminal, modem) == (self.terminal, self.modem) {
            return;
        }
        (self.terminal, self.modem) = (terminal, modem);
        let ways = [
            (&mut self.inward, terminal, modem),
            (&mut self.outward, modem, terminal),
        ];
        for (cable, sender_baud, receiver_baud) in ways {
            cable.set_rate(now, sender_baud);
            cable.set_fault(
                now,
                match sender_baud == receiver_baud {
                    true => Fault::None,
                    false => Fault::SpeedMismatch {
                        sender_baud,
                        receiver_baud,
                    },
                },
            );
        }
    }

    /// How many bytes the terminal can give now.
    pub(super) fn room(&self, now: Instant) -> usize {
        self.inward.room(now)
    }

    /// How many bytes are on their way from the terminal.
    pub(super) fn on_the_way(&self, now: Instant) -> usize {
        self.inward.queued(now) + self.inward.in_flight(now)
    }

    /// The terminal gives bytes; says how many were taken.
    pub(super) fn give(&mut self, now: Instant, bytes: &[u8]) -> usize {
        self.inward.handle_bytes(now, bytes)
    }

    /// Takes what has come from the terminal.
    pub(super) fn take(&mut self, now: Instant, bytes: &mut Vec<u8>) {
        self.inward.poll_bytes(now, bytes);
    }

    /// Says something to the terminal: a result, an echo.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        let room = self.buffer - self.said.len().min(self.buffer);
        self.lost += bytes.len().saturating_sub(room) as u64;
        self.said.extend(bytes.iter().take(room));
    }

    /// Whether something that was said has not reached the terminal.
    pub(super) fn is_saying(&self, now: Instant) -> bool {
        !self.said.is_empty() || self.outward.queued(now) > 0
    }

    /// Data of the far end come for the terminal.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        let room = self.buffer - self.received.len().min(self.buffer);
        self.lost += bytes.len().saturating_sub(room) as u64;
        self.received.extend(bytes.iter().take(room));
    }

    /// What is received goes on in front of what will be said.
    pub(super) fn end_of_data(&mut self) {
        self.said.append(&mut self.received);
    }

    pub(super) const fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Everything that waits for the terminal is gone: the power is off.
    pub(super) fn clear(&mut self) {
        self.said.clear();
        self.received.clear();
        self.held = false;
    }

    /// Sends on what waits; the far end's data only while the modem is in data mode.
    pub(super) fn send(&mut self, now: Instant, data: bool) {
        loop {
            let room = self.outward.room(now);
            if room == 0 || self.held {
                return;
            }
            let next = if !self.said.is_empty() {
                self.said.pop_front()
            } else if data {
                self.received.pop_front()
            } else {
                None
            };
            let Some(byte) = next else { return };
            self.outward.handle_bytes(now, &[byte]);
        }
    }

    /// What has arrived at the terminal.
    pub(super) fn poll_bytes(&mut self, now: Instant, bytes: &mut Vec<u8>) -> usize {
        self.outward.poll_bytes(now, bytes)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.inward.poll_timeout(), self.outward.poll_timeout())
    }
}

/// Bytes in the UARTs at both ends of a cable.
const FIFO: usize = 64;
