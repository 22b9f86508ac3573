//! The link as a whole, in virtual time: what a datagram costs on the line, what share of a
//! clean line carries data, how long audio waits, and how fast an hour of call runs, each figure
//! beside its goal (design, section 10); and what becomes of a call over each of the named lines.
//! Exact and repeatable but for the machine time of the hour.
//!
//! `cargo bench --bench link`

use std::time::{Duration, Instant as Machine};

use bytes::Bytes;
use copperlink::proto::config::{ChannelConfig, Class, LineConfig, LinkConfig, Port, SessionId};
use copperlink::proto::time::{BitRate, Instant};
use copperlink::sim::{
    AudioConfig, AudioSource, Call, ControlConfig, ControlSource, LineModelConfig, Noise, Rng,
    Side, Source, VideoConfig, VideoSource, World,
};

#[path = "../tests/shared/lines.rs"]
mod lines;

const AUDIO: Port = Port::media(copperlink::proto::config::ChannelId(1));
const VIDEO: Port = Port::media(copperlink::proto::config::ChannelId(2));
const CONTROL: Port = Port::media(copperlink::proto::config::ChannelId(3));

fn main() {
    wire_bytes();
    goodput();
    audio_delay();
    cold_start();
    an_hour();
    named_lines();
}

fn wire_bytes() {
    println!("wire bytes of a datagram on a clean 38400 line, alone on it");
    println!("  {:<44} {:>9} {:>12}", "datagram", "wire", "goal");
    let g729 = AudioConfig {
        start: seconds(1.0),
        ..AudioConfig::G729
    };
    let voice = |payload, interval_ms| -> Box<dyn Source> {
        Box::new(AudioSource::new(AudioConfig {
            payload,
            interval: Duration::from_millis(interval_ms),
            ..g729
        }))
    };
    let steady = |size, pause_ms| -> Box<dyn Source> { Box::new(Steady::new(size, pause_ms)) };
    let rows: [(&str, Port, Box<dyn Source>, &str); 7] = [
        (
            "G.729, RTP header 12 + 20, 20 ms",
            AUDIO,
            voice(20, 20),
            "<= 26",
        ),
        (
            "Opus, RTP header 12 + 45, 60 ms",
            AUDIO,
            voice(45, 60),
            "<= 51",
        ),
        (
            "Codec2, RTP header 12 + 6, 40 ms",
            AUDIO,
            voice(6, 40),
            "<= 12",
        ),
        ("video, H.263 of 7000 bit/s", VIDEO, film(), "-"),
        (
            "video: 1200, alone in its frame",
            VIDEO,
            steady(1200, 1000),
            "-",
        ),
        ("control: 64", CONTROL, steady(64, 500), "-"),
        (
            "control: 1200, alone in its frame",
            CONTROL,
            steady(1200, 1000),
            "-",
        ),
    ];
    for (name, port, source, goal) in rows {
        let mut world = world(38_400, Noise::NONE, 1);
        let mut call = Call::default();
        call.add(Side::A, port, Boxed(source), Some(seconds(40.0)));
        // From the second on at which the headers have settled.
        let mut at = |time| {
            call.run_until(&mut world, seconds(time));
            let stats = world.session(Side::A).expect("runs").stats();
            let mut channels = stats.channels.iter();
            let sent = channels.find(|c| c.id == port.channel && !c.rtcp);
            sent.expect("is there").sent
        };
        let (before, after) = (at(10.0), at(41.0));
        let datagrams = (after.sent - before.sent).max(1) as f64;
        println!(
            "  {name:<44} {:>9.2} {goal:>12}   {:.1} bytes each",
            (after.wire_bytes - before.wire_bytes) as f64 / datagrams,
            (after.accepted_bytes - before.accepted_bytes) as f64 / datagrams,
        );
    }
}

fn film() -> Box<dyn Source> {
    let start = seconds(1.0);
    Box::new(VideoSource::new(VideoConfig {
        start,
        ..VideoConfig::h263(7000)
    }))
}

