//! What the scenarios have in common.

use std::time::Duration;

use copperlink::proto::config::{
    ChannelConfig, Class, LineConfig, LineId, LinkConfig, Port, SessionId,
};
use copperlink::proto::time::{BitRate, Instant};
use copperlink::sim::{
    AudioConfig, AudioSource, Call, ControlConfig, ControlSource, LineModelConfig, Noise, Side,
    VideoConfig, VideoSource, World,
};

pub(crate) const AUDIO: Port = Port::media(copperlink::proto::config::ChannelId(1));
pub(crate) const VIDEO: Port = Port::media(copperlink::proto::config::ChannelId(2));
pub(crate) const CONTROL: Port = Port::media(copperlink::proto::config::ChannelId(3));
pub(crate) const LINE: LineId = LineId(0);

pub(crate) fn seconds(seconds: f64) -> Instant {
    Instant::ZERO + Duration::from_secs_f64(seconds)
}

pub(crate) fn rate(bits_per_second: u32) -> BitRate {
    BitRate::new(bits_per_second).expect("a rate that is accepted")
}

/// One end with an audio, a video and a control channel.
pub(crate) fn end(name: &str, session: u32, line_rate: u32) -> LinkConfig {
    LinkConfig {
        name: name.to_owned(),
        session: SessionId(session),
        lines: vec![LineConfig::new("line", rate(line_rate))],
        channels: vec![
            ChannelConfig::new(1, "audio", Class::Audio),
            ChannelConfig {
                rtcp: true,
                ..ChannelConfig::new(2, "video", Class::Video)
            },
            ChannelConfig::new(3, "control", Class::Control),
        ],
        resume: None,
    }
}

/// Both ends over a line with that noise, each direction with its own seed.
pub(crate) fn world(line_rate: u32, noise: Noise, seed: u64) -> World {
    world_with_chunks(line_rate, noise, seed, 1)
}

/// The same, where the receiving UART hands over up to so many bytes at once. A 16550A hands over
/// eight, which makes long runs faster.
pub(crate) fn world_with_chunks(line_rate: u32, noise: Noise, seed: u64, chunk: usize) -> World {
    let model = |seed| {
        LineModelConfig::clean(rate(line_rate))
            .with_delay(Duration::from_millis(5))
            .with_noise(noise)
            .with_chunk(chunk)
            .with_seed(seed)
    };
    World::new(
        end("room-1", 0x1111_0001, line_rate),
        end("room-2", 0x2222_0001, line_rate),
        vec![[model(seed), model(seed + 1000)]],
    )
    .expect("a valid configuration")
}

pub(crate) fn audio(seed: u64) -> AudioSource {
    AudioSource::new(AudioConfig {
        start: seconds(1.0),
        ssrc: seed as u32,
        seed,
        ..AudioConfig::G729
    })
}

pub(crate) fn video(bits_per_second: u32, seed: u64) -> VideoSource {
    VideoSource::new(VideoConfig {
        start: seconds(1.0),
        seed,
        ..VideoConfig::h263(bits_per_second)
    })
}

pub(crate) fn control(mean_ms: u64, max: usize, seed: u64) -> ControlSource {
    ControlSource::new(ControlConfig {
        start: seconds(1.0),
        mean_interval: Duration::from_millis(mean_ms),
        min: 8,
        max,
        seed,
    })
}

/// A call both ways until `until`: audio, video at that rate, now and then control.
pub(crate) fn call(video_rate: u32, until: Instant, seed: u64) -> Call {
    let mut call = Call::default();
    for side in Side::BOTH {
        let seed = seed + side as u64 * 100;
        call.add(side, AUDIO, audio(seed), Some(until));
        call.add(side, VIDEO, video(video_rate, seed), Some(until));
        call.add(side, CONTROL, control(2000, 512, seed), Some(until));
    }
    call
}
