//! The service frames of a line: hello and table. They need no session.
//!
//! ```text
//! hello  version (1) | own session (4) | heard session (4) | flags (1) | table digest (4) |
//!        next frame (4) | expected frame (4) | options
//! table  version (1) | own session (4) | entries
//!
//! heard     session of the far end as it was heard, 0 when it was not
//! flags     bit 0: I hear you (now); bit 1: my line is up, so this needs no answer
//! digest    CRC-32/ISCSI over id, class, rtcp (3 bytes) of each channel in order of the ids
//! next      low 32 bits of the number of this end's next frame on this line
//! expected  low 32 bits of the number that this end expects next
//! option    type (1) | length (1) | value;  unknown types are passed over
//!   1 name      UTF-8
//!   2 resume    own earlier session (4) | far end's session then (4) | { channel (1) | delivered (4) }
//! entry     id (1) | class (1) | flags (1, bit 0: rtcp) | length (1) | name, UTF-8
//! ```
//!
//! All numbers low byte first. Version and own session stay where they are in every version of
//! the protocol, so that two versions can name each other.

use crate::proto::config::{ChannelId, Class, LinkConfig, ResumePoint, SessionId};
use crate::proto::event::{ChannelWords, TableDifference, harmless};
use crate::proto::framing::check::digest;
use crate::proto::framing::varint::take;

/// The version of the protocol that this end speaks.
pub(crate) const VERSION: u8 = 1;

/// A hello as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) session: SessionId,
    /// The far end, as this end heard it.
    pub(crate) heard: Option<SessionId>,
    /// Whether the far end is heard now.
    pub(crate) hears: bool,
    /// Whether the line is up for this end.
    pub(crate) is_up: bool,
    pub(crate) digest: u32,
    pub(crate) next: u32,
    pub(crate) expected: u32,
    pub(crate) name: String,
    pub(crate) resume: Option<ResumePoint>,
}

/// Why a hello or table could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// The far end speaks this version.
    Version(u8),
    /// Not a well-formed frame of this version.
    Malformed,
}

const HEARS: u8 = 1;
const IS_UP: u8 = 2;
const OPTION_NAME: u8 = 1;
const OPTION_RESUME: u8 = 2;
const RTCP: u8 = 1;

impl Hello {
    /// Appends what follows the header.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        out.extend(self.session.0.to_le_bytes());
        out.extend(self.heard.map_or(0, |session| session.0).to_le_bytes());
        out.push((u8::from(self.hears) * HEARS) | (u8::from(self.is_up) * IS_UP));
        out.extend(self.digest.to_le_bytes());
        out.extend(self.next.to_le_bytes());
        out.extend(self.expected.to_le_bytes());
        write_option(OPTION_NAME, self.name.as_bytes(), out);
        if let Some(resume) = &self.resume {
            let mut value = Vec::new();
            value.extend(resume.own.0.to_le_bytes());
            value.extend(resume.peer.0.to_le_bytes());
            for (channel, delivered) in &resume.delivered {
                value.push(channel.0);
                value.extend(delivered.to_le_bytes());
            }
            write_option(OPTION_RESUME, &value, out);
        }
    }

    /// Reads what follows the header.
    pub(crate) fn read(mut bytes: &[u8]) -> Result<Self, Unusable> {
        check_version(&mut bytes)?;
        Self::read_fields(&mut bytes).ok_or(Unusable::Malformed)
    }

    fn read_fields(bytes: &mut &[u8]) -> Option<Self> {
        let session = read_session(bytes)??;
        let heard = read_session(bytes)?;
        let flags = take(bytes, 1)?[0];
        let mut hello = Self {
            session,
            heard,
            hears: flags & HEARS != 0,
            is_up: flags & IS_UP != 0,
            digest: read_u32(bytes)?,
            next: read_u32(bytes)?,
            expected: read_u32(bytes)?,
            name: String::new(),
            resume: None,
        };
        while !bytes.is_empty() {
            let head = take(bytes, 2)?;
            let mut value = take(bytes, usize::from(head[1]))?;
            match head[0] {
                OPTION_NAME => hello.name = harmless(value),
                OPTION_RESUME => hello.resume = Some(read_resume(&mut value)?),
                _ => {}
            }
        }
        Some(hello)
    }
}

