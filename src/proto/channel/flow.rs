//! One flow, both directions: the queue towards the far end, and what comes from there.

mod incoming;

use bytes::Bytes;

use super::{SentSegment, audio, queue, reassembly, video};
use crate::proto::config::{ChannelConfig, Class, Medium, Port, PortKind};
use crate::proto::error::Refused;
use crate::proto::framing::segment::{FlowId, Writer};
use crate::proto::stats::{ChannelStats, ReceivedStats, SentStats};
use crate::proto::time::{Duration, Instant, earliest};

/// One flow, both directions.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) id: FlowId,
    pub(crate) port: Port,
    /// How it is treated. A media flow of a channel of class `rtp` has class audio or video, and
    /// behaves in all as a flow of a channel of that class.
    pub(crate) class: Class,
    /// The class of its channel, for the technician.
    channel_class: Class,
    name: String,
    /// How long a datagram is worth delivering; `None`: until it arrived.
    deadline: Option<Duration>,
    /// When the equipment handed in the last datagram.
    last_accepted: Option<Instant>,
    outgoing: Outgoing,
    incoming: Incoming,
    sent: SentStats,
    received: ReceivedStats,
}

#[derive(Debug)]
enum Outgoing {
    Audio(audio::Sender),
    Messages(queue::Sender),
}

#[derive(Debug)]
enum Incoming {
    Audio(audio::Receiver),
    Messages(reassembly::Receiver),
}

/// RTCP is small and rare, and a report that is a second late is still a report.
const RTCP_DEADLINE: Duration = Duration::from_secs(1);

impl Flow {
    /// The flow of a channel's media or RTCP. `place`: its place among the audio flows that may
    /// send steady packets, if it is one of them.
    pub(crate) fn new(
        id: FlowId,
        config: &ChannelConfig,
        kind: PortKind,
        place: Option<u8>,
    ) -> Self {
        let port = Port {
            channel: config.id,
            kind,
        };
        let deadline = match (kind, config.class) {
            (PortKind::Media, Class::Control) => None,
            (PortKind::Media, _) => Some(config.deadline),
            (PortKind::Rtcp, _) => Some(RTCP_DEADLINE),
        };
        let (outgoing, incoming) = match (kind, config.class) {
            (PortKind::Media, Class::Audio) => (
                Outgoing::Audio(audio::Sender::new(config, place)),
                Incoming::Audio(audio::Receiver::default()),
            ),
            (kind, class) => {
                let mut sender = queue::Sender::new(config, frames(config, kind));
                if kind == PortKind::Media && class == Class::Video {
                    sender = sender.compressing();
                }
                (
                    Outgoing::Messages(sender),
                    Incoming::Messages(reassembly::Receiver::new(deadline)),
                )
            }
        };
        let name = match kind {
            PortKind::Media => config.name.clone(),
            PortKind::Rtcp => format!("{}/rtcp", config.name),
        };
        let (sent, received) = Default::default();
        Self {
            id,
            port,
            class: config.class,
            channel_class: config.class,
            name,
            deadline,
            last_accepted: None,
            outgoing,
            incoming,
            sent,
            received,
        }
    }

    /// The same as a flow of a channel of that class.
    pub(super) fn of_channel(self, channel_class: Class) -> Self {
        Self {
            channel_class,
            ..self
        }
    }

    /// Which medium of a channel for both it carries.
    pub(crate) fn medium(&self) -> Option<Medium> {
        match (self.channel_class, self.port.kind, self.class) {
            (Class::Rtp, PortKind::Media, Class::Audio) => Some(Medium::Audio),
            (Class::Rtp, PortKind::Media, Class::Video) => Some(Medium::Video),
            _ => None,
        }
    }

    /// Whether its packets may interrupt a frame.
    pub(crate) fn is_express(&self) -> bool {
        matches!(self.outgoing, Outgoing::Audio(_))
    }

    /// Whether it keeps its messages until they are acknowledged.
    pub(crate) fn is_reliable(&self) -> bool {
        self.class == Class::Control && self.port.kind == PortKind::Media
    }

    /// How long after it was handed in a datagram is worth delivering; `None`: until it arrived.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// How long the equipment has handed in nothing; `None` when it never did.
    pub(crate) fn quiet_for(&self, now: Instant) -> Option<Duration> {
        self.last_accepted.map(|last| now.since(last))
    }

