//! Adapters that hold arriving bytes back, to send many of them at once over USB.
//!
//! Promises: such an adapter is told to wait no longer than it must, where that is permitted, and
//! otherwise the technician is told how; a port without such a timer is left alone. Assumes the
//! files of Linux (`/sys/class/tty`); the timer is back at its own value when the adapter is plugged
//! in again, so this belongs to each opening. The flag `low_latency` of a port (`TIOCSSERIAL`) does the same by
//! another way, which is closed to safe code.

use std::fs;
use std::path::{Path, PathBuf};

use super::discover;

/// Sets the latency timer of the port at `path` to its least, when `may_set`. Returns what is left to
/// be done, in words.
pub(super) fn shorten(path: &Path, may_set: bool) -> Option<String> {
    shorten_timer(discover::latency_timer_of(path)?, path, may_set)
}

fn shorten_timer((timer, millis): (PathBuf, u32), path: &Path, may_set: bool) -> Option<String> {
    if millis <= LEAST_MS {
        return None;
    }
    if may_set {
        match fs::write(&timer, LEAST_MS.to_string()) {
            Ok(()) => {
                tracing::debug!(
                    "{}: the adapter now holds bytes back for {LEAST_MS} ms, before for {millis}",
                    path.display()
                );
                return None;
            }
            Err(error) => tracing::debug!("{}: {error}", timer.display()),
        }
    }
    Some(format!(
        "{} holds arriving bytes back for up to {millis} ms. \
         `echo {LEAST_MS} | sudo tee {}` makes it {LEAST_MS} ms",
        path.display(),
        timer.display()
    ))
}

/// What the chips can do at least, ms.
const LEAST_MS: u32 = 1;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn port() -> &'static Path {
        Path::new("/dev/ttyUSB0")
    }

    fn timer(sys: &Path, millis: &str) -> (PathBuf, u32) {
        fs::create_dir_all(sys.join("ttyUSB0/device")).unwrap();
        fs::write(sys.join("ttyUSB0/device/latency_timer"), millis).unwrap();
        discover::latency_timer_in(sys, port()).unwrap()
    }

    #[test]
    fn an_adapter_that_may_be_told_waits_no_longer() {
        let sys = tempfile::tempdir().unwrap();
        let timer_16 = timer(sys.path(), "16\n");
        assert_eq!(shorten_timer(timer_16, port(), true), None);
        let now = discover::latency_timer_in(sys.path(), port()).unwrap();
        assert_eq!(now.1, 1);
        assert_eq!(shorten_timer(now, port(), false), None);
    }

    #[test]
    fn one_that_may_not_is_advised_about() {
        let sys = tempfile::tempdir().unwrap();
        let (file, millis) = timer(sys.path(), "16\n");
        let words = shorten_timer((file.clone(), millis), port(), false).unwrap();
        assert!(
            words.contains("/dev/ttyUSB0 holds arriving bytes back for up to 16 ms")
                && words.contains("sudo tee"),
            "{words}"
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), "16\n");
        // No permission, also for root: nothing can be written there.
        fs::remove_file(&file).unwrap();
        let missing = file.join("latency_timer");
        assert_eq!(
            shorten_timer((missing, 16), port(), true).map(|words| words.contains("16 ms")),
            Some(true)
        );
    }

    #[test]
    fn a_port_without_a_timer_is_left_alone() {
        let sys = tempfile::tempdir().unwrap();
        assert_eq!(discover::latency_timer_in(sys.path(), port()), None);
        assert_eq!(shorten(Path::new("/dev/null"), true), None);
    }
}
