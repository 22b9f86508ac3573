//! What a UART counts: errors on the line, as far as the system shows them.
//!
//! Promises never more than the kernel tells. Assumes the files of Linux (`/proc/tty`), which only
//! root may read; those of USB adapters have no such counters. Leaves what they mean to the reader.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Errors that a port counted on the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LineErrors {
    /// Bytes without a stop bit where it should be: noise, or another speed.
    pub framing: u64,
    /// Bytes that came faster than they were taken.
    pub overrun: u64,
    /// Bytes with a wrong parity bit.
    pub parity: u64,
    /// Breaks.
    pub breaks: u64,
}

/// The counters of one port.
#[derive(Debug)]
pub(super) struct Counters {
    /// Where its driver tells of all its ports, and the port's number there.
    file: PathBuf,
    number: String,
    /// What was counted before.
    before: LineErrors,
}

impl Counters {
    /// Those of the port at `path`, from now on.
    pub(super) fn of(path: &Path) -> Option<Self> {
        Self::found_in(Path::new("/proc/tty"), &path.canonicalize().ok()?)
    }

    fn found_in(proc_tty: &Path, path: &Path) -> Option<Self> {
        let drivers = fs::read_to_string(proc_tty.join("drivers")).ok()?;
        let (driver, number) = drivers.lines().find_map(|line| driver_of(line, path))?;
        let mut counters = Self {
            file: proc_tty.join("driver").join(driver),
            number: number.to_owned(),
            before: LineErrors::default(),
        };
        counters.before = counters.read()?;
        Some(counters)
    }

    /// What was counted since the counters were found.
    pub(super) fn read(&self) -> Option<LineErrors> {
        let ports = fs::read_to_string(&self.file).ok()?;
        let now = ports.lines().find_map(|line| {
            let (port, facts) = line.split_once(": ")?;
            (port == self.number && facts.contains("tx:")).then(|| errors(facts))
        })?;
        let before = self.before;
        Some(LineErrors {
            framing: now.framing.saturating_sub(before.framing),
            overrun: now.overrun.saturating_sub(before.overrun),
            parity: now.parity.saturating_sub(before.parity),
            breaks: now.breaks.saturating_sub(before.breaks),
        })
    }
}

/// The driver of the port at `path`, when the line is about it, and the port's number there:
/// `serial               /dev/ttyS       4 64-67 serial`.
fn driver_of<'a>(line: &'a str, path: &'a Path) -> Option<(&'a str, &'a str)> {
    let mut words = line.split_whitespace();
    let (driver, prefix) = (words.next()?, words.next()?);
    let number = path.to_str()?.strip_prefix(prefix)?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some((driver, number))
}

/// `uart:16550A port:000003F8 irq:4 tx:11 rx:900 fe:3 brk:1 RTS|CTS`: what is zero is left out.
fn errors(facts: &str) -> LineErrors {
    let count = |name: &str| {
        let mut words = facts.split_whitespace();
        let word = words.find_map(|word| word.strip_prefix(name)?.strip_prefix(':'));
        word.and_then(|count| count.parse().ok()).unwrap_or(0)
    };
    LineErrors {
        framing: count("fe"),
        overrun: count("oe"),
        parity: count("pe"),
        breaks: count("brk"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(root: &Path) -> impl Fn(&str) -> Option<Counters> {
        fs::create_dir(root.join("driver")).unwrap();
        let drivers = "/dev/tty             /dev/tty        5       0 system:/dev/tty\n\
                       usbserial            /dev/ttyUSB   188 0-511 serial\n\
                       serial               /dev/ttyS       4 64-95 serial\n\
                       unknown              /dev/tty        4 1-63 console\n";
        fs::write(root.join("drivers"), drivers).unwrap();
        ports(root, "fe:3 pe:4 brk:7");
        |path| Counters::found_in(root, Path::new(path))
    }

    fn ports(root: &Path, errors: &str) {
        let ports = format!(
            "serinfo:1.0 driver revision:\n\
             0: uart:16550A port:000003F8 irq:4 tx:11 rx:0 RTS|CTS|DTR|DSR|CD\n\
             1: uart:unknown port:000002F8 irq:3\n\
             11: uart:16550A port:000003E8 irq:4 tx:1 rx:900 {errors} RTS\n"
        );
        fs::write(root.join("driver/serial"), ports).unwrap();
    }

    #[test]
    fn a_uart_tells_its_errors_since_it_was_opened() {
        let root = tempfile::tempdir().unwrap();
        let counters_of = host(root.path());
        let quiet = counters_of("/dev/ttyS0").unwrap();
        let noisy = counters_of("/dev/ttyS11").unwrap();
        assert_eq!(noisy.read(), Some(LineErrors::default()));
        ports(root.path(), "fe:5 pe:4 brk:8 oe:12");
        let errors = LineErrors {
            framing: 2,
            overrun: 12,
            parity: 0,
            breaks: 1,
        };
        assert_eq!(noisy.read(), Some(errors));
        assert_eq!(quiet.read(), Some(LineErrors::default()));
    }

    #[test]
    fn what_tells_nothing_is_none() {
        let root = tempfile::tempdir().unwrap();
        let counters_of = host(root.path());
        for path in [
            "/dev/ttyS1",
            "/dev/ttyS7",
            "/dev/ttyS",
            "/dev/ttyUSB0",
            "/dev/pts/3",
        ] {
            assert!(counters_of(path).is_none(), "{path}");
        }
        let noisy = counters_of("/dev/ttyS11").unwrap();
        fs::remove_file(root.path().join("driver/serial")).unwrap();
        assert_eq!(noisy.read(), None);
    }
}
