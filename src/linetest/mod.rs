//! Is this line any good? What a technician measures on a line.
//!
//! Promise: pure. Nothing here reads a clock or opens a device: bytes and the time come in as arguments,
//! so a test of hours runs in seconds and repeats exactly.
//! It assumes of its caller that `now` never goes back.
//! It leaves devices to the shell, and what is shown to the program.

pub mod g821;
