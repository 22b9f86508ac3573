//! The parts of frames that were interrupted, and the ways to put them together.

use super::super::parity::blocks;
use super::super::{MAX_WIRE, cobs};
use super::{Allowed, Fit, MOST_PARITY};
use serde::{Deserialize, Serialize};

/// Parts of a frame that may still become whole.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Held {
    bytes: Vec<u8>,
    parts: Vec<Part>,
    /// What belonged to no frame, for who wants to see it.
    #[serde(skip)]
    given_up: Option<Vec<Vec<u8>>>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Part {
    /// Where it ends in `bytes`.
    end: usize,
    /// If a frame begins with this part: where its code bytes lead, beyond all that is held.
    #[serde(skip)]
    overhang: usize,
    /// It looks as if a frame began here.
    begins: bool,
}

/// Which of the held parts belong to a frame whose last part is the chunk that just came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    from: usize,
    without: Option<usize>,
    /// A byte became a delimiter in front of this part; the chunk counts as the last part.
    pub(super) gap: Option<usize>,
}

impl Way {
    /// Whether a part in the midst belongs to something else.
    pub(super) fn leaves_out(self) -> bool {
        self.without.is_some()
    }

    /// Only ordinary frames, and those of the order wire, are interrupted. Where a byte became a delimiter, any may be in two.
    pub(super) fn allowed(self, held: &Held) -> Allowed {
        let is_pair = self.from + 1 == held.parts() && self.gap.is_some();
        Allowed {
            only_interruptible: !is_pair,
            guessed: true,
        }
    }
}

impl Held {
    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// From now on what is given up is kept for [`Held::take_given_up`].
    pub(super) fn keep_given_up(&mut self) {
        self.given_up.get_or_insert_default();
    }

    /// What was given up since the last call.
    pub(super) fn take_given_up(&mut self) -> Vec<Vec<u8>> {
        self.given_up.as_mut().map_or_else(Vec::new, std::mem::take)
    }

    /// These bytes belonged to no frame.
    pub(super) fn note_given_up(&mut self, bytes: &[u8]) {
        if let Some(given_up) = &mut self.given_up {
            given_up.push(bytes.to_vec());
        }
    }

    fn note_parts_given_up(&mut self, parts: std::ops::Range<usize>) {
        if let Some(given_up) = &mut self.given_up {
            for part in parts {
                let start = part.checked_sub(1).map_or(0, |at| self.parts[at].end);
                given_up.push(self.bytes[start..self.parts[part].end].to_vec());
            }
        }
    }

    /// Gives up all; says how many parts and bytes that were.
    pub(super) fn clear(&mut self) -> (usize, usize) {
        self.note_parts_given_up(0..self.parts.len());
        self.forget()
    }

    fn forget(&mut self) -> (usize, usize) {
        let held = (self.parts.len(), self.bytes.len());
        self.bytes.clear();
        self.parts.clear();
        held
    }

    /// Whether what was read back can be what was held; finds again what was not written down.
    pub(super) fn restore(&mut self) -> bool {
        let ends = self.parts.iter().map(|part| part.end);
        let is_whole = ends.clone().next_back().unwrap_or(0) == self.bytes.len();
        if !is_whole
            || !ends.is_sorted()
            || self.bytes.len() > MAX_WIRE
            || self.parts.len() > MAX_PARTS
            || self.bytes.contains(&0)
        {
            return false;
        }
        self.find_overhangs();
        true
    }

    fn find_overhangs(&mut self) {
        for part in 0..self.parts.len() {
            let bytes = &self.bytes[self.start(part)..];
            self.parts[part].overhang = cobs::overhang(bytes, 0, &mut 0);
        }
    }

    /// Forgets what a frame was made of, and what stood before it when it is an ordinary one; says how
    /// many parts and bytes were not in the frame.
    pub(super) fn clear_but(&mut self, way: Way, all: bool) -> (usize, usize) {
        let start = self.start(way.from);
        let without = way
            .without
            .map_or(0, |part| self.parts[part].end - self.start(part));
        if let Some(without) = way.without {
            self.note_parts_given_up(without..without + 1);
        }
        if !all {
            self.bytes.truncate(start);
            self.parts.truncate(way.from);
            self.find_overhangs();
            return (usize::from(way.without.is_some()), without);
        }
        let unused = way.from + usize::from(way.without.is_some());
        self.note_parts_given_up(0..way.from);
        self.forget();
        (unused, start + without)
    }

