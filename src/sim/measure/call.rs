//! A call both ways: voice, pictures, and now and then a control message.

use std::iter::Sum;
use std::ops::AddAssign;

use rtp_types::RtpPacket;

use super::{Setup, line_stats, set_noise};
use crate::proto::config::Port;
use crate::proto::error::ConfigError;
use crate::proto::stats::LineStats;
use crate::proto::time::{Duration, Instant};
use crate::sim::{
    AudioConfig, AudioSource, Call, ControlConfig, ControlSource, Noise, Outcome, Side,
    VideoConfig, VideoSource, World,
};

/// What became of a call, or of a part of it, in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallFigures {
    /// Voice packets sent.
    pub audio: u64,
    /// Of these, lost.
    pub audio_lost: u64,
    /// Pictures sent. The datagrams with one RTP timestamp are a picture.
    pub pictures: u64,
    /// Of these, arrived whole, at any time.
    pub pictures_whole: u64,
    /// Of these, in time: within [`CallRun::DEADLINE`] of being sent.
    pub pictures_in_time: u64,
    /// Control messages sent.
    pub control: u64,
    /// Of these, lost.
    pub control_lost: u64,
}

/// A call that begins on a cold link, counted by the second in which a thing was sent.
pub struct CallRun {
    world: World,
    call: Call,
    seconds: Vec<CallFigures>,
    /// What each end is sending.
    pictures: [Option<Picture>; 2],
}

/// The fate of a picture, as far as it is known.
#[derive(Clone, Copy, Debug)]
struct Picture {
    timestamp: u32,
    sent: Instant,
    /// When the last of its datagrams arrived. `None` once one is lost.
    arrived: Option<Instant>,
}

impl CallRun {
    /// A picture that takes longer is too late.
    pub const DEADLINE: Duration = Duration::from_millis(400);

    /// A call until then: G.729, pictures, and a control message of 8 to 200 bytes every two
    /// seconds. Without noise all of that takes about `load` (0 to 1) of a line, reports among it;
    /// where voice and control alone take more there are pictures of a few bytes.
    ///
    /// # Errors
    /// When the protocol refuses the configuration.
    pub fn new(setup: &Setup, load: f64, until: Instant) -> Result<Self, ConfigError> {
        let mut call = Call::default();
        let bytes = load * f64::from(setup.rate.bits_per_second()) / 10.0;
        for side in Side::BOTH {
            let seed = setup.seed + side as u64 * 100;
            let audio = AudioConfig {
                start: START,
                seed,
                ..AudioConfig::G729
            };
            let video = VideoConfig {
                start: START,
                // A larger key frame could not be in time beside voice on a line of 38400 bit/s.
                key_factor: 3,
                seed,
                ..VideoConfig::h263(((bytes - BESIDE_VIDEO).max(0.0) * 8.0) as u32)
            };
            let control = ControlConfig {
                start: START,
                mean_interval: Duration::from_secs(2),
                min: 8,
                max: 200,
                seed,
            };
            call.add(side, Setup::AUDIO, AudioSource::new(audio), Some(until));
            call.add(side, Setup::VIDEO, VideoSource::new(video), Some(until));
            call.add(
                side,
                Setup::CONTROL,
                ControlSource::new(control),
                Some(until),
            );
            for port in PORTS {
                call.follow(side, port);
            }
        }
        Ok(Self {
            world: setup.world()?,
            call,
            seconds: Vec::new(),
            pictures: [None; 2],
        })
    }

    /// Goes on to that time.
    pub fn run_until(&mut self, until: Instant) {
        while self.world.now() < until {
            let next = (self.world.now() + Duration::from_secs(1)).min(until);
            self.call.run_until(&mut self.world, next);
            self.count();
        }
    }

    /// Ends the call: what has not arrived counts as lost.
    pub fn finish(&mut self) {
        self.call.give_up();
        self.count();
        for picture in &mut self.pictures {
            if let Some(picture) = picture.take() {
                picture.count(&mut self.seconds);
            }
        }
    }

    /// Changes the weather.
    pub fn set_noise(&mut self, noise: Noise) {
        set_noise(&mut self.world, noise);
    }

    /// What became of what was sent, second by second, as far as it is known.
    pub fn seconds(&self) -> &[CallFigures] {
        &self.seconds
    }

    /// All of it.
    pub fn total(&self) -> CallFigures {
        self.seconds.iter().sum()
    }

    /// Datagrams that arrived but were not sent, or not in this place.
    pub fn wrong(&self) -> u64 {
        let tallies = Side::BOTH.iter().flat_map(|&side| {
            let tally = move |port| self.call.tally(side, port);
            PORTS.into_iter().filter_map(tally)
        });
        tallies.map(|tally| tally.wrong).sum()
    }

    /// The counters of the line at one end.
    pub fn line_stats(&self, side: Side) -> Option<LineStats> {
        line_stats(&self.world, side)
    }

    fn count(&mut self) {
        for side in Side::BOTH {
            while let Some(outcome) = self.call.poll_outcome(side, Setup::AUDIO) {
                let second = second(&mut self.seconds, outcome.sent);
                second.audio += 1;
                second.audio_lost += u64::from(outcome.arrived.is_none());
            }
            while let Some(outcome) = self.call.poll_outcome(side, Setup::CONTROL) {
                let second = second(&mut self.seconds, outcome.sent);
                second.control += 1;
                second.control_lost += u64::from(outcome.arrived.is_none());
            }
            let picture = &mut self.pictures[side as usize];
            while let Some(outcome) = self.call.poll_outcome(side, Setup::VIDEO) {
                Picture::take(picture, &outcome, &mut self.seconds);
            }
        }
    }
}

