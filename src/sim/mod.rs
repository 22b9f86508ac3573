//! Lines that misbehave on purpose, and equipment that talks over them.
//!
//! Promise: pure and seeded. Nothing here reads a clock or the machine's randomness, so a run
//! repeats exactly, in virtual time as well as behind a real device.
//! It assumes of its caller that `now` never goes back.
//! It leaves sockets and devices to the shell.

pub mod call;
mod fault;
mod line_clock;
pub mod line_model;
pub mod measure;
pub mod modem;
pub mod noise;
pub mod rng;
pub mod scenario;
mod steady;
pub mod traffic;
pub mod world;

pub use call::{Call, Outcome, Tally};
pub use fault::Fault;
pub use line_model::{LineModel, LineModelConfig, LineModelStats};
pub use modem::{ModemConfig, Modems};
pub use noise::{Bursts, Noise};
pub use rng::Rng;
pub use scenario::Scenario;
pub use steady::Steady;
pub use traffic::{
    AudioConfig, AudioSource, ControlConfig, ControlSource, Source, VideoConfig, VideoSource,
};
pub use world::{Side, Tape, Wiring, World};
