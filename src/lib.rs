//! copperlink carries a video conference over old wire: audio, video and control channels
//! between local UDP ports, over a serial or modem line. It runs at both ends of the line.
//!
//! This is the library; the program in `src/bin/copperlink` is its first user.
//!
//! # The path of a datagram
//!
//! ```text
//!   equipment                                                            equipment
//!      | UDP                                                                ^ UDP
//!   shell/port        a socket for each port                           shell/port
//!   proto/channel     queue, deadline          put together, in order  proto/channel
//!   proto/scheduler   who goes next                                         |
//!   proto/line        number, remember         report, notice losses   proto/line
//!   proto/framing     check, stuff             find, check             proto/framing
//!   shell/line        bytes to the device      bytes from the device   shell/line
//!      +----------------------------- copper -------------------------------+
//! ```
//!
//! # Which folders are pure
//!
//! - [`proto`] is the protocol. It reads no clock and opens nothing: time comes in as an argument,
//!   bytes come in and go out. [`Session`](proto::Session) is its only way in.
//! - [`sim`] is lines that misbehave on purpose, and two sessions in virtual time around them. As
//!   pure, so that a run repeats exactly from its seed.
//! - [`linetest`] is the technician's test of a line: bit patterns, error counts, what they are good for. As
//!   pure.
#![cfg_attr(
    feature = "shell",
    doc = "- [`shell`] is the rest: devices, sockets, the clock and the one loop around a session."
)]
#![cfg_attr(
    not(feature = "shell"),
    doc = "- `shell`, which this build is without, has devices, sockets and the clock."
)]
//!
//! Arrows point one way: program → shell → proto, program → sim → proto, program → linetest. Without default features
//! only the pure folders are built.
//!
//! # Where to begin
//!
//! To run a link in a program of one's own: `shell::Link`. To put the protocol around other
//! devices: the border of [`Session`](proto::Session), shown by `examples/smallest_loop.rs` with
//! two ends, a wire that is a `Vec<u8>`, and a clock that is a number:
//!
//! ```
//! use copperlink::proto::config::{ChannelConfig, Class, LineConfig, LineId, LinkConfig, SessionId};
//! use copperlink::proto::time::{BitRate, Instant};
//! use copperlink::proto::{LineSignals, Session};
//!
//! let rate = BitRate::new(38_400).unwrap();
//! let mut session = Session::new(
//!     LinkConfig {
//!         name: "room-1".into(),
//!         session: SessionId(7),
//!         lines: vec![LineConfig::new("wire", rate)],
//!         channels: vec![ChannelConfig::new(1, "control", Class::Control)],
//!         resume: None,
//!     },
//!     Instant::ZERO,
//! )?;
//! // In: the device is open. Out: the first hello to the far end, and when to come back.
//! session.handle_signals(Instant::ZERO, LineId(0), LineSignals::OPEN);
//! let mut bytes = Vec::new();
//! assert!(session.poll_transmit(Instant::ZERO, LineId(0), 256, &mut bytes) > 0);
//! assert!(session.poll_timeout().is_some());
//! # Ok::<(), copperlink::proto::error::ConfigError>(())
//! ```

pub mod linetest;
pub mod proto;
#[cfg(feature = "shell")]
pub mod shell;
pub mod sim;
