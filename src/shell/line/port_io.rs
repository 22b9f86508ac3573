//! The reads and writes of a serial port, with few wake-ups.
//!
//! Promises: nothing blocks; bytes are taken at once while they come now and then, and within two
//! or three milliseconds while they come all the time. A driver tells of each handful of bytes, ten
//! thousand times a second on a fast port, and each time the process is woken, which costs far
//! more than carrying the bytes. So, while bytes come more often than every other millisecond, the
//! port is not watched, but looked at as often. Nor is it watched for room, which
//! is told as often: a port that is full is tried again after a pause.
//!
//! Assumes a descriptor of a port in raw mode that does not block. Leaves its settings to others.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, Sleep, sleep};

/// A port's descriptor.
#[derive(Debug)]
pub(super) struct PortIo {
    port: Arc<OwnedFd>,
    /// Wakes the task when there is input. `None` while the port is looked at by the clock.
    watch: Option<AsyncFd<Arc<OwnedFd>>>,
    look: Pin<Box<Sleep>>,
    /// How dense input has been, 0 to [`DENSE`].
    density: u32,
    last_input: Instant,
    /// When a full port is tried again.
    retry: Pin<Box<Sleep>>,
    /// The last pause, while the port is full.
    pause: Option<Duration>,
}

impl PortIo {
    /// Takes an open port. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the port cannot be watched.
    pub(super) fn new(port: OwnedFd) -> io::Result<Self> {
        let port = Arc::new(port);
        Ok(Self {
            watch: Some(watch(&port)?),
            port,
            look: Box::pin(sleep(LOOK)),
            density: 0,
            last_input: Instant::now(),
            retry: Box::pin(sleep(LOOK)),
            pause: None,
        })
    }

    /// Reads what is there.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let read = match &self.watch {
                Some(watch) => {
                    let mut guard = ready!(watch.poll_read_ready(cx))?;
                    let read = rustix::io::read(&self.port, &mut *buffer);
                    // What comes after this makes it ready again.
                    if read.map_or(true, |length| length < buffer.len()) {
                        guard.clear_ready();
                    }
                    read
                }
                None => {
                    ready!(self.look.as_mut().poll(cx));
                    rustix::io::read(&self.port, &mut *buffer)
                }
            };
            match read {
                Ok(length) => {
                    self.on_input(length == buffer.len());
                    return Poll::Ready(Ok(length));
                }
                Err(Errno::AGAIN) => self.on_no_input()?,
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Writes as much as there is room for.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.pause.is_some() {
                ready!(self.retry.as_mut().poll(cx));
            }
            match rustix::io::write(&self.port, bytes) {
                Ok(length) => {
                    self.pause = None;
                    return Poll::Ready(Ok(length));
                }
                Err(Errno::AGAIN) => {
                    let pause = self.pause.map_or(FIRST_PAUSE, |last| last * 2);
                    let pause = pause.min(LONGEST_PAUSE);
                    self.pause = Some(pause);
                    self.retry.as_mut().reset(Instant::now() + pause);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn on_input(&mut self, more: bool) {
        let now = Instant::now();
        if self.watch.is_none() {
            self.density = (self.density + 1).min(DENSE);
            if !more {
                self.look.as_mut().reset(now + LOOK);
            }
            return;
        }
        self.density = match now - self.last_input < GAP {
            true => self.density + 1,
            false => self.density.saturating_sub(1),
        };
        self.last_input = now;
        if self.density >= DENSE {
            self.watch = None;
            self.look.as_mut().reset(now + LOOK);
        }
    }

    fn on_no_input(&mut self) -> io::Result<()> {
        if self.watch.is_some() {
            return Ok(());
        }
        self.density = self.density.saturating_sub(1);
        let now = Instant::now();
        if self.density == 0 {
            self.last_input = now;
            self.watch = Some(watch(&self.port)?);
        } else {
            self.look.as_mut().reset(now + LOOK);
        }
        Ok(())
    }
}

#[allow(
    deprecated,
    reason = "its successor is unsafe for the sake of types that change their descriptor; an OwnedFd does not"
)]
fn watch(port: &Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    AsyncFd::with_interest(Arc::clone(port), Interest::READABLE)
}

