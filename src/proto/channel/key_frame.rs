//! Which pictures of a video stream stand alone, read from the RTP payloads of one source.
//!
//! Promise: never says of a picture that it depends on others unless the format is known, by its
//! static payload type or because several frames in a row were built as the format asks; what is
//! encrypted or of another format stays unknown. Assumed: packets in the order of the encoder.
//! Left to others: which packets make a frame, and what is done without a key frame
//! ([`video`](super::video)).
//!
//! | format | payload | a key frame has |
//! |---|---|---|
//! | H.263 | RFC 2190, modes A, B and C | I = 0 in the payload header |
//! | H.263+ | RFC 4629 | picture type I in the picture header (H.263, 5.1.3 and 5.1.4) |
//! | H.264 | RFC 6184: single NAL units, STAP-A, FU-A | an IDR slice, or a sequence parameter set |
//! | VP8 | RFC 7741 | P = 0 in its first partition (RFC 6386, 9.1) |

/// What a frame is, as far as its packets told. The larger one holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Picture {
    /// The format is not known.
    #[default]
    Unknown,
    /// The format is known, and the picture's type comes in a later packet.
    Undecided,
    /// Needs earlier pictures, and no other needs it.
    Disposable,
    /// Needs earlier pictures.
    Dependent,
    /// Stands alone.
    Key,
}

/// Reads the packets of one source.
#[derive(Clone, Debug, Default)]
pub(super) struct Reader {
    payload_type: Option<u8>,
    /// Frames in a row that were built as each format asks.
    good: [u8; FORMATS.len()],
    /// The format of the frame that is read, if known.
    current: Option<usize>,
}

impl Reader {
    /// Reads the payload of a packet; says what it tells of its frame.
    pub(super) fn on_packet(&mut self, payload_type: u8, payload: &[u8], first: bool) -> Picture {
        if self.payload_type.replace(payload_type) != Some(payload_type) {
            self.good = [0; FORMATS.len()];
            self.current = None;
            if payload_type == STATIC_H263 {
                self.good[H263] = SURE;
            }
        }
        if first {
            self.current = self.known();
        }
        let mut told = Picture::Unknown;
        for (i, read) in FORMATS.iter().enumerate() {
            match read(payload, first) {
                Some(picture) => {
                    self.good[i] = self.good[i].saturating_add(u8::from(first));
                    if self.current == Some(i) {
                        told = picture;
                    }
                }
                None => self.good[i] = 0,
            }
        }
        told
    }

    /// The format, if it is the only one that it can be.
    fn known(&self) -> Option<usize> {
        let mut sure = (0..FORMATS.len()).filter(|&i| self.good[i] >= SURE);
        sure.next().filter(|_| sure.next().is_none())
    }
}

/// So many frames in a row are no chance.
const SURE: u8 = 5;
/// H.263 by RFC 2190 (RFC 3551, 5).
const STATIC_H263: u8 = 34;

/// Reads a payload as a format. `None`: it is not built as the format asks.
type Read = fn(payload: &[u8], first: bool) -> Option<Picture>;
const FORMATS: [Read; 4] = [h263, h263_plus, h264, vp8];
const H263: usize = 0;

fn coded(is_key: bool) -> Picture {
    if is_key {
        Picture::Key
    } else {
        Picture::Dependent
    }
}

/// RFC 2190, section 5.
fn h263(payload: &[u8], first: bool) -> Option<Picture> {
    let &[flags, format, third, ..] = payload else {
        return None;
    };
    // Sub-QCIF to 16CIF.
    if !(1..=5).contains(&(format >> 5)) {
        return None;
    }
    let is_mode_a = flags & 0x80 == 0;
    if !is_mode_a {
        // Modes B and C begin inside a group of blocks, so never a picture.
        let len = if flags & 0x40 == 0 { 8 } else { 12 };
        return (!first && payload.len() > len).then(|| coded(payload[4] & 0x80 == 0));
    }
    let reserved = format & 0x01 != 0 || third & 0xe0 != 0;
    let starts = payload.get(4..7).is_some_and(is_picture_start);
    (!reserved && payload.len() > 4 && starts == first).then(|| coded(format & 0x10 == 0))
}

/// The 22 bits of H.263's picture start code.
fn is_picture_start(bytes: &[u8]) -> bool {
    matches!(bytes, [0, 0, last, ..] if last & 0xfc == 0x80)
}

/// RFC 4629, sections 5 and 6.
fn h263_plus(payload: &[u8], first: bool) -> Option<Picture> {
    let &[flags, lengths, ..] = payload else {
        return None;
    };
    let (starts, protected) = (flags & 0x04 != 0, flags & 0x02 != 0);
    let extra = usize::from(flags & 0x01) << 5 | usize::from(lengths >> 3);
    if flags & 0xf8 != 0 {
        return None;
    }
    let data = payload.get(2 + usize::from(protected) + extra..)?;
    // With P the first two bytes of a start code, zeros, are left out.
    let is_start_code = data.first().is_some_and(|byte| byte & 0x80 != 0);
    if data.is_empty() || starts && !is_start_code {
        return None;
    }
    let starts_picture = starts && data[0] & 0xfc == 0x80;
    match (first, starts_picture) {
        (true, true) => h263_picture_type(data).map(coded),
        (false, false) => Some(Picture::Undecided),
        _ => None,
    }
}

