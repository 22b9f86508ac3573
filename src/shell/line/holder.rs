//! Who holds a device, and who may open it. Best effort: what the system does not tell is `None`.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::Access;
use serde::Serialize;

/// A process that has a device open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// Its process number.
    pub pid: u32,
    /// Its name.
    pub name: String,
}

impl Holder {
    /// The process that has locked the device at `path`, otherwise another process that has it open.
    pub(super) fn of(path: &Path) -> Option<Self> {
        locked_by(path).or_else(|| opened_by(path))
    }

    fn of_pid(pid: u32) -> Self {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Self {
            pid,
            name: name.trim().to_owned(),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({})", self.pid, self.name)
    }
}

/// Whether this process may read and write the device at `path`.
pub(super) fn may_open(path: &Path) -> bool {
    rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK).is_ok()
}

/// The group of the device at `path`, when its members may read and write it.
pub(super) fn owning_group(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    if metadata.mode() & 0o060 != 0o060 || metadata.gid() == 0 {
        return None;
    }
    let gid = metadata.gid().to_string();
    let groups = fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == gid).then(|| name.to_owned())
    })
}

/// `/proc/locks` names the process and the file of each lock: `1: FLOCK ADVISORY WRITE 812 00:06:93 0 EOF`.
#[cfg(target_os = "linux")]
fn locked_by(path: &Path) -> Option<Holder> {
    let metadata = fs::metadata(path).ok()?;
    let device = metadata.dev();
    let file = format!(
        "{:02x}:{:02x}:{}",
        rustix::fs::major(device),
        rustix::fs::minor(device),
        metadata.ino()
    );
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|lock| {
        let fields: Vec<&str> = lock.split_whitespace().collect();
        let of_device = fields.get(1) == Some(&"FLOCK") && fields.get(5) == Some(&file.as_str());
        let pid = fields.get(4)?.parse().ok()?;
        (of_device && pid != 0).then(|| Holder::of_pid(pid))
    })
}

#[cfg(not(target_os = "linux"))]
fn locked_by(_path: &Path) -> Option<Holder> {
    None
}

fn opened_by(path: &Path) -> Option<Holder> {
    let path = path.canonicalize().ok()?;
    let own = std::process::id();
    fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != own)
        .find(|pid| has_open(*pid, &path))
        .map(Holder::of_pid)
}

fn has_open(pid: u32, path: &Path) -> bool {
    // The files of other users' processes cannot be read, unless as root.
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    files
        .flatten()
        .any(|file| fs::read_link(file.path()).is_ok_and(|target| target == path))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use rustix::fs::{FlockOperation, flock};

    #[test]
    fn the_process_that_holds_the_lock_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(Holder::of(file.path()), None);
        flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
        let holder = Holder::of(file.path()).unwrap();
        assert_eq!(holder.pid, std::process::id());
        assert!(!holder.name.is_empty());
    }

    #[test]
    fn a_process_that_has_the_file_open_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .stdin(file.reopen().unwrap())
            .spawn()
            .unwrap();
        let holder = Holder::of(file.path());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(holder.unwrap().pid, child.id());
    }

    #[test]
    fn the_group_of_a_device_is_named_when_it_helps() {
        // Anyone may open it, and its group is root's.
        assert!(may_open(Path::new("/dev/null")));
        assert_eq!(owning_group(Path::new("/dev/null")), None);
    }
}
