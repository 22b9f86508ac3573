//! What a link makes of a noisy line, as figures: the share of the line that carries data, and
//! what a call loses.
//!
//! Promise: virtual time, so a figure repeats exactly from its seed. Both directions meet the same
//! noise, each with its own chance. What a figure should be is left to the caller; [`limit()`] says
//! what it cannot exceed.

mod bulk;
mod call;
mod limit;
mod weather;

pub use bulk::BulkRun;
pub use call::{CallFigures, CallRun};
pub use limit::limit;
pub use weather::Weather;

use super::{LineModelConfig, Noise, Side, World};
use crate::proto::config::{
    ChannelConfig, ChannelId, Class, LineConfig, LineId, LinkConfig, Port, SessionId,
};
use crate::proto::error::ConfigError;
use crate::proto::stats::LineStats;
use crate::proto::time::{BitRate, Duration};

/// A line, and what chance does to it.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Of the port and of the line, both ways.
    pub rate: BitRate,
    /// In each direction.
    pub noise: Noise,
    /// Where chance begins, that of the line and that of the equipment.
    pub seed: u64,
}

impl Setup {
    /// Audio.
    pub const AUDIO: Port = Port::media(ChannelId(1));
    /// Video.
    pub const VIDEO: Port = Port::media(ChannelId(2));
    /// Control.
    pub const CONTROL: Port = Port::media(ChannelId(3));

    /// What one end is told.
    pub fn end(&self, side: Side) -> LinkConfig {
        LinkConfig {
            name: format!("room-{}", side as usize + 1),
            session: SessionId(0x1111_0001 << (side as usize)),
            lines: vec![LineConfig::new("line", self.rate)],
            channels: vec![
                ChannelConfig::new(1, "audio", Class::Audio),
                ChannelConfig::new(2, "video", Class::Video),
                ChannelConfig::new(3, "control", Class::Control),
            ],
            resume: None,
        }
    }

    /// What the line does to the bytes of one end. At most `chunk` are handed over at once.
    pub fn line(&self, side: Side, chunk: usize) -> LineModelConfig {
        LineModelConfig::clean(self.rate)
            .with_delay(Duration::from_millis(5))
            .with_noise(self.noise)
            .with_chunk(chunk)
            .with_seed(self.seed + side as u64 * 1000)
    }

    /// Both ends, started now.
    ///
    /// # Errors
    /// When the protocol refuses the configuration.
    pub fn world(&self) -> Result<World, ConfigError> {
        let line = |side| self.line(side, UART_CHUNK);
        World::new(
            self.end(Side::A),
            self.end(Side::B),
            vec![Side::BOTH.map(line)],
        )
    }
}

/// Changes the weather of both directions.
fn set_noise(world: &mut World, noise: Noise) {
    let now = world.now();
    for side in Side::BOTH {
        world.line_mut(side, LINE).set_noise(now, noise);
    }
}

/// The counters of the line at one end, while that end runs.
fn line_stats(world: &World, side: Side) -> Option<LineStats> {
    world.session(side)?.stats().lines.into_iter().next()
}

const LINE: LineId = LineId(0);
/// A 16550A hands over so many at once.
const UART_CHUNK: usize = 8;