/// Input that comes more often is dense.
const GAP: Duration = Duration::from_millis(2);
/// The runtime's timer is no finer, and rounds up: a look every other millisecond.
const LOOK: Duration = Duration::from_millis(1);
/// So many times in a row, and the port is no longer watched; so many looks in vain, and it is.
const DENSE: u32 = 16;
/// How long a port that is full is left alone.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::super::pty;
    use super::*;
    use rustix::fs::{Mode, OFlags};
    use std::future::poll_fn;
    use tokio::time::timeout;

    fn port_of(master: &pty::Master) -> PortIo {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY;
        let port = rustix::fs::open(master.path(), flags, Mode::empty()).unwrap();
        PortIo::new(port).unwrap()
    }

    async fn read(port: &mut PortIo) -> Vec<u8> {
        let mut buffer = [0; 16];
        let read = poll_fn(|cx| port.poll_read(cx, &mut buffer));
        let length = timeout(Duration::from_secs(5), read).await.unwrap();
        buffer[..length.unwrap()].to_vec()
    }

    #[tokio::test]
    async fn no_byte_is_lost_between_watching_and_looking() {
        let master = pty::Master::open().unwrap();
        let mut port = port_of(&master);
        let (mut looked, mut watched) = (0, 0);
        for round in 0..4u8 {
            for number in 0..200u8 {
                master.write_all(&[round, number]).await;
                assert_eq!(read(&mut port).await, [round, number]);
                match port.watch {
                    Some(_) => watched += 1,
                    None => looked += 1,
                }
            }
            // Silence: it is watched again, and the next byte still comes.
            let silence = async { read(&mut port).await };
            assert!(timeout(Duration::from_millis(200), silence).await.is_err());
            assert!(port.watch.is_some());
        }
        // How often depends on the machine; that both happen does not.
        assert!(looked > 0 && watched > 0, "{looked} {watched}");
    }

    #[tokio::test]
    async fn more_than_a_buffer_is_read_at_one_look() {
        let master = pty::Master::open().unwrap();
        let mut port = port_of(&master);
        port.watch = None;
        port.density = DENSE;
        master.write_all(&[7; 160]).await;
        assert_eq!(read(&mut port).await, [7; 16]);
        for _ in 1..10 {
            let mut buffer = [0; 16];
            let now = poll_fn(|cx| Poll::Ready(port.poll_read(cx, &mut buffer))).await;
            assert!(matches!(now, Poll::Ready(Ok(16))), "{now:?}");
        }
    }

    #[tokio::test]
    async fn a_full_port_is_tried_again_until_there_is_room() {
        let master = pty::Master::open().unwrap();
        let mut port = port_of(&master);
        let mut sent = 0;
        let all = [9; 512];
        loop {
            let write = poll_fn(|cx| port.poll_write(cx, &all));
            match timeout(Duration::from_millis(100), write).await {
                Ok(length) => sent += length.unwrap(),
                Err(_full) => break,
            }
        }
        assert!(port.pause.is_some());
        master.read_exactly(sent).await;
        let write = poll_fn(|cx| port.poll_write(cx, &all));
        let length = timeout(Duration::from_secs(5), write).await.unwrap();
        assert_eq!(length.unwrap(), all.len());
    }

    #[tokio::test]
    async fn a_port_that_is_gone_is_an_error_either_way() {
        for looks in [false, true] {
            let master = pty::Master::open().unwrap();
            let mut port = port_of(&master);
            if looks {
                port.watch = None;
            }
            drop(master);
            let mut buffer = [0; 16];
            let read = poll_fn(|cx| port.poll_read(cx, &mut buffer));
            let read = timeout(Duration::from_secs(5), read).await.unwrap();
            assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        }
    }
}
