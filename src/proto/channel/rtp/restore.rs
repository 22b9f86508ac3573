//! The receiver's half: packets from differences.

use bytes::Bytes;

use super::{CONTEXTS, Context, Form, Header, Time};

/// The contexts that the far end made.
#[derive(Debug, Default)]
pub(in super::super) struct Restorer {
    slots: [Option<Known>; CONTEXTS],
}

#[derive(Debug)]
struct Known {
    context: Context,
    /// The last packet that went by this context.
    sequence: u16,
    /// Where it arrived.
    place: Place,
}

/// Where a packet arrived, so that it is known how many may have been lost since another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The line.
    pub(crate) line: usize,
    /// Frames of that line, up to this one, that did not arrive.
    pub(crate) absent: u64,
}

/// Most frames lost in between that four bits of the sequence number can bear: a frame carries
/// at most one packet then, and one that was absent may have arrived meanwhile.
const MOST_ABSENT: u64 = 14;

impl Restorer {
    /// The packets of compressed data; `None` when they cannot be restored.
    pub(in super::super) fn packets(
        &mut self,
        place: Place,
        data: &[u8],
        deliver: &mut dyn FnMut(Bytes),
    ) -> Option<u64> {
        match super::read(data)? {
            Form::Keep {
                slot,
                stride,
                packet,
            } => {
                let header = Header::of(packet)?;
                self.slots[slot] = Some(Known {
                    context: Context::new(&header, stride),
                    sequence: header.sequence,
                    place,
                });
                deliver(Bytes::copy_from_slice(packet));
                Some(1)
            }
            Form::Difference(difference, count, payloads) => {
                let known = self.slots[difference.slot].as_mut()?;
                let mut sequence = difference.sequence;
                let length = payloads.len() / count;
                for i in 0..count {
                    sequence = difference.sequence.wrapping_add(i as u16);
                    let payload = &payloads[i * length..(i + 1) * length];
                    let marker = difference.marker && i == 0;
                    let packet = known
                        .context
                        .packet(sequence, difference.time, marker, payload);
                    deliver(packet.into());
                }
                known.sequence = sequence;
                known.place = place;
                Some(count as u64)
            }
        }
    }

    /// A packet in the steady form, of which only four bits of the sequence number came; and how
    /// many of its stream were lost before it.
    pub(in super::super) fn steady(
        &mut self,
        place: Place,
        slot: usize,
        low: u8,
        payload: &[u8],
    ) -> Option<(Bytes, u64)> {
        let known = self.slots.get_mut(slot)?.as_mut()?;
        let absent = place.absent.saturating_sub(known.place.absent);
        if place.line != known.place.line || absent > MOST_ABSENT {
            return None;
        }
        let next = known.sequence.wrapping_add(1);
        let lost = (u16::from(low)).wrapping_sub(next) & 0x0F;
        let sequence = next.wrapping_add(lost);
        known.sequence = sequence;
        known.place = place;
        let packet = known.context.packet(sequence, Time::Linear, false, payload);
        Some((packet.into(), u64::from(lost)))
    }
}