fn read_resume(bytes: &mut &[u8]) -> Option<ResumePoint> {
    let (own, peer) = (read_session(bytes)??, read_session(bytes)??);
    let mut delivered = Vec::new();
    while !bytes.is_empty() {
        delivered.push((ChannelId(take(bytes, 1)?[0]), read_u32(bytes)?));
    }
    Some(ResumePoint {
        own,
        peer,
        delivered,
    })
}

fn write_option(kind: u8, value: &[u8], out: &mut Vec<u8>) {
    // Names have at most 32 bytes and a resume point 8 and 31 times 5: one byte holds the length.
    debug_assert!(value.len() <= 255);
    out.extend([kind, value.len() as u8]);
    out.extend_from_slice(value);
}

fn check_version(bytes: &mut &[u8]) -> Result<(), Unusable> {
    match take(bytes, 1) {
        Some(&[VERSION]) => Ok(()),
        Some(&[other]) => Err(Unusable::Version(other)),
        _ => Err(Unusable::Malformed),
    }
}

fn read_u32(bytes: &mut &[u8]) -> Option<u32> {
    let bytes = take(bytes, 4)?;
    Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

fn read_session(bytes: &mut &[u8]) -> Option<Option<SessionId>> {
    let number = read_u32(bytes)?;
    Some((number != 0).then_some(SessionId(number)))
}

/// The digest by which two tables are compared.
pub(crate) fn table_digest(config: &LinkConfig) -> u32 {
    let mut bytes = Vec::new();
    for channel in config.channels_by_id() {
        bytes.extend([channel.id.0, channel.class as u8, u8::from(channel.rtcp)]);
    }
    digest(&bytes)
}

/// A channel table in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) entries: Vec<(ChannelId, ChannelWords)>,
}

impl Table {
    /// This end's table.
    pub(crate) fn of(config: &LinkConfig) -> Self {
        let entries = config
            .channels_by_id()
            .into_iter()
            .map(|channel| {
                let words = ChannelWords {
                    class: channel.class,
                    name: channel.name.clone(),
                    rtcp: channel.rtcp,
                };
                (channel.id, words)
            })
            .collect();
        Self { entries }
    }

    /// Appends what follows the header.
    pub(crate) fn write(&self, session: SessionId, out: &mut Vec<u8>) {
        out.push(VERSION);
        out.extend(session.0.to_le_bytes());
        for (id, words) in &self.entries {
            out.extend([id.0, words.class as u8, if words.rtcp { RTCP } else { 0 }]);
            out.push(words.name.len() as u8);
            out.extend_from_slice(words.name.as_bytes());
        }
    }

    /// Reads what follows the header: whose table, and the table.
    pub(crate) fn read(mut bytes: &[u8]) -> Result<(SessionId, Self), Unusable> {
        check_version(&mut bytes)?;
        Self::read_fields(&mut bytes).ok_or(Unusable::Malformed)
    }

    fn read_fields(bytes: &mut &[u8]) -> Option<(SessionId, Self)> {
        let session = read_session(bytes)??;
        let mut entries = Vec::new();
        while !bytes.is_empty() {
            let head = take(bytes, 4)?;
            let name = harmless(take(bytes, usize::from(head[3]))?);
            let words = ChannelWords {
                class: Class::from_wire(head[1])?,
                name,
                rtcp: head[2] & RTCP != 0,
            };
            entries.push((ChannelId(head[0]), words));
        }
        Some((session, Self { entries }))
    }

