//! The receiver's half: packets from differences.

use bytes::Bytes;

use super::{CONTEXTS, Context, Form, MOST_MISSING, Time};

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
    /// A steady frame was refused: its packets are missing, too, and nobody counts them.
    lost_track: bool,
}

/// Where a packet arrived, so that it is known how many may have been lost since another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The line.
    pub(crate) line: usize,
    /// Frames of that line, up to this one, that did not arrive.
    pub(crate) absent: u64,
}

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
                share,
                packet,
            } => {
                let context = Context::new(packet, stride, share)?;
                self.slots[slot] = Some(Known {
                    sequence: context.sequence,
                    context,
                    place,
                    lost_track: false,
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
                known.lost_track = false;
                Some(count as u64)
            }
        }
    }

    /// Hands `take` the packets of compressed data that were sent before, each with its place among
    /// them; what is known stays as it is. `None` when they cannot be restored.
    pub(in super::super) fn again(
        &self,
        data: &[u8],
        take: &mut dyn FnMut(u64, &mut dyn FnMut() -> Bytes),
    ) -> Option<()> {
        let Form::Difference(difference, count, payloads) = super::read(data)? else {
            return None;
        };
        let context = &self.slots[difference.slot].as_ref()?.context;
        let length = payloads.len() / count;
        for i in 0..count {
            let sequence = difference.sequence.wrapping_add(i as u16);
            let payload = &payloads[i * length..(i + 1) * length];
            let marker = difference.marker && i == 0;
            take(i as u64, &mut || {
                context
                    .packet(sequence, difference.time, marker, payload)
                    .into()
            });
        }
        Some(())
    }

    /// The packets of a steady frame, of which only four bits of the sequence number came. Says
    /// how many there are, and how many of their stream were lost before them.
    pub(in super::super) fn steady(
        &mut self,
        place: Place,
        slot: usize,
        low: u8,
        payloads: &[u8],
        deliver: &mut dyn FnMut(Bytes),
    ) -> Option<(u64, u64)> {
        let known = self.slots.get_mut(slot)?.as_mut()?;
        let context = &known.context;
        // A frame that was absent may have arrived meanwhile, and hide another: hence one more.
        let absent = place.absent.saturating_sub(known.place.absent) + 1;
        let missing = absent.saturating_mul(context.share as u64);
        let is_sure =
            place.line == known.place.line && missing <= MOST_MISSING && !known.lost_track;
        let Some(count) = context.packets_in(payloads.len()).filter(|_| is_sure) else {
            known.lost_track = true;
            return None;
        };
        let next = known.sequence.wrapping_add(1);
        let lost = (u16::from(low)).wrapping_sub(next) & 0x0F;
        let length = payloads.len() / count;
        let mut sequence = known.sequence.wrapping_add(lost);
        for i in 0..count {
            sequence = sequence.wrapping_add(1);
            let payload = &payloads[i * length..(i + 1) * length];
            deliver(
                context
                    .packet(sequence, Time::Linear, false, payload)
                    .into(),
            );
        }
        known.sequence = sequence;
        known.place = place;
        Some((count as u64, u64::from(lost)))
    }
}
