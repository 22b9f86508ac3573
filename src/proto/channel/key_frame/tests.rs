//! Payloads built by hand from the RFCs, and the first bytes of real encoders' packets.

use super::*;

/// What a reader says of the frames that follow `SURE` frames like the first.
fn read(payload_type: u8, frames: &[&[&[u8]]]) -> Vec<Picture> {
    let mut reader = Reader::default();
    let mut frame = |packets: &[&[u8]]| {
        let pictures = packets.iter().enumerate();
        let pictures = pictures.map(|(i, packet)| reader.on_packet(payload_type, packet, i == 0));
        pictures.max().unwrap()
    };
    for _ in 0..SURE {
        frame(frames[0]);
    }
    frames.iter().map(|packets| frame(packets)).collect()
}

/// A picture header of H.263 from the third byte of its start code: QCIF, no options.
const fn picture(is_inter: bool) -> [u8; 6] {
    [0x80, 0x02, 0x08 | (is_inter as u8) << 1, 0x03, 0x3b, 0x6f]
}

#[test]
fn h263_in_its_three_modes() {
    // Mode A: QCIF, then I; behind it the start code.
    let mode_a = |flags: u8| [&[0, 0x40 | flags, 0, 0, 0, 0][..], &picture(flags != 0)].concat();
    let (key, inter) = (mode_a(0), mode_a(0x10));
    // I stands in the fifth byte of modes B and C.
    let mode_b = [&[0x80, 0x45, 0x08, 0x10, 0x80, 0, 0, 0][..], &[7; 40]].concat();
    let mode_c = [
        &[0xc0, 0x45, 0x08, 0x10, 0x80, 0, 0, 0, 0, 0, 0, 0][..],
        &[7; 40],
    ]
    .concat();
    let mode_a_inside = [0, 0x50, 0, 0, 0, 0, 0x86, 0x11];
    let told = read(
        STATIC_H263,
        &[
            &[&inter, &mode_b, &mode_c, &mode_a_inside],
            &[&key],
            &[&mode_b],
            // A reserved bit.
            &[&[0, 0x41, 0, 0, 0, 0, 0x80, 0x02]],
        ],
    );
    let [dependent, key_frame, unknown] = [Picture::Dependent, Picture::Key, Picture::Unknown];
    assert_eq!(told, [dependent, key_frame, unknown, unknown]);
    assert_eq!(h263(&mode_b, false), Some(Picture::Dependent));
    assert_eq!(h263(&mode_c[..12], false), None, "nothing in it");
}

#[test]
fn h263_has_a_payload_type_of_its_own() {
    let key = [0, 0x40, 0, 0, 0, 0, 0x80, 0x02, 0x08];
    let mut reader = Reader::default();
    assert_eq!(reader.on_packet(STATIC_H263, &key, true), Picture::Key);
    assert_eq!(reader.on_packet(96, &key, true), Picture::Unknown);
}

#[test]
fn h263_plus_by_its_picture_header() {
    let with = |header: &[u8], is_inter| [header, &picture(is_inter)].concat();
    let key = with(&[0x04, 0x00], false);
    let inter = with(&[0x04, 0x00], true);
    // With a byte for video redundancy, and with two bytes of an extra picture header.
    let redundant = with(&[0x06, 0x00, 0x00], true);
    let extra = with(&[0x04, 0x10, 0x84, 0x05], false);
    let goes_on: &[u8] = &[0x00, 0x00, 0x55, 0x66];
    let next_group: &[u8] = &[0x04, 0x00, 0x86, 0x66];
    // PLUSPTYPE without and with its optional part; picture types I, P and B.
    let plus = |ufep: u8, kind: u8| {
        // 6 bits of start code, 8 of reference, 10 and three bits of PTYPE, 111, UFEP.
        let head = (0b10_0000u32 << 16 | 0b10 << 6 | 0b111) << 3 | u32::from(ufep);
        let bits = u128::from(head) << (128 - 25);
        let at = if ufep == 1 { 25 + 18 } else { 25 };
        let bits = bits | u128::from(kind) << (128 - at - 3);
        [&[0x04, 0x00][..], &bits.to_be_bytes()].concat()
    };
    let told = read(
        96,
        &[
            &[&inter, goes_on, next_group],
            &[&key, goes_on],
            &[&redundant],
            &[&extra],
            &[&plus(0, 0)],
            &[&plus(0, 1)],
            &[&plus(1, 0)],
            &[&plus(1, 3)],
        ],
    );
    let [d, k] = [Picture::Dependent, Picture::Key];
    assert_eq!(told, [d, k, d, k, k, d, k, d]);
    assert_eq!(h263_plus(&plus(2, 0), true), None);
    assert_eq!(h263_plus(goes_on, true), None, "no picture begins");
}

