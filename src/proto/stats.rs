//! One snapshot of everything that is counted: status, tables and tests read the same figures.
//!
//! Plain `u64` counters since the start of this end. Times are microseconds (`_us`), sizes bytes.

use serde::Serialize;

use super::config::{ChannelId, Class, Medium, SessionId};

/// Everything about a link.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// This end's name.
    pub name: String,
    /// This end's session number.
    pub session: SessionId,
    /// The far end's session number, once known.
    pub peer: Option<SessionId>,
    /// The far end's name, once known.
    pub peer_name: Option<String>,
    /// Sessions begun with the far end; more than one means that the far end was restarted.
    pub sessions: u64,
    /// Text between the technicians.
    pub order_wire: OrderWireStats,
    /// One entry per line.
    pub lines: Vec<LineStats>,
    /// One entry per channel, and one more for RTCP where a channel has it. A channel of class
    /// [`Class::Rtp`] has an entry for each medium.
    pub channels: Vec<ChannelStats>,
}

/// The order wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OrderWireStats {
    /// Texts accepted here.
    pub accepted: u64,
    /// Texts refused: too long, or too many waited.
    pub refused: u64,
    /// Texts that the far end has heard.
    pub delivered: u64,
    /// Waiting now: messages.
    pub queued: u64,
    /// Frames sent again, because no answer came.
    pub repeats: u64,
    /// Messages of the far end.
    pub received: u64,
    /// Frames of the far end that had come before.
    pub twice: u64,
    /// Frames of this end that came back: a loop.
    pub own_voice: u64,
}

/// Where a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LineState {
    /// The device is not open, or the modem has no carrier.
    Closed,
    /// Hellos go out; no session yet.
    Calling,
    /// Frames are carried.
    Up,
    /// Was up; now nothing comes through. The session is kept.
    Cut,
    /// The far end is there, but nothing is carried: see the trouble.
    Refused,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LineStats {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: LineState,
    /// What is wrong, in words.
    pub trouble: Option<String>,
    /// Rate in use by the pacer, bit/s.
    pub rate_bps: u64,
    /// What the settings say that the line carries, bit/s; `None` where that is left to be measured.
    pub rate_set_bps: Option<u64>,
    /// Smoothed round trip, `None` before the first.
    pub rtt_us: Option<u64>,
    /// Line time that still waits below the core.
    pub queue_us: u64,
    /// Bytes handed to the line.
    pub bytes_sent: u64,
    /// Bytes that came from the line.
    pub bytes_received: u64,
    /// Frames sent, hellos included.
    pub frames_sent: u64,
    /// Good frames received, hellos included.
    pub frames_received: u64,
    /// Received frames that failed their check, or could not be read.
    pub frames_bad: u64,
    /// Frames put together again after an express frame had interrupted them.
    pub frames_joined: u64,
    /// Times an express frame interrupted a frame of ours.
    pub interruptions: u64,
    /// Our frames that the far end did not get.
    pub frames_lost: u64,
    /// Reports sent, and their bytes on the line.
    pub reports_sent: u64,
    /// Bytes of frames that carried a report alone.
    pub report_bytes_sent: u64,
    /// Times the line went from up to cut.
    pub cuts: u64,
    /// Restarts of the hello because the device came back.
    pub openings: u64,
    /// How frames are made now, and what the far end says of the way there.
    pub outgoing: OutgoingStats,
    /// The way here.
    pub incoming: QualityStats,
}

/// How frames are made for a line, and what becomes of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct OutgoingStats {
    /// Longest ordinary frame that the line's errors leave worth sending, bytes of header and
    /// segments.
    pub frame_bytes: u64,
    /// Parity of ordinary frames, bytes for each 255 on the line.
    pub parity: u64,
    /// Parity of express frames: audio, reports, urgent control.
    pub express_parity: u64,
    /// What the far end found.
    pub quality: QualityStats,
}

