//! Is this line any good? What a technician measures on a line.
//!
//! ```text
//!   pattern --> counter ~~~ the line ~~~ counter --> verdict
//!                 |   search   which pattern, and where in it
//!                 |   track    right or wrong, or slipped
//!                 +-- g821     seconds: errored, severely errored, available
//! ```
//!
//! Promise: pure. Nothing here reads a clock or opens a device: bytes and the time come in as arguments,
//! so a test of hours runs in seconds and repeats exactly.
//! It assumes of its caller that `now` never goes back.
//! It leaves devices to the shell, and what is shown to the program.

pub mod counter;
pub mod g821;
pub mod intervals;
mod pace;
pub mod pattern;
mod search;
pub mod timeline;
mod track;
pub mod verdict;

pub use counter::{Event, Stats, Tester, TesterConfig};
pub use pattern::{Generator, Pattern, Polarity};
pub use track::Slip;
pub use verdict::Verdict;
