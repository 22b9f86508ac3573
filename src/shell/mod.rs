//! The only library folder with tokio, the clock, devices and sockets.
//!
//! [`Link::open`] takes the UDP ports and the status socket, [`Link::run`] runs until
//! [`LinkHandle::stop`]. One task, the driver, owns the [`Session`](crate::proto::Session) and
//! never blocks; each line has a task of its own around its device:
//!
//! ```text
//!   equipment <--UDP--> port/udp ---+                  +--- line/task <--> device (serial, TCP)
//!                                   +---- driver ------+
//!   `copperlink status` <-- status -+   Session, clock +--- line/task <--> device
//!   `copperlink talk` <----- talk --+
//!   `copperlink capture` <- capture +
//!   Prometheus <---------- metrics -+
//!                                   +-- state file, history file
//! ```
//!
//! Promises of the whole: memory is bounded whatever arrives; no device, socket or reader can
//! hold up another one; an idle link costs no processor time; stopping takes less than a second.
//! Any tokio runtime with I/O and time will do, also one of a single thread.

pub mod capture;
mod clock;
mod driver;
mod error;
#[cfg(test)]
mod fake;
mod history;
pub mod line;
mod lines;
mod link;
mod metrics;
mod port;
mod record;
mod repeats;
mod snapshot;
mod state;
pub mod status;
pub mod talk;
mod words;

pub use clock::Clock;
pub use error::{OpenError, RunError, StatusError};
pub use history::{History, InService, LineColumns, LinkColumns, Series};
pub use line::discover;
pub use line::pty;
pub use line::{
    CarrierRule, Device, DeviceError, DeviceProblem, Flow, LineErrors, LineSetup, ModemLine,
    ModemLines, ModemSetup, PortChange, PortWatch,
};
pub use link::{Instruments, Link, LinkHandle, LinkSetup, random_session};
pub use port::{Deliver, PortSetup};
pub use snapshot::{DeviceState, DeviceStatus, PortStatus, Recent, Snapshot};

/// What the driver runs. The unit tests of the shell put a stand-in there whose every step they
/// know, as the protocol is tested elsewhere.
#[cfg(not(test))]
use crate::proto::Session as Core;
#[cfg(test)]
use fake::Session as Core;
