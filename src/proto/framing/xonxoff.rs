//! For lines that take 0x11 and 0x13 for XON and XOFF: keep both values off the line.
//!
//! Works on the bytes of the line, outside COBS, and leaves 0 alone: `11`, `13` and the escape
//! `1B` itself travel as `1B` and the value with bit 6 turned (`51`, `53`, `5B`). What arrives
//! as `11` or `13` was put there by a terminal and is dropped. Cost: 3 bytes in 256, 1.2 %.

const ESCAPE: u8 = 0x1B;
const TURN: u8 = 0x40;

const fn is_reserved(byte: u8) -> bool {
    matches!(byte, 0x11 | 0x13 | ESCAPE)
}

/// Bytes that `wire` takes on the line.
pub(crate) fn escaped_len(wire: &[u8]) -> usize {
    wire.len() + wire.iter().filter(|&&byte| is_reserved(byte)).count()
}

/// How many escapes stand in there.
pub(crate) fn escapes_in(wire: &[u8]) -> usize {
    wire.iter().filter(|&&byte| byte == ESCAPE).count()
}

/// Whether the second byte of an escape is still to come. An escape never ends a frame.
pub(crate) fn ends_with_escape(wire: &[u8]) -> bool {
    wire.last() == Some(&ESCAPE)
}

/// Replaces the content of `wire` by its escaped form.
pub(crate) fn escape(wire: &mut Vec<u8>) {
    let mut escaped = Vec::with_capacity(escaped_len(wire));
    for &byte in wire.iter() {
        if is_reserved(byte) {
            escaped.extend([ESCAPE, byte ^ TURN]);
        } else {
            escaped.push(byte);
        }
    }
    *wire = escaped;
}

/// Takes the escapes out again, over calls with pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct Unescape {
    escaped: bool,
}

impl Unescape {
    /// Appends to `out` what `bytes` stand for.
    pub(crate) fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            match byte {
                0x11 | 0x13 => {}
                // A delimiter always counts: a damaged escape must not swallow it.
                0 => {
                    self.escaped = false;
                    out.push(0);
                }
                _ if self.escaped => {
                    self.escaped = false;
                    out.push(byte ^ TURN);
                }
                ESCAPE => self.escaped = true,
                _ => out.push(byte),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back_whatever_a_terminal_puts_between(
            data in prop::collection::vec(any::<u8>(), 0..300),
            inserted in prop::collection::vec((0usize..400, prop::bool::ANY), 0..5),
        ) {
            let mut wire = data.clone();
            escape(&mut wire);
            prop_assert_eq!(wire.len(), escaped_len(&data));
            prop_assert!(!wire.contains(&0x11) && !wire.contains(&0x13));
            for (at, xoff) in inserted {
                wire.insert(at.min(wire.len()), if xoff { 0x13 } else { 0x11 });
            }
            let mut back = Vec::new();
            let mut unescape = Unescape::default();
            for byte in wire {
                unescape.feed(&[byte], &mut back);
            }
            prop_assert_eq!(back, data);
        }
    }

    #[test]
    fn a_damaged_escape_does_not_swallow_the_delimiter() {
        let mut out = Vec::new();
        Unescape::default().feed(&[5, 0x1B, 0, 6], &mut out);
        assert_eq!(out, [5, 0, 6]);
    }
}