fn goodput() {
    println!(
        "\nshare of a clean line that carries data: one class alone, always more than enough of it"
    );
    println!(
        "  {:<8} {:>8} {:>9} {:>9} {:>10} {:>9} {:>9}   note",
        "bit/s", "class", "deadline", "datagram", "share", "goal", "max s"
    );
    let (short, long) = (Duration::from_millis(400), Duration::from_secs(5));
    for bits in [9600, 38_400, 115_200, 921_600] {
        for (class, port, deadline, size, goal) in [
            ("control", CONTROL, None, 1200, ">= 99.3 %"),
            ("video", VIDEO, Some(long), 1200, ">= 99.3 %"),
            ("video", VIDEO, Some(short), 1200, ">= 99.3 %"),
            ("audio", AUDIO, None, 32, "-"),
        ] {
            let (share, longest) = share(bits, port, deadline.unwrap_or(short), size);
            let one = BitRate::new(bits).expect("a rate").time_for(size);
            let note = match deadline {
                Some(deadline) if one > deadline => {
                    format!("{one:.2?} of line time each: none can be in time")
                }
                Some(deadline) if one * 3 > deadline * 3 / 8 => {
                    "one a frame: more would be late".to_owned()
                }
                _ => String::new(),
            };
            println!(
                "  {bits:<8} {class:>8} {:>9} {size:>9} {:>8.2} % {goal:>9} {:>9.2}   {note}",
                deadline.map_or("-".to_owned(), |deadline| format!("{deadline:?}")),
                share * 100.0,
                longest.as_secs_f64(),
            );
        }
    }
}

/// Share of a clean line that datagrams of one size on a port take, and the longest delay. Frames
/// grow in the first seconds; counted is from the end of one frame to the end of another.
fn share(bits: u32, port: Port, deadline: Duration, size: usize) -> (f64, Duration) {
    let mut world = world_with(bits, Noise::NONE, 1, deadline);
    let mut call = Call::default();
    // Twice what the line carries; control is refused when its queue is full.
    let pause = Duration::from_secs_f64(size as f64 * 10.0 / f64::from(bits) / 2.0);
    call.add(Side::A, port, Steady::with_pause(size, pause), None);
    call.run_until(
        &mut world,
        seconds(if bits < 100_000 { 150.0 } else { 60.0 }),
    );
    let tally = call.tally(Side::A, port).expect("a stream");
    let within: Vec<_> = tally
        .arrivals
        .iter()
        .filter(|&&at| at > seconds(30.0))
        .collect();
    let (Some(&&first), Some(&&last)) = (within.first(), within.last()) else {
        return (0.0, Duration::ZERO);
    };
    let behind = within.iter().filter(|&&&at| at > first).count();
    let taken = (behind * size) as f64 * 10.0 / f64::from(bits);
    (taken / last.since(first).as_secs_f64(), tally.delay(1.0))
}

fn audio_delay() {
    println!(
        "\naudio one way at 38400, G.729 every 20 ms, beside video (line delay 5 ms included)"
    );
    println!(
        "  {:<24} {:>9} {:>9} {:>9} {:>9}   goal p99 <= 15 ms + 5",
        "video offered", "p50 ms", "p99 ms", "max ms", "lost"
    );
    for percent in [0, 85, 150, 400] {
        let mut world = world(38_400, Noise::NONE, 1);
        let mut call = Call::default();
        let until = Some(seconds(60.0));
        call.add(
            Side::A,
            AUDIO,
            AudioSource::new(AudioConfig {
                start: seconds(1.0),
                ..AudioConfig::G729
            }),
            until,
        );
        if percent > 0 {
            let video = VideoConfig {
                start: seconds(1.0),
                ..VideoConfig::h263(384 * percent)
            };
            call.add(Side::A, VIDEO, VideoSource::new(video), until);
        }
        call.run_until(&mut world, seconds(62.0));
        let tally = call.tally(Side::A, AUDIO).expect("a stream");
        let ms = |share| tally.delay(share).as_secs_f64() * 1e3;
        println!(
            "  {:<24} {:>9.1} {:>9.1} {:>9.1} {:>9}",
            format!("{percent} % of the line"),
            ms(0.5),
            ms(0.99),
            ms(1.0),
            tally.lost
        );
    }
}

fn cold_start() {
    let mut world = world(38_400, Noise::NONE, 1);
    let mut call = Call::default();
    call.add(Side::A, AUDIO, AudioSource::new(AudioConfig::G729), None);
    call.run_until(&mut world, seconds(3.0));
    let first = call
        .tally(Side::A, AUDIO)
        .expect("a stream")
        .arrivals
        .first()
        .copied();
    println!("\nboth ends started cold at 38400: first audio delivered at {first:?} (goal 1 s)");
}