#[test]
fn h264_by_its_units() {
    let slice: &[u8] = &[0x41, 0x9a, 0x20];
    let unneeded: &[u8] = &[0x01, 0x9a, 0x20];
    let delimiter: &[u8] = &[0x09, 0x30];
    let told = read(
        96,
        &[
            &[delimiter, slice],
            &[delimiter, unneeded],
            &[delimiter],
            // Parameters, and an IDR slice in fragments.
            &[&[0x67, 0x42, 0xc0], &[0x68, 0xce, 0x3c]],
            &[
                &[0x7c, 0x85, 0x88],
                &[0x7c, 0x05, 0x11],
                &[0x7c, 0x45, 0x22],
            ],
            &[&[0x5c, 0x81, 0x9a], &[0x5c, 0x41, 0x22]],
            // Several units in one packet: delimiter and slice; parameters and IDR.
            &[&[0x78, 0, 2, 0x09, 0x30, 0, 3, 0x41, 0x9a, 0x20]],
            &[&[0x78, 0, 2, 0x68, 0xce, 0, 3, 0x65, 0x88, 0x84]],
        ],
    );
    let [d, k] = [Picture::Dependent, Picture::Key];
    assert_eq!(
        told,
        [d, Picture::Disposable, Picture::Undecided, k, k, d, d, k]
    );
    for wrong in [
        &[0x78, 0, 9, 0x09][..],
        &[0x78],
        &[0x78, 0, 2, 0x09, 0x30, 0],
        &[0x7c, 0xc5, 0x88],
        &[0xc1, 0x9a],
        &[0x05, 0x88],
        &[0x41],
        &[],
    ] {
        assert_eq!(h264(wrong, true), None, "{wrong:02x?}");
    }
    assert_eq!(
        h264(&[0x7c, 0x05, 0x88], true),
        None,
        "its start is missing"
    );
}

#[test]
fn vp8_by_its_first_partition() {
    let key: &[u8] = &[0x10, 0x50, 0x10, 0x02, 0x9d, 0x01, 0x2a, 0xa0, 0x00];
    let inter: &[u8] = &[0x10, 0x51, 0x10, 0x02, 0x00];
    let goes_on: &[u8] = &[0x00, 0x11, 0x22];
    let told = read(
        97,
        &[
            &[inter, goes_on],
            &[key, goes_on],
            // Picture numbers of one byte and two, and all extensions at once.
            &[&[0x90, 0x80, 0x05, 0x51, 0x10, 0x02]],
            &[&[0x90, 0x80, 0x80, 0x00, 0xb0, 0x1b, 0x00, 0x9d, 0x01, 0x2a]],
            &[&[0xb0, 0xf0, 0x80, 0x01, 0x07, 0x20, 0x51, 0x10, 0x02]],
        ],
    );
    let [d, k] = [Picture::Dependent, Picture::Key];
    assert_eq!(told, [d, k, d, k, Picture::Disposable]);
    for wrong in [
        &[0x10, 0x50, 0x10, 0x02, 0x00, 0x00, 0x00][..],
        &[0x50, 0x51, 0x10, 0x02],
        &[0x10, 0x59, 0x10, 0x02],
        &[0x90],
        &[0x90, 0x80],
        &[],
    ] {
        assert_eq!(vp8(wrong, true), None, "{wrong:02x?}");
    }
}

