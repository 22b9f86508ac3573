//! Reads the UDP datagrams of a packet capture (classic pcap).
//!
//! The file's own two headers are read here; Ethernet, IP, its fragments and UDP are left to
//! `etherparse`. Promises: no damaged file makes it panic or take more memory than a small multiple of the
//! file; what is no UDP, or not whole, is left out and counted.

use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use etherparse::defrag::IpDefragPool;
use etherparse::{NetSlice, SlicedPacket, TransportSlice, UdpSlice, ip_number};
use thiserror::Error;

/// The UDP datagrams of a capture.
#[derive(Debug)]
pub(crate) struct Capture {
    /// In the order of the capture.
    pub(crate) datagrams: Vec<Datagram>,
    /// Packets that are no UDP over IP, or not whole.
    pub(crate) left_out: usize,
    /// The file ends in the middle of a packet.
    pub(crate) is_cut_short: bool,
}

/// One datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    /// Since the first datagram; never less than the one before.
    pub(crate) at: Duration,
    /// Who sent it.
    pub(crate) from: SocketAddr,
    /// To whom.
    pub(crate) to: SocketAddr,
    /// What it carries.
    pub(crate) payload: Bytes,
}

/// Why a capture cannot be used.
#[derive(Debug, Error)]
pub(crate) enum CaptureError {
    /// The file cannot be read.
    #[error("cannot read it: {0}")]
    Unreadable(#[from] io::Error),
    /// The file is not what it should be.
    #[error("it is larger than {most} bytes")]
    TooLarge {
        /// The limit, bytes.
        most: u64,
    },
    /// Another format.
    #[error("it is a pcapng file; save it as classic pcap (`tcpdump -r FILE -w NEW`)")]
    Pcapng,
    /// Another format.
    #[error("it is no pcap file")]
    NoPcap,
    /// Packets of a network that is not understood.
    #[error(
        "it was captured on a network of type {0}; only Ethernet, Linux cooked and plain IP are read"
    )]
    UnknownNetwork(u32),
    /// A packet that cannot be.
    #[error("it is damaged: packet {packet} claims {bytes} bytes")]
    Damaged {
        /// Which packet, from one.
        packet: usize,
        /// What it claims.
        bytes: u32,
    },
    /// Nothing to play.
    #[error("there is no whole UDP datagram in it")]
    NoDatagrams,
}

