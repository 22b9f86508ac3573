//! The UDP sockets of a link.
//!
//! Promises that no flood on one socket delays another one or the lines (a bounded number of
//! datagrams per turn and socket), that no error of a socket ends the link, and that each
//! datagram which could not be handed on is counted with its reason. Assumes that one task calls
//! it. Leaves queues and limits to the core: what waits, waits in the kernel's socket buffer.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::SendFlags;
use tokio::net::UdpSocket;

use super::{Deliver, PortSetup, name};
use crate::proto::config::{Port, PortKind};
use crate::proto::time::{Instant, earliest};
use crate::shell::error::OpenError;
use crate::shell::snapshot::PortStatus;

/// All sockets of a link, and one buffer to receive into.
#[derive(Debug)]
pub(in crate::shell) struct UdpPorts {
    ports: Vec<UdpPort>,
    buffer: Box<[u8]>,
}

impl UdpPorts {
    /// Binds every socket.
    ///
    /// # Errors
    /// The first that could not be bound, and why.
    pub(in crate::shell) fn bind(setups: &[PortSetup]) -> Result<Self, OpenError> {
        let ports = setups
            .iter()
            .map(UdpPort::bind)
            .collect::<Result<_, OpenError>>()?;
        Ok(Self {
            ports,
            buffer: vec![0; LARGEST_DATAGRAM].into_boxed_slice(),
        })
    }

