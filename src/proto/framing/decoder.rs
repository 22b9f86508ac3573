//! Bytes to frames.
//!
//! Cuts the stream at delimiters and hands each chunk, taken out of COBS, to a judge, who tests
//! check and session. A chunk that fails may be a part of a frame that express frames interrupted:
//!
//! ```text
//! ordi 00 express 00 nary 00    "ordi" fails, "express" is good, "nary" fails, "ordi"+"nary" is good
//! ordi 00 exXress 00 nary 00    the same, over the damaged express frame
//! ```
//!
//! So parts are held until a whole ordinary frame arrives (ordinary frames never overlap), and
//! each further failing chunk is tried behind them, from each part on and without any one of them.
//! The judge decides. The work is bounded by [`TRIES`] and, for each byte that arrives, by
//! [`STEPS_A_BYTE`] and the 256 places where code bytes may come in; the memory by one frame's length.
//! Nothing else is carried from chunk to chunk: a decoder starts clean at every delimiter.

use super::{MAX_WIRE, cobs, header};

/// What the judge found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A good ordinary or service frame; it was taken.
    Ordinary,
    /// A good express frame; it was taken. It may have interrupted what stood before it.
    Express,
    /// Not a frame.
    Bad,
}

/// Counters of a decoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DecoderCounts {
    /// Good frames.
    pub(crate) good: u64,
    /// Of these, put together from parts.
    pub(crate) joined: u64,
    /// Chunks that belonged to no good frame.
    pub(crate) bad: u64,
}

/// Finds the frames in a stream of bytes.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    chunk: Vec<u8>,
    /// The chunk is too long to be a frame; the rest of it is not kept.
    overlong: bool,
    held: Held,
    decoded: Vec<u8>,
    counts: DecoderCounts,
    /// Code bytes that may be looked at in search of joins.
    steps: usize,
}

impl Decoder {
    /// All counters.
    pub(crate) fn counts(&self) -> DecoderCounts {
        self.counts
    }

    /// Takes bytes, in pieces of any size, and shows the judge every chunk that may be a frame.
    pub(crate) fn feed(&mut self, bytes: &[u8], judge: &mut impl FnMut(&[u8]) -> Verdict) {
        self.steps = MOST_STEPS.min(self.steps + bytes.len() * STEPS_A_BYTE);
        let mut pieces = bytes.split(|&byte| byte == 0).peekable();
        while let Some(piece) = pieces.next() {
            if self.chunk.len() + piece.len() > MAX_WIRE {
                self.overlong = true;
            } else if !self.overlong {
                self.chunk.extend_from_slice(piece);
            }
            if pieces.peek().is_some() {
                self.end_of_chunk(judge);
            }
        }
    }

    /// Forgets a half received frame.
    pub(crate) fn clear(&mut self) {
        self.chunk.clear();
        self.overlong = false;
        self.counts.bad += self.held.parts() as u64;
        self.held.clear();
    }

    fn end_of_chunk(&mut self, judge: &mut impl FnMut(&[u8]) -> Verdict) {
        if std::mem::take(&mut self.overlong) {
            self.chunk.clear();
            self.counts.bad += 1 + self.held.parts() as u64;
            self.held.clear();
            return;
        }
        if self.chunk.is_empty() {
            return;
        }
        let chunk = std::mem::take(&mut self.chunk);
        match self.judge(&chunk, judge) {
            Verdict::Ordinary => {
                self.counts.good += 1;
                self.counts.bad += self.held.parts() as u64;
                self.held.clear();
            }
            Verdict::Express => self.counts.good += 1,
            Verdict::Bad => self.join(&chunk, judge),
        }
        self.chunk = chunk;
        self.chunk.clear();
    }