fn an_hour() {
    let started = Machine::now();
    let until = seconds(3600.0);
    let mut world = world(38_400, Noise::bit_errors(1e-4), 1);
    let mut call = Call::default();
    for side in Side::BOTH {
        let seed = side as u64 + 1;
        call.add(
            side,
            AUDIO,
            AudioSource::new(AudioConfig {
                seed,
                ..AudioConfig::G729
            }),
            Some(until),
        );
        call.add(
            side,
            VIDEO,
            VideoSource::new(VideoConfig {
                seed,
                ..VideoConfig::h263(8000)
            }),
            Some(until),
        );
        let control = ControlConfig {
            start: seconds(1.0),
            mean_interval: Duration::from_secs(2),
            min: 8,
            max: 512,
            seed,
        };
        call.add(side, CONTROL, ControlSource::new(control), Some(until));
    }
    call.run_until(&mut world, until);
    let wrong: u64 = Side::BOTH
        .iter()
        .flat_map(|&side| {
            [AUDIO, VIDEO, CONTROL].map(|port| call.tally(side, port).expect("a stream").wrong)
        })
        .sum();
    println!(
        "\nan hour of call both ways at BER 1e-4: {:.1?} of machine time (goal 10 s), {wrong} wrong datagrams (goal 0)",
        started.elapsed()
    );
}

fn named_lines() {
    println!(
        "\n10 min of call over each of the named lines: what was lost, in A's and in B's direction"
    );
    println!(
        "  {:<20} {:>17} {:>17} {:>13} {:>14}",
        "line", "audio lost %", "video lost %", "audio p99 ms", "control max s"
    );
    let until = seconds(600.0);
    for line in lines::all() {
        let (mut world, mut call) = lines::fitting_call(&line.scenario, until, 1);
        call.run_until(&mut world, until);
        let of = |port| Side::BOTH.map(|side| call.tally(side, port).expect("a stream"));
        let lost = |port| {
            let [a, b] = of(port).map(|tally| tally.loss() * 100.0);
            format!("{a:.2} / {b:.2}")
        };
        let longest = |port, share| {
            let [a, b] = of(port).map(|tally| tally.delay(share));
            a.max(b).as_secs_f64()
        };
        println!(
            "  {:<20} {:>17} {:>17} {:>13.1} {:>14.2}",
            line.name,
            lost(lines::AUDIO),
            lost(lines::VIDEO),
            longest(lines::AUDIO, 0.99) * 1e3,
            longest(lines::CONTROL, 1.0)
        );
    }
}

fn seconds(seconds: f64) -> Instant {
    Instant::ZERO + Duration::from_secs_f64(seconds)
}

fn world(bits: u32, noise: Noise, seed: u64) -> World {
    world_with(bits, noise, seed, Duration::from_millis(400))
}

fn world_with(bits: u32, noise: Noise, seed: u64, deadline: Duration) -> World {
    let rate = BitRate::new(bits).expect("a rate that is accepted");
    let end = |name: &str, session| LinkConfig {
        name: name.to_owned(),
        session: SessionId(session),
        lines: vec![LineConfig::new("line", rate)],
        channels: vec![
            ChannelConfig::new(1, "audio", Class::Audio),
            ChannelConfig {
                deadline,
                ..ChannelConfig::new(2, "video", Class::Video)
            },
            ChannelConfig::new(3, "control", Class::Control),
        ],
        resume: None,
    };
    let model = |seed| {
        LineModelConfig::clean(rate)
            .with_delay(Duration::from_millis(5))
            .with_noise(noise)
            .with_chunk(8)
            .with_seed(seed)
    };
    World::new(
        end("a", 1),
        end("b", 2),
        vec![[model(seed), model(seed + 1)]],
    )
    .expect("valid")
}

/// Random datagrams of one size at a steady pace.
struct Steady {
    start: Instant,
    size: usize,
    pause: Duration,
    rng: Rng,
}

impl Steady {
    fn new(size: usize, pause_ms: u64) -> Self {
        Self::with_pause(size, Duration::from_millis(pause_ms))
    }

    fn with_pause(size: usize, pause: Duration) -> Self {
        Self {
            start: seconds(1.0),
            size,
            pause,
            rng: Rng::new(size as u64),
        }
    }
}

impl Source for Steady {
    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.start)
    }

    fn poll_datagram(&mut self, now: Instant) -> Option<Bytes> {
        if now < self.start {
            return None;
        }
        self.start += self.pause;
        let mut bytes = vec![0; self.size];
        self.rng.fill(&mut bytes);
        Some(bytes.into())
    }
}

struct Boxed(Box<dyn Source>);

impl Source for Boxed {
    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }

    fn poll_datagram(&mut self, now: Instant) -> Option<Bytes> {
        self.0.poll_datagram(now)
    }
}
