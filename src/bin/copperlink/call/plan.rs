//! What is said in a call: generated media that fits the line, or a recording.

use copperlink::proto::config::{ChannelConfig, ChannelId, Class, Port, PortKind};
use copperlink::proto::time::{BitRate, Duration, Instant};
use copperlink::sim::{
    AudioConfig, AudioSource, ControlConfig, ControlSource, Source, VideoConfig, VideoSource,
};

use super::replay::Replay;
use crate::media::Recording;

/// One channel of the call and what each end says on it.
pub(crate) struct ChannelPlan {
    /// The channel, for both ends.
    pub(crate) config: ChannelConfig,
    /// Its ports, each with what the first and the second end sends.
    pub(crate) ports: Vec<(Port, [Box<dyn Source + Send>; 2])>,
}

/// Voice, control messages, and video that takes half of the line, or less where the others leave
/// less; both ways.
pub(crate) fn plan_generated(rate: BitRate, seed: u64) -> Vec<ChannelPlan> {
    let media = |id, name, class, sources| ChannelPlan {
        config: ChannelConfig::new(id, name, class),
        ports: vec![(Port::media(ChannelId(id)), sources)],
    };
    let audio =
        |end| -> Box<dyn Source + Send> { Box::new(AudioSource::new(voice(rate, seed, end))) };
    let video =
        |end| -> Box<dyn Source + Send> { Box::new(VideoSource::new(film(rate, seed, end))) };
    vec![
        media(1, "audio", Class::Audio, [audio(0), audio(1)]),
        media(2, "video", Class::Video, [video(0), video(1)]),
        plan_control(3, rate, seed),
    ]
}

/// The channels of a recording, and control messages.
pub(crate) fn plan_recorded(recording: &Recording, rate: BitRate, seed: u64) -> Vec<ChannelPlan> {
    let mut plans = Vec::new();
    for (track, id) in recording.tracks.iter().zip(1..MOST_TRACKS) {
        let name = format!("{} {}", track.class, track.port);
        let mut config = ChannelConfig::new(id, name, track.class);
        let play = |kind| -> [Box<dyn Source + Send>; 2] {
            let replay = |end: usize| Replay::new(&track.from[end], kind, recording.length);
            [Box::new(replay(0)), Box::new(replay(1))]
        };
        let mut packets = track.from.iter().flatten();
        config.rtcp = packets.any(|packet| packet.kind == PortKind::Rtcp);
        let mut ports = vec![(Port::media(config.id), play(PortKind::Media))];
        if config.rtcp {
            ports.push((Port::rtcp(config.id), play(PortKind::Rtcp)));
        }
        plans.push(ChannelPlan { config, ports });
    }
    plans.push(plan_control(MOST_TRACKS, rate, seed));
    plans
}

fn plan_control(id: u8, rate: BitRate, seed: u64) -> ChannelPlan {
    let messages = |end| -> Box<dyn Source + Send> {
        Box::new(ControlSource::new(ControlConfig {
            start: Instant::ZERO,
            mean_interval: control_interval(rate),
            min: CONTROL_MIN,
            max: CONTROL_MAX,
            seed: seed_of(seed, end, 3),
        }))
    };
    ChannelPlan {
        config: ChannelConfig::new(id, "control", Class::Control),
        ports: vec![(Port::media(ChannelId(id)), [messages(0), messages(1)])],
    }
}

/// 20 bytes every 20 ms; on a line that is too slow for that, 6 bytes every 40 ms, several of
/// them in a packet if need be.
fn voice(rate: BitRate, seed: u64, end: u64) -> AudioConfig {
    let seed = seed_of(seed, end, 1);
    if rate >= LEAST_FOR_G729 {
        return AudioConfig {
            seed,
            ..AudioConfig::G729
        };
    }
    let slow = |frames: u32| AudioConfig {
        interval: Duration::from_millis(40) * frames,
        payload: 6 * frames as usize,
        payload_type: 97,
        seed,
        ..AudioConfig::G729
    };
    let fits = |frames: &u32| share(rate, slow(*frames)) <= VOICE_SHARE;
    slow([1, 2].into_iter().find(fits).unwrap_or(4))
}

/// Share of the line that voice takes.
fn share(rate: BitRate, voice: AudioConfig) -> f64 {
    let packet = rate.time_for(voice.payload + VOICE_OVERHEAD);
    packet.as_secs_f64() / voice.interval.as_secs_f64()
}

fn film(rate: BitRate, seed: u64, end: u64) -> VideoConfig {
    let left = LOAD - CONTROL_SHARE - share(rate, voice(rate, seed, end));
    let share = left.clamp(VIDEO_LEAST, VIDEO_SHARE);
    // A byte takes ten bits on the line.
    let bits_per_second = f64::from(rate.bits_per_second()) * 0.8 * share;
    VideoConfig {
        seed: seed_of(seed, end, 2),
        ..VideoConfig::h263(bits_per_second as u32)
    }
}

/// Two messages per second, and fewer where they would take too much of the line.
fn control_interval(rate: BitRate) -> Duration {
    let mean = (CONTROL_MIN + CONTROL_MAX) / 2;
    rate.time_for(mean)
        .mul_f64(1.0 / CONTROL_SHARE)
        .max(Duration::from_millis(500))
}

/// Each source has its own accidents.
fn seed_of(seed: u64, end: u64, source: u64) -> u64 {
    seed.wrapping_mul(16).wrapping_add(end * 4 + source)
}

/// Share of the line that a generated call takes at most.
const LOAD: f64 = 0.75;
/// Bytes on the line beside those of the codec: the frame around them.
const VOICE_OVERHEAD: usize = 6;
/// Share of the line that generated video takes at most.
const VIDEO_SHARE: f64 = 0.5;
/// Share of the line that generated video takes at least, whether it fits or not.
const VIDEO_LEAST: f64 = 0.05;
/// Share of a slow line that voice takes at most, if several frames in a packet make that possible.
const VOICE_SHARE: f64 = 0.6;
/// Share of the line that control messages take at most.
const CONTROL_SHARE: f64 = 0.08;
const CONTROL_MIN: usize = 64;
const CONTROL_MAX: usize = 256;
/// The slowest line with room for voice every 20 ms beside everything else, bit/s.
const LEAST_FOR_G729: BitRate = match BitRate::new(28_800) {
    Some(rate) => rate,
    None => BitRate::MAX,
};
/// More tracks than this do not fit the channel numbers of a recording.
const MOST_TRACKS: u8 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_call_fits_its_line() {
        for rate in [4800, 9600, 28_799, 28_800, 38_400, 115_200, 921_600] {
            let rate = BitRate::new(rate).unwrap();
            let film = film(rate, 1, 0).bits_per_second;
            let film_share = f64::from(film) / 0.8 / f64::from(rate.bits_per_second());
            assert!((0.05..=0.5).contains(&film_share), "{rate:?}: {film_share}");
            let message = rate.time_for((CONTROL_MIN + CONTROL_MAX) / 2);
            let control = message.as_secs_f64() / control_interval(rate).as_secs_f64();
            assert!(
                film_share + control + share(rate, voice(rate, 1, 0)) < 0.86,
                "{rate:?}"
            );
        }
    }
}
