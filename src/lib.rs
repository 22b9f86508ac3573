//! copperlink carries a video conference over old wire.

pub mod proto;
#[cfg(feature = "shell")]
pub mod shell;
pub mod sim;
