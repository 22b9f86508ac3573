//! What a session must be told: its channels, its lines and a number of its own.
//!
//! Values only. Reading a settings file is the program's work; [`LinkConfig::validate`] holds
//! the rules that the protocol itself needs.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::ConfigError;
use super::time::{BitRate, Duration};

/// A link's configuration: everything a [`Session`](super::Session) needs to know.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// Shown to the far end, for instance `room-1`. At most [`LinkConfig::MAX_NAME`] bytes.
    pub name: String,
    /// A random number, different at each start of the program.
    pub session: SessionId,
    /// The lines that the link runs over; [`LineId`] counts them from zero.
    pub lines: Vec<LineConfig>,
    /// The channels. Both ends must agree on id, class and `rtcp`.
    pub channels: Vec<ChannelConfig>,
    /// What an earlier run of this end had already delivered, so that the far end does not
    /// send it again. `None` when nothing is remembered.
    pub resume: Option<ResumePoint>,
}

impl LinkConfig {
    /// Longest name of a link, line or channel, in bytes.
    pub const MAX_NAME: usize = 32;
    /// Most flows a link carries; see [`Class::flows`].
    pub const MAX_FLOWS: usize = 31;

    /// Checks the rules of the protocol.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.session.0 == 0 {
            return Err(ConfigError::ZeroSession);
        }
        if self.lines.is_empty() || self.lines.len() > usize::from(u8::MAX) {
            return Err(ConfigError::LineCount {
                count: self.lines.len(),
            });
        }
        let flows: usize = self.channels.iter().map(|c| c.class.flows(c.rtcp)).sum();
        if flows > Self::MAX_FLOWS {
            return Err(ConfigError::TooManyFlows {
                flows,
                most: Self::MAX_FLOWS,
            });
        }
        let names = self.channels.iter().map(|c| &c.name).chain([&self.name]);
        for name in names.chain(self.lines.iter().map(|line| &line.name)) {
            if name.len() > Self::MAX_NAME {
                return Err(ConfigError::NameTooLong {
                    name: name.clone(),
                    most: Self::MAX_NAME,
                });
            }
        }
        for (i, channel) in self.channels.iter().enumerate() {
            if self.channels[..i]
                .iter()
                .any(|other| other.id == channel.id)
            {
                return Err(ConfigError::DuplicateChannel { id: channel.id });
            }
        }
        Ok(())
    }

    /// The channels in the order that both ends use.
    pub(crate) fn channels_by_id(&self) -> Vec<&ChannelConfig> {
        let mut channels: Vec<_> = self.channels.iter().collect();
        channels.sort_by_key(|channel| channel.id);
        channels
    }
}

/// Number of one run of one end. Random, never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub u32);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// One line: what the core must know of it. The device behind it is the shell's affair.
#[derive(Clone, Debug)]
pub struct LineConfig {
    /// Shown to the technician, for instance the device's name.
    pub name: String,
    /// The most that the line carries, in bit/s of ten-bit characters: the rate of its port, or of its
    /// modem. What it really carries is measured all the time: less than this is noticed, more is never
    /// sent.
    pub rate: BitRate,
    /// The line is known to carry `rate`, so that it is used in full at once. Otherwise the pacer begins at
    /// a part of it and feels its way up.
    pub is_rate_known: bool,
    /// The most line time that may wait below the core, in the kernel or the modem.
    pub queue_bound: Duration,
    /// Never send 0x11 and 0x13, and ignore them when they arrive: the path takes them for
    /// XOFF and XON. Both ends must agree.
    pub avoid_xon_xoff: bool,
}

impl LineConfig {
    /// Default of [`LineConfig::queue_bound`].
    pub const QUEUE_BOUND: Duration = Duration::from_millis(4);

    /// A line of that name that carries that rate, with the default bound.
    pub fn new(name: impl Into<String>, rate: BitRate) -> Self {
        Self {
            name: name.into(),
            rate,
            is_rate_known: true,
            queue_bound: Self::QUEUE_BOUND,
            avoid_xon_xoff: false,
        }
    }
}

/// Names a line of the link: its place in [`LinkConfig::lines`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct LineId(pub u8);

/// Names a channel of the link, 1 to 255. Both ends use the same number for the same channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ChannelId(pub u8);

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One local port of the equipment: a channel's media, or the RTCP that rides with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// The channel.
    pub channel: ChannelId,
    /// Which of its two ports.
    pub kind: PortKind,
}

impl Port {
    /// The media port of `channel`.
    pub const fn media(channel: ChannelId) -> Self {
        Self {
            channel,
            kind: PortKind::Media,
        }
    }

    /// The RTCP port of `channel`.
    pub const fn rtcp(channel: ChannelId) -> Self {
        Self {
            channel,
            kind: PortKind::Rtcp,
        }
    }
}

/// Which port of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortKind {
    /// What the channel is for.
    Media,
    /// Its RTCP, one UDP port above.
    Rtcp,
}

