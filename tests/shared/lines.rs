//! The named lines of `tests/scenarios`, and a call that fits each, for tests and benches.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use copperlink::proto::config::{
    ChannelConfig, ChannelId, Class, LineConfig, LineId, LinkConfig, Port, SessionId,
};
use copperlink::proto::time::Instant;
use copperlink::sim::{
    AudioConfig, AudioSource, Call, ControlConfig, ControlSource, Fault, Scenario, Side,
    VideoConfig, VideoSource, World,
};

/// A line of that folder.
pub(crate) struct NamedLine {
    pub(crate) name: String,
    pub(crate) scenario: Scenario,
}

/// All of them, by name.
///
/// # Panics
/// With the file and what is wrong in it.
pub(crate) fn all() -> Vec<NamedLine> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = fs::read_dir(&folder).expect("the folder of the named lines");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> NamedLine {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    let name = file.file_stem().and_then(|name| name.to_str());
    NamedLine {
        name: name.expect("a name in plain letters").to_owned(),
        scenario: toml::from_str(&text).unwrap_or_else(|error| panic!("{file:?}: {error}")),
    }
}

/// Both ends, told what a technician would tell them of the line, and a call both ways until
/// `until`: the voice that such a line has room for, pictures for a fifth of it, messages for a
/// twentieth at most.
pub(crate) fn fitting_call(scenario: &Scenario, until: Instant, seed: u64) -> (World, Call) {
    let start = Side::BOTH.map(|side| scenario.conditions(side, Instant::ZERO));
    let end = |side: Side| {
        let here = start[side as usize];
        LinkConfig {
            name: format!("room-{}", side as u8 + 1),
            session: SessionId(0x1111_0001 + side as u32),
            lines: vec![LineConfig {
                avoid_xon_xoff: here.fault == Fault::EatsXonXoff,
                ..LineConfig::new("line", here.rate)
            }],
            channels: vec![
                ChannelConfig::new(AUDIO.channel.0, "audio", Class::Audio),
                ChannelConfig::new(VIDEO.channel.0, "video", Class::Video),
                ChannelConfig::new(CONTROL.channel.0, "control", Class::Control),
            ],
            resume: None,
        }
    };
    let models = scenario.models(seed);
    let mut world =
        World::new(end(Side::A), end(Side::B), vec![models]).expect("a valid configuration");
    world.follow(LineId(0), scenario.clone());
    let slowest = start[0].rate.min(start[1].rate).bits_per_second();
    let mut call = Call::default();
    for side in Side::BOTH {
        let seed = seed + side as u64 * 100;
        call.add(side, AUDIO, voice(slowest, seed), Some(until));
        call.add(side, VIDEO, pictures(slowest, seed), Some(until));
        call.add(side, CONTROL, messages(slowest, seed), Some(until));
    }
    (world, call)
}

fn voice(bits_per_second: u32, seed: u64) -> AudioSource {
    let (interval_ms, payload) = match bits_per_second {
        ..4800 => (160, 24),
        4800..16_000 => (40, 6),
        16_000..28_800 => (40, 20),
        _ => (20, 20),
    };
    AudioSource::new(AudioConfig {
        start: START,
        interval: Duration::from_millis(interval_ms),
        payload,
        seed,
        ..AudioConfig::G729
    })
}

fn pictures(bits_per_second: u32, seed: u64) -> VideoSource {
    // The slowest have room for a picture now and then beside the voice.
    let (frames_per_second, share) = match bits_per_second {
        ..4800 => (1, 20),
        _ => (10, 5),
    };
    VideoSource::new(VideoConfig {
        start: START,
        frames_per_second,
        seed,
        ..VideoConfig::h263(bits_per_second / share)
    })
}

fn messages(bits_per_second: u32, seed: u64) -> ControlSource {
    let (min, max) = (8, 512);
    let line_time_ms = (min + max) / 2 * 10 * 1000 / u64::from(bits_per_second);
    ControlSource::new(ControlConfig {
        start: START,
        mean_interval: Duration::from_millis((20 * line_time_ms).max(2000)),
        min: min as usize,
        max: max as usize,
        seed,
    })
}

pub(crate) const AUDIO: Port = Port::media(ChannelId(1));
pub(crate) const VIDEO: Port = Port::media(ChannelId(2));
pub(crate) const CONTROL: Port = Port::media(ChannelId(3));

/// When the equipment begins.
const START: Instant = Instant::from_micros(1_000_000);