/// How good one direction of a line is. The rates are of the last seconds, the counters of all the
/// time.
///
/// What is known differs with the direction. Of the way there it is known which frames were lost, but of
/// those not how many bytes were wrong: the rate of errors is an estimate, and leaves bursts out.
/// Of the way here every repaired byte is known, but not how many were wrong in what is beyond repair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct QualityStats {
    /// Share of the bytes that arrive wrong, before repair, 0 to 1. Of the way here a piece beyond repair
    /// counts as one wrong byte.
    pub error_rate: f64,
    /// Share of the frames that are lost in spite of repair, 0 to 1.
    pub loss_rate: f64,
    /// How far errors that were repaired come together: 1 when they are spread at random, more in
    /// bursts. 0 while there are too few to tell. Bursts that spoil whole frames leave nothing to repair
    /// and do not show here, but as losses with few repairs.
    pub burstiness: f64,
    /// Wrong bytes that were repaired.
    pub bytes_repaired: u64,
    /// Frames in which some were.
    pub frames_repaired: u64,
    /// Frames repaired in spite of a byte that was lost or came out of nowhere.
    pub slips: u64,
}

/// One channel, one medium of a channel for both, or the RTCP that rides with it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChannelStats {
    /// Its id.
    pub id: ChannelId,
    /// Its name; RTCP has `/rtcp` behind it, the media of [`Class::Rtp`] `/audio` and `/video`.
    pub name: String,
    /// Its class.
    pub class: Class,
    /// Whether this is the RTCP of the channel.
    pub rtcp: bool,
    /// Which medium of a channel of class [`Class::Rtp`] this is; `None` for other classes.
    pub medium: Option<Medium>,
    /// The streams of the equipment here that were recognised as this medium, at most 16.
    pub streams: Vec<StreamStats>,
    /// Towards the far end.
    pub sent: SentStats,
    /// From the far end.
    pub received: ReceivedStats,
}

/// One RTP stream of the equipment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StreamStats {
    /// Its SSRC.
    pub ssrc: u32,
    /// Its payload type, 0 to 127.
    pub payload_type: u8,
    /// What it is treated as.
    pub medium: Medium,
    /// Whether that is certain; before it is a guess.
    pub firm: bool,
    /// Its RTP clock, Hz, once it is known.
    pub clock_hz: Option<u32>,
    /// Packets that came.
    pub packets: u64,
}

/// A channel towards the far end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SentStats {
    /// Datagrams accepted from the equipment.
    pub accepted: u64,
    /// Their bytes.
    pub accepted_bytes: u64,
    /// Datagrams whose last byte was put into a frame.
    pub sent: u64,
    /// Bytes on the line: segments, and their share of frame overhead, repeats included.
    pub wire_bytes: u64,
    /// Datagrams whose RTP header went as a difference.
    pub compressed: u64,
    /// Bytes that this saved, of headers and of what would have stood in front of them.
    pub saved_bytes: u64,
    /// Segments that were sent again because they were lost; of audio, packets.
    pub resent: u64,
    /// Audio packets that were sent once more before it was known whether they arrived, because
    /// many are lost.
    pub repeated: u64,
    /// Waiting now: datagrams.
    pub queued: u64,
    /// Waiting now: bytes.
    pub queued_bytes: u64,
    /// Dropped: larger than the class carries.
    pub dropped_too_large: u64,
    /// Dropped: the queue was full.
    pub dropped_queue_full: u64,
    /// Dropped: its deadline was over, or it could not arrive before.
    pub dropped_late: u64,
    /// Dropped: a frame that it needs did not go ([`ChannelConfig::await_key_frame`]).
    ///
    /// [`ChannelConfig::await_key_frame`]: super::config::ChannelConfig::await_key_frame
    pub dropped_dependent: u64,
}

/// A channel from the far end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReceivedStats {
    /// Datagrams delivered to the equipment.
    pub delivered: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
    /// Datagrams that the far end numbered and that never came, or not in time. An audio packet
    /// counts from when a later one came without it, and no longer when it comes after all.
    pub missing: u64,
    /// Audio packets that were lost and came when they were sent once more.
    pub recovered: u64,
    /// Pieces that came twice, or after their turn; audio packets that came before.
    pub repeated: u64,
    /// Put together whole, but the check over the whole failed.
    pub damaged: u64,
    /// Pieces that did not fit what was announced, or had no room.
    pub refused: u64,
}