    /// Tries a failing chunk behind the parts that are held.
    fn join(&mut self, chunk: &[u8], judge: &mut impl FnMut(&[u8]) -> Verdict) {
        for way in self.held.ways(chunk, &mut self.steps) {
            let pieces = self.held.pieces(way, chunk);
            // Only ordinary frames are interrupted: nothing else may come out of a join.
            let is_ordinary = cobs::decode(&pieces.concat(), &mut self.decoded)
                && self
                    .decoded
                    .first()
                    .is_some_and(|&first| header::is_ordinary(first));
            if is_ordinary && judge(&self.decoded) == Verdict::Ordinary {
                self.counts.good += 1;
                self.counts.joined += 1;
                self.counts.bad += (way.from + usize::from(way.without.is_some())) as u64;
                self.held.clear();
                return;
            }
        }
        self.counts.bad += self.held.push(chunk) as u64;
    }

    fn judge(&mut self, wire: &[u8], judge: &mut impl FnMut(&[u8]) -> Verdict) -> Verdict {
        if cobs::decode(wire, &mut self.decoded) {
            judge(&self.decoded)
        } else {
            Verdict::Bad
        }
    }
}

/// Parts of a frame that may still become whole.
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    /// Where it ends in `bytes`.
    end: usize,
    /// If a frame begins with this part: where its code bytes lead, beyond all that is held.
    overhang: usize,
}

impl Held {
    fn parts(&self) -> usize {
        self.parts.len()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.parts.clear();
    }

    /// Keeps a part; says how many older ones had to be given up for it.
    fn push(&mut self, bytes: &[u8]) -> usize {
        let mut given_up = 0;
        while !self.parts.is_empty()
            && (self.bytes.len() + bytes.len() > MAX_WIRE || self.parts.len() >= MAX_PARTS)
        {
            self.remove_first();
            given_up += 1;
        }
        let mut behind = Behind::new(bytes);
        for part in &mut self.parts {
            part.overhang = behind.overhang(part.overhang);
        }
        self.bytes.extend_from_slice(bytes);
        self.parts.push(Part {
            end: self.bytes.len(),
            overhang: behind.overhang(0),
        });
        given_up
    }

    fn remove_first(&mut self) {
        let cut = self.parts.remove(0).end;
        self.bytes.drain(..cut);
        for part in &mut self.parts {
            part.end -= cut;
        }
    }

    /// The ways to put a chunk behind the parts that may give a frame: their code bytes end where
    /// the chunk does. From each part on, as what stands before it may be the rest of a damaged
    /// frame; then the same without one part, which may be a damaged express frame, while there
    /// are `steps`.
    fn ways(&self, chunk: &[u8], steps: &mut usize) -> Vec<Way> {
        let mut ways = Vec::new();
        let mut behind = Behind::new(chunk);
        for (from, part) in self.parts.iter().enumerate() {
            if behind.overhang(part.overhang) == 0 && ways.len() < TRIES {
                let without = None;
                ways.push(Way { from, without });
            }
        }
        for without in (1..self.parts.len()).rev() {
            for from in 0..without {
                if *steps == 0 || ways.len() == TRIES {
                    return ways;
                }
                let way = Way {
                    from,
                    without: Some(without),
                };
                let (mut overhang, mut taken) = (0, 1);
                for piece in self.pieces(way, chunk) {
                    overhang = cobs::overhang(piece, overhang, &mut taken);
                }
                *steps = steps.saturating_sub(taken);
                if overhang == 0 {
                    ways.push(way);
                }
            }
        }
        ways
    }