    /// Length of the message that goes next, when all of it waits; `None` for audio.
    pub(crate) fn next_whole(&self) -> Option<usize> {
        match &self.outgoing {
            Outgoing::Audio(_) => None,
            Outgoing::Messages(sender) => sender.next_whole(),
        }
    }

    /// Messages that wait and were not begun; none for audio.
    pub(crate) fn waiting(&self) -> usize {
        match &self.outgoing {
            Outgoing::Audio(_) => 0,
            Outgoing::Messages(sender) => sender.waiting(),
        }
    }

    /// Takes a datagram of the equipment into the queue.
    pub(crate) fn accept(&mut self, now: Instant, datagram: Bytes) -> Result<(), Refused> {
        let most = if self.is_express() {
            Class::Audio
        } else {
            Class::Video
        }
        .max_datagram();
        if datagram.len() > most {
            self.sent.dropped_too_large += 1;
            return Err(Refused::TooLarge {
                size: datagram.len(),
                most,
            });
        }
        let bytes = datagram.len() as u64;
        self.last_accepted = Some(now);
        match &mut self.outgoing {
            Outgoing::Audio(sender) => {
                self.sent.dropped_queue_full += sender.accept(now, datagram);
            }
            Outgoing::Messages(sender) => {
                if let Err(refused) = sender.accept(now, datagram, &mut self.sent) {
                    self.sent.dropped_queue_full += 1;
                    return Err(refused);
                }
            }
        }
        self.sent.accepted += 1;
        self.sent.accepted_bytes += bytes;
        Ok(())
    }

    /// Drops what is no longer worth sending, or waiting for.
    pub(crate) fn expire(&mut self, now: Instant, deliver: &mut dyn FnMut(Bytes)) {
        match &mut self.outgoing {
            Outgoing::Audio(sender) => self.sent.dropped_late += sender.expire(now),
            Outgoing::Messages(sender) => sender.expire(now, &mut self.sent),
        }
        if let Incoming::Messages(receiver) = &mut self.incoming {
            receiver.expire(now, &mut self.received, deliver);
        }
    }