    /// Whether a way begins where a frame seems to.
    pub(super) fn begins(&self, way: Way) -> bool {
        self.parts[way.from].begins
    }

    /// Keeps a part, which `begins` a frame or not; says how many older ones had to be given up for it, and
    /// their bytes.
    pub(super) fn push(&mut self, bytes: &[u8], begins: bool) -> (usize, usize) {
        let (mut given_up, before) = (0, self.bytes.len());
        if begins {
            // What may have begun wrongly is kept for one frame more.
            let old = self.starts().nth(1).unwrap_or(0);
            for _ in 0..old {
                self.remove_first();
                given_up += 1;
            }
        }
        while !self.parts.is_empty()
            && (self.bytes.len() + bytes.len() > MAX_WIRE || self.parts.len() >= MAX_PARTS)
        {
            self.remove_first();
            given_up += 1;
        }
        let removed = before - self.bytes.len();
        let mut behind = Behind::new(bytes);
        for part in &mut self.parts {
            part.overhang = behind.overhang(part.overhang);
        }
        self.bytes.extend_from_slice(bytes);
        self.parts.push(Part {
            end: self.bytes.len(),
            overhang: behind.overhang(0),
            begins,
        });
        (given_up, removed)
    }

    fn remove_first(&mut self) {
        self.note_parts_given_up(0..1);
        let cut = self.parts.remove(0).end;
        self.bytes.drain(..cut);
        for part in &mut self.parts {
            part.end -= cut;
        }
    }

    /// The ways to put a chunk behind the parts that may give a frame: their code bytes end where the
    /// parity begins. From each part on, as what stands before it may be the rest of a damaged frame;
    /// over a byte that became a delimiter, if the line is `noisy`; then without one part, which may
    /// be a damaged express frame.
    pub(super) fn ways(&self, chunk: &[u8], noisy: bool, steps: &mut usize) -> Vec<(Way, Fit)> {
        let mut ways = Vec::new();
        let mut over_gaps = Vec::new();
        for (from, part) in self.parts.iter().enumerate() {
            if *steps == 0 {
                break;
            }
            let way = self.from(from);
            let total = self.bytes.len() - self.start(from) + chunk.len();
            let fit = self.fit(way, part.overhang, chunk, total, steps);
            ways.extend((!fit.is_empty()).then_some((way, fit)));
            // Where a code byte should stand nobody knows how it goes on.
            if let Some(skip) = part.overhang.checked_sub(1).filter(|_| noisy)
                && over_gaps.len() < TRIES
            {
                let gap = Some(self.parts.len());
                let way = Way { gap, ..way };
                let fit = self.fit(way, skip, chunk, total + 1, steps);
                over_gaps.extend((!fit.is_empty()).then_some((way, fit)));
            }
        }
        let most = ways.len() + TRIES;
        let starts = self.likely_starts();
        for without in (1..self.parts.len()).rev() {
            for &from in starts.iter().filter(|&&from| from < without) {
                let without = Some(without);
                if *steps > 0 && ways.len() < most {
                    self.add(
                        Way {
                            without,
                            ..self.from(from)
                        },
                        chunk,
                        steps,
                        &mut ways,
                    );
                }
            }
        }
        for gap in (1..self.parts.len()).rev().take_while(|_| noisy) {
            for &from in starts.iter().filter(|&&from| from < gap) {
                let gap = Some(gap);
                if *steps > 0 && over_gaps.len() < TRIES {
                    self.add(
                        Way {
                            gap,
                            ..self.from(from)
                        },
                        chunk,
                        steps,
                        &mut over_gaps,
                    );
                }
            }
        }
        ways.append(&mut over_gaps);
        ways
    }

    /// The ways that are tried when the code bytes are damaged and tell nothing.
    pub(super) fn blind_ways(&self) -> Vec<Way> {
        let Some(last) = self.parts.len().checked_sub(1) else {
            return Vec::new();
        };
        let gap = Some(self.parts.len());
        let mut ways = vec![Way {
            gap,
            ..self.from(last)
        }];
        let starts = self.likely_starts();
        ways.extend(starts.iter().take(BLIND).map(|&from| self.from(from)));
        if last > 0 {
            ways.push(Way {
                gap,
                ..self.from(0)
            });
        }
        ways
    }