impl Picture {
    /// Takes a datagram of the picture that is on its way, or the first of the next.
    fn take(current: &mut Option<Self>, outcome: &Outcome, seconds: &mut Vec<CallFigures>) {
        let Ok(packet) = RtpPacket::parse(&outcome.datagram) else {
            return;
        };
        let timestamp = packet.timestamp();
        match current {
            Some(picture) if picture.timestamp == timestamp => {
                // In order, so the last of them is the latest.
                picture.arrived = picture.arrived.and(outcome.arrived);
            }
            _ => {
                let next = Self {
                    timestamp,
                    sent: outcome.sent,
                    arrived: outcome.arrived,
                };
                if let Some(picture) = current.replace(next) {
                    picture.count(seconds);
                }
            }
        }
    }

    fn count(self, seconds: &mut Vec<CallFigures>) {
        let second = second(seconds, self.sent);
        second.pictures += 1;
        second.pictures_whole += u64::from(self.arrived.is_some());
        let in_time = |at: Instant| at.since(self.sent) <= CallRun::DEADLINE;
        second.pictures_in_time += u64::from(self.arrived.is_some_and(in_time));
    }
}

impl CallFigures {
    /// Share of the voice packets that is lost.
    pub fn audio_loss(&self) -> f64 {
        self.audio_lost as f64 / self.audio.max(1) as f64
    }

    /// Share of the pictures that is there in time.
    pub fn video_in_time(&self) -> f64 {
        self.pictures_in_time as f64 / self.pictures.max(1) as f64
    }

    /// Share of the pictures that arrives whole.
    pub fn video_whole(&self) -> f64 {
        self.pictures_whole as f64 / self.pictures.max(1) as f64
    }
}

impl AddAssign<&Self> for CallFigures {
    fn add_assign(&mut self, other: &Self) {
        self.audio += other.audio;
        self.audio_lost += other.audio_lost;
        self.pictures += other.pictures;
        self.pictures_whole += other.pictures_whole;
        self.pictures_in_time += other.pictures_in_time;
        self.control += other.control;
        self.control_lost += other.control_lost;
    }
}

impl<'a> Sum<&'a Self> for CallFigures {
    fn sum<I: Iterator<Item = &'a Self>>(figures: I) -> Self {
        figures.fold(Self::default(), |mut sum, each| {
            sum += each;
            sum
        })
    }
}

fn second(seconds: &mut Vec<CallFigures>, sent: Instant) -> &mut CallFigures {
    let index = (sent.as_micros() / 1_000_000) as usize;
    if seconds.len() <= index {
        seconds.resize(index + 1, CallFigures::default());
    }
    &mut seconds[index]
}

const PORTS: [Port; 3] = [Setup::AUDIO, Setup::VIDEO, Setup::CONTROL];
/// The equipment is silent up to then: the link comes up.
const START: Instant = Instant::from_micros(1_000_000);
/// Voice, control, and reports take so much of the line, bytes a second.
const BESIDE_VIDEO: f64 = 1480.0;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::proto::time::BitRate;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn a_picture_is_there_when_its_last_datagram_is() {
        let outcome = |timestamp: u8, sent, arrived: Option<u64>| Outcome {
            sent: at(sent),
            arrived: arrived.map(at),
            datagram: Bytes::from(vec![0x80, 96, 0, 1, 0, 0, 0, timestamp, 0, 0, 0, 9, 5]),
        };
        let mut seconds = Vec::new();
        let mut current = None;
        for outcome in [
            // In time, late, one of three lost, the last lost; the last but one is still open.
            outcome(1, 0, Some(100)),
            outcome(1, 0, Some(400)),
            outcome(2, 100, Some(300)),
            outcome(2, 100, Some(501)),
            outcome(3, 1000, Some(1100)),
            outcome(3, 1000, None),
            outcome(3, 1000, Some(1200)),
            outcome(4, 1100, None),
            outcome(5, 1200, Some(1300)),
        ] {
            Picture::take(&mut current, &outcome, &mut seconds);
        }
        let counts = |f: &CallFigures| (f.pictures, f.pictures_whole, f.pictures_in_time);
        let counts: Vec<_> = seconds.iter().map(counts).collect();
        assert_eq!(counts, [(2, 2, 1), (2, 0, 0)]);
    }

    #[test]
    fn everything_sent_is_counted_once() {
        let setup = Setup {
            rate: BitRate::new(38_400).unwrap(),
            noise: Noise::NONE,
            seed: 1,
        };
        let mut run = CallRun::new(&setup, 0.85, at(20_000)).unwrap();
        run.run_until(at(15_000));
        // From here on nothing gets through.
        run.set_noise(Noise::bit_errors(0.5));
        run.run_until(at(30_000));
        run.finish();
        let total = run.total();
        assert_eq!((total.audio, total.pictures), (2 * 19 * 50, 2 * 19 * 10));
        let sound: CallFigures = run.seconds()[..14].iter().sum();
        assert_eq!((sound.audio, sound.audio_lost), (2 * 13 * 50, 0));
        assert_eq!((sound.control > 0, sound.control_lost), (true, 0));
        assert_eq!(sound.pictures_whole, 2 * 13 * 10);
        let dead: CallFigures = run.seconds()[16..].iter().sum();
        assert_eq!(dead.audio_lost, 2 * 4 * 50);
        assert_eq!((dead.pictures, dead.pictures_whole), (2 * 4 * 10, 0));
        assert_eq!(dead.control_lost, dead.control);
        assert_eq!(run.wrong(), 0);
    }
}