    /// When [`Flow::expire`] has something to do.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        let outgoing = match &self.outgoing {
            Outgoing::Audio(sender) => sender.next_expiry(),
            Outgoing::Messages(sender) => sender.next_expiry(),
        };
        let incoming = match &self.incoming {
            Incoming::Audio(_) => None,
            Incoming::Messages(receiver) => receiver.next_expiry(),
        };
        earliest(outgoing, incoming)
    }

    /// Whether there is something to send now.
    pub(crate) fn has_data(&self) -> bool {
        match &self.outgoing {
            Outgoing::Audio(sender) => sender.has_data(),
            Outgoing::Messages(sender) => sender.has_data(),
        }
    }

    /// Writes one segment of at most `space` bytes. `None` when nothing fits. `certain`: the far
    /// end is known to have got what was sent a while ago.
    pub(crate) fn write(
        &mut self,
        now: Instant,
        space: usize,
        certain: bool,
        writer: &mut Writer<'_>,
    ) -> Option<SentSegment> {
        let (part, keep) = match &mut self.outgoing {
            Outgoing::Audio(sender) => {
                sender.write(self.id, space, certain, writer, &mut self.sent)
            }
            Outgoing::Messages(sender) => sender.write(now, self.id, space, writer, &mut self.sent),
        }?;
        Some(SentSegment {
            flow: self.id,
            part,
            keep,
        })
    }

    /// Whether an audio packet should go once more; if so, whether because it was lost.
    pub(crate) fn wants_again(&self) -> Option<bool> {
        match &self.outgoing {
            Outgoing::Audio(sender) => sender.wants_again(),
            Outgoing::Messages(_) => None,
        }
    }

    /// How long no audio packet of the equipment is expected; `None` when it pauses, or for
    /// anything else.
    pub(crate) fn quiet_until_next(&self, now: Instant) -> Option<Duration> {
        match &self.outgoing {
            Outgoing::Audio(sender) => sender.quiet_until_next(now),
            Outgoing::Messages(_) => None,
        }
    }

    /// Writes one segment of at most `space` bytes with audio packets that go once more.
    pub(crate) fn write_again(
        &mut self,
        space: usize,
        writer: &mut Writer<'_>,
    ) -> Option<SentSegment> {
        let part = match &mut self.outgoing {
            Outgoing::Audio(sender) => sender.write_again(self.id, space, writer, &mut self.sent),
            Outgoing::Messages(_) => None,
        }?;
        Some(SentSegment {
            flow: self.id,
            part,
            keep: None,
        })
    }

    /// Adds a segment's bytes on the line.
    pub(crate) fn charge(&mut self, wire_bytes: usize) {
        self.sent.wire_bytes += wire_bytes as u64;
    }

    /// The far end has this segment.
    pub(crate) fn on_acked(&mut self, segment: SentSegment) {
        match &mut self.outgoing {
            Outgoing::Audio(sender) => sender.on_acked(segment.part, segment.keep),
            Outgoing::Messages(sender) => {
                if let Some(keep) = segment.keep {
                    sender.on_keep(keep, true);
                }
                sender.on_acked(segment.part);
            }
        }
    }

    /// The far end does not have this segment.
    pub(crate) fn on_lost(&mut self, segment: SentSegment) {
        match &mut self.outgoing {
            Outgoing::Audio(sender) => sender.on_lost(segment.part, segment.keep),
            Outgoing::Messages(sender) => {
                if let Some(keep) = segment.keep {
                    sender.on_keep(keep, false);
                }
                sender.on_lost(segment.part);
            }
        }
    }

    /// The far end does not have a frame with something of another flow.
    pub(crate) fn on_other_lost(&mut self) {
        if let Outgoing::Audio(sender) = &mut self.outgoing {
            sender.on_frame_lost();
        }
    }

    /// A new session: numbers begin again. What was not acknowledged is sent again, except the
    /// first `delivered` messages of the old session, which the far end remembers.
    pub(crate) fn restart(&mut self, delivered: u64) {
        match &mut self.outgoing {
            Outgoing::Audio(sender) => sender.restart(),
            Outgoing::Messages(sender) => sender.restart(delivered),
        }
        match &mut self.incoming {
            Incoming::Audio(receiver) => *receiver = audio::Receiver::default(),
            Incoming::Messages(receiver) => receiver.restart(),
        }
    }

    /// A round trip of the line was measured.
    pub(crate) fn on_round_trip(&mut self, measured: Duration) {
        match &mut self.outgoing {
            Outgoing::Audio(sender) => sender.on_round_trip(measured),
            Outgoing::Messages(sender) => sender.on_round_trip(measured),
        }
    }

    /// The line is cut.
    pub(crate) fn on_interrupted(&mut self) {
        if let Outgoing::Messages(sender) = &mut self.outgoing {
            sender.on_interrupted();
        }
    }

    /// Messages delivered in order in this session.
    pub(crate) fn delivered_in_session(&self) -> u64 {
        match &self.incoming {
            Incoming::Audio(_) => 0,
            Incoming::Messages(receiver) => receiver.next(),
        }
    }

    /// Counts a datagram that was given out.
    pub(crate) fn on_delivered(&mut self, bytes: usize) {
        self.received.delivered += 1;
        self.received.delivered_bytes += bytes as u64;
    }

    /// All counters.
    pub(crate) fn stats(&self) -> ChannelStats {
        let (queued, queued_bytes) = match &self.outgoing {
            Outgoing::Audio(sender) => sender.queued(),
            Outgoing::Messages(sender) => sender.queued(),
        };
        ChannelStats {
            id: self.port.channel,
            name: self.name.clone(),
            class: self.channel_class,
            rtcp: self.port.kind == PortKind::Rtcp,
            medium: self.medium(),
            streams: Vec::new(),
            sent: SentStats {
                queued: queued as u64,
                queued_bytes: queued_bytes as u64,
                ..self.sent
            },
            received: self.received,
        }
    }
}

/// How a flow's datagrams make frames; control has none, and no deadline.
fn frames(config: &ChannelConfig, kind: PortKind) -> Option<video::Frames> {
    match (kind, config.class) {
        (PortKind::Rtcp, _) => Some(video::Frames::of_datagrams(RTCP_DEADLINE)),
        (PortKind::Media, Class::Video) => Some(video::Frames::of_video(
            config.deadline,
            config.await_key_frame,
        )),
        // The media flows of class rtp have class audio or video.
        (PortKind::Media, Class::Audio | Class::Control | Class::Rtp) => None,
    }
}