    /// The bytes of a way.
    fn pieces<'a>(&'a self, way: Way, chunk: &'a [u8]) -> [&'a [u8]; 3] {
        let start = |part: usize| {
            part.checked_sub(1)
                .map_or(0, |before| self.parts[before].end)
        };
        let bytes = &self.bytes[..];
        match way.without {
            Some(part) => [
                &bytes[start(way.from)..start(part)],
                &bytes[start(part + 1)..],
                chunk,
            ],
            None => [&bytes[start(way.from)..], &[], chunk],
        }
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

/// Which of the held parts belong to a frame.
#[derive(Clone, Copy, Debug)]
struct Way {
    from: usize,
    without: Option<usize>,
}

/// Most parts that are held: a packet of audio every 20 ms for five seconds.
const MAX_PARTS: usize = 256;
/// Leaving out one part is tried while there are steps: for each byte that arrives so many code bytes
/// are looked at. Bytes that are nothing but small code bytes would take the machine otherwise.
const STEPS_A_BYTE: usize = 128;
const MOST_STEPS: usize = 8 * MAX_WIRE;
/// Most ways that are put together, and shown to the judge if they may be a frame.
const TRIES: usize = 8;

#[cfg(test)]
mod tests {
    use super::super::check::{CheckKind, Seal};
    use super::super::encoder::encode;
    use super::super::header::{self, FrameKind, NumberForm};
    use super::*;
    use crate::proto::config::SessionId;
    use proptest::prelude::*;

    const SEAL: Seal = Seal::new(SessionId(1), SessionId(2));
    const ORDINARY: FrameKind = FrameKind::Ordinary;
    const EXPRESS: FrameKind = FrameKind::Express(CheckKind::Long);

    fn frame(kind: FrameKind, number: u64, data: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        header::write(kind, number, NumberForm::Long, &mut body);
        body.extend_from_slice(data);
        encode(kind, number, SEAL, &mut body)
    }

    /// What a session does: read the header, complete the number, test the check.
    fn judge_into<'a>(taken: &'a mut Vec<Vec<u8>>) -> impl FnMut(&[u8]) -> Verdict + 'a {
        |decoded: &[u8]| {
            let mut rest = decoded;
            let Some(header) = header::read(&mut rest) else {
                return Verdict::Bad;
            };
            let number = header.number(0);
            let Some(good) = SEAL.open(header.kind.check(), number, decoded) else {
                return Verdict::Bad;
            };
            taken.push(good[2..].to_vec());
            if matches!(header.kind, FrameKind::Express(_)) {
                Verdict::Express
            } else {
                Verdict::Ordinary
            }
        }
    }

    fn decode(stream: &[u8]) -> (Vec<Vec<u8>>, DecoderCounts) {
        let mut decoder = Decoder::default();
        let mut taken = Vec::new();
        decoder.feed(stream, &mut judge_into(&mut taken));
        (taken, decoder.counts())
    }

    /// `long` with each of `express` put in at its place, as the outbox does it.
    fn interrupted(long: &[u8], express: &[(usize, Vec<u8>)]) -> Vec<u8> {
        let mut stream = Vec::new();
        let mut from = 0;
        for (at, frame) in express {
            stream.extend_from_slice(&long[from..*at]);
            stream.push(0);
            stream.extend_from_slice(frame);
            from = *at;
        }
        stream.extend_from_slice(&long[from..]);
        stream
    }

    fn some_data(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 7 % 251) as u8).collect()
    }

    #[test]
    fn an_interrupted_frame_comes_whole_wherever_it_was_interrupted() {
        let data = some_data(300);
        let long = frame(ORDINARY, 1, &data);
        // At the very last place the long frame is complete but for its delimiter, and comes first.
        for at in 1..long.len() - 1 {
            let (taken, counts) = decode(&interrupted(&long, &[(at, frame(EXPRESS, 2, b"now"))]));
            assert_eq!(
                taken,
                [b"now".to_vec(), data.clone()],
                "interrupted at {at}"
            );
            assert_eq!(counts.bad, 0);
        }
    }

    #[test]
    fn thirty_interruptions_of_one_frame() {
        let data = some_data(600);
        let long = frame(ORDINARY, 1, &data);
        let express: Vec<_> = (1..=30)
            .map(|i| (i * 20, frame(EXPRESS, i as u64 + 1, &[i as u8])))
            .collect();
        let (taken, counts) = decode(&interrupted(&long, &express));
        assert_eq!(taken.len(), 31);
        assert_eq!(taken[30], data);
        assert_eq!(
            counts,
            DecoderCounts {
                good: 31,
                joined: 1,
                bad: 0
            }
        );
    }

    #[test]
    fn a_damaged_express_frame_does_not_cost_the_frame_it_interrupted() {
        let data = some_data(300);
        let mut express = frame(EXPRESS, 2, b"now");
        express[4] ^= 0x55;
        let (taken, counts) = decode(&interrupted(&frame(ORDINARY, 1, &data), &[(150, express)]));
        assert_eq!(taken, [data]);
        assert_eq!(
            counts,
            DecoderCounts {
                good: 1,
                joined: 1,
                bad: 1
            }
        );
    }

    #[test]
    fn a_damaged_frame_before_does_not_cost_an_interrupted_one() {
        let data = some_data(300);
        let mut stream = frame(ORDINARY, 1, &some_data(50));
        stream[20] ^= 0x40;
        let long = frame(ORDINARY, 2, &data);
        stream.extend(interrupted(&long, &[(99, frame(EXPRESS, 3, b"now"))]));
        let (taken, counts) = decode(&stream);
        assert_eq!(taken, [b"now".to_vec(), data]);
        assert_eq!(counts.bad, 1);
    }

    #[test]
    fn a_frame_that_was_lost_with_many_parts_costs_no_later_one() {
        let express = |n: u64| frame(EXPRESS, n, &[n as u8; 20]);
        let long = |n: u64| frame(ORDINARY, n, &some_data(600 + n as usize));
        let mut lost = long(0);
        lost[300] ^= 0x10;
        let mut stream = Vec::new();
        for (n, long) in [(0, lost), (40, long(40)), (80, long(80))] {
            let express: Vec<_> = (1..30).map(|i| (i * 20, express(n + i as u64))).collect();
            stream.extend(interrupted(&long, &express));
        }
        let (taken, counts) = decode(&stream);
        let ordinary: Vec<_> = taken.iter().filter(|data| data.len() > 20).collect();
        assert_eq!(ordinary, [&some_data(640), &some_data(680)]);
        assert_eq!((counts.joined, counts.bad), (2, 30));
    }

    #[test]
    fn a_damaged_express_frame_among_many_does_not_cost_the_frame_they_interrupted() {
        let data = some_data(300);
        let long = frame(ORDINARY, 1, &data);
        for victim in 0..10 {
            let mut express: Vec<_> = (0..10)
                .map(|i| (20 + i * 25, frame(EXPRESS, i as u64 + 2, b"now")))
                .collect();
            express[victim].1[4] ^= 0x55;
            let (taken, counts) = decode(&interrupted(&long, &express));
            assert_eq!(taken.last(), Some(&data), "victim {victim}");
            assert_eq!((counts.joined, counts.bad), (1, 1));
        }
    }

    #[test]
    fn a_frame_of_the_largest_size_passes_and_one_byte_more_does_not() {
        let mut decoder = Decoder::default();
        let mut judged = Vec::new();
        let mut judge = |decoded: &[u8]| {
            judged.push(decoded.len());
            Verdict::Bad
        };
        for len in [MAX_WIRE, MAX_WIRE + 1] {
            decoder.feed(&vec![1; len], &mut judge);
            decoder.feed(&[0], &mut judge);
        }
        assert_eq!(judged.len(), 1, "the overlong one was never looked at");
    }

    #[test]
    fn memory_stays_bounded_when_nothing_is_good() {
        let mut decoder = Decoder::default();
        let mut judge = |_: &[u8]| Verdict::Bad;
        for i in 0..5000u32 {
            decoder.feed(&some_data(1 + i as usize % 200), &mut judge);
            decoder.feed(&[7; 2 * MAX_WIRE], &mut judge);
        }
        assert!(decoder.chunk.capacity() <= 2 * MAX_WIRE);
        assert!(decoder.held.bytes.len() <= MAX_WIRE);
        assert!(decoder.held.parts() <= MAX_PARTS);
    }

    #[test]
    fn a_stream_of_small_numbers_does_not_take_the_machine() {
        let mut decoder = Decoder::default();
        let mut judged = 0;
        let pattern = [[1; 31].as_slice(), &[5, 0]].concat();
        let started = std::time::Instant::now();
        for _ in 0..1000 {
            decoder.feed(&pattern, &mut |_| {
                judged += 1;
                Verdict::Bad
            });
        }
        println!(
            "33 kB of small numbers: {judged} looks, {:?}",
            started.elapsed()
        );
        assert!(judged <= 1000 * (1 + TRIES));
        // Without a bound on the steps it takes half a minute, with it some milliseconds.
        assert!(started.elapsed().as_secs() < 10);
        // And behind the next good frame, one of nothing but small code bytes comes whole.
        decoder.feed(&[0], &mut |_| Verdict::Bad);
        decoder.feed(
            &frame(ORDINARY, 4, &[9; 20]),
            &mut judge_into(&mut Vec::new()),
        );
        let long = frame(ORDINARY, 5, &[0; 6000]);
        let cuts: Vec<_> = (1..60)
            .map(|i| (i * 100, frame(EXPRESS, 5 + i as u64, &[9; 20])))
            .collect();
        let mut taken = Vec::new();
        let stream = interrupted(&long, &cuts);
        decoder.feed(&stream, &mut judge_into(&mut taken));
        assert_eq!(taken.last().map(Vec::len), Some(6000));
        assert_eq!(taken.len(), 60);
    }

    #[derive(Debug, Clone)]
    struct Damage {
        at: prop::sample::Index,
        kind: u8,
        value: u8,
    }

    proptest! {
        #[test]
        fn one_damaged_frame_costs_one_frame(
            sizes in prop::collection::vec(0usize..400, 3..12),
            victim in any::<prop::sample::Index>(),
            damages in prop::collection::vec(
                (any::<prop::sample::Index>(), 0u8..3, 1u8..)
                    .prop_map(|(at, kind, value)| Damage { at, kind, value }),
                1..6,
            ),
        ) {
            let frames: Vec<Vec<u8>> = sizes
                .iter()
                .enumerate()
                .map(|(i, &size)| frame(ORDINARY, i as u64, &some_data(size + i)))
                .collect();
            let victim = victim.index(frames.len());
            let mut stream = Vec::new();
            for (i, wire) in frames.iter().enumerate() {
                let mut wire = wire.clone();
                if i == victim {
                    // Anything but the delimiter: bytes changed (also into delimiters), lost, added.
                    let delimiter = wire.pop();
                    for damage in &damages {
                        if wire.is_empty() {
                            break;
                        }
                        let at = damage.at.index(wire.len());
                        match damage.kind {
                            0 => wire[at] ^= damage.value,
                            1 => drop(wire.remove(at)),
                            _ => wire.insert(at, damage.value),
                        }
                    }
                    wire.extend(delimiter);
                }
                stream.extend(wire);
            }
            let (taken, _) = decode(&stream);
            let expected: Vec<Vec<u8>> =
                sizes.iter().enumerate().map(|(i, &size)| some_data(size + i)).collect();
            let without: Vec<Vec<u8>> =
                expected.iter().enumerate().filter(|(i, _)| *i != victim).map(|(_, d)| d.clone()).collect();
            prop_assert!(taken == without || taken == expected, "cost more than frame {victim}");
        }

        #[test]
        fn any_bytes_in_any_pieces_give_no_frame_and_no_panic(
            stream in prop::collection::vec(prop_oneof![1 => Just(0u8), 8 => any::<u8>()], 0..3000),
            cut in 1usize..50,
        ) {
            let mut decoder = Decoder::default();
            let mut taken = Vec::new();
            for piece in stream.chunks(cut) {
                decoder.feed(piece, &mut judge_into(&mut taken));
            }
            prop_assert!(taken.is_empty());
        }
    }
}
