//! Unsigned numbers in as few bytes as they need: seven bits a byte, lowest first, top bit set
//! on all but the last (LEB128). At most three bytes here: 21 bits.

/// Largest value.
pub(crate) const MAX: u32 = (1 << 21) - 1;

/// Appends `value`, which must be at most [`MAX`].
pub(crate) fn write(value: u32, out: &mut Vec<u8>) {
    let (bytes, len) = encoded(value);
    out.extend_from_slice(&bytes[..len]);
}

/// `value` in the first `.1` bytes of `.0`.
pub(crate) fn encoded(value: u32) -> ([u8; 3], usize) {
    debug_assert!(value <= MAX);
    let low = |shift: u32| ((value >> shift) & 0x7F) as u8;
    match len(value) {
        1 => ([low(0), 0, 0], 1),
        2 => ([low(0) | 0x80, low(7), 0], 2),
        _ => ([low(0) | 0x80, low(7) | 0x80, low(14)], 3),
    }
}

/// Bytes that `value` needs.
pub(crate) const fn len(value: u32) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        _ => 3,
    }
}

/// Takes a number off the front; `None` when it is cut off or longer than three bytes.
pub(crate) fn read(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0;
    for i in 0..3 {
        let byte = *bytes.get(i)?;
        value |= u32::from(byte & 0x7F) << (7 * i);
        if byte & 0x80 == 0 {
            *bytes = &bytes[i + 1..];
            return Some(value);
        }
    }
    None
}

/// Takes `count` bytes off the front.
pub(crate) fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_change_where_they_should() {
        for (value, bytes) in [
            (0, 1),
            (127, 1),
            (128, 2),
            (16_383, 2),
            (16_384, 3),
            (MAX, 3),
        ] {
            let mut out = Vec::new();
            write(value, &mut out);
            assert_eq!(out.len(), bytes);
            assert_eq!(len(value), bytes);
            let mut rest = out.as_slice();
            assert_eq!(read(&mut rest), Some(value));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn a_number_without_an_end_is_refused() {
        assert_eq!(read(&mut [].as_slice()), None);
        assert_eq!(read(&mut [0x80].as_slice()), None);
        assert_eq!(read(&mut [0x80, 0x80, 0x80, 1].as_slice()), None);
    }
}
