//! What one modem sends to the other while a call lasts.
//!
//! ```text
//!   without error control   tx --> LineModel --> on the way --> the other modem
//!   with                    tx --> block --> LineModel --> as it was? --> on the way --> …
//!                                    ^------ again, a round trip later ------ no
//! ```
//!
//! Promise: without error control what the line does to a byte reaches the other port; with it,
//! nothing wrong does, and each hit costs a block and a round trip. It leaves to the modems
//! whether there is a call at all.

use std::collections::VecDeque;

use crate::proto::time::{BitRate, Duration, Instant, earliest};
use crate::sim::scenario::Conditions;
use crate::sim::{Fault, LineModel, LineModelConfig, LineModelStats};

/// One direction.
#[derive(Clone, Debug)]
pub(super) struct Direction {
    model: LineModel,
    delay: Duration,
    way: Way,
    /// Whether nothing gets through at present: the line is cut, or the modems train.
    silent: bool,
    on_the_way: VecDeque<(Instant, Vec<u8>)>,
    /// Blocks that had to go again.
    pub(super) again: u64,
}

#[derive(Clone, Debug)]
enum Way {
    Plain,
    Reliable(Block),
}

/// What goes over the line as a whole, or again.
#[derive(Clone, Debug, Default)]
struct Block {
    bytes: Vec<u8>,
    arrived: Vec<u8>,
    state: BlockState,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum BlockState {
    /// Nothing to send.
    #[default]
    Empty,
    /// Some bytes, and more may come until then.
    Gathering(Instant),
    /// On the line.
    Sent,
    /// The other modem wants it again, which is known then.
    Again(Instant),
}

impl Direction {
    pub(super) fn new(config: LineModelConfig) -> Self {
        Self {
            delay: config.delay,
            model: LineModel::new(config.with_delay(Duration::ZERO).with_buffer(BLOCK)),
            way: Way::Plain,
            silent: true,
            on_the_way: VecDeque::new(),
            again: 0,
        }
    }

    /// A call begins: nothing of an earlier one is left.
    pub(super) fn begin(&mut self, now: Instant, reliable: bool) {
        self.model.set_cut(now, true);
        self.model.poll_bytes(now, &mut Vec::new());
        self.on_the_way.clear();
        self.way = match reliable {
            true => Way::Reliable(Block::default()),
            false => Way::Plain,
        };
    }

    /// The wire is like this, and the modems send at that rate. `silent` while they train, and
    /// when there is no call.
    pub(super) fn apply(
        &mut self,
        now: Instant,
        conditions: Conditions,
        rate: BitRate,
        silent: bool,
    ) {
        let reliable = matches!(self.way, Way::Reliable(_));
        self.silent = silent || conditions.cut;
        let mut conditions = Conditions {
            rate,
            cut: self.silent,
            ..conditions
        };
        if reliable {
            // No start and stop bits, but a frame around each block.
            let bits = u64::from(rate.bits_per_second()) * 10 / 8 * BLOCK as u64;
            let bits = bits / (BLOCK as u64 + FRAME);
            conditions.rate = u32::try_from(bits)
                .ok()
                .and_then(BitRate::new)
                .unwrap_or(rate);
            // Between two modems there are no characters to eat.
            conditions.fault = Fault::None;
        }
        conditions.apply(now, &mut self.model);
    }

    /// Sends on as much as the line takes.
    pub(super) fn send(&mut self, now: Instant, tx: &mut VecDeque<u8>) {
        match &mut self.way {
            Way::Plain => {
                while !self.silent && self.model.queued(now) < PLAIN_AHEAD {
                    let Some(byte) = tx.pop_front() else { return };
                    self.model.handle_bytes(now, &[byte]);
                }
            }
            Way::Reliable(block) => block.send(now, self.silent, &mut self.model, tx),
        }
    }

    /// What has come through to the other modem.
    pub(super) fn poll(&mut self, now: Instant, bytes: &mut Vec<u8>) {
        let mut passed = Vec::new();
        self.model.poll_bytes(now, &mut passed);
        let arrives = now + self.delay;
        match &mut self.way {
            Way::Plain if passed.is_empty() => {}
            Way::Plain => self.on_the_way.push_back((arrives, passed)),
            Way::Reliable(block) => {
                let is_out = self.model.queued(now) + self.model.in_flight(now) == 0;
                match block.judge(passed, is_out, now + self.delay * 2 + TURN) {
                    Judged::Nothing => {}
                    Judged::Good(bytes) => self.on_the_way.push_back((arrives, bytes)),
                    Judged::Wrong => self.again += 1,
                }
            }
        }
        while let Some((at, _)) = self.on_the_way.front()
            && *at <= now
            && let Some((_, arrived)) = self.on_the_way.pop_front()
        {
            bytes.extend_from_slice(&arrived);
        }
    }

    /// When to look again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let block = match &self.way {
            Way::Plain => None,
            Way::Reliable(block) => match block.state {
                BlockState::Gathering(at) | BlockState::Again(at) if !self.silent => Some(at),
                _ => None,
            },
        };
        let arrival = self.on_the_way.front().map(|(at, _)| *at);
        earliest(self.model.poll_timeout(), earliest(block, arrival))
    }

    pub(super) const fn stats(&self) -> LineModelStats {
        self.model.stats()
    }
}

enum Judged {
    Nothing,
    Good(Vec<u8>),
    Wrong,
}

