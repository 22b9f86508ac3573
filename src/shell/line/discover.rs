//! The serial ports of this host.
//!
//! Promises every port that the kernel names and that has hardware behind it, with what a
//! technician needs to choose one: which adapter, its stable names, whether it can be opened and
//! who holds it. Nothing is opened for that. Assumes the file system of Linux (`/sys`,
//! `/dev/serial`, `/proc`); elsewhere the paths and the kind of adapter are all there is.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio_serial::{SerialPortInfo, SerialPortType};

use super::holder::{Holder, may_open, owning_group};
use super::problem::permission_hint;

/// A serial port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortInfo {
    /// What to write into the settings.
    pub path: PathBuf,
    /// Links to it that stay the same when adapters are plugged in another order.
    pub stable: Vec<PathBuf>,
    /// What it is.
    pub kind: Kind,
    /// The kernel's driver.
    pub driver: Option<String>,
    /// Whether this user may open it.
    pub access: Access,
    /// Who has it open. Others' processes are seen by root only.
    pub busy: Option<Holder>,
    /// How long the adapter may hold arriving bytes back, ms. `None` for those that do not.
    pub latency_timer_ms: Option<u32>,
}

/// What a serial port is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A USB adapter.
    Usb {
        /// USB vendor number.
        vendor_id: u16,
        /// USB product number.
        product_id: u16,
        /// The maker, as the adapter says.
        manufacturer: Option<String>,
        /// The product, as the adapter says.
        product: Option<String>,
        /// Its serial number, as the adapter says.
        serial: Option<String>,
    },
    /// A port of the host itself.
    Uart,
    /// A Bluetooth connection.
    Bluetooth,
    /// Something else that behaves like a serial port.
    Other,
}

/// Whether a port may be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// By this user.
    Yes,
    /// Not by this user.
    No {
        /// The group that may.
        group: Option<String>,
        /// What to try.
        hint: String,
    },
}

/// All serial ports, in the order of their names.
pub fn ports() -> Vec<PortInfo> {
    let known = available_ports();
    let kinds = known
        .iter()
        .map(|info| (PathBuf::from(&info.port_name), kind_of(&info.port_type)));
    scan(Path::new(SYS_TTY), Path::new("/dev"), kinds.collect())
}

/// What the character device `rdev` is, when it is surely no line.
#[cfg(target_os = "linux")]
pub(super) fn not_a_line(rdev: u64) -> Option<&'static str> {
    let (major, minor) = (rustix::fs::major(rdev), rustix::fs::minor(rdev));
    match (major, minor) {
        (4, 0..=63) => return Some("a console on the screen"),
        (5, 0) => return Some("the terminal of the program itself"),
        (5, 1) => return Some("the console"),
        (5, 2) => return Some("the maker of pseudo terminals"),
        _ => {}
    }
    // A pseudo terminal has no entry there.
    let subsystem = fs::canonicalize(format!("/sys/dev/char/{major}:{minor}/subsystem")).ok()?;
    (!subsystem.ends_with("tty")).then_some("a device of another kind")
}

#[cfg(not(target_os = "linux"))]
pub(super) fn not_a_line(_rdev: u64) -> Option<&'static str> {
    None
}

