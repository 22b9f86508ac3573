//! Pseudo terminals: a serial port without hardware, for the simulator and for tests.
//!
//! The master is this program's side; its path is what the other program opens as a serial port.
//! Promises raw bytes both ways. A pseudo terminal has no line rate, no modem signals and reports
//! no queue: whoever plays a line on it keeps the time. Assumes nothing; leaves the line's faults
//! to others.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The near side of a pseudo terminal.
#[derive(Debug)]
pub struct Master {
    master: AsyncFd<OwnedFd>,
    path: PathBuf,
    /// Holds the other side open, so that its settings stay and nothing is said of a hang-up
    /// between one user and the next.
    _slave: OwnedFd,
}

impl Master {
    /// Makes a pseudo terminal in raw mode. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system has none left.
    pub fn open() -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        rustix::io::fcntl_setfd(&master, rustix::io::FdFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&master, true)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let path = ptsname(&master, Vec::new())?
            .into_string()
            .map_err(|_not_text| io::Error::from(io::ErrorKind::InvalidData))?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(&path, flags, Mode::empty())?;
        let mut termios = tcgetattr(&slave)?;
        termios.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &termios)?;
        Ok(Self {
            master: asynchronous(master)?,
            path: path.into(),
            _slave: slave,
        })
    }

    /// What the other side opens as a serial port.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until [`Master::try_read`] may give bytes.
    ///
    /// # Errors
    /// When the runtime is being shut down.
    pub async fn readable(&self) -> io::Result<()> {
        self.master.readable().await?.retain_ready();
        Ok(())
    }

    /// Waits until [`Master::try_write`] may take bytes.
    ///
    /// # Errors
    /// When the runtime is being shut down.
    pub async fn writable(&self) -> io::Result<()> {
        self.master.writable().await?.retain_ready();
        Ok(())
    }

    /// Takes bytes that the other side sent.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when there are none, as far as the runtime knows: wait for
    /// [`Master::readable`] first.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.master.try_io(Interest::READABLE, |fd| {
            Ok(rustix::io::read(fd, &mut *buffer)?)
        })
    }

    /// Gives bytes to the other side; says how many were taken.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when it reads too slowly or not at all, as far as the runtime
    /// knows: wait for [`Master::writable`] first.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.master
            .try_io(Interest::WRITABLE, |fd| Ok(rustix::io::write(fd, bytes)?))
    }
}

impl AsFd for Master {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.master.get_ref().as_fd()
    }
}

#[allow(
    deprecated,
    reason = "its successor is unsafe for the sake of types that change their descriptor; an OwnedFd does not"
)]
fn asynchronous(master: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(master)
}

/// Makes a pseudo terminal and names the path that the other side opens.
///
/// # Errors
/// When the system has none left.
pub fn pair() -> io::Result<(Master, PathBuf)> {
    let master = Master::open()?;
    let path = master.path.clone();
    Ok((master, path))
}

/// The speed that the other side has set on its port, bit/s.
///
/// # Errors
/// When the system does not tell.
pub fn slave_baud(master: &Master) -> io::Result<u32> {
    Ok(tcgetattr(master)?.output_speed())
}

#[cfg(test)]
impl Master {
    /// Reads until there are `length` bytes.
    pub(in crate::shell) async fn read_exactly(&self, length: usize) -> Vec<u8> {
        let mut received = Vec::new();
        while received.len() < length {
            self.readable().await.unwrap();
            let mut buffer = vec![0; length - received.len()];
            match self.try_read(&mut buffer) {
                Ok(length) => received.extend_from_slice(&buffer[..length]),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        received
    }

    /// Writes all of `bytes`.
    pub(in crate::shell) async fn write_all(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            self.writable().await.unwrap();
            match self.try_write(bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_side_that_does_not_read_is_not_waited_for() {
        let (master, _path) = pair().unwrap();
        master.writable().await.unwrap();
        let mut taken = 0;
        let error = loop {
            match master.try_write(&[0x55; 1024]) {
                Ok(length) => taken += length,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!((1..100_000).contains(&taken), "{taken}");
        assert_eq!(
            master.try_read(&mut [0; 16]).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
    }

    #[tokio::test]
    async fn the_path_goes_with_the_master() {
        let (master, path) = pair().unwrap();
        assert!(path.exists());
        drop(master);
        assert!(!path.exists());
    }
}
