//! The sender's half: which context the far end has, and how a packet goes by it.
//!
//! A context is made by a packet that travels whole with the word to keep its header, and used
//! when that is acknowledged. A stream that no longer fits its context well gets a new one, in the
//! other slot where that is free, so that it goes compressed meanwhile.

use super::{CONTEXTS, Context, Difference, Header, Time};

/// The contexts of a flow, and what is known of its streams.
#[derive(Debug, Default)]
pub(in super::super) struct Compressor {
    slots: [Slot; CONTEXTS],
    streams: [Stream; CONTEXTS],
    /// Packets seen: the clock of this module.
    packets: u64,
    next_generation: u32,
    last_keep: u64,
}

#[derive(Debug, Default)]
struct Slot {
    context: Option<Context>,
    generation: u32,
    acknowledged: bool,
    last_use: u64,
}

/// What the packets of a stream have in common. One that was never seen has payload type 0 and
/// SSRC 0 and is as good as any.
#[derive(Debug, Default)]
struct Stream {
    ssrc: [u8; 4],
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    /// Timestamp steps between packets; 0 while not known.
    stride: u32,
    /// The last step, if it was another one.
    candidate: u32,
    /// Packets in a row that did not fit well.
    misfits: u32,
    last_seen: u64,
}

/// How a packet travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Plan {
    /// As it is.
    Raw,
    /// As it is, and its header becomes a context.
    Keep {
        slot: usize,
        stride: u32,
        share: usize,
    },
    /// By a context.
    Difference(Difference),
}

/// A context on its way to the far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Keep {
    slot: usize,
    generation: u32,
}

/// What a stride is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Pace {
    /// One timestamp step a packet: audio.
    Packets,
    /// Steps of any number of strides, and many packets with one timestamp: video.
    Frames,
}

/// Packets that must lie between two contexts, if a slot in use has to go for the new one: more
/// streams than slots must not throw each other out all the time.
const SPACING: u64 = 16;
/// A slot that was not used for so many packets is free for another stream.
const DISUSED: u64 = 32;
/// So many packets in a row that do not fit well are no accident.
const MISFITS: u32 = 2;

impl Compressor {
    /// How a packet should travel. Call [`Compressor::on_kept`] when a plan to keep is carried out.
    /// `share`: packets that a steady frame should hold.
    pub(in super::super) fn plan(&mut self, packet: &[u8], pace: Pace, share: usize) -> Plan {
        let Some(header) = Header::of(packet) else {
            return Plan::Raw;
        };
        self.packets += 1;
        let stream = self.learn(&header, pace);
        let best = self.best(&header);
        let fits = best.is_some_and(|best| match best.time {
            Time::Linear => self.share(best.slot) >= share,
            Time::Steps(steps) => pace == Pace::Frames && steps < 128,
            Time::Full(_) => false,
        });
        let stream = &mut self.streams[stream];
        stream.misfits = if fits { 0 } else { stream.misfits + 1 };
        let stride = stream.stride;
        let wants = best.is_none() || stream.misfits >= MISFITS;
        if !fits
            && wants
            && stride > 0
            && let Some(slot) = self.free_slot(&header, best.map(|best| best.slot))
        {
            return Plan::Keep {
                slot,
                stride,
                share,
            };
        }
        if let Some(best) = best {
            self.slots[best.slot].last_use = self.packets;
        }
        best.map_or(Plan::Raw, Plan::Difference)
    }

    /// The packet travels as one that is kept.
    pub(in super::super) fn on_kept(
        &mut self,
        slot: usize,
        stride: u32,
        share: usize,
        packet: &[u8],
    ) -> Keep {
        self.next_generation = self.next_generation.wrapping_add(1);
        self.last_keep = self.packets;
        self.slots[slot] = Slot {
            context: Context::new(packet, stride, share),
            generation: self.next_generation,
            acknowledged: false,
            last_use: self.packets,
        };
        Keep {
            slot,
            generation: self.next_generation,
        }
    }

    /// The far end has a context, or does not have it.
    pub(in super::super) fn on_settled(&mut self, keep: Keep, arrived: bool) {
        let slot = &mut self.slots[keep.slot];
        if slot.generation != keep.generation {
            return;
        }
        if arrived {
            slot.acknowledged = true;
        } else {
            *slot = Slot::default();
        }
    }

    /// Packets that a steady frame by a context may hold.
    pub(in super::super) fn share(&self, slot: usize) -> usize {
        let context = self.slots[slot].context.as_ref();
        context.map_or(1, |context| context.share)
    }