/// Whether an open port is a pseudo terminal, which has no hardware and tells nothing of it.
#[cfg(target_os = "linux")]
pub(super) fn is_pseudo_terminal(port: impl AsFd) -> bool {
    // Of Unix 98: majors 136 to 143, each with 256 ports.
    rustix::fs::fstat(port).is_ok_and(|stat| (136..=143).contains(&rustix::fs::major(stat.st_rdev)))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_pseudo_terminal(_port: impl AsFd) -> bool {
    false
}

/// The adapter's latency timer behind the port at `path`, and its value in ms.
pub(super) fn latency_timer_of(path: &Path) -> Option<(PathBuf, u32)> {
    latency_timer_in(Path::new(SYS_TTY), &path.canonicalize().ok()?)
}

/// The same, where `sys` lists the ports.
pub(super) fn latency_timer_in(sys: &Path, path: &Path) -> Option<(PathBuf, u32)> {
    let timer = sys.join(path.file_name()?).join("device/latency_timer");
    let millis = fs::read_to_string(&timer).ok()?.trim().parse().ok()?;
    Some((timer, millis))
}

/// The stable links to the port at `path`, those by name first.
pub(super) fn stable_links(path: &Path) -> Vec<PathBuf> {
    stable_links_in(Path::new("/dev"), path)
}

fn available_ports() -> Vec<SerialPortInfo> {
    // The library takes it for granted that a Linux has this directory.
    if cfg!(target_os = "linux") && !Path::new(SYS_TTY).is_dir() {
        return Vec::new();
    }
    tokio_serial::available_ports().unwrap_or_else(|error| {
        tracing::warn!("the serial ports cannot be listed: {error}");
        Vec::new()
    })
}

fn kind_of(port_type: &SerialPortType) -> Kind {
    match port_type {
        SerialPortType::UsbPort(usb) => Kind::Usb {
            vendor_id: usb.vid,
            product_id: usb.pid,
            manufacturer: usb.manufacturer.clone(),
            product: usb.product.clone(),
            serial: usb.serial_number.clone(),
        },
        SerialPortType::PciPort => Kind::Uart,
        SerialPortType::BluetoothPort => Kind::Bluetooth,
        SerialPortType::Unknown => Kind::Other,
    }
}

/// The ports that the library knows, and those of `sys` that it does not.
pub(super) fn scan(sys: &Path, dev: &Path, mut kinds: BTreeMap<PathBuf, Kind>) -> Vec<PortInfo> {
    for entry in fs::read_dir(sys).into_iter().flatten().flatten() {
        let path = dev.join(entry.file_name());
        // Without a device it is a console or the like.
        if entry.path().join("device").exists() && path.exists() {
            kinds.entry(path).or_insert(Kind::Other);
        }
    }
    kinds
        .into_iter()
        .filter_map(|(path, kind)| port_info(sys, dev, path, kind))
        .collect()
}

fn port_info(sys: &Path, dev: &Path, path: PathBuf, kind: Kind) -> Option<PortInfo> {
    let entry = sys.join(path.file_name()?);
    let read = |name: &str| Some(fs::read_to_string(entry.join(name)).ok()?.trim().to_owned());
    let uart_type = read("type");
    // The kernel keeps a few names for ports that the host does not have.
    if uart_type.as_deref() == Some("0") {
        return None;
    }
    let is_uart = kind == Kind::Other && uart_type.is_some();
    Some(PortInfo {
        stable: stable_links_in(dev, &path),
        kind: if is_uart { Kind::Uart } else { kind },
        driver: driver_of(&entry.join("device")),
        access: access_to(&path),
        busy: Holder::of(&path),
        latency_timer_ms: read("device/latency_timer").and_then(|ms| ms.parse().ok()),
        path,
    })
}

fn access_to(path: &Path) -> Access {
    if may_open(path) {
        return Access::Yes;
    }
    let group = owning_group(path);
    Access::No {
        hint: permission_hint(group.as_deref()),
        group,
    }
}

/// The driver of the nearest device at or above `device` that is more than a part of the serial
/// core.
fn driver_of(device: &Path) -> Option<String> {
    let device = device.canonicalize().ok()?;
    device.ancestors().take(4).find_map(|device| {
        let driver = device.join("driver").canonicalize().ok()?;
        let core = driver
            .components()
            .any(|part| part.as_os_str() == "serial-base");
        let name = driver.file_name()?.to_str()?;
        (!core).then(|| name.to_owned())
    })
}

fn stable_links_in(dev: &Path, path: &Path) -> Vec<PathBuf> {
    let Ok(target) = path.canonicalize() else {
        return Vec::new();
    };
    let mut links = Vec::new();
    for kind in ["by-id", "by-path"] {
        // No such directory: no adapter is plugged in.
        let entries = fs::read_dir(dev.join("serial").join(kind)).into_iter();
        let start = links.len();
        links.extend(
            entries
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .filter(|link| link.canonicalize().is_ok_and(|to| to == target)),
        );
        links[start..].sort();
    }
    links
}

/// Where the kernel lists its terminals.
pub(super) const SYS_TTY: &str = "/sys/class/tty";

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A host with one USB adapter, one real UART, one UART that is only a name, and a console.
    fn host(root: &Path) -> (PathBuf, PathBuf) {
        let (sys, dev) = (root.join("sys/class/tty"), root.join("dev"));
        let make = |dir: PathBuf| fs::create_dir_all(dir).unwrap();
        for name in ["ttyUSB0", "ttyS0", "ttyS1", "tty0"] {
            make(sys.join(name));
            make(dev.clone());
            fs::write(dev.join(name), "").unwrap();
        }
        for (name, device, driver) in [
            ("ttyUSB0", "usb1/1-1/ttyUSB0", "usb-serial/drivers/ftdi_sio"),
            ("ttyS0", "pnp0/00:00/00:00:0.0", "serial-base/drivers/port"),
            ("ttyS1", "platform/8250", "platform/drivers/serial8250"),
        ] {
            let device = root.join("sys/devices").join(device);
            let driver = root.join("sys/bus").join(driver);
            make(device.clone());
            make(driver.clone());
            symlink(driver, device.join("driver")).unwrap();
            symlink(device, sys.join(name).join("device")).unwrap();
        }
        make(root.join("sys/bus/pnp/drivers/serial"));
        let above = root.join("sys/devices/pnp0/00:00/driver");
        symlink(root.join("sys/bus/pnp/drivers/serial"), above).unwrap();
        fs::write(sys.join("ttyS0/type"), "4\n").unwrap();
        fs::write(sys.join("ttyS1/type"), "0\n").unwrap();
        fs::write(sys.join("ttyUSB0/device/latency_timer"), "16\n").unwrap();
        for (kind, name) in [("by-id", "usb-FTDI_A1"), ("by-path", "pci-0-usb-1")] {
            make(dev.join("serial").join(kind));
            symlink("../../ttyUSB0", dev.join("serial").join(kind).join(name)).unwrap();
        }
        (sys, dev)
    }

    #[test]
    fn ports_with_hardware_are_found() {
        let root = tempfile::tempdir().unwrap();
        let (sys, dev) = host(root.path());
        let ports = scan(&sys, &dev, BTreeMap::new());
        let [uart, usb] = &ports[..] else {
            panic!("{ports:?}");
        };
        assert_eq!(uart.path, dev.join("ttyS0"));
        assert_eq!(uart.kind, Kind::Uart);
        assert_eq!(uart.driver.as_deref(), Some("serial"));
        assert_eq!(uart.latency_timer_ms, None);

        assert_eq!(usb.path, dev.join("ttyUSB0"));
        assert_eq!(usb.driver.as_deref(), Some("ftdi_sio"));
        assert_eq!(usb.latency_timer_ms, Some(16));
        assert_eq!(usb.access, Access::Yes);
        assert_eq!(usb.busy, None);
        let stable = dev.join("serial");
        assert_eq!(
            usb.stable,
            [
                stable.join("by-id/usb-FTDI_A1"),
                stable.join("by-path/pci-0-usb-1")
            ]
        );
    }

    #[test]
    fn listing_the_ports_of_this_host_does_not_fail() {
        for port in ports() {
            assert!(port.path.starts_with("/dev"), "{port:?}");
        }
    }
}
