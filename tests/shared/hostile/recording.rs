//! Calls over noisy lines, and what went over the line in them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use copperlink::proto::config::{
    ChannelConfig, ChannelId, Class, LineConfig, LineId, LinkConfig, Port, SessionId,
};
use copperlink::proto::stats::OutgoingStats;
use copperlink::proto::time::{BitRate, Instant};
use copperlink::proto::{LineSignals, Session};
use copperlink::sim::{
    AudioConfig, AudioSource, Bursts, ControlConfig, ControlSource, LineModel, LineModelConfig,
    Noise, Source, VideoConfig, VideoSource,
};

use super::Input;

pub(crate) const LINE: LineId = LineId(0);
const AUDIO: Port = Port::media(ChannelId(1));
const VIDEO: Port = Port::media(ChannelId(2));
const VIDEO_RTCP: Port = Port::rtcp(ChannelId(2));
pub(super) const CONTROL: Port = Port::media(ChannelId(3));
const BOTH: Port = Port::media(ChannelId(4));
/// What the audio of this port is checked with is short.
pub(super) const SHORT_CHECK: [Port; 2] = [AUDIO, BOTH];

/// A call as it went over the line.
pub(crate) struct Recording {
    pub(crate) name: &'static str,
    line: LineConfig,
    /// What the far end sent, as it left there and as it arrived here.
    pub(crate) left: Input,
    pub(crate) arrived: Input,
    /// What this end sent.
    pub(crate) back: Vec<u8>,
    /// What the equipment of this end sent.
    pub(super) given: Vec<(Instant, Port, Bytes)>,
    /// What the equipment of the far end sent.
    pub(super) sent: HashMap<Port, HashSet<Bytes>>,
    pub(super) control: Vec<Bytes>,
    /// Bytes behind the header of an audio packet.
    pub(super) audio_bytes: usize,
    /// What stood behind the RTP headers.
    pub(super) payloads: HashMap<Port, HashSet<Bytes>>,
    /// The parities that the far end used, of ordinary and of express frames.
    pub(crate) parities: [HashSet<u64>; 2],
}

/// A line, and what becomes of it: each noise holds as long as the others.
pub(super) struct Line {
    name: &'static str,
    pub(super) rate: u32,
    seconds: u64,
    noise: Vec<Noise>,
    avoid_xon_xoff: bool,
    /// Bytes of codec data, and every how many milliseconds.
    audio: (usize, u64),
}

impl Line {
    pub(super) fn config(&self) -> LineConfig {
        let rate = BitRate::new(self.rate).expect("a rate that is accepted");
        LineConfig {
            avoid_xon_xoff: self.avoid_xon_xoff,
            ..LineConfig::new("line", rate)
        }
    }
}

/// One recording of each kind of line.
pub(crate) fn recordings() -> Vec<Recording> {
    let lines = lines();
    let numbered = lines.iter().enumerate();
    numbered
        .map(|(index, line)| record(line, index as u32))
        .collect()
}

impl Recording {
    /// A fresh end such as the one that took part, with its line open.
    pub(super) fn receiver(&self) -> Session {
        session("room-2", RECEIVER, &self.line)
    }

    /// How long a byte takes, microseconds.
    pub(crate) fn byte_us(&self) -> f64 {
        10e6 / f64::from(self.line.rate.bits_per_second())
    }
}

/// All recordings have the same end at one side.
const RECEIVER: u32 = 0x2222_0001;

pub(super) fn lines() -> Vec<Line> {
    let errors = Noise::bit_errors;
    let slips = |rate| Noise {
        lost_byte_rate: rate,
        inserted_byte_rate: rate,
        idle_byte_rate: 5.0,
        ..errors(1e-4)
    };
    let bursts = |gap| Noise {
        bursts: Some(Bursts {
            mean_burst: Duration::from_millis(20),
            mean_gap: Duration::from_millis(gap),
            bit_error_rate: 0.3,
        }),
        ..Noise::NONE
    };
    let line = |name, rate, seconds, noise| Line {
        name,
        rate,
        seconds,
        noise,
        avoid_xon_xoff: false,
        audio: (20, 20),
    };
    vec![
        line("clean", 38_400, 3, vec![Noise::NONE]),
        line("some errors", 38_400, 6, vec![errors(1e-4), errors(3e-4)]),
        line("errors", 38_400, 8, vec![Noise::NONE, errors(1e-3)]),
        line("many errors", 38_400, 10, vec![errors(3e-4), errors(3e-3)]),
        line("most errors", 38_400, 12, vec![errors(1e-3), errors(6e-3)]),
        line("slips", 19_200, 8, vec![slips(3e-4), slips(2e-3)]),
        line("bursts", 38_400, 8, vec![bursts(500), bursts(150)]),
        line("fast", 115_200, 4, vec![Noise::NONE, errors(1e-3)]),
        Line {
            audio: (6, 40),
            ..line("slow", 2400, 20, vec![Noise::NONE, errors(1e-3)])
        },
        Line {
            avoid_xon_xoff: true,
            ..line("software flow", 38_400, 6, vec![errors(1e-4), errors(2e-3)])
        },
    ]
}

pub(super) fn session(name: &str, number: u32, line: &LineConfig) -> Session {
    let config = LinkConfig {
        name: name.to_owned(),
        session: SessionId(number),
        lines: vec![line.clone()],
        channels: vec![
            ChannelConfig::new(1, "audio", Class::Audio),
            ChannelConfig {
                rtcp: true,
                ..ChannelConfig::new(2, "video", Class::Video)
            },
            ChannelConfig::new(3, "control", Class::Control),
            ChannelConfig::new(4, "both", Class::Rtp),
        ],
        resume: None,
    };
    let mut session = Session::new(config, Instant::ZERO).expect("valid");
    session.handle_signals(Instant::ZERO, LINE, LineSignals::OPEN);
    session
}