    /// Where this table and the far end's do not agree. Names may differ.
    pub(crate) fn differences(&self, there: &Self) -> Vec<TableDifference> {
        let mut ids: Vec<ChannelId> = self
            .entries
            .iter()
            .chain(&there.entries)
            .map(|(id, _)| *id)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let find = |table: &Self, id| {
            table
                .entries
                .iter()
                .find(|(other, _)| *other == id)
                .map(|(_, words)| words.clone())
        };
        ids.into_iter()
            .map(|id| TableDifference {
                id,
                here: find(self, id),
                there: find(there, id),
            })
            .filter(|difference| {
                let rule = |words: &ChannelWords| (words.class, words.rtcp);
                difference.here.as_ref().map(rule) != difference.there.as_ref().map(rule)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::config::ChannelConfig;
    use proptest::prelude::*;

    fn config(channels: Vec<ChannelConfig>) -> LinkConfig {
        LinkConfig {
            name: "a".into(),
            session: SessionId(1),
            lines: vec![],
            channels,
            resume: None,
        }
    }

    fn hello() -> Hello {
        Hello {
            session: SessionId(0x0102_0304),
            heard: None,
            hears: true,
            is_up: false,
            digest: 5,
            next: 6,
            expected: 7,
            name: "room-1".into(),
            resume: Some(ResumePoint {
                own: SessionId(8),
                peer: SessionId(9),
                delivered: vec![(ChannelId(3), 10)],
            }),
        }
    }

    #[test]
    fn a_hello_comes_back() {
        let mut bytes = Vec::new();
        hello().write(&mut bytes);
        assert_eq!(Hello::read(&bytes), Ok(hello()));
        // An option of a later version is passed over.
        bytes.extend([77, 2, 1, 2]);
        assert_eq!(Hello::read(&bytes), Ok(hello()));
        bytes.pop();
        assert_eq!(Hello::read(&bytes), Err(Unusable::Malformed));
    }

    #[test]
    fn another_version_is_named_whatever_follows() {
        assert_eq!(Hello::read(&[2]), Err(Unusable::Version(2)));
        assert_eq!(Table::read(&[9, 1, 2, 3]), Err(Unusable::Version(9)));
        assert_eq!(Hello::read(&[]), Err(Unusable::Malformed));
    }

    #[test]
    fn the_order_and_the_names_of_channels_do_not_matter_their_class_does() {
        let a = config(vec![
            ChannelConfig::new(1, "camera", Class::Video),
            ChannelConfig::new(2, "mic", Class::Audio),
        ]);
        let b = config(vec![
            ChannelConfig::new(2, "microphone", Class::Audio),
            ChannelConfig::new(1, "cam", Class::Video),
        ]);
        let c = config(vec![
            ChannelConfig::new(1, "camera", Class::Video),
            ChannelConfig::new(2, "mic", Class::Control),
        ]);
        assert_eq!(table_digest(&a), table_digest(&b));
        assert_ne!(table_digest(&a), table_digest(&c));
        assert!(Table::of(&a).differences(&Table::of(&b)).is_empty());
        let differences = Table::of(&a).differences(&Table::of(&c));
        assert_eq!(differences.len(), 1);
        assert_eq!(
            differences[0].to_string(),
            "channel 2: here audio 'mic', there control 'mic'"
        );
    }

    #[test]
    fn a_table_comes_back_and_its_names_do_no_harm() {
        let table = Table::of(&config(vec![ChannelConfig {
            rtcp: true,
            ..ChannelConfig::new(4, "카메라\u{1b}[2J", Class::Video)
        }]));
        let mut bytes = Vec::new();
        table.write(SessionId(3), &mut bytes);
        let (session, read) = Table::read(&bytes).unwrap();
        assert_eq!(session, SessionId(3));
        assert_eq!(read.entries[0].1.name, "카메라?[2J");
        assert!(read.entries[0].1.rtcp);
        let classes = [Class::Audio, Class::Video, Class::Control, Class::Rtp];
        let channels = (1..).zip(classes).map(|(id, class)| {
            // The wire names each class by a number of its own.
            assert_eq!(Class::from_wire(id), Some(class));
            ChannelConfig::new(id, class.word(), class)
        });
        let table = Table::of(&config(channels.collect()));
        let mut bytes = Vec::new();
        table.write(SessionId(3), &mut bytes);
        assert_eq!(Table::read(&bytes), Ok((SessionId(3), table)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Hello::read(&bytes);
            let _ = Table::read(&bytes);
            let versioned = [vec![VERSION], bytes].concat();
            let _ = Hello::read(&versioned);
            let _ = Table::read(&versioned);
        }
    }
}