#[test]
fn other_formats_stay_unknown() {
    // First packets of frames: H.265, VP9, AV1, MPEG-4, JPEG, H.261, raw bytes, nothing.
    for other in [
        &[0x02, 0x01, 0xd0, 0x09, 0x7e, 0x10][..],
        &[0x40, 0x01, 0x0c, 0x01, 0xff, 0xff],
        &[0x8a, 0x80, 0x01, 0x86, 0x00, 0x40],
        &[0x10, 0x32, 0x00, 0x11, 0x22, 0x33],
        &[0x00, 0x00, 0x01, 0xb6, 0x10, 0x20],
        &[0x00, 0x00, 0x00, 0x00, 0x01, 0x50, 0x14, 0x12],
        &[0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00],
        &[0xff; 20],
        &[],
    ] {
        assert_eq!(read(96, &[&[other]]), [Picture::Unknown], "{other:02x?}");
    }
}

#[test]
fn a_format_is_believed_after_some_frames_and_no_more_when_one_differs() {
    let slice: &[u8] = &[0x41, 0x9a, 0x20];
    let mut reader = Reader::default();
    for _ in 0..SURE {
        assert_eq!(reader.on_packet(96, slice, true), Picture::Unknown);
    }
    assert_eq!(reader.on_packet(96, slice, true), Picture::Dependent);
    assert_eq!(reader.on_packet(96, &[0xff, 0x00], true), Picture::Unknown);
    assert_eq!(reader.on_packet(96, slice, true), Picture::Unknown);
    assert_eq!(reader.on_packet(97, slice, true), Picture::Unknown);
}

/// First bytes of the payloads in tests/media, one frame a line.
#[test]
fn real_encoders_are_understood() {
    let [d, k] = [Picture::Dependent, Picture::Key];
    // An x264 that sends parameters, supplement and slices in a packet each.
    let single: &[&[&[u8]]] = &[
        &[&[0x41, 0x9a, 0x20, 0x42, 0x34, 0xcf]],
        &[
            &[0x67, 0x42, 0xc0, 0x0a, 0xda, 0x0a],
            &[0x68, 0xce, 0x32, 0xc8],
            &[0x06, 0x05, 0xff, 0xff, 0x73, 0xdc],
            &[0x65, 0x88, 0x84, 0x3a, 0x08, 0x60],
            &[0x65, 0x05, 0x82, 0x21, 0x0e, 0x83],
        ],
        &[&[0x41, 0x9a, 0x40, 0x20, 0x87, 0x67]],
    ];
    assert_eq!(read(96, single), [d, k, d]);
    // One with a delimiter in front of each picture.
    let delimited: &[&[&[u8]]] = &[
        &[&[0x09, 0x30], &[0x41, 0x9a, 0x20, 0x15, 0x70, 0x22]],
        &[
            &[0x67, 0x42, 0xc0, 0x0a],
            &[0x68, 0xce, 0x3c, 0x80],
            &[0x09, 0x10],
            &[0x65, 0x88, 0x84, 0x0e, 0x7f, 0xff],
        ],
    ];
    assert_eq!(read(96, delimited), [d, k]);
    let vp8: &[&[&[u8]]] = &[
        &[&[0x90, 0x80, 0x80, 0x01, 0xf1, 0x09, 0x01, 0x00, 0xe4, 0x99]],
        &[&[
            0x90, 0x80, 0x80, 0x00, 0xb0, 0x1b, 0x00, 0x9d, 0x01, 0x2a, 0xa0, 0x00, 0x78, 0x00,
        ]],
    ];
    assert_eq!(read(96, vp8), [d, k]);
    let h263: &[&[&[u8]]] = &[
        &[&[
            0x00, 0x50, 0x00, 0x00, 0x00, 0x00, 0x80, 0x02, 0x0a, 0x08, 0x3f, 0xff,
        ]],
        &[&[
            0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x80, 0x02, 0x08, 0x03, 0x3b, 0x6f,
        ]],
    ];
    assert_eq!(read(34, h263), [d, k]);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read(
        packets in proptest::collection::vec(
            (0u8..128, proptest::collection::vec(proptest::num::u8::ANY, 0..40), proptest::bool::ANY),
            1..60,
        ),
    ) {
        let mut reader = Reader::default();
        for (payload_type, payload, first) in packets {
            reader.on_packet(payload_type % 4 + 32, &payload, first);
        }
    }
}