/// Whether the picture whose header follows is coded by itself. `data` begins with the third byte
/// of the start code (H.263, 5.1).
fn h263_picture_type(data: &[u8]) -> Option<bool> {
    let bits = Bits(data);
    // Start code 6 bits, temporal reference 8, and then PTYPE, which begins with 10.
    if bits.at(14, 2)? != 0b10 {
        return None;
    }
    // Split screen, document camera, freeze release; source format; picture type.
    match bits.at(19, 3)? {
        1..=5 => Some(bits.at(22, 1)? == 0),
        // PLUSPTYPE: UFEP says whether the optional part stands in front of the mandatory one.
        7 => match bits.at(22, 3)? {
            0 => Some(bits.at(25, 3)? == 0),
            1 => Some(bits.at(25 + 18, 3)? == 0),
            _ => None,
        },
        _ => None,
    }
}

/// A string of bits, most significant first.
struct Bits<'a>(&'a [u8]);

impl Bits<'_> {
    fn at(&self, start: usize, count: usize) -> Option<u8> {
        let mut value = 0;
        for bit in start..start + count {
            let byte = self.0.get(bit / 8)?;
            value = value << 1 | (byte >> (7 - bit % 8) & 1);
        }
        Some(value)
    }
}

/// RFC 6184, section 5.
fn h264(payload: &[u8], first: bool) -> Option<Picture> {
    let (&header, rest) = payload.split_first()?;
    match header & 0x9f {
        STAP_A => {
            let mut rest = rest;
            let mut told = None;
            while let Some((size, after)) = rest.split_first_chunk::<2>() {
                let unit = after.get(..usize::from(u16::from_be_bytes(*size)))?;
                told = told.max(Some(nal_unit(unit)?));
                rest = &after[unit.len()..];
            }
            told.filter(|_| rest.is_empty())
        }
        FU_A => {
            let &[fragment, _, ..] = rest else {
                return None;
            };
            let (start, end) = (fragment & 0x80 != 0, fragment & 0x40 != 0);
            if fragment & 0x20 != 0 || start && end || first && !start {
                return None;
            }
            nal_type(header & 0x60, fragment & 0x1f)
        }
        _ => nal_unit(payload),
    }
}

const STAP_A: u8 = 24;
const FU_A: u8 = 28;

fn nal_unit(unit: &[u8]) -> Option<Picture> {
    let &[header, _, ..] = unit else {
        return None;
    };
    // The first bit is an error.
    (header & 0x80 == 0).then(|| nal_type(header & 0x60, header & 0x1f))?
}

/// What a NAL unit of this type tells; `importance` is zero when no other picture needs it.
fn nal_type(importance: u8, kind: u8) -> Option<Picture> {
    match (kind, importance) {
        (1, 0) => Some(Picture::Disposable),
        (1, _) => Some(Picture::Dependent),
        // IDR slice; sequence parameters, with which a decoder begins.
        (5 | 7, 1..) => Some(Picture::Key),
        // Picture parameters; supplements, delimiter and filler.
        (8, 1..) | (6 | 9..=12, 0) => Some(Picture::Undecided),
        _ => None,
    }
}

/// RFC 7741, section 4.
fn vp8(payload: &[u8], first: bool) -> Option<Picture> {
    let &flags = payload.first()?;
    let starts = flags & 0x17 == 0x10;
    if flags & 0x48 != 0 || starts != first {
        return None;
    }
    let data = payload.get(vp8_descriptor(payload)?..)?;
    if !first {
        return (!data.is_empty()).then_some(Picture::Undecided);
    }
    let &[tag, _, _, ..] = data else {
        return None;
    };
    let is_key = tag & 0x01 == 0;
    let start_code = data.get(3..6) == Some(&[0x9d, 0x01, 0x2a]);
    if tag >> 1 & 0x07 > 3 || is_key && !start_code {
        return None;
    }
    Some(match (is_key, flags & 0x20 != 0) {
        (true, _) => Picture::Key,
        (false, true) => Picture::Disposable,
        (false, false) => Picture::Dependent,
    })
}

/// Length of the payload descriptor (RFC 7741, 4.2).
fn vp8_descriptor(payload: &[u8]) -> Option<usize> {
    if payload.first()? & 0x80 == 0 {
        return Some(1);
    }
    let extension = payload.get(1)?;
    let mut len = 2;
    if extension & 0x80 != 0 {
        len += if payload.get(len)? & 0x80 != 0 { 2 } else { 1 };
    }
    len += usize::from(extension & 0x40 != 0);
    len += usize::from(extension & 0x30 != 0);
    Some(len)
}

#[cfg(test)]
mod tests;
