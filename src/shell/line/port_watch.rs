//! Ports that come and go.
//!
//! Promises: each port that comes is told once it has its lasting names, and each that goes at the
//! next look, with the names that it had. One that was away for less than the time between two looks
//! is not missed. Assumes the file system of Linux, as [`discover`] does. A look
//! reads one directory; when to look is left to the caller.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::discover::{self, PortInfo};

/// A port came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortChange {
    /// It is there.
    Came(PortInfo),
    /// It is gone; this is how it was.
    Went(PortInfo),
}

/// Watches the ports of this host.
#[derive(Debug)]
pub struct PortWatch {
    sys: PathBuf,
    scan: fn(&Path) -> Vec<PortInfo>,
    names: BTreeSet<OsString>,
    /// Names that have changed at the last look: what belongs to them is still being made.
    is_settling: bool,
    known: Vec<PortInfo>,
}

impl PortWatch {
    /// Begins with the ports that are there.
    pub fn begin() -> Self {
        Self::of(Path::new(discover::SYS_TTY), |_sys| discover::ports())
    }

    fn of(sys: &Path, scan: fn(&Path) -> Vec<PortInfo>) -> Self {
        let names = names(sys);
        Self {
            known: scan(sys),
            sys: sys.to_path_buf(),
            scan,
            names,
            is_settling: false,
        }
    }

    /// The ports that are known to be there.
    pub fn ports(&self) -> &[PortInfo] {
        &self.known
    }

    /// Looks, and tells what has changed. To be called every half second or so.
    pub fn look(&mut self) -> Vec<PortChange> {
        let names = names(&self.sys);
        if names != self.names {
            self.names = names;
            self.is_settling = true;
            return self.take_gone();
        }
        if !std::mem::take(&mut self.is_settling) {
            return Vec::new();
        }
        let before = std::mem::replace(&mut self.known, (self.scan)(&self.sys));
        let is_new = |port: &&PortInfo| before.iter().all(|known| known.path != port.path);
        let came = self.known.iter().filter(is_new);
        came.cloned().map(PortChange::Came).collect()
    }

    fn take_gone(&mut self) -> Vec<PortChange> {
        let is_there = |port: &PortInfo| {
            let name = port.path.file_name();
            name.is_some_and(|name| self.names.contains(name))
        };
        let (stay, gone) = std::mem::take(&mut self.known)
            .into_iter()
            .partition(is_there);
        self.known = stay;
        gone.into_iter().map(PortChange::Went).collect()
    }
}

/// The names of the kernel's ports with a device behind them.
fn names(sys: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(sys).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().join("device").exists())
        .map(|entry| entry.file_name())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Reads a host of which everything is below one directory.
    fn scan(sys: &Path) -> Vec<PortInfo> {
        let dev = sys.with_file_name("dev");
        discover::scan(sys, &dev, std::collections::BTreeMap::new())
    }

    fn plug(sys: &Path, name: &str) {
        fs::create_dir_all(sys.join(name).join("device")).unwrap();
    }

    fn udev(sys: &Path, name: &str) {
        let dev = sys.with_file_name("dev");
        let links = dev.join("serial/by-id");
        fs::create_dir_all(&links).unwrap();
        fs::write(dev.join(name), "").unwrap();
        symlink(dev.join(name), links.join(format!("usb-{name}"))).unwrap();
    }

    fn unplug(sys: &Path, name: &str) {
        fs::remove_dir_all(sys.join(name)).unwrap();
        fs::remove_file(sys.with_file_name("dev").join(name)).unwrap();
    }

    #[test]
    fn a_port_comes_with_its_lasting_name_and_goes_with_it() {
        let root = tempfile::tempdir().unwrap();
        let sys = root.path().join("sys");
        plug(&sys, "ttyS0");
        udev(&sys, "ttyS0");
        let mut watch = PortWatch::of(&sys, scan);
        assert_eq!(watch.ports().len(), 1);
        assert_eq!(watch.look(), vec![]);

        plug(&sys, "ttyUSB0");
        // Its names are made a moment later.
        assert_eq!(watch.look(), vec![]);
        udev(&sys, "ttyUSB0");
        let changes = watch.look();
        let [PortChange::Came(came)] = &changes[..] else {
            panic!("{changes:?}");
        };
        assert!(came.path.ends_with("dev/ttyUSB0"));
        assert!(came.stable[0].ends_with("serial/by-id/usb-ttyUSB0"));
        assert_eq!(watch.look(), vec![]);
        assert_eq!(watch.ports().len(), 2);

        unplug(&sys, "ttyUSB0");
        assert_eq!(watch.look(), vec![PortChange::Went(came.clone())]);
        assert_eq!(watch.look(), vec![]);
        assert_eq!(watch.ports().len(), 1);
    }

    #[test]
    fn a_host_without_ports_can_be_watched() {
        let root = tempfile::tempdir().unwrap();
        let mut watch = PortWatch::of(&root.path().join("sys"), scan);
        assert_eq!(watch.ports(), []);
        assert_eq!(watch.look(), []);
    }
}
