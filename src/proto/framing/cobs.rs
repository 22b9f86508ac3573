//! Consistent Overhead Byte Stuffing: removes the value 0 from a frame, so that 0 can delimit it.
//!
//! S. Cheshire and M. Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on
//! Networking 7(2), 1999. A code byte `n` stands for `n - 1` bytes without a zero and then one
//! zero; `0xFF` stands for 254 bytes and no zero. The zero that would follow the last block is
//! not sent. Cost: one byte, and one more for each 254 bytes without a zero.
//!
//! Chosen over escaping because the encoding keeps its length when a byte is damaged.

/// Appends the encoding of `data` to `wire`, without the delimiter.
pub(crate) fn encode(data: &[u8], wire: &mut Vec<u8>) {
    let mut code_at = wire.len();
    wire.push(1);
    for (i, &byte) in data.iter().enumerate() {
        if byte != 0 {
            wire.push(byte);
            wire[code_at] += 1;
        }
        let full = wire[code_at] == 0xFF;
        // A full block at the very end needs no block behind it.
        if byte == 0 || (full && i + 1 < data.len()) {
            code_at = wire.len();
            wire.push(1);
        }
    }
}

/// Where the code bytes lead: how far beyond the end of `piece`, when the first of them stands at
/// `skip`. At 0 the piece ends where a block does. Adds the code bytes looked at to `steps`.
#[must_use]
pub(crate) fn overhang(piece: &[u8], mut skip: usize, steps: &mut usize) -> usize {
    while let Some(&code) = piece.get(skip) {
        // A code of zero does not stand on a line; whatever it is, go on.
        skip += usize::from(code).max(1);
        *steps += 1;
    }
    skip - piece.len()
}

/// Replaces `data` by what `wire` stands for. `wire` must not contain a zero.
///
/// False when a code byte points beyond the end: the frame is damaged, or only a part of one.
#[must_use]
pub(crate) fn decode(wire: &[u8], data: &mut Vec<u8>) -> bool {
    data.clear();
    let mut rest = wire;
    while let [code, tail @ ..] = rest {
        let block = usize::from(*code).wrapping_sub(1);
        if block > tail.len() {
            return false;
        }
        let (block, tail) = tail.split_at(block);
        data.extend_from_slice(block);
        if *code != 0xFF && !tail.is_empty() {
            data.push(0);
        }
        rest = tail;
    }
    !wire.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(data: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        encode(data, &mut wire);
        wire
    }

    #[test]
    fn the_published_examples() {
        assert_eq!(encoded(&[]), [1]);
        assert_eq!(encoded(&[0]), [1, 1]);
        assert_eq!(encoded(&[0x11, 0x22, 0, 0x33]), [3, 0x11, 0x22, 2, 0x33]);
        let run: Vec<u8> = (1..=254).collect();
        let mut expected = vec![0xFF];
        expected.extend(1..=254);
        assert_eq!(encoded(&run), expected);
    }

    #[test]
    fn a_code_byte_beyond_the_end_is_refused() {
        let mut data = Vec::new();
        assert!(decode(&[3, 1, 2], &mut data));
        assert!(!decode(&[4, 1, 2], &mut data));
        assert!(!decode(&[], &mut data));
        assert!(!decode(&[0, 1, 2], &mut data));
    }

    #[test]
    fn a_whole_is_known_by_its_code_bytes_however_it_is_divided() {
        let data: Vec<u8> = (0..900).map(|i| (i * 7 % 251) as u8).collect();
        let wire = encoded(&data);
        for cut in 0..wire.len() {
            let (a, b) = wire.split_at(cut);
            let ends = |pieces: [&[u8]; 2]| {
                let mut steps = 0;
                let skip = overhang(pieces[0], 0, &mut steps);
                overhang(pieces[1], skip, &mut steps) == 0
            };
            assert!(ends([a, b]));
            assert_eq!(ends([a, &[]]), decode(a, &mut Vec::new()) || a.is_empty());
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(data in arbitrary_frame()) {
            let wire = encoded(&data);
            prop_assert!(!wire.contains(&0));
            let mut back = Vec::new();
            prop_assert!(decode(&wire, &mut back));
            prop_assert_eq!(back, data);
        }

        #[test]
        fn agrees_with_an_independent_implementation(data in arbitrary_frame()) {
            let wire = encoded(&data);
            let theirs = cobs::decode_vec(&wire).expect("a valid encoding");
            prop_assert_eq!(&theirs, &data);
            // The other crate may spend one byte more behind a final full block.
            let mut back = Vec::new();
            prop_assert!(decode(&cobs::encode_vec(&data), &mut back));
            back.truncate(data.len());
            prop_assert_eq!(back, data);
        }

        #[test]
        fn any_bytes_decode_without_growth(wire in prop::collection::vec(1u8.., 0..600)) {
            let mut data = Vec::new();
            let _ = decode(&wire, &mut data);
            prop_assert!(data.len() <= wire.len());
        }
    }

    fn arbitrary_frame() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![1 => Just(0u8), 20 => any::<u8>(), 200 => 1u8..];
        prop::collection::vec(byte, 0..1100)
    }
}