    /// Waits until a datagram may be there.
    pub(in crate::shell) async fn readable(&self) {
        std::future::poll_fn(|cx| {
            // Every socket is polled, so that every one can wake this task.
            let ready = self.ports.iter().filter(|port| port.is_ready(cx)).count();
            if ready > 0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Hands a bounded number of waiting datagrams per socket to `take`. Says whether a socket
    /// used all of its turn, so that more may wait.
    pub(in crate::shell) fn receive(
        &mut self,
        now: Instant,
        mut take: impl FnMut(Port, &[u8]),
    ) -> bool {
        let mut more = false;
        for port in &mut self.ports {
            more |= port.receive(now, &mut self.buffer, &mut take);
        }
        more
    }

    /// Sends a datagram of the far end to the equipment, or counts why not.
    pub(in crate::shell) fn send(&mut self, port: Port, datagram: &[u8]) {
        if let Some(port) = self.ports.iter_mut().find(|own| own.setup.port == port) {
            port.send(datagram);
        } else {
            tracing::debug!("a datagram came for {}, which has no socket", name(port));
        }
    }

    /// When a socket that is left alone after an error is tried again.
    pub(in crate::shell) fn resume_at(&self) -> Option<Instant> {
        self.ports
            .iter()
            .fold(None, |first, port| earliest(first, port.paused_until))
    }

    /// Addresses and counters of each socket.
    pub(in crate::shell) fn status(&self) -> Vec<PortStatus> {
        let drops = KernelDrops::read();
        self.ports.iter().map(|port| port.status(&drops)).collect()
    }
}

#[derive(Debug)]
struct UdpPort {
    setup: PortSetup,
    socket: UdpSocket,
    /// The address really bound; differs from the setup's where that leaves the port open.
    listen: SocketAddr,
    last_sender: Option<SocketAddr>,
    /// After an error that may come again at once.
    paused_until: Option<Instant>,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    no_destination: u64,
    refused: u64,
    send_full: u64,
    send_failed: u64,
    receive_failed: u64,
}

impl UdpPort {
    fn bind(setup: &PortSetup) -> Result<Self, OpenError> {
        let fails = |source: io::Error| OpenError::bind(setup, source);
        if let Deliver::To(deliver) = setup.deliver
            && deliver.is_ipv4() != setup.listen.is_ipv4()
        {
            return Err(OpenError::FamiliesDiffer {
                port: name(setup.port),
                listen: setup.listen,
                deliver,
            });
        }
        let socket = std::net::UdpSocket::bind(setup.listen).map_err(fails)?;
        socket.set_nonblocking(true).map_err(fails)?;
        ask_for_answers(&socket, setup.listen).map_err(fails)?;
        let socket = UdpSocket::from_std(socket).map_err(fails)?;
        Ok(Self {
            setup: setup.clone(),
            listen: socket.local_addr().map_err(fails)?,
            socket,
            last_sender: None,
            paused_until: None,
            counters: Counters::default(),
        })
    }

    fn is_ready(&self, cx: &mut Context<'_>) -> bool {
        // A paused socket is asked again once the pause is over, by the driver's timer.
        self.paused_until.is_none() && self.socket.poll_recv_ready(cx).is_ready()
    }

    fn receive(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        take: &mut impl FnMut(Port, &[u8]),
    ) -> bool {
        if self.paused_until.is_some_and(|until| now < until) {
            return false;
        }
        self.paused_until = None;
        for _ in 0..DATAGRAMS_PER_TURN {
            match self.socket.try_recv_from(buffer) {
                Ok((length, sender)) => {
                    self.last_sender = Some(sender);
                    take(self.setup.port, &buffer[..length]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if self.is_answer(Errno::from_io_error(&error)) => {}
                Err(error) => {
                    self.counters.receive_failed += 1;
                    self.paused_until = Some(now + PAUSE_AFTER_ERROR);
                    tracing::debug!("{}: receiving failed: {error}", name(self.setup.port));
                    return false;
                }
            }
        }
        true
    }

    fn send(&mut self, datagram: &[u8]) {
        let destination = match self.setup.deliver {
            Deliver::To(address) => Some(address),
            Deliver::Auto => self.last_sender,
        };
        let Some(destination) = destination else {
            self.counters.no_destination += 1;
            return;
        };
        let mut result = self.send_to(datagram, destination);
        for _ in 0..ANSWERS_PER_DATAGRAM {
            match result {
                // It belongs to an earlier datagram; this one has not been sent yet.
                Err(error) if self.is_answer(Some(error)) => {
                    result = self.send_to(datagram, destination);
                }
                _ => break,
            }
        }
        match result {
            Ok(()) => {}
            Err(Errno::AGAIN) => self.counters.send_full += 1,
            Err(error) => {
                self.counters.send_failed += 1;
                tracing::debug!(
                    "{}: sending to {destination} failed: {error}",
                    name(self.setup.port)
                );
            }
        }
    }

    /// Whether `error` is what a host answered to a datagram sent earlier (ICMP), and not what
    /// this call did wrong. If so, it is counted, and the next such answer can come.
    fn is_answer(&mut self, error: Option<Errno>) -> bool {
        if error == Some(Errno::AGAIN) {
            return false;
        }
        let is_refusal = error == Some(Errno::CONNREFUSED);
        if !take_answer(&self.socket) && !is_refusal {
            return false;
        }
        if is_refusal {
            self.counters.refused += 1;
        } else {
            self.counters.send_failed += 1;
        }
        true
    }

    /// Asks the kernel itself: the runtime would refuse as long as it has not looked at the socket.
    fn send_to(&self, datagram: &[u8], destination: SocketAddr) -> Result<(), Errno> {
        rustix::net::sendto(&self.socket, datagram, SendFlags::empty(), &destination)?;
        Ok(())
    }

    fn status(&self, drops: &KernelDrops) -> PortStatus {
        PortStatus {
            channel: self.setup.port.channel,
            kind: match self.setup.port.kind {
                PortKind::Media => "media",
                PortKind::Rtcp => "rtcp",
            },
            listen: self.listen,
            deliver: self.setup.deliver.to_string(),
            last_sender: self.last_sender,
            no_destination: self.counters.no_destination,
            send_refused: self.counters.refused,
            send_full: self.counters.send_full,
            send_failed: self.counters.send_failed,
            receive_failed: self.counters.receive_failed,
            inbound_overflow: drops.of(&self.socket),
        }
    }
}

/// Asks for what hosts answer to our datagrams. Otherwise a socket that sends to more than one
/// address is told nothing.
#[cfg(target_os = "linux")]
fn ask_for_answers(socket: &std::net::UdpSocket, listen: SocketAddr) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};
    match listen {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &true)?,
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &true)?,
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn ask_for_answers(_socket: &std::net::UdpSocket, _listen: SocketAddr) -> io::Result<()> {
    Ok(())
}

/// Takes one answer out of the socket's queue of them, which shares its room with what the
/// equipment sends. Says whether there was one.
#[cfg(target_os = "linux")]
fn take_answer(socket: &UdpSocket) -> bool {
    use rustix::net::{RecvFlags, recv};
    // It holds the beginning of the datagram that was answered.
    let mut datagram = [0; 1];
    let flags = RecvFlags::ERRQUEUE | RecvFlags::DONTWAIT;
    recv(socket, &mut datagram, flags).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn take_answer(_socket: &UdpSocket) -> bool {
    false
}

/// What the kernel dropped because a socket's buffer was full, from `/proc/self/net/udp*`. Empty
/// where there is no such file.
struct KernelDrops {
    tables: String,
}

impl KernelDrops {
    fn read() -> Self {
        // A system without these tables has no such counter; zero is all there is to say.
        let table = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self {
            tables: table("/proc/self/net/udp") + &table("/proc/self/net/udp6"),
        }
    }

    fn of(&self, socket: &UdpSocket) -> u64 {
        rustix::fs::fstat(socket)
            .ok()
            .and_then(|stat| self.of_inode(&stat.st_ino.to_string()))
            .unwrap_or(0)
    }

    fn of_inode(&self, inode: &str) -> Option<u64> {
        const INODE: usize = 9;
        const DROPS: usize = 12;
        let row = self
            .tables
            .lines()
            .find(|row| row.split_whitespace().nth(INODE) == Some(inode))?;
        row.split_whitespace().nth(DROPS)?.parse().ok()
    }
}

/// Room for any UDP datagram, so that none is ever cut.
const LARGEST_DATAGRAM: usize = 65_536;
/// Then the other sockets and the lines have their turn.
const DATAGRAMS_PER_TURN: usize = 16;
/// Answers of hosts that are taken before a datagram is given up.
const ANSWERS_PER_DATAGRAM: usize = 16;
/// An error that stays must not become a busy loop.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::config::ChannelId;

    const PORT: Port = Port::media(ChannelId(1));
    const NOW: Instant = Instant::ZERO;

    fn setup(deliver: Deliver) -> PortSetup {
        PortSetup {
            port: PORT,
            listen: "127.0.0.1:0".parse().unwrap(),
            deliver,
        }
    }

    async fn equipment() -> UdpSocket {
        UdpSocket::bind("127.0.0.1:0").await.unwrap()
    }

    async fn receive_one(ports: &mut UdpPorts) -> Vec<u8> {
        let mut received = Vec::new();
        while received.is_empty() {
            ports.readable().await;
            ports.receive(NOW, |port, bytes| {
                assert_eq!(port, PORT);
                received.push(bytes.to_vec());
            });
        }
        assert_eq!(received.len(), 1);
        received.remove(0)
    }

    #[tokio::test]
    async fn datagrams_leave_from_the_socket_that_listens() {
        let equipment = equipment().await;
        let to = Deliver::To(equipment.local_addr().unwrap());
        let mut ports = UdpPorts::bind(&[setup(to)]).unwrap();
        ports.send(PORT, b"hello");
        let mut buffer = [0; 16];
        let (length, from) = equipment.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"hello");
        assert_eq!(from, ports.status()[0].listen);
    }

    #[tokio::test]
    async fn auto_delivers_to_whoever_sent_last() {
        let mut ports = UdpPorts::bind(&[setup(Deliver::Auto)]).unwrap();
        let listen = ports.status()[0].listen;
        ports.send(PORT, b"to nobody");
        assert_eq!(ports.status()[0].no_destination, 1);

        for _ in 0..2 {
            let equipment = equipment().await;
            equipment.send_to(b"here I am", listen).await.unwrap();
            assert_eq!(receive_one(&mut ports).await, b"here I am");
            ports.send(PORT, b"to you");
            let mut buffer = [0; 16];
            let length = equipment.recv(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..length], b"to you");
        }
        assert_eq!(ports.status()[0].no_destination, 1);
    }

    #[tokio::test]
    async fn empty_and_largest_datagrams_pass() {
        let equipment = equipment().await;
        let to = Deliver::To(equipment.local_addr().unwrap());
        let mut ports = UdpPorts::bind(&[setup(to)]).unwrap();
        let listen = ports.status()[0].listen;
        let large = vec![0xa5; 65_507];
        equipment.send_to(&large, listen).await.unwrap();
        assert_eq!(receive_one(&mut ports).await, large);
        equipment.send_to(b"", listen).await.unwrap();
        assert_eq!(receive_one(&mut ports).await, b"");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn equipment_that_was_switched_off_is_counted_and_heard_again() {
        let equipment = equipment().await;
        let address = equipment.local_addr().unwrap();
        let mut ports = UdpPorts::bind(&[setup(Deliver::To(address))]).unwrap();
        drop(equipment);
        // More answers than the socket's buffer has room for.
        for _ in 0..5000 {
            ports.send(PORT, &[0; 1000]);
        }
        assert!(
            ports.status()[0].send_refused >= 4000,
            "{:?}",
            ports.status()
        );
        assert_eq!(ports.status()[0].send_failed, 0);
        let equipment = UdpSocket::bind(address).await.unwrap();
        ports.send(PORT, b"good morning");
        let mut buffer = [0; 16];
        let length = equipment.recv(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"good morning");
        let listen = ports.status()[0].listen;
        equipment.send_to(b"to you too", listen).await.unwrap();
        assert_eq!(receive_one(&mut ports).await, b"to you too");
    }

    #[tokio::test]
    async fn a_flood_gets_a_bounded_share_of_a_turn() {
        let equipment = equipment().await;
        let mut ports = UdpPorts::bind(&[setup(Deliver::Auto)]).unwrap();
        let listen = ports.status()[0].listen;
        for _ in 0..DATAGRAMS_PER_TURN + 1 {
            equipment.send_to(b"flood", listen).await.unwrap();
        }
        ports.readable().await;
        let mut count = 0;
        assert!(ports.receive(NOW, |_, _| count += 1));
        assert_eq!(count, DATAGRAMS_PER_TURN);
        assert!(!ports.receive(NOW, |_, _| count += 1));
        assert_eq!(count, DATAGRAMS_PER_TURN + 1);
    }

    #[tokio::test]
    async fn what_the_kernel_drops_is_counted() {
        let equipment = equipment().await;
        let ports = UdpPorts::bind(&[setup(Deliver::Auto)]).unwrap();
        let listen = ports.status()[0].listen;
        assert_eq!(ports.status()[0].inbound_overflow, 0);
        for _ in 0..2000 {
            equipment.send_to(&[0; 1400], listen).await.unwrap();
        }
        assert!(cfg!(not(target_os = "linux")) || ports.status()[0].inbound_overflow > 0);
    }

    #[tokio::test]
    async fn an_address_in_use_or_not_here_is_said_in_words() {
        let equipment = equipment().await;
        let mut taken = setup(Deliver::Auto);
        taken.listen = equipment.local_addr().unwrap();
        let words = UdpPorts::bind(&[taken]).unwrap_err().to_string();
        assert!(words.contains("in use"), "{words}");
        assert!(words.contains("channel 1"), "{words}");

        let mut elsewhere = setup(Deliver::Auto);
        elsewhere.listen = "192.0.2.1:5004".parse().unwrap();
        let words = UdpPorts::bind(&[elsewhere]).unwrap_err().to_string();
        assert!(words.contains("not an address of this host"), "{words}");
    }

    #[tokio::test]
    async fn addresses_of_two_families_do_not_go_together() {
        let error = UdpPorts::bind(&[setup(Deliver::To("[::1]:5004".parse().unwrap()))]);
        assert!(matches!(error, Err(OpenError::FamiliesDiffer { .. })));
    }
}
