//! Two whole ends in virtual time: what users would see over an hour happens here in seconds,
//! and repeats exactly from its seed.

mod any_bytes;
mod audio_cover;
mod call;
mod coming_up;
mod common;
mod control;
mod cuts;
mod fairness;
mod goodput;
mod headers;
mod hostile_input;
#[cfg(feature = "shell")]
mod in_service;
mod linetest;
mod listening;
mod long;
mod modem_buffer;
mod modems;
mod noise;
mod order_wire;
mod overload;
mod real_time;
mod recognition;
mod retrain;
mod scenarios;
mod stall;
mod terminal;

#[path = "../../src/bin/copperlink/media/capture.rs"]
mod capture;

#[path = "../shared/hostile/mod.rs"]
mod hostile;

#[path = "../shared/lines.rs"]
mod lines;