/// A channel's configuration.
#[derive(Clone, Debug)]
pub struct ChannelConfig {
    /// Same number at both ends.
    pub id: ChannelId,
    /// Shown to the technician. The ends may name a channel differently.
    pub name: String,
    /// What is promised.
    pub class: Class,
    /// Whether RTCP rides with it.
    pub rtcp: bool,
    /// How long after it was handed in a datagram is still worth delivering. Control ignores it.
    /// Audio has at least the line time of 96 bytes: a slow line can keep nothing shorter.
    /// In a channel of class [`Class::Rtp`] audio has the deadline of its own class where that is
    /// shorter.
    pub deadline: Duration,
    /// Video: when a frame did not go, its format is known and others need it, nothing of its
    /// source is sent before the next key frame. Off by default: most decoders show a damaged
    /// picture rather than none, and key frames may be minutes apart. Worth it where a damaged
    /// picture is worse, with equipment that sends key frames often or when asked, and small
    /// enough to arrive within twice the deadline. The other classes ignore it.
    pub await_key_frame: bool,
    /// Most bytes that wait in the sender's queue, or in the two queues of [`Class::Rtp`].
    pub queue_bytes: usize,
    /// Most datagrams that wait in the sender's queue, or in the two queues of [`Class::Rtp`].
    pub queue_datagrams: usize,
}

impl ChannelConfig {
    /// A channel with the defaults of its class.
    pub fn new(id: u8, name: impl Into<String>, class: Class) -> Self {
        let (deadline, queue_bytes, queue_datagrams) = match class {
            Class::Audio => (Duration::from_millis(150), 16 << 10, 64),
            Class::Video | Class::Rtp => (Duration::from_millis(400), 1 << 20, 1024),
            Class::Control => (Duration::MAX, 4 << 20, 16_384),
        };
        let name = name.into();
        Self {
            id: ChannelId(id),
            name,
            class,
            rtcp: false,
            deadline,
            await_key_frame: false,
            queue_bytes,
            queue_datagrams,
        }
    }

    /// Its flows in the order of their numbers, each with the configuration by which it works: for
    /// media its class is audio, video or control.
    pub(crate) fn flows(&self) -> Vec<(Self, PortKind)> {
        let mut flows = match self.class {
            Class::Rtp => {
                let audio = self.audio_of_both();
                let video = self.video_of_both(&audio);
                vec![(audio, PortKind::Media), (video, PortKind::Media)]
            }
            _ => vec![(self.clone(), PortKind::Media)],
        };
        if self.rtcp {
            flows.push((self.clone(), PortKind::Rtcp));
        }
        flows
    }

    /// The audio flow of a channel for both media. It needs little room, as its packets are small
    /// and soon late.
    fn audio_of_both(&self) -> Self {
        let audio = Self::new(self.id.0, "", Class::Audio);
        Self {
            name: format!("{}/{}", self.name, Class::Audio),
            class: Class::Audio,
            deadline: audio.deadline.min(self.deadline),
            queue_bytes: audio.queue_bytes.min(self.queue_bytes / 2),
            queue_datagrams: audio.queue_datagrams.min(self.queue_datagrams / 2),
            ..self.clone()
        }
    }

    /// The video flow of a channel for both media: it has the room that audio leaves.
    fn video_of_both(&self, audio: &Self) -> Self {
        Self {
            name: format!("{}/{}", self.name, Class::Video),
            class: Class::Video,
            queue_bytes: self.queue_bytes - audio.queue_bytes,
            queue_datagrams: self.queue_datagrams - audio.queue_datagrams,
            ..self.clone()
        }
    }
}

/// What a channel promises. The wire carries the discriminant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Never waits behind a long frame; late packets are dropped at the sender. What was lost may come
    /// behind newer packets, if it is RTP; nothing comes twice.
    Audio = 1,
    /// Uses what is left; repaired until its deadline, in order.
    Video = 2,
    /// Never lost, never twice, never damaged, in order.
    Control = 3,
    /// RTP of either medium: each stream is recognised, and treated as audio or video is.
    Rtp = 4,
}

impl Class {
    /// The largest datagram that the class carries, in bytes.
    pub const fn max_datagram(self) -> usize {
        match self {
            // Two Ethernet packets: more is not a voice packet, and would hold up all others.
            Self::Audio => 1024,
            // The largest payload of a UDP datagram over IPv4.
            Self::Video | Self::Control | Self::Rtp => 65_507,
        }
    }

    /// The word in settings, status and messages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Control => "control",
            Self::Rtp => "rtp",
        }
    }

    /// How many flows a channel of this class is on the wire: one for each medium, and one for
    /// RTCP where it rides with the channel.
    pub const fn flows(self, rtcp: bool) -> usize {
        let media = match self {
            Self::Audio | Self::Video | Self::Control => 1,
            Self::Rtp => 2,
        };
        media + rtcp as usize
    }

    /// The class behind a number on the wire.
    pub(crate) const fn from_wire(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Audio),
            2 => Some(Self::Video),
            3 => Some(Self::Control),
            4 => Some(Self::Rtp),
            _ => None,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What an RTP stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Medium {
    /// Voice and other sound.
    Audio,
    /// Pictures.
    Video,
}

impl Medium {
    /// The word in status and messages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }
}

impl fmt::Display for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How far an earlier run of this end had delivered the far end's control messages.
///
/// Saved by the shell after each delivery and handed back at the next start: with it a message
/// that was delivered just before the program was killed is not delivered again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumePoint {
    /// The session number that this end had.
    pub own: SessionId,
    /// The session number that the far end had.
    pub peer: SessionId,
    /// Per control channel the number of messages delivered in that session.
    pub delivered: Vec<(ChannelId, u32)>,
}
