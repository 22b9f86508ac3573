//! Conference equipment: UDP sockets that note what arrives, and when.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Equipment with a port for media and the next one for RTCP, and the two ports at which the link
/// is to listen for it.
pub(crate) struct Desk {
    media: Socket,
    rtcp: Socket,
    link_port: u16,
}

/// A datagram, and when it was sent or arrived.
#[derive(Clone)]
pub(crate) struct Noted {
    pub(crate) at: Instant,
    pub(crate) bytes: Vec<u8>,
}

/// Which socket of a desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Media,
    Rtcp,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let (media, rtcp) = two_sockets();
        let (link, _) = two_sockets();
        Self {
            media: Socket::new(media),
            rtcp: Socket::new(rtcp),
            link_port: link.local_addr().unwrap().port(),
        }
    }

    /// Where the link delivers to.
    pub(crate) fn port(&self) -> u16 {
        self.media.socket.local_addr().unwrap().port()
    }

    /// Where the link listens.
    pub(crate) fn link_port(&self) -> u16 {
        self.link_port
    }

    pub(crate) fn send(&self, kind: Kind, bytes: &[u8]) {
        let port = self.link_port + u16::from(kind == Kind::Rtcp);
        let socket = &self.socket(kind).socket;
        socket.send_to(bytes, ("127.0.0.1", port)).unwrap();
    }

    /// What has arrived so far.
    pub(crate) fn arrived(&self, kind: Kind) -> Vec<Noted> {
        self.socket(kind).arrived.lock().unwrap().clone()
    }

    /// How many datagrams have arrived so far.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.socket(kind).arrived.lock().unwrap().len()
    }

    fn socket(&self, kind: Kind) -> &Socket {
        match kind {
            Kind::Media => &self.media,
            Kind::Rtcp => &self.rtcp,
        }
    }
}

/// A socket and the thread that notes what comes in.
struct Socket {
    socket: UdpSocket,
    arrived: Arc<Mutex<Vec<Noted>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Socket {
    fn new(socket: UdpSocket) -> Self {
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let incoming = socket.try_clone().unwrap();
        incoming.set_read_timeout(Some(LOOK_UP)).unwrap();
        let (notes, is_over) = (Arc::clone(&arrived), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while !is_over.load(Ordering::Relaxed) {
                // Otherwise only a time to look up.
                if let Ok(length) = incoming.recv(&mut buffer) {
                    let noted = Noted {
                        at: Instant::now(),
                        bytes: buffer[..length].to_vec(),
                    };
                    notes.lock().unwrap().push(noted);
                }
            }
        });
        Self {
            socket,
            arrived,
            over,
            thread: Some(thread),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Two free ports, one above the other, that no other test of this program was given.
fn two_sockets() -> (UdpSocket, UdpSocket) {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let first = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let Ok(second) = UdpSocket::bind(("127.0.0.1", port.wrapping_add(1))) else {
            continue;
        };
        let mut given = GIVEN.lock().unwrap();
        if !given.contains(&port) && !given.contains(&(port + 1)) {
            given.extend([port, port + 1]);
            return (first, second);
        }
    }
}

/// Ends the thread soon after its desk is gone.
const LOOK_UP: Duration = Duration::from_millis(100);