/// What the equipment of one end sends.
pub(super) fn sources(line: &Line, seed: u64) -> Vec<(Port, Box<dyn Source>)> {
    let start = Instant::ZERO + Duration::from_millis(400);
    let audio = |seed: u64, start| AudioConfig {
        start,
        interval: Duration::from_millis(line.audio.1),
        payload: line.audio.0,
        ssrc: seed as u32,
        seed,
        ..AudioConfig::G729
    };
    let control = |mean: u64, max, seed| {
        ControlSource::new(ControlConfig {
            start,
            mean_interval: Duration::from_millis(mean),
            min: 8,
            max,
            seed,
        })
    };
    let video = VideoConfig {
        start,
        seed: seed + 1,
        ..VideoConfig::h263(line.rate * 3 / 5)
    };
    let mut sources: Vec<(Port, Box<dyn Source>)> = vec![
        (AUDIO, Box::new(AudioSource::new(audio(seed, start)))),
        (VIDEO, Box::new(VideoSource::new(video))),
        (CONTROL, Box::new(control(300, 200, seed + 2))),
        (VIDEO_RTCP, Box::new(control(1000, 60, seed + 3))),
    ];
    if line.rate > 20_000 {
        // A second voice, which comes and goes by another port.
        let later = start + Duration::from_millis(500);
        sources.push((BOTH, Box::new(AudioSource::new(audio(seed + 4, later)))));
    }
    sources
}

/// One direction of the call.
struct Way {
    model: LineModel,
    sources: Vec<(Port, Box<dyn Source>)>,
    left: Tape,
    arrived: Tape,
}

/// Bytes as they pass a place.
struct Tape {
    input: Input,
    byte: Duration,
    /// When the last byte was over.
    last: Instant,
}

impl Tape {
    fn new(base: usize, byte: Duration) -> Self {
        let input = Input {
            base,
            ..Input::default()
        };
        let last = Instant::ZERO;
        Self { input, byte, last }
    }

    fn pass(&mut self, now: Instant, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let over = self.last + self.byte * bytes.len() as u32;
        if now > over + Duration::from_millis(2) {
            let pause = now.since(over).as_micros() as u64;
            self.input.pauses.push((self.input.bytes.len(), pause));
        }
        self.last = over.max(now);
        self.input.bytes.extend_from_slice(bytes);
    }
}

fn record(line: &Line, index: u32) -> Recording {
    let config = line.config();
    let rate = config.rate;
    let far_end = session("room-1", 0x1111_0001 + index, &config);
    let mut ends = [far_end, session("room-2", RECEIVER, &config)];
    let mut ways = [0, 1].map(|side| {
        let seed = u64::from(index) * 100 + side * 10;
        let tape = || Tape::new(index as usize, rate.time_for(1));
        Way {
            model: LineModel::new(LineModelConfig::clean(rate).with_seed(seed)),
            sources: sources(line, seed + 1),
            left: tape(),
            arrived: tape(),
        }
    });
    let (mut given, mut sent, mut control) = (Vec::new(), HashMap::new(), Vec::new());
    let mut parities = [HashSet::new(), HashSet::new()];
    let ticks = line.seconds * 1000;
    let mut scratch = Vec::new();
    for tick in 0..ticks {
        let now = Instant::from_micros(tick * 1000);
        let noise = line.noise[(tick * line.noise.len() as u64 / ticks) as usize];
        for side in [0, 1] {
            let way = &mut ways[side];
            way.model.set_noise(now, noise);
            for (port, source) in &mut way.sources {
                while let Some(datagram) = source.poll_datagram(now) {
                    let taken = ends[side].handle_datagram(now, *port, datagram.clone());
                    if side == 1 {
                        given.push((now, *port, datagram));
                    } else if taken.is_ok() {
                        if *port == CONTROL {
                            control.push(datagram.clone());
                        }
                        let of_port: &mut HashSet<Bytes> = sent.entry(*port).or_default();
                        of_port.insert(datagram);
                    }
                }
            }
            scratch.clear();
            way.model.poll_bytes(now, &mut scratch);
            way.arrived.pass(now, &scratch);
            ends[1 - side].handle_bytes(now, LINE, &scratch);
        }
        for side in [0, 1] {
            let (end, way) = (&mut ends[side], &mut ways[side]);
            end.handle_timeout(now);
            scratch.clear();
            end.poll_transmit(now, LINE, way.model.room(now), &mut scratch);
            way.left.pass(now, &scratch);
            way.model.handle_bytes(now, &scratch);
            while end.poll_datagram().is_some() {}
            while end.poll_event().is_some() {}
        }
        if tick % 50 == 0 {
            let OutgoingStats {
                parity,
                express_parity,
                ..
            } = ends[0].stats().lines[0].outgoing;
            parities[0].insert(parity);
            parities[1].insert(express_parity);
        }
    }
    let [forth, back] = ways;
    let payload = |datagram: &Bytes| datagram.slice(datagram.len().min(12)..);
    let payloads = sent.iter().map(|(&port, of_port)| {
        let payloads = of_port.iter().map(payload);
        (port, payloads.collect())
    });
    let payloads = payloads.collect();
    Recording {
        name: line.name,
        line: config,
        left: forth.left.input,
        arrived: forth.arrived.input,
        back: back.left.input.bytes,
        given,
        sent,
        control,
        audio_bytes: line.audio.0,
        payloads,
        parities,
    }
}
