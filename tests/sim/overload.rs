//! Video at four times of what the line carries, beside audio and control, both ways: what arrives
//! arrives whole and in time, and the line is not spent on what arrives in vain.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use copperlink::proto::config::ChannelConfig;
use copperlink::proto::time::Instant;
use copperlink::sim::{
    AudioConfig, AudioSource, ControlConfig, ControlSource, LineModelConfig, Noise, Side, Source,
    VideoConfig, VideoSource, World,
};

use crate::common::{AUDIO, CONTROL, VIDEO, end, rate, seconds};

/// The sources speak from here on.
const START: f64 = 2.0;
/// From here on the line is full, and is measured.
const FROM: f64 = 5.0;
const UNTIL: f64 = 65.0;
/// Of a video channel, by default.
const DEADLINE: Duration = Duration::from_millis(400);

#[derive(Clone, Copy)]
struct Scene {
    line_rate: u32,
    audio: AudioConfig,
    video: VideoConfig,
    noise: Noise,
}

/// Video at 400 % of the line: 30 frames per second in several packets each.
fn scene(line_rate: u32) -> Scene {
    let voice = AudioConfig {
        start: seconds(START),
        ..AudioConfig::G729
    };
    Scene {
        line_rate,
        audio: match line_rate {
            ..19_200 => AudioConfig {
                interval: Duration::from_millis(80),
                payload: 12,
                ..voice
            },
            _ => voice,
        },
        video: VideoConfig {
            start: seconds(START),
            frames_per_second: 30,
            max_datagram: line_rate as usize / 10 / 12,
            // Ten bits of the line are a byte.
            ..VideoConfig::h263(4 * line_rate / 10 * 8)
        },
        noise: Noise::NONE,
    }
}

/// What became of the video of one end.
#[derive(Debug, Default)]
struct Figures {
    whole: usize,
    /// Of the whole ones.
    in_time: usize,
    /// Of the whole ones, larger than the line carries in a deadline, even alone.
    too_large: usize,
    /// Frames of which only some packets arrived.
    broken: usize,
    /// Bytes of frames that arrived whole and in time.
    useful: usize,
    /// Bytes of all frames that arrived whole.
    bytes: usize,
    delays: Vec<Duration>,
    audio_lost: u64,
    audio_delays: Vec<Duration>,
}

#[derive(Default)]
struct Frame {
    sent: Option<Instant>,
    bytes: usize,
    packets: usize,
    arrived: usize,
    last: Option<Instant>,
}

struct Station {
    audio: AudioSource,
    video: VideoSource,
    control: ControlSource,
    control_config: ControlConfig,
    audio_sent: HashMap<Bytes, Instant>,
    frames: HashMap<[u8; 4], Frame>,
    control_arrived: u64,
    audio_delays: Vec<Duration>,
}

impl Station {
    fn new(scene: &Scene, seed: u64) -> Self {
        let control_config = ControlConfig {
            start: seconds(START),
            mean_interval: Duration::from_millis(2000 * 38_400 / u64::from(scene.line_rate)),
            min: 8,
            max: 512,
            seed,
        };
        Self {
            audio: AudioSource::new(AudioConfig {
                seed,
                ..scene.audio
            }),
            video: VideoSource::new(VideoConfig {
                seed,
                ..scene.video
            }),
            control: ControlSource::new(control_config),
            control_config,
            audio_sent: HashMap::new(),
            frames: HashMap::new(),
            control_arrived: 0,
            audio_delays: Vec::new(),
        }
    }

    fn next(&self, until: Instant) -> Option<Instant> {
        let sources: [&dyn Source; 3] = [&self.audio, &self.video, &self.control];
        let due = sources.iter().filter_map(|source| source.poll_timeout());
        due.min().filter(|&due| due < until)
    }

    /// Hands over what is due.
    fn speak(&mut self, world: &mut World, side: Side) {
        let now = world.now();
        while let Some(packet) = self.audio.poll_datagram(now) {
            self.audio_sent.insert(packet.clone(), now);
            world.send(side, AUDIO, packet).expect("audio is taken");
        }
        while let Some(message) = self.control.poll_datagram(now) {
            world
                .send(side, CONTROL, message)
                .expect("control is taken");
        }
        while let Some(packet) = self.video.poll_datagram(now) {
            let frame = self.frames.entry(timestamp(&packet)).or_default();
            frame.sent.get_or_insert(now);
            frame.bytes += packet.len();
            frame.packets += 1;
            world.send(side, VIDEO, packet).expect("video is taken");
        }
    }

    /// Takes down what arrived at the other end.
    fn note(&mut self, at: Instant, port: copperlink::proto::config::Port, datagram: &Bytes) {
        if port == VIDEO {
            let frame = self.frames.get_mut(&timestamp(datagram));
            let frame = frame.expect("a frame that was sent");
            frame.arrived += 1;
            frame.last = Some(at);
        } else if port == AUDIO {
            let sent = self.audio_sent.remove(datagram).expect("was sent");
            self.audio_delays.push(at.since(sent));
        } else if port == CONTROL {
            let index = self.control_config.verify(datagram);
            assert_eq!(index, Some(self.control_arrived), "control is in order");
            self.control_arrived += 1;
        }
    }

