//! Captures of a line in files that Wireshark opens.
//!
//! pcapng with one interface of link type USER0. A packet is one of
//!
//! ```text
//! 0  info   where the line stood, its counters: JSON. The first packet, and the last
//! 1  chunk  bytes as they went to the device or came from it
//! 2  frame  a good frame as it was sent: COBS, parity, no delimiter
//! 3  noise  bytes between delimiters that belong to no frame
//! 4  gap    chunks (8) | bytes (8) that the capture lacks
//!
//! version 1 (1) | what (1) | direction (1): 0 received, 1 sent | parity (1) |
//! sender's session (4) | receiver's session (4) | frame number (4) | repaired bytes (2) |
//! flags (1): bit 0 put together from pieces, bit 1 it has a number | 0 (1) | what the table says
//! ```
//!
//! all lowest byte first. Info, chunks and gaps are enough to decode everything again; frames and
//! noise are what came of that, for who looks at it with `firmware-notes/copperlink.lua`.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::{Block, PcapNgReader, PcapNgWriter};
use pcap_file::{DataLink, Endianness, PcapError};
use serde::{Deserialize, Serialize};

use copperlink::proto::listen::{Direction, HeardFrame, LineView};
use copperlink::proto::time::Instant;
use copperlink::shell::capture::CaptureHead;

/// What an info packet says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Info {
    /// The first.
    Begin(Box<CaptureHead>),
    /// The last: the line's counters.
    End(serde_json::Value),
}

/// A packet that is read.
#[derive(Debug)]
pub(crate) enum Packet {
    Info(Info),
    Chunk(Direction, Vec<u8>),
    Gap { chunks: u64, bytes: u64 },
}

/// A capture that is written.
pub(crate) struct CaptureWriter {
    file: PcapNgWriter<BufWriter<File>>,
    opened: Duration,
}

/// What stands in front of each packet.
#[derive(Clone, Copy, Debug, Default)]
struct Front {
    what: u8,
    direction: u8,
    parity: u8,
    sessions: [u32; 2],
    number: Option<u64>,
    repaired: u64,
    joined: bool,
}

const INFO: u8 = 0;
const CHUNK: u8 = 1;
const FRAME: u8 = 2;
const NOISE: u8 = 3;
const GAP: u8 = 4;
const VERSION: u8 = 1;
const FRONT: usize = 20;
const JOINED: u8 = 1;
const NUMBERED: u8 = 2;
/// Times are in nanoseconds.
const NANOSECONDS: u8 = 9;
/// Of `epb_flags`: the direction.
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

