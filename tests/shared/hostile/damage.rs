//! Damage: what lines do, and what nobody would do but on purpose.

use copperlink::sim::Rng;

use super::{Input, Recording};

/// Makes inputs from recordings and from inputs that were worth keeping.
pub(crate) struct Damager<'a> {
    recordings: &'a [Recording],
    pub(crate) rng: Rng,
}

/// Longest input; a session has come up long before.
const LONGEST: usize = 64 << 10;
/// Bytes in which a session comes up.
const COMES_UP: (u64, u64) = (300, 2500);

impl<'a> Damager<'a> {
    pub(crate) fn new(recordings: &'a [Recording], seed: u64) -> Self {
        Self {
            recordings,
            rng: Rng::new(seed),
        }
    }

    /// An input made from one of `kept`, or from a recording.
    pub(crate) fn input(&mut self, kept: &[Input]) -> Input {
        let mut input = if !kept.is_empty() && self.rng.chance(0.5) {
            kept[self.below(kept.len())].clone()
        } else {
            self.window()
        };
        for _ in 0..self.rng.between(0, 6) {
            self.damage(&mut input);
        }
        input.truncate(LONGEST);
        input
    }

    /// The begin of a recording, and a part of it that came later: between them the line was cut.
    fn window(&mut self) -> Input {
        let recording = &self.recordings[self.below(self.recordings.len())];
        let mut input = if self.rng.chance(0.5) {
            recording.left.clone()
        } else {
            recording.arrived.clone()
        };
        if self.rng.chance(0.03) {
            return input;
        }
        let len = input.bytes.len();
        let up = self.rng.between(COMES_UP.0, COMES_UP.1).min(len as u64) as usize;
        let from = up + self.below(len - up + 1);
        let to = len.min(from + self.rng.between(200, 4000) as usize);
        input.truncate(to);
        if from > up && self.rng.chance(0.8) {
            input.cut(up, from, recording.byte_us());
        } else {
            input.truncate(up + (to - from));
        }
        input
    }

    /// Does what a line may do to some bytes: never does one overtake another. What is put in is
    /// garbage, or an echo of what the receiver said.
    pub(super) fn damage_in_order(&mut self, bytes: &mut Vec<u8>, echo: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let at = self.below(bytes.len());
        let end = bytes.len().min(at + 1 + self.below(24));
        match self.rng.below(10) {
            0 | 1 => self.flip_bits(bytes),
            2 => self.rng.fill(&mut bytes[at..end]),
            3 => bytes[at] ^= 1 << self.rng.below(8),
            4 => drop(bytes.drain(at..end)),
            5 => {
                let most = if self.rng.chance(0.1) { 2000 } else { 30 };
                let garbage = self.garbage(most);
                bytes.splice(at..at, garbage);
            }
            6 => self.change_delimiters(bytes, true),
            7 => self.change_delimiters(bytes, false),
            8 => {
                let value = self.rng.byte();
                bytes[at..end].fill(value);
            }
            9 if self.rng.chance(0.1) => drop(bytes.splice(at..at, echo.iter().copied())),
            _ => bytes[at..end]
                .iter_mut()
                .for_each(|byte| *byte = 1 + *byte % 3),
        }
    }

    fn damage(&mut self, input: &mut Input) {
        let len = input.bytes.len();
        if len == 0 {
            return;
        }
        let at = self.below(len);
        let few = 1 + self.below(16);
        let end = len.min(at + if self.rng.chance(0.7) { few } else { few * 40 });
        match self.rng.below(18) {
            0 | 1 => self.flip_bits(&mut input.bytes),
            2 => self.rng.fill(&mut input.bytes[at..end]),
            3 => input.bytes[at] ^= 1 << self.rng.below(8),
            4 => input.remove(at, end),
            5 => {
                let bytes = self.garbage(end - at);
                input.insert(at, &bytes);
            }
            6 => {
                let block = input.bytes[at..end].to_vec();
                let place = self.below(len);
                input.insert(place, &block);
            }
            7 => self.swap_blocks(&mut input.bytes),
            8 => self.change_delimiters(&mut input.bytes, true),
            9 => self.change_delimiters(&mut input.bytes, false),
            10 => {
                let bytes = self.splice();
                input.insert(at, &bytes);
            }
            11 => {
                let value = self.rng.byte();
                input.bytes[at..end].fill(value);
            }
            12 => input.cut(at, end, self.recordings[input.base].byte_us()),
            13 => self.frames(input),
            14 => self.frames(input),
            15 => {
                let bytes = self.garbage(3000);
                input.insert(at, &bytes);
            }
            16 => {
                // Small code bytes fit everywhere.
                for byte in &mut input.bytes[at..end] {
                    *byte = 1 + *byte % 3;
                }
            }
            _ => {
                let pause = self.rng.below(3_000_000);
                let place = input.pauses.partition_point(|&(before, _)| before <= at);
                input.pauses.insert(place, (at, pause));
            }
        }
    }