    /// Whether so many packets with that many bytes of payload in all go into a steady frame.
    pub(in super::super) fn shares(&self, slot: usize, count: usize, payloads: usize) -> bool {
        let context = self.slots[slot].context.as_ref();
        context.and_then(|context| context.packets_in(payloads)) == Some(count)
    }

    /// How a packet that was sent before goes by what the far end has; nothing is learned of it.
    pub(in super::super) fn difference(&self, packet: &[u8]) -> Option<Difference> {
        self.best(&Header::of(packet)?)
    }

    /// Whether a packet goes on in a run of linear ones without a marker.
    pub(in super::super) fn continues(&self, slot: usize, sequence: u16, packet: &[u8]) -> bool {
        let Some(header) = Header::of(packet) else {
            return false;
        };
        let context = self.slots[slot].context.as_ref();
        context.is_some_and(|context| {
            header.is_like(&context.header)
                && header.sequence == sequence
                && !header.marker
                && context.time_of(&header) == Time::Linear
        })
    }

    /// The shortest difference to what the far end has.
    fn best(&self, header: &Header<'_>) -> Option<Difference> {
        let differences = (0..CONTEXTS).filter_map(|slot| {
            let context = self.slots[slot].context.as_ref()?;
            let ready = self.slots[slot].acknowledged && header.is_like(&context.header);
            ready.then(|| Difference {
                slot,
                marker: header.marker,
                sequence: header.sequence,
                time: context.time_of(header),
            })
        });
        differences.min_by_key(|difference| match difference.time {
            Time::Linear => 0,
            Time::Steps(steps) => 1 + u64::from(steps),
            Time::Full(_) => u64::MAX,
        })
    }

    /// Where a new context may go, if one may. `used` is the slot that the stream goes by.
    fn free_slot(&self, header: &Header<'_>, used: Option<usize>) -> Option<usize> {
        let is_under_way = |slot: &Slot| {
            let context = slot.context.as_ref();
            !slot.acknowledged && context.is_some_and(|context| header.is_like(&context.header))
        };
        if self.slots.iter().any(is_under_way) {
            return None;
        }
        let free = |slot: &Slot| {
            slot.context.is_none() || self.packets.saturating_sub(slot.last_use) > DISUSED
        };
        let others = (0..CONTEXTS).filter(|&slot| Some(slot) != used);
        if let Some(slot) = others.clone().find(|&slot| free(&self.slots[slot])) {
            return Some(slot);
        }
        if self.packets.saturating_sub(self.last_keep) < SPACING {
            return None;
        }
        used.or_else(|| others.min_by_key(|&slot| self.slots[slot].last_use))
    }

    /// Notes a packet of a stream, and says which stream it is.
    fn learn(&mut self, header: &Header<'_>, pace: Pace) -> usize {
        let known = |stream: &Stream| {
            stream.last_seen > 0
                && stream.ssrc == *header.ssrc()
                && stream.payload_type == header.payload_type()
        };
        let Some(index) = self.streams.iter().position(known) else {
            return self.meet(header);
        };
        let stream = &mut self.streams[index];
        stream.last_seen = self.packets;
        let packets = header.sequence.wrapping_sub(stream.sequence);
        if packets == 0 || packets > u16::MAX / 2 {
            // Again, or an earlier one.
            return index;
        }
        let passed = header.timestamp.wrapping_sub(stream.timestamp);
        stream.sequence = header.sequence;
        stream.timestamp = header.timestamp;
        if passed == 0 || passed > super::varint::MAX {
            return index;
        }
        match pace {
            Pace::Frames => stream.stride = common_divisor(stream.stride, passed),
            Pace::Packets => {
                let step = passed / u32::from(packets);
                if step == stream.candidate || stream.stride == 0 {
                    stream.stride = step;
                }
                stream.candidate = step;
            }
        }
        index
    }

    fn meet(&mut self, header: &Header<'_>) -> usize {
        let oldest = (0..CONTEXTS).min_by_key(|&stream| self.streams[stream].last_seen);
        let index = oldest.unwrap_or(0);
        let mut ssrc = [0; 4];
        ssrc.copy_from_slice(header.ssrc());
        self.streams[index] = Stream {
            ssrc,
            payload_type: header.payload_type(),
            sequence: header.sequence,
            timestamp: header.timestamp,
            last_seen: self.packets,
            ..Stream::default()
        };
        index
    }
}

fn common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