    fn figures(self, scene: &Scene) -> Figures {
        assert_eq!(
            self.control_arrived,
            self.control.sent(),
            "control is complete"
        );
        let mut figures = Figures {
            audio_lost: self.audio_sent.len() as u64,
            audio_delays: self.audio_delays,
            ..Figures::default()
        };
        figures.audio_delays.sort_unstable();
        let alone = rate(scene.line_rate).bytes_in(DEADLINE);
        for frame in self.frames.into_values() {
            let Some(last) = frame.last.filter(|&last| last >= seconds(FROM)) else {
                continue;
            };
            if frame.arrived < frame.packets {
                figures.broken += 1;
                continue;
            }
            let delay = last.since(frame.sent.expect("it arrived"));
            let bytes = if last < seconds(UNTIL) {
                frame.bytes
            } else {
                0
            };
            figures.whole += 1;
            figures.bytes += bytes;
            figures.delays.push(delay);
            figures.too_large += usize::from(frame.bytes > alone);
            if delay <= DEADLINE {
                figures.in_time += 1;
                figures.useful += bytes;
            }
        }
        figures.delays.sort_unstable();
        figures
    }
}

fn timestamp(packet: &[u8]) -> [u8; 4] {
    packet[4..8].try_into().expect("an RTP header")
}

/// Runs a scene; what became of what each end sent.
fn run(scene: &Scene, deadline: Duration) -> [Figures; 2] {
    let config = |name, session| {
        let mut config = end(name, session, scene.line_rate);
        config.channels[1] = ChannelConfig {
            deadline,
            queue_datagrams: usize::MAX,
            queue_bytes: usize::MAX,
            ..config.channels[1].clone()
        };
        config
    };
    let model = |seed| {
        LineModelConfig::clean(rate(scene.line_rate))
            .with_delay(Duration::from_millis(5))
            .with_noise(scene.noise)
            .with_chunk(scene.line_rate as usize / 9600)
            .with_seed(seed)
    };
    let (a, b) = (config("room-1", 0x1111_0001), config("room-2", 0x2222_0001));
    let mut world = World::new(a, b, vec![[model(1), model(2)]]).expect("a valid configuration");
    let mut stations = [Station::new(scene, 11), Station::new(scene, 12)];
    let until = seconds(UNTIL);
    let over = seconds(UNTIL + 2.0);
    loop {
        let source = stations.iter().filter_map(|s| s.next(until)).min();
        let next = [source, world.poll_timeout()].into_iter().flatten().min();
        let Some(next) = next.filter(|&next| next <= over) else {
            break;
        };
        world.advance(next.max(world.now()));
        for (station, side) in stations.iter_mut().zip(Side::BOTH) {
            if world.now() < until {
                station.speak(&mut world, side);
            }
        }
        for (station, side) in stations.iter_mut().zip(Side::BOTH) {
            while let Some((at, port, datagram)) = world.poll_datagram(side.other()) {
                station.note(at, port, &datagram);
            }
        }
    }
    stations.map(|station| station.figures(scene))
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Runs a scene and prints it; the worse end's shares: of the frames that arrived at all those
/// that arrived whole, of these those in time, and of what the line carries what they were.
fn measure(name: &str, scene: &Scene) -> [f64; 3] {
    let figures = run(scene, DEADLINE);
    // What the line carries of the same video when nothing is ever too late.
    let patient = run(scene, Duration::from_secs(3600));
    let mut worst = [1.0f64; 3];
    for (figures, patient) in figures.iter().zip(&patient) {
        let arrived = figures.whole + figures.broken;
        let shares = [
            share(figures.whole, arrived),
            share(figures.in_time, figures.whole),
            share(figures.useful, patient.bytes),
        ];
        let delay = |share: f64| {
            let last = figures.delays.len().saturating_sub(1);
            figures.delays.get((last as f64 * share) as usize)
        };
        println!(
            "{name}: {} frames arrived, {} whole, {} of these in time ({} too large); delay \
             p50 {:?} p99 {:?} max {:?}; {:.1} % of what the line carries; audio lost {}, p99 {:?}",
            arrived,
            figures.whole,
            figures.in_time,
            figures.too_large,
            delay(0.5),
            delay(0.99),
            delay(1.0),
            shares[2] * 100.0,
            figures.audio_lost,
            figures
                .audio_delays
                .get(figures.audio_delays.len() * 99 / 100),
        );
        for (worst, share) in worst.iter_mut().zip(shares) {
            *worst = worst.min(share);
        }
    }
    worst
}

#[test]
fn video_at_four_times_the_line_arrives_whole_and_in_time() {
    for line_rate in [9600, 38_400, 115_200] {
        let [whole, in_time, used] = measure(&line_rate.to_string(), &scene(line_rate));
        // What is missing of 100 %: a control message that came when a picture had been begun. The
        // slower the line, the longer it takes; at 9600 bit/s half a second.
        let wanted = if line_rate < 38_400 { 0.95 } else { 0.97 };
        assert!(whole >= 0.97, "{line_rate}: {whole}");
        assert!(in_time >= wanted, "{line_rate}: {in_time}");
        assert!(used >= 0.9, "{line_rate}: {used}");
    }
}

#[test]
fn noise_costs_frames_and_leaves_those_that_arrive_whole() {
    let scene = Scene {
        noise: Noise::bit_errors(1e-5),
        ..scene(38_400)
    };
    let [whole, in_time, used] = measure("38400, BER 1e-5", &scene);
    // What is repaired is often late, and what came after it has waited for it.
    assert!(whole >= 0.9 && in_time >= 0.85, "{whole} {in_time}");
    assert!(used >= 0.8, "{used}");
}