    /// Wrong bits, one by one, at any rate from 1e-5 to 0.05, from somewhere on.
    fn flip_bits(&mut self, bytes: &mut [u8]) {
        let rate = 10f64.powf(-5.0 + 3.7 * self.rng.uniform());
        let mut bit = self.below(bytes.len()) as u64 * 8;
        loop {
            bit = bit.saturating_add(self.rng.geometric(rate));
            let Some(byte) = bytes.get_mut((bit / 8) as usize) else {
                return;
            };
            *byte ^= 1 << (bit % 8);
            bit += 1;
        }
    }

    fn swap_blocks(&mut self, bytes: &mut [u8]) {
        let len = 1 + self.below(100.min(bytes.len() / 2).max(1));
        if bytes.len() < 2 * len {
            return;
        }
        let first = self.below(bytes.len() - 2 * len + 1);
        let second = first + len + self.below(bytes.len() - first - 2 * len + 1);
        let (front, back) = bytes.split_at_mut(second);
        front[first..first + len].swap_with_slice(&mut back[..len]);
    }

    /// Some delimiters become bytes, or some bytes become delimiters.
    fn change_delimiters(&mut self, bytes: &mut [u8], away: bool) {
        let share = if away { 0.3 } else { 0.02 } * self.rng.uniform();
        let from = self.below(bytes.len());
        for byte in &mut bytes[from..] {
            if (*byte == 0) == away && self.rng.chance(share) {
                *byte = match (away, self.rng.chance(0.5)) {
                    (false, _) => 0,
                    (true, true) => 1 << self.rng.below(8),
                    (true, false) => self.rng.byte(),
                };
            }
        }
    }

    fn garbage(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; self.below(most) + 1];
        self.rng.fill(&mut bytes);
        let every = self.rng.between(2, 300);
        for byte in &mut bytes {
            if self.rng.below(every) == 0 {
                *byte = 0;
            }
        }
        bytes
    }

    /// Some bytes of any recording, of either direction.
    fn splice(&mut self) -> Vec<u8> {
        let recording = &self.recordings[self.below(self.recordings.len())];
        let from = match self.rng.below(4) {
            0 => &recording.back,
            1 => &recording.arrived.bytes,
            _ => &recording.left.bytes,
        };
        // Often the begin: a far end that comes up between.
        let at = match self.rng.chance(0.3) {
            true => 0,
            false => self.below(from.len()),
        };
        let len = self.rng.between(1, 1500) as usize;
        from[at..from.len().min(at + len)].to_vec()
    }

    /// Does something with whole frames, or with the pieces that interruptions left.
    fn frames(&mut self, input: &mut Input) {
        let bytes = input.bytes.iter().enumerate();
        let zeros = bytes.filter(|(_, byte)| **byte == 0);
        let ends: Vec<usize> = zeros.map(|(at, _)| at + 1).collect();
        if ends.len() < 3 {
            return;
        }
        let at = self.below(ends.len() - 2);
        let (from, middle, to) = (ends[at], ends[at + 1], ends[at + 2]);
        let frame = input.bytes[from..middle].to_vec();
        match self.rng.below(5) {
            0 => input.remove(from, middle),
            1 => input.insert(to, &frame),
            2 => input.bytes[from..to].rotate_left(middle - from),
            3 => {
                let place = ends[self.below(ends.len())];
                input.insert(place, &frame);
            }
            // Its front, or its rest, alone.
            _ => {
                let place = from + self.below(frame.len());
                match self.rng.chance(0.5) {
                    true => input.remove(place, middle - 1),
                    false => input.remove(from, place),
                }
            }
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng.below(bound as u64) as usize
    }
}