impl Capture {
    /// Reads a capture file.
    ///
    /// # Errors
    /// When it is no capture, damaged, or without UDP datagrams.
    pub(crate) fn load(path: &Path) -> Result<Self, CaptureError> {
        let mut bytes = Vec::new();
        File::open(path)?
            .take(MOST_BYTES + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(CaptureError::TooLarge { most: MOST_BYTES });
        }
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Self, CaptureError> {
        let (header, mut rest) = FileHeader::parse(bytes)?;
        let mut reader = Reader::default();
        let mut is_cut_short = false;
        let mut number = 0;
        while !rest.is_empty() {
            number += 1;
            let Some(fields) = rest.first_chunk::<PACKET_HEADER>() else {
                is_cut_short = true;
                break;
            };
            let field = |i| header.u32(fields, i);
            let (seconds, fraction, stored, original) = (field(0), field(4), field(8), field(12));
            if stored > MOST_PACKET {
                return Err(CaptureError::Damaged {
                    packet: number,
                    bytes: stored,
                });
            }
            let end = PACKET_HEADER + stored as usize;
            let Some(packet) = rest.get(PACKET_HEADER..end) else {
                is_cut_short = true;
                break;
            };
            rest = &rest[end..];
            let at = Duration::from_secs(seconds.into()) + header.fraction(fraction);
            if stored < original {
                reader.left_out += 1;
            } else {
                reader.packet(at, header.slice(packet));
            }
        }
        if reader.datagrams.is_empty() {
            return Err(CaptureError::NoDatagrams);
        }
        Ok(Self {
            datagrams: reader.datagrams,
            left_out: reader.left_out,
            is_cut_short,
        })
    }
}

/// What the head of the file says of the rest.
#[derive(Debug)]
struct FileHeader {
    big_endian: bool,
    nanoseconds: bool,
    network: Network,
}

#[derive(Clone, Copy, Debug)]
enum Network {
    Ethernet,
    LinuxCooked,
    Ip,
}

impl FileHeader {
    fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), CaptureError> {
        let magic = bytes.first_chunk::<4>().ok_or(CaptureError::NoPcap)?;
        let (big_endian, nanoseconds) = match *magic {
            [0xa1, 0xb2, 0xc3, 0xd4] => (true, false),
            [0xd4, 0xc3, 0xb2, 0xa1] => (false, false),
            [0xa1, 0xb2, 0x3c, 0x4d] => (true, true),
            [0x4d, 0x3c, 0xb2, 0xa1] => (false, true),
            [0x0a, 0x0d, 0x0d, 0x0a] => return Err(CaptureError::Pcapng),
            _ => return Err(CaptureError::NoPcap),
        };
        let fields = bytes.first_chunk::<FILE_HEADER>();
        let fields = fields.ok_or(CaptureError::NoPcap)?;
        let mut header = Self {
            big_endian,
            nanoseconds,
            network: Network::Ethernet,
        };
        // The upper half carries other things.
        let network = header.u32(fields, 20) & 0xffff;
        header.network = match network {
            1 => Network::Ethernet,
            113 => Network::LinuxCooked,
            101 | 228 | 229 => Network::Ip,
            other => return Err(CaptureError::UnknownNetwork(other)),
        };
        Ok((header, &bytes[FILE_HEADER..]))
    }

    fn u32(&self, fields: &[u8], at: usize) -> u32 {
        let bytes = [fields[at], fields[at + 1], fields[at + 2], fields[at + 3]];
        if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }

    fn fraction(&self, fraction: u32) -> Duration {
        if self.nanoseconds {
            Duration::from_nanos(fraction.into())
        } else {
            Duration::from_micros(fraction.into())
        }
    }

    fn slice<'a>(&self, packet: &'a [u8]) -> Option<SlicedPacket<'a>> {
        match self.network {
            Network::Ethernet => SlicedPacket::from_ethernet(packet).ok(),
            Network::LinuxCooked => SlicedPacket::from_linux_sll(packet).ok(),
            Network::Ip => SlicedPacket::from_ip(packet).ok(),
        }
    }
}

/// Puts datagrams together from packets.
#[derive(Default)]
struct Reader {
    fragments: IpDefragPool,
    datagrams: Vec<Datagram>,
    left_out: usize,
    /// When the first datagram came, and the last, by the clock of the capture.
    times: Option<(Duration, Duration)>,
}

impl Reader {
    fn packet(&mut self, at: Duration, packet: Option<SlicedPacket<'_>>) {
        let Some(packet) = packet else {
            self.left_out += 1;
            return;
        };
        let Some((from, to)) = addresses(&packet) else {
            self.left_out += 1;
            return;
        };
        if packet.is_ip_payload_fragmented() {
            match self.fragments.process_sliced_packet(&packet, (), ()) {
                Ok(Some(whole)) if whole.ip_number == ip_number::UDP => {
                    self.datagram(at, from, to, UdpSlice::from_slice(&whole.payload).ok());
                }
                Ok(None) => {}
                Ok(Some(_)) | Err(_) => self.left_out += 1,
            }
        } else if let Some(TransportSlice::Udp(udp)) = packet.transport {
            self.datagram(at, from, to, Some(udp));
        } else {
            self.left_out += 1;
        }
    }

