//! Recorded RTP both ways at once, byte for byte.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use copperlink::proto::config::{Class, PortKind};

use crate::equipment::{Desk, Kind, Noted};
use crate::link::{Channel, PATIENCE, Site};
use crate::media::{Packet, Recording, Track};

/// So much of a recording is played.
const LENGTH: Duration = Duration::from_secs(6);
/// A fast line: all recordings fit both ways.
const RATE: u32 = 115_200;
/// Half of all datagrams are faster than this, even where everything else is slow. They need some
/// milliseconds; a datagram of 4051 bytes needs 350 ms on the wire.
const MEDIAN: Duration = Duration::from_millis(500);

#[test]
fn pictures_in_datagrams_of_four_kilobytes_arrive() {
    let largest = play("gst_h263-16k-qcif_opus-6k-20ms");
    assert_eq!(largest, 4051);
}

#[test]
fn a_call_with_larger_pictures_arrives() {
    play("ffmpeg_vp8-30k_speex-4k");
}

#[test]
fn voice_packed_for_slow_lines_arrives() {
    play("packed_codec2-1200");
    play("packed_g723");
}

/// Plays a recording and looks at what arrives. Returns the length of the largest datagram.
fn play(name: &str) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/media");
    let recording = Recording::load(&folder.join(name).with_extension("pcap")).unwrap();
    let site = Site::new();
    let rate = RATE.to_string();
    let _line = site.line(&["--rate", &rate]);
    let rooms = [Room::new(&recording), Room::new(&recording)];
    let ends = [0, 1].map(|i| {
        let (name, device) = [("room-1", "line-a"), ("room-2", "line-b")][i];
        site.run(name, device, RATE, &rooms[i].channels(&recording))
    });
    ends.iter().for_each(|end| end.wait_until_up());

    let start = Instant::now();
    let sent = std::thread::scope(|scope| {
        [0, 1]
            .map(|i| {
                let (room, recording) = (&rooms[i], &recording);
                scope.spawn(move || room.speak(recording, i, start))
            })
            .map(|thread| thread.join().unwrap())
    });
    let mut report = format!("{name}\n");
    let mut largest = 0;
    for from in [0, 1] {
        for (track, heard) in sent[from].iter().zip(&rooms[1 - from].desks) {
            for (kind, sent) in [(Kind::Media, &track.media), (Kind::Rtcp, &track.rtcp)] {
                let whom = format!("{} {kind:?} from room-{}", track.name, from + 1);
                report += &compare(&whom, sent, heard, kind);
                let lengths = sent.iter().map(|datagram| datagram.bytes.len());
                largest = largest.max(lengths.max().unwrap_or(0));
            }
        }
    }
    // In one piece: other tests print as well.
    print!("{report}");
    largest
}

/// The equipment of one room: a desk for each track.
struct Room {
    desks: Vec<Desk>,
}

/// What was sent of a track.
struct Sent {
    name: String,
    media: Vec<Noted>,
    rtcp: Vec<Noted>,
}

impl Room {
    fn new(recording: &Recording) -> Self {
        Self {
            desks: recording.tracks.iter().map(|_| Desk::new()).collect(),
        }
    }

    fn channels(&self, recording: &Recording) -> Vec<Channel<'_>> {
        let tracks = recording.tracks.iter().zip(&self.desks).zip(1..);
        tracks
            .map(|((track, desk), id)| Channel {
                id,
                class: word(track),
                name: word(track),
                rtcp: true,
                desk,
            })
            .collect()
    }

    /// Sends what the recording's end number `end` sent, at its times.
    fn speak(&self, recording: &Recording, end: usize, start: Instant) -> Vec<Sent> {
        let mut sent: Vec<Sent> = recording
            .tracks
            .iter()
            .map(|track| Sent {
                name: format!("{} {}", word(track), track.port),
                media: Vec::new(),
                rtcp: Vec::new(),
            })
            .collect();
        let mut script: Vec<(usize, &Packet)> = Vec::new();
        for (i, track) in recording.tracks.iter().enumerate() {
            let packets = track.from[end].iter();
            script.extend(packets.filter(|p| p.at < LENGTH).map(|p| (i, p)));
        }
        script.sort_by_key(|(_, packet)| packet.at);
        for (i, packet) in script {
            sleep((start + packet.at).saturating_duration_since(Instant::now()));
            let noted = Noted {
                at: Instant::now(),
                bytes: packet.payload.to_vec(),
            };
            let (kind, notes) = match packet.kind {
                PortKind::Media => (Kind::Media, &mut sent[i].media),
                PortKind::Rtcp => (Kind::Rtcp, &mut sent[i].rtcp),
            };
            self.desks[i].send(kind, &noted.bytes);
            notes.push(noted);
        }
        sent
    }
}

fn word(track: &Track) -> &'static str {
    match track.class {
        Class::Audio => "audio",
        Class::Video => "video",
        Class::Control => "control",
        Class::Rtp => "rtp",
    }
}

/// Nothing is lost, changed, repeated or out of order. Returns how long it took, in words.
fn compare(whom: &str, sent: &[Noted], heard: &Desk, kind: Kind) -> String {
    let start = Instant::now();
    while heard.count(kind) < sent.len() && start.elapsed() < PATIENCE {
        sleep(Duration::from_millis(50));
    }
    let arrived = heard.arrived(kind);
    for (i, (arrived, sent)) in arrived.iter().zip(sent).enumerate() {
        assert!(arrived.bytes == sent.bytes, "{whom}: datagram {i} differs");
    }
    assert_eq!(arrived.len(), sent.len(), "{whom}");
    let mut delays: Vec<Duration> = arrived
        .iter()
        .zip(sent)
        .map(|(arrived, sent)| arrived.at.saturating_duration_since(sent.at))
        .collect();
    delays.sort();
    let Some(last) = delays.len().checked_sub(1) else {
        return String::new();
    };
    let (p50, p99) = (delays[last / 2], delays[last * 99 / 100]);
    assert!(p50 < MEDIAN, "{whom}: half of all take more than {p50:?}");
    format!(
        "  {whom:28} sent {:3}, delivered {:3}, delay p50 {:4} ms, p99 {:4} ms\n",
        sent.len(),
        arrived.len(),
        p50.as_millis(),
        p99.as_millis()
    )
}