impl Block {
    fn send(&mut self, now: Instant, silent: bool, model: &mut LineModel, tx: &mut VecDeque<u8>) {
        if let BlockState::Empty | BlockState::Gathering(_) = self.state {
            let room = BLOCK - self.bytes.len();
            self.bytes.extend(tx.drain(..room.min(tx.len())));
            if self.state == BlockState::Empty && !self.bytes.is_empty() {
                self.state = BlockState::Gathering(now + GATHER);
            }
        }
        let is_ready = match self.state {
            BlockState::Gathering(until) => self.bytes.len() == BLOCK || until <= now,
            BlockState::Again(at) => at <= now,
            BlockState::Empty | BlockState::Sent => false,
        };
        if is_ready && !silent {
            self.arrived.clear();
            model.handle_bytes(now, &self.bytes);
            self.state = BlockState::Sent;
        }
    }

    fn judge(&mut self, passed: Vec<u8>, is_out: bool, again: Instant) -> Judged {
        if self.state != BlockState::Sent {
            return Judged::Nothing;
        }
        self.arrived.extend(passed);
        if !is_out {
            return Judged::Nothing;
        }
        if self.arrived == self.bytes {
            self.state = BlockState::Empty;
            return Judged::Good(std::mem::take(&mut self.bytes));
        }
        self.state = BlockState::Again(again);
        Judged::Wrong
    }
}

/// Bytes of a full block of V.42.
const BLOCK: usize = 128;
/// Bytes around it: flag, address, control, check, and stuffed bits.
const FRAME: u64 = 8;
/// How long a block waits for more.
const GATHER: Duration = Duration::from_millis(20);
/// Until the sender of a damaged block sends it again, beside the way there and back.
const TURN: Duration = Duration::from_millis(10);
/// Bytes that have left the buffer when the line is slower.
const PLAIN_AHEAD: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Noise;

    fn rate() -> BitRate {
        BitRate::new(28_800).unwrap()
    }

    fn direction(noise: Noise, reliable: bool) -> Direction {
        let config = LineModelConfig::clean(rate())
            .with_delay(Duration::from_millis(30))
            .with_noise(noise);
        let mut direction = Direction::new(config);
        direction.begin(Instant::ZERO, reliable);
        let conditions = Conditions {
            noise,
            ..Conditions::clean(rate())
        };
        direction.apply(Instant::ZERO, conditions, rate(), false);
        direction
    }

    /// Everything that arrives of `sent`, and when the last of it does.
    fn run(direction: &mut Direction, sent: &[u8], until: u64) -> (Vec<u8>, Instant) {
        let mut tx: VecDeque<u8> = sent.iter().copied().collect();
        let (mut arrived, mut now, mut last) = (Vec::new(), Instant::ZERO, Instant::ZERO);
        loop {
            direction.send(now, &mut tx);
            let before = arrived.len();
            direction.poll(now, &mut arrived);
            direction.send(now, &mut tx);
            if arrived.len() > before {
                last = now;
            }
            match direction.poll_timeout() {
                Some(next) if next <= Instant::from_micros(until * 1_000_000) => {
                    assert!(next >= now);
                    now = next;
                }
                _ => return (arrived, last),
            }
        }
    }

    fn data(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        crate::sim::Rng::new(5).fill(&mut bytes);
        bytes
    }

    #[test]
    fn without_error_control_wrong_bits_pass_at_ten_bits_a_byte() {
        let sent = data(28_800);
        let (arrived, last) = run(&mut direction(Noise::bit_errors(1e-3), false), &sent, 20);
        assert_eq!(arrived.len(), sent.len());
        let wrong = arrived.iter().zip(&sent).filter(|(a, b)| a != b).count();
        assert!((150..350).contains(&wrong), "{wrong}");
        assert_eq!(last, Instant::from_micros(10_030_000));
    }

    #[test]
    fn with_error_control_errors_become_delay() {
        let sent = data(28_800);
        let (arrived, clean) = run(&mut direction(Noise::NONE, true), &sent, 20);
        assert!(arrived == sent);
        // 8 bits a byte and a frame around each block: 3388 bytes a second in place of 2880.
        let seconds = clean.as_micros() as f64 / 1e6;
        assert!((8.4..8.7).contains(&seconds), "{seconds}");

        let mut noisy = direction(
            Noise {
                lost_byte_rate: 1e-4,
                inserted_byte_rate: 1e-4,
                ..Noise::bit_errors(1e-4)
            },
            true,
        );
        let (arrived, late) = run(&mut noisy, &sent, 60);
        assert!(arrived == sent);
        assert!(noisy.again > 10, "{}", noisy.again);
        assert!(late.since(clean) > Duration::from_secs(1), "{late:?}");
    }

    #[test]
    fn a_lone_byte_under_error_control_waits_for_more() {
        let (_, last) = run(&mut direction(Noise::NONE, true), b"x", 5);
        assert!(last > Instant::from_micros(50_000), "{last:?}");
        let (_, last) = run(&mut direction(Noise::NONE, false), b"x", 5);
        assert!(last < Instant::from_micros(31_000), "{last:?}");
    }

    #[test]
    fn while_nothing_gets_through_plain_bytes_wait_and_a_block_goes_again() {
        for reliable in [false, true] {
            let mut direction = direction(Noise::NONE, reliable);
            let conditions = Conditions::clean(rate());
            direction.apply(Instant::ZERO, conditions, rate(), true);
            let (arrived, _) = run(&mut direction, &data(100), 3);
            assert!(arrived.is_empty());
            direction.apply(Instant::from_micros(3_000_000), conditions, rate(), false);
            assert!(direction.poll_timeout().is_none() || reliable);
        }
    }
}
