//! What a process has used, as Linux tells in `/proc`.
//!
//! Assumes that the process works in its first thread, as `copperlink run` does; helper threads
//! that only open a device do not count. Elsewhere than on Linux there is nothing to read.

use std::fs;
use std::time::Duration;

/// What a process has used up to now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Time on a processor.
    pub(crate) cpu: Duration,
    /// Times that it went to sleep and was woken again.
    pub(crate) wakeups: u64,
    /// Memory it holds now, and held at most, KiB.
    pub(crate) resident: u64,
    pub(crate) most_resident: u64,
}

impl Usage {
    /// Of the process with that number. `None` where the system does not tell.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
        // To the nanosecond, while /proc/PID/stat counts ticks of 10 ms.
        let nanos = read("schedstat")?.split_whitespace().next()?.parse().ok()?;
        let status = read("status")?;
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Some(Self {
            cpu: Duration::from_nanos(nanos),
            wakeups: field("voluntary_ctxt_switches:")?,
            resident: field("VmRSS:")?,
            most_resident: field("VmHWM:")?,
        })
    }
}
