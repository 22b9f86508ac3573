//! Recorded media: a packet capture of a call, sorted into channels and directions.
//!
//! Promises: only RTP and the RTCP beside it is taken; both directions of the call are told apart
//! by the two hosts. Which port is audio and which is video is told by how the packets look, as
//! port numbers do not say it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use copperlink::proto::config::{Class, PortKind};

use capture::{Capture, CaptureError, Datagram};

mod capture;

/// A recorded call.
#[derive(Debug)]
pub(crate) struct Recording {
    /// One for each RTP port, by port.
    pub(crate) tracks: Vec<Track>,
    /// From the first packet to the last, and one packet time more.
    pub(crate) length: Duration,
}

/// One RTP port of the call, both directions.
#[derive(Debug)]
pub(crate) struct Track {
    /// The port that it was recorded on.
    pub(crate) port: u16,
    /// Audio or video.
    pub(crate) class: Class,
    /// What each end sent: first the end that sent first.
    pub(crate) from: [Vec<Packet>; 2],
}

/// One datagram of a track.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    /// Since the beginning of the recording.
    pub(crate) at: Duration,
    /// RTP, or the RTCP beside it.
    pub(crate) kind: PortKind,
    /// What it carries.
    pub(crate) payload: Bytes,
}

/// Why a recording cannot be played.
#[derive(Debug, Error)]
pub(crate) enum MediaError {
    /// The capture itself.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// No media in it.
    #[error("there is no RTP in it")]
    NoRtp,
}

impl Recording {
    /// Reads a recording from a capture file.
    ///
    /// # Errors
    /// When it cannot be read or has no RTP in it.
    pub(crate) fn load(path: &Path) -> Result<Self, MediaError> {
        let capture = Capture::load(path)?;
        if capture.is_cut_short {
            tracing::warn!("the recording ends in the middle of a packet");
        }
        if capture.left_out > 0 {
            tracing::info!(packets = capture.left_out, "left out what is no whole UDP");
        }
        Self::sort(&capture.datagrams)
    }

    fn sort(datagrams: &[Datagram]) -> Result<Self, MediaError> {
        let first = datagrams.iter().find(|d| is_rtp(&d.payload));
        let first = first.ok_or(MediaError::NoRtp)?;
        let ends = [first.from.ip(), first.to.ip()];
        let mut tracks: BTreeMap<u16, [Vec<Packet>; 2]> = BTreeMap::new();
        for datagram in datagrams.iter().filter(|d| is_rtp(&d.payload)) {
            if let Some(end) = end_of(datagram.from, datagram.to, ends) {
                let port = datagram.to.port();
                let packet = Packet {
                    at: datagram.at,
                    kind: PortKind::Media,
                    payload: datagram.payload.clone(),
                };
                tracks.entry(port).or_default()[end].push(packet);
            }
        }
        // A few stray packets that only look like RTP do not make a track.
        tracks.retain(|_, from| from.iter().any(|packets| packets.len() >= LEAST_PACKETS));
        for datagram in datagrams.iter().filter(|d| is_rtcp(&d.payload)) {
            let port = datagram.to.port().wrapping_sub(1);
            let end = end_of(datagram.from, datagram.to, ends);
            if let (Some(from), Some(end)) = (tracks.get_mut(&port), end) {
                from[end].push(Packet {
                    at: datagram.at,
                    kind: PortKind::Rtcp,
                    payload: datagram.payload.clone(),
                });
            }
        }
        let tracks: Vec<Track> = tracks.into_iter().map(Track::new).collect();
        if tracks.is_empty() {
            return Err(MediaError::NoRtp);
        }
        let last = datagrams.last().map_or(Duration::ZERO, |d| d.at);
        Ok(Self {
            tracks,
            length: last + GAP_AT_END,
        })
    }
}

impl Track {
    fn new((port, mut from): (u16, [Vec<Packet>; 2])) -> Self {
        for packets in &mut from {
            packets.sort_by_key(|packet| packet.at);
        }
        let busier = &from[usize::from(from[1].len() > from[0].len())];
        Self {
            port,
            class: class_of(busier),
            from,
        }
    }
}