    /// The parts with which a frame seems to begin, the last first.
    fn starts(&self) -> impl Iterator<Item = usize> {
        let parts = self.parts.iter().enumerate().rev();
        parts.filter(|(_, part)| part.begins).map(|(at, _)| at)
    }

    /// The same; and where none does, all.
    fn likely_starts(&self) -> Vec<usize> {
        let mut starts: Vec<usize> = self.starts().collect();
        if starts.is_empty() {
            starts.extend(0..self.parts.len());
        }
        starts
    }

    const fn from(&self, from: usize) -> Way {
        Way {
            from,
            without: None,
            gap: None,
        }
    }

    /// Adds a way if the code bytes fit.
    fn add(&self, way: Way, chunk: &[u8], steps: &mut usize, ways: &mut Vec<(Way, Fit)>) {
        let (mut skip, mut taken, mut total) = (0, 1, chunk.len());
        for piece in self.pieces(way) {
            skip = cobs::overhang(piece, skip, &mut taken);
            total += piece.len();
        }
        *steps = steps.saturating_sub(taken);
        let fit = self.fit(way, skip, chunk, total, steps);
        ways.extend((!fit.is_empty()).then_some((way, fit)));
    }

    /// Which parities fit a way of `total` bytes whose next code byte stands at `skip` of the chunk.
    fn fit(&self, way: Way, skip: usize, chunk: &[u8], total: usize, steps: &mut usize) -> Fit {
        if chunk.len() > MOST_PARITY * blocks(total) {
            return Fit::of(chunk, skip, total, steps);
        }
        // The parity may begin in front of the chunk.
        let Some(left) = steps.checked_sub(total / 16 + 8) else {
            *steps = 0;
            return Fit::default();
        };
        *steps = left;
        Fit::of(&self.wire(way, chunk), 0, total, steps)
    }

    /// The bytes of a way, without the chunk.
    fn pieces(&self, way: Way) -> [&[u8]; 3] {
        let bytes = &self.bytes[..];
        let from = self.start(way.from);
        match (way.without, way.gap) {
            (Some(part), _) => [
                &bytes[from..self.start(part)],
                &bytes[self.start(part + 1)..],
                &[],
            ],
            (None, Some(gap)) => {
                let gap = self.start(gap);
                [&bytes[from..gap], &GAP, &bytes[gap..]]
            }
            (None, None) => [&bytes[from..], &[], &[]],
        }
    }

    /// The frame that a way makes with a chunk.
    pub(super) fn wire(&self, way: Way, chunk: &[u8]) -> Vec<u8> {
        let [a, b, c] = self.pieces(way);
        let mut wire = [a, b, c, chunk].concat();
        // Never more than a frame can be, whatever is held.
        wire.truncate(MAX_WIRE);
        wire
    }

    fn start(&self, part: usize) -> usize {
        part.checked_sub(1)
            .map_or(0, |before| self.parts[before].end)
    }
}

/// Where code bytes lead behind a piece, looked up once for each place where they may come in: most
/// ways run together soon.
struct Behind<'a> {
    piece: &'a [u8],
    known: [Option<usize>; 256],
}

impl<'a> Behind<'a> {
    const fn new(piece: &'a [u8]) -> Self {
        Self {
            piece,
            known: [None; 256],
        }
    }

    fn overhang(&mut self, skip: usize) -> usize {
        let mut steps = 0;
        match self.known.get_mut(skip) {
            Some(known) => {
                *known.get_or_insert_with(|| cobs::overhang(self.piece, skip, &mut steps))
            }
            None => cobs::overhang(self.piece, skip, &mut steps),
        }
    }
}

/// Most parts that are held: a packet of audio every 20 ms for five seconds.
pub(super) const MAX_PARTS: usize = 256;
/// Most ways of a kind that are put together, beside the plain ones.
const TRIES: usize = 32;
/// Parts from which on a frame is tried though its code bytes are damaged.
const BLIND: usize = 3;
/// Stands for a byte that became a delimiter.
const GAP: [u8; 1] = [1];