impl CaptureWriter {
    /// Makes the file, with all that its reader needs to know.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn create(path: &Path, head: &CaptureHead) -> Result<Self, PcapError> {
        let file = BufWriter::new(File::create(path).map_err(PcapError::IoError)?);
        let program = concat!("copperlink ", env!("CARGO_PKG_VERSION"));
        let section = SectionHeaderBlock {
            endianness: Endianness::Little,
            options: vec![SectionHeaderOption::UserApplication(program.into())],
            ..SectionHeaderBlock::default()
        };
        let mut file = PcapNgWriter::with_section_header(file, section)?;
        let LineView { link, line, .. } = &head.view;
        file.write_pcapng_block(InterfaceDescriptionBlock {
            linktype: DataLink::USER0,
            snaplen: 0,
            options: vec![
                InterfaceDescriptionOption::IfName(Cow::Owned(line.clone())),
                InterfaceDescriptionOption::IfDescription(format!("link {link}").into()),
                InterfaceDescriptionOption::IfSpeed(u64::from(head.view.rate_bps)),
                InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
            ],
        })?;
        let mut writer = Self {
            file,
            opened: Duration::from_millis(head.opened_ms),
        };
        let words = format!(
            "line {line} of link {link}, {} bit/s, session {}",
            head.view.rate_bps, head.view.session
        );
        let begin = Info::Begin(Box::new(head.clone()));
        writer.info(Instant::from_micros(head.at_us), &begin, words)?;
        Ok(writer)
    }

    fn info(&mut self, at: Instant, info: &Info, words: String) -> Result<(), PcapError> {
        let json = serde_json::to_vec(info).map_err(|error| PcapError::IoError(error.into()))?;
        let front = Front {
            what: INFO,
            ..Front::default()
        };
        let comment = EnhancedPacketOption::Comment(words.into());
        self.packet(at, front, &json, vec![comment])
    }

    /// Bytes that moved.
    pub(crate) fn chunk(
        &mut self,
        at: Instant,
        direction: Direction,
        bytes: &[u8],
    ) -> Result<(), PcapError> {
        self.plain(at, CHUNK, direction, bytes)
    }

    /// Bytes that belong to no frame.
    pub(crate) fn noise(
        &mut self,
        at: Instant,
        direction: Direction,
        bytes: &[u8],
    ) -> Result<(), PcapError> {
        self.plain(at, NOISE, direction, bytes)
    }

    fn plain(
        &mut self,
        at: Instant,
        what: u8,
        direction: Direction,
        bytes: &[u8],
    ) -> Result<(), PcapError> {
        let front = Front {
            what,
            direction: direction as u8,
            ..Front::default()
        };
        self.packet(at, front, bytes, Vec::new())
    }

    /// A good frame.
    pub(crate) fn frame(
        &mut self,
        at: Instant,
        direction: Direction,
        frame: &HeardFrame,
    ) -> Result<(), PcapError> {
        let front = Front {
            what: FRAME,
            direction: direction as u8,
            parity: frame.parity,
            sessions: frame.sessions,
            number: frame.number,
            repaired: frame.repaired,
            joined: frame.joined,
        };
        self.packet(at, front, &frame.wire, Vec::new())
    }

    /// Something is missing here.
    pub(crate) fn gap(&mut self, at: Instant, chunks: u64, bytes: u64) -> Result<(), PcapError> {
        let front = Front {
            what: GAP,
            ..Front::default()
        };
        let payload = [chunks.to_le_bytes(), bytes.to_le_bytes()].concat();
        self.packet(at, front, &payload, Vec::new())
    }

    /// The end.
    pub(crate) fn end(&mut self, at: Instant, stats: serde_json::Value) -> Result<(), PcapError> {
        self.info(at, &Info::End(stats), "the end of the capture".to_owned())
    }

    /// Hands everything to the system.
    pub(crate) fn finish(mut self) -> Result<(), PcapError> {
        self.file.get_mut().flush().map_err(PcapError::IoError)
    }

    fn packet(
        &mut self,
        at: Instant,
        front: Front,
        payload: &[u8],
        mut options: Vec<EnhancedPacketOption<'_>>,
    ) -> Result<(), PcapError> {
        let mut data = Vec::with_capacity(FRONT + payload.len());
        front.write(&mut data);
        data.extend_from_slice(payload);
        options.push(EnhancedPacketOption::Flags(match front.direction {
            0 => INBOUND,
            _ => OUTBOUND,
        }));
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: self.opened + Duration::from_micros(at.as_micros()),
            original_len: data.len() as u32,
            data: data.into(),
            options,
        };
        self.file.write_pcapng_block(block).map(drop)
    }
}

impl Front {
    fn write(self, out: &mut Vec<u8>) {
        out.extend([VERSION, self.what, self.direction, self.parity]);
        out.extend(self.sessions.into_iter().flat_map(u32::to_le_bytes));
        out.extend((self.number.unwrap_or(0) as u32).to_le_bytes());
        out.extend((self.repaired.min(u64::from(u16::MAX)) as u16).to_le_bytes());
        let joined = if self.joined { JOINED } else { 0 };
        let numbered = if self.number.is_some() { NUMBERED } else { 0 };
        out.extend([joined | numbered, 0]);
    }
}

/// A capture that is read.
pub(crate) struct CaptureReader {
    file: PcapNgReader<BufReader<File>>,
}

impl CaptureReader {
    /// Opens the file.
    ///
    /// # Errors
    /// When it cannot be read, or is no pcapng.
    pub(crate) fn open(path: &Path) -> Result<Self, PcapError> {
        let file = BufReader::new(File::open(path).map_err(PcapError::IoError)?);
        let file = PcapNgReader::new(file)?;
        Ok(Self { file })
    }

    /// The next packet that says something new, and its time since 1970.
    ///
    /// # Errors
    /// When the file is damaged, or ends in the midst of a packet.
    pub(crate) fn next(&mut self) -> Result<Option<(Duration, Packet)>, PcapError> {
        loop {
            let block = match self.file.next_block() {
                None => return Ok(None),
                Some(block) => block?,
            };
            if let Block::EnhancedPacket(packet) = block
                && let Some(read) = read(&packet.data)
            {
                return Ok(Some((packet.timestamp, read)));
            }
        }
    }
}

/// What a packet says; `None` when it is one for the eye, or not one of ours.
fn read(data: &[u8]) -> Option<Packet> {
    let (front, payload) = data.split_at_checked(FRONT)?;
    if front[0] != VERSION {
        return None;
    }
    let direction = match front[2] {
        0 => Direction::Received,
        _ => Direction::Sent,
    };
    let number = |from: usize| {
        let bytes = payload.get(from..)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*bytes))
    };
    Some(match front[1] {
        INFO => Packet::Info(serde_json::from_slice(payload).ok()?),
        CHUNK => Packet::Chunk(direction, payload.to_vec()),
        GAP => Packet::Gap {
            chunks: number(0)?,
            bytes: number(8)?,
        },
        _ => return None,
    })
}