/// Audio is what comes often and small.
fn class_of(packets: &[Packet]) -> Class {
    let media = || packets.iter().filter(|p| p.kind == PortKind::Media);
    let largest = media().map(|p| p.payload.len()).max().unwrap_or(0);
    let (first, last) = (media().next(), media().next_back());
    let time = match (first, last) {
        (Some(first), Some(last)) => (last.at - first.at).as_secs_f64(),
        _ => 0.0,
    };
    let steps = media().count().saturating_sub(1) as f64;
    if largest < AUDIO_LARGEST && steps >= AUDIO_LEAST_PER_SECOND * time {
        Class::Audio
    } else {
        Class::Video
    }
}

/// Which of the two ends sent this; `None` when it belongs to other hosts.
fn end_of(from: SocketAddr, to: SocketAddr, ends: [IpAddr; 2]) -> Option<usize> {
    match [from.ip(), to.ip()] {
        pair if pair == ends => Some(0),
        [from, to] if [to, from] == ends => Some(1),
        _ => None,
    }
}

fn is_rtp(payload: &[u8]) -> bool {
    payload.len() >= 12 && payload[0] >> 6 == 2 && !is_rtcp(payload)
}

/// Packet types 192 to 223 (RFC 5761, 4).
fn is_rtcp(payload: &[u8]) -> bool {
    payload.len() >= 8 && payload[0] >> 6 == 2 && (192..=223).contains(&payload[1])
}

/// Fewer packets than this on a port are no track.
const LEAST_PACKETS: usize = 10;
/// A larger datagram than this, in bytes, is no voice.
const AUDIO_LARGEST: usize = 200;
/// Voice has at least so many packets per second.
const AUDIO_LEAST_PER_SECOND: f64 = 12.0;
/// Pause before a recording begins again: about what lies between two packets.
const GAP_AT_END: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    fn load(name: &str) -> Recording {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/media");
        Recording::load(&folder.join(name)).unwrap()
    }

    fn media(track: &Track, end: usize) -> usize {
        let packets = track.from[end].iter();
        packets.filter(|p| p.kind == PortKind::Media).count()
    }

    #[test]
    fn audio_and_video_are_told_apart_by_how_they_look() {
        for (name, classes) in [
            (
                "baresip_h264-20k_opus-6k.pcap",
                &[Class::Audio, Class::Video][..],
            ),
            ("gst_h264-10k_amr-4.75k.pcap", &[Class::Audio, Class::Video]),
            (
                "ffmpeg_vp8-30k_speex-4k.pcap",
                &[Class::Audio, Class::Video],
            ),
            (
                "gst_h263-16k-qcif_opus-6k-20ms.pcap",
                &[Class::Audio, Class::Video],
            ),
            ("packed_codec2-1200.pcap", &[Class::Audio]),
            ("packed_g723.pcap", &[Class::Audio]),
        ] {
            let recording = load(name);
            let found: Vec<Class> = recording.tracks.iter().map(|t| t.class).collect();
            assert_eq!(found, classes, "{name}");
            let seconds = recording.length.as_secs_f64();
            assert!((6.0..8.5).contains(&seconds), "{name}: {seconds} s");
            for track in &recording.tracks {
                for end in [0, 1] {
                    assert!(media(track, end) > 30, "{name}: port {}", track.port);
                }
            }
        }
    }

    #[test]
    fn a_fragmented_datagram_is_put_together() {
        let recording = load("gst_h263-16k-qcif_opus-6k-20ms.pcap");
        let video = &recording.tracks[1];
        let largest = |end: usize| video.from[end].iter().map(|p| p.payload.len()).max();
        assert_eq!((largest(0), largest(1)), (Some(4051), Some(3834)));
    }

    #[test]
    fn rtcp_rides_with_its_port() {
        let recording = load("gst_h264-10k_amr-4.75k.pcap");
        for track in &recording.tracks {
            for packets in &track.from {
                assert!(packets.iter().any(|p| p.kind == PortKind::Rtcp));
                assert!(packets.windows(2).all(|two| two[0].at <= two[1].at));
            }
        }
    }
}