    fn datagram(&mut self, at: Duration, from: IpAddr, to: IpAddr, udp: Option<UdpSlice<'_>>) {
        let Some(udp) = udp else {
            self.left_out += 1;
            return;
        };
        let (first, last) = self.times.unwrap_or((at, at));
        let at = at.max(last);
        self.times = Some((first, at));
        self.datagrams.push(Datagram {
            at: at - first,
            from: SocketAddr::new(from, udp.source_port()),
            to: SocketAddr::new(to, udp.destination_port()),
            payload: Bytes::copy_from_slice(udp.payload()),
        });
    }
}

fn addresses(packet: &SlicedPacket<'_>) -> Option<(IpAddr, IpAddr)> {
    match packet.net.as_ref()? {
        NetSlice::Ipv4(ip) => {
            let header = ip.header();
            Some((
                header.source_addr().into(),
                header.destination_addr().into(),
            ))
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header();
            Some((
                header.source_addr().into(),
                header.destination_addr().into(),
            ))
        }
        NetSlice::Arp(_) => None,
    }
}

/// Length of the head of a file, bytes.
const FILE_HEADER: usize = 24;
/// Length of the head of a packet, bytes.
const PACKET_HEADER: usize = 16;
/// The largest packet that a capture program writes, bytes.
const MOST_PACKET: u32 = 256 << 10;
/// The largest file that is read, bytes: hours of call over any line of copperlink.
const MOST_BYTES: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    /// A capture of one datagram of ten bytes, in one of the four dialects.
    fn file(big_endian: bool, nanoseconds: bool) -> Vec<u8> {
        let number = |n: u32| match big_endian {
            true => n.to_be_bytes(),
            false => n.to_le_bytes(),
        };
        let magic = match nanoseconds {
            true => 0xa1b2_3c4d,
            false => 0xa1b2_c3d4,
        };
        let mut file = Vec::new();
        for n in [magic, 0, 0, 0, 65_535, 1] {
            file.extend(number(n));
        }
        let mut packet = Vec::new();
        PacketBuilder::ethernet2([0; 6], [1; 6])
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .udp(5004, 6004)
            .write(&mut packet, b"0123456789")
            .unwrap();
        for n in [7, 500, packet.len() as u32, packet.len() as u32] {
            file.extend(number(n));
        }
        file.extend(&packet);
        file
    }

    #[test]
    fn all_four_dialects_are_read() {
        for big_endian in [false, true] {
            for nanoseconds in [false, true] {
                let capture = Capture::parse(&file(big_endian, nanoseconds)).unwrap();
                assert_eq!(capture.datagrams.len(), 1);
                let datagram = &capture.datagrams[0];
                assert_eq!(datagram.from.to_string(), "10.0.0.1:5004");
                assert_eq!(datagram.to.to_string(), "10.0.0.2:6004");
                assert_eq!(datagram.payload, &b"0123456789"[..]);
                assert!(!capture.is_cut_short);
            }
        }
    }

    #[test]
    fn a_file_that_ends_early_or_lies_is_explained() {
        let good = file(false, false);
        for length in 0..good.len() {
            // Too short for a whole packet, wherever it ends.
            assert!(Capture::parse(&good[..length]).is_err(), "{length}");
        }
        let mut longer = good.clone();
        longer.extend(&good[24..60]);
        assert!(Capture::parse(&longer).unwrap().is_cut_short);
        let mut lying = good.clone();
        lying[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
        let error = Capture::parse(&lying).unwrap_err().to_string();
        assert_eq!(error, "it is damaged: packet 1 claims 4294967295 bytes");
        let mut cell = good;
        cell[20] = 9;
        let error = Capture::parse(&cell).unwrap_err().to_string();
        assert!(error.contains("network of type 9"), "{error}");
    }

    #[test]
    fn any_damaged_byte_is_survived() {
        let good = file(true, false);
        for i in 0..good.len() {
            for flip in [1, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[i] ^= flip;
                // Whatever comes of it: no panic.
                drop(Capture::parse(&bad));
            }
        }
    }
}
