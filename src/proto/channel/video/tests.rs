//! Frames in the queue: what is sent of them, and what is not.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::proto::channel::Part;
use crate::proto::channel::queue::Sender;
use crate::proto::config::{ChannelConfig, Class};
use crate::proto::framing::segment::{FlowId, Writer};
use crate::proto::stats::SentStats;

fn at(ms: u64) -> Instant {
    Instant::from_micros(ms * 1000)
}

/// The sender of a video channel, and all that came out of it.
struct Line {
    sender: Sender,
    stats: SentStats,
    sequence: u16,
    /// Parts sent, and the frames they were of.
    sent: Vec<Part>,
}

/// H.264 slices.
const SLICE: [u8; 2] = [0x41, 0x9a];
const IDR: [u8; 2] = [0x65, 0x88];

impl Line {
    fn new(await_key_frame: bool) -> Self {
        let config = ChannelConfig {
            queue_datagrams: 40,
            ..ChannelConfig::new(1, "video", Class::Video)
        };
        let frames = Frames::of_video(Duration::from_millis(400), await_key_frame);
        Self {
            sender: Sender::new(&config, Some(frames)),
            stats: SentStats::default(),
            sequence: 0,
            sent: Vec::new(),
        }
    }

    /// Hands in one packet of so many bytes.
    fn packet(&mut self, ms: u64, timestamp: u32, marker: bool, start: [u8; 2], size: usize) {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = vec![0x80, u8::from(marker) << 7 | 96];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend([0, 0, 0, 7]);
        packet.extend(start);
        packet.resize(size, 0x55);
        let taken = self.sender.accept(at(ms), packet.into(), &mut self.stats);
        assert_eq!(taken, Ok(()));
    }

    /// Hands in a frame of packets of 100 bytes.
    fn frame(&mut self, ms: u64, timestamp: u32, packets: usize, start: [u8; 2]) {
        for i in 1..=packets {
            self.packet(ms, timestamp, i == packets, start, 100);
        }
    }

    /// One frame of the line with room for so many bytes; says how many datagrams went.
    fn carry(&mut self, ms: u64, mut space: usize) -> u64 {
        let before = self.stats.sent;
        self.sender.expire(at(ms), &mut self.stats);
        let mut body = Vec::new();
        let mut writer = Writer::new(&mut body);
        let mut used = 0;
        while let Some((part, _)) =
            self.sender
                .write(at(ms), FlowId(1), space, &mut writer, &mut self.stats)
        {
            space = space.saturating_sub(writer.len() - used + 2);
            used = writer.len();
            self.sent.push(part);
        }
        self.stats.sent - before
    }

    /// Teaches the estimate: 185 bytes every 100 ms, from `ms` to a second later.
    fn learn(&mut self, ms: u64) {
        for i in 0..10 {
            for _ in 0..2 {
                let data = Bytes::from(vec![0; 185]);
                let taken = self.sender.accept(at(ms + i * 100), data, &mut self.stats);
                assert_eq!(taken, Ok(()));
            }
            self.carry(ms + i * 100, 200);
        }
        self.sender.expire(at(ms + 2000), &mut self.stats);
        assert_eq!(self.sender.queued().0, 0);
        self.stats = SentStats::default();
    }
}

impl Frames {
    /// `queue` says of a frame which of its packets are in the queue, and whether each is given up.
    pub(in crate::proto::channel) fn assert_sound(&self, queue: impl Fn(FrameId) -> Vec<bool>) {
        for (&id, frame) in &self.known {
            let queued = queue(id);
            assert_eq!(frame.packets, queued.len());
            assert_eq!(
                frame.dropped.is_some() && !queued.is_empty(),
                queued.contains(&true)
            );
            assert!(frame.dropped.is_none() || queued.iter().all(|&given_up| given_up));
            assert!(frame.packets > 0 || !frame.is_complete, "{frame:?}");
        }
    }
}

#[test]
fn a_frame_that_expires_takes_its_later_packets_with_it() {
    let mut line = Line::new(false);
    for _ in 0..3 {
        line.packet(0, 1, false, SLICE, 100);
    }
    line.frame(10, 2, 2, SLICE);
    line.sender.expire(at(400), &mut line.stats);
    assert_eq!(
        (line.stats.dropped_late, line.sender.queued().0),
        (5 - 2, 2)
    );
    // The equipment had more of the next frame.
    line.packet(405, 2, true, SLICE, 100);
    assert_eq!(
        line.sender.queued().0,
        3,
        "its marker came before: a frame of its own"
    );
}

#[test]
fn a_frame_that_cannot_make_it_is_not_begun() {
    let mut line = Line::new(false);
    line.learn(0);
    line.frame(3000, 1, 3, SLICE);
    line.frame(3000, 2, 9, SLICE);
    line.frame(3000, 3, 3, SLICE);
    // 2 bytes a millisecond: the first goes, the second would take 450 ms.
    for i in 0..20 {
        line.carry(3000 + i * 50, 106);
    }
    assert_eq!((line.stats.sent, line.stats.dropped_late), (6, 9));
}

#[test]
fn the_rest_of_a_begun_frame_goes_when_it_would_be_late() {
    let mut line = Line::new(false);
    line.learn(0);
    line.packet(3000, 1, false, SLICE, 100);
    assert_eq!(line.carry(3000, 106), 1);
    for _ in 0..30 {
        line.packet(3010, 1, false, SLICE, 100);
    }
    line.frame(3050, 2, 1, SLICE);
    assert_eq!(line.carry(3060, 106), 1, "of the next frame");
    assert_eq!(line.stats.dropped_late, 30);
    line.packet(3070, 1, true, SLICE, 100);
    assert_eq!((line.stats.dropped_late, line.sender.queued().0), (30, 2));
}

#[test]
fn a_frame_too_large_for_its_deadline_is_tried_and_may_have_twice_the_time() {
    let mut line = Line::new(false);
    line.learn(0);
    line.frame(9000, 1, 12, SLICE);
    let sent: u64 = (0..12).map(|i| line.carry(9000 + i * 50, 106)).sum();
    assert_eq!((sent, line.stats.dropped_late), (12, 0));
    // Not behind others that are in time.
    line.frame(10_000, 2, 1, SLICE);
    assert_eq!(line.carry(10_000, 106), 1);
    line.frame(10_100, 3, 12, SLICE);
    assert_eq!(line.carry(10_100, 106), 0);
    assert_eq!(line.stats.dropped_late, 12);
}

#[test]
fn when_the_line_is_behind_it_goes_on_with_a_fresh_frame() {
    let mut line = Line::new(false);
    line.learn(0);
    for i in 0..12 {
        line.frame(3000 + i * 30, i as u32 + 1, 2, SLICE);
    }
    // 100 ms for each: the first cannot make it at 3350, the others up to 3250 are old.
    assert_eq!(line.carry(3350, 106), 1);
    assert_eq!(line.stats.dropped_late, 2 * 9);
}

#[test]
fn a_full_queue_drops_whole_frames() {
    let mut line = Line::new(false);
    for i in 0..8 {
        line.frame(0, i, 5, SLICE);
    }
    assert_eq!(
        (line.stats.dropped_queue_full, line.sender.queued().0),
        (0, 40)
    );
    line.frame(0, 9, 1, SLICE);
    assert_eq!(
        (line.stats.dropped_queue_full, line.sender.queued().0),
        (5, 36)
    );
    // A frame that is larger than the queue goes as a whole.
    line.frame(0, 10, 50, SLICE);
    assert_eq!(line.sender.queued().0, 0);
    assert_eq!(line.stats.dropped_queue_full, 41 + 50);
}

#[test]
fn what_looks_like_rtp_and_never_changes_is_carried() {
    let mut line = Line::new(false);
    for i in 0..100 {
        let data = Bytes::from(vec![0x80; 50]);
        let taken = line.sender.accept(at(i * 50), data, &mut line.stats);
        assert_eq!(taken, Ok(()));
        assert_eq!(line.carry(i * 50, 200), 1, "{i}");
    }
}

#[test]
fn pictures_that_need_a_dropped_one_wait_for_a_key_frame_if_so_set() {
    for await_key_frame in [true, false] {
        let mut line = Line::new(await_key_frame);
        for i in 0..10u32 {
            line.frame(u64::from(i) * 10, i, 1, SLICE);
            assert_eq!(line.carry(u64::from(i) * 10, 200), 1);
        }
        line.frame(1000, 20, 1, SLICE);
        line.sender.expire(at(1400), &mut line.stats);
        line.frame(1400, 21, 1, SLICE);
        line.frame(1410, 22, 1, IDR);
        let went = line.carry(1420, 1000);
        assert_eq!(went, if await_key_frame { 1 } else { 2 });
        line.frame(1430, 23, 1, SLICE);
        assert_eq!(line.carry(1440, 1000), 1, "the key frame was begun");
        let dropped = (line.stats.dropped_late, line.stats.dropped_dependent);
        assert_eq!(dropped, (1, u64::from(await_key_frame)));
    }
}

#[test]
fn a_picture_lost_for_good_counts_as_dropped_unless_a_key_frame_came_after_it() {
    for (key_between, goes) in [(false, 0), (true, 1)] {
        let mut line = Line::new(true);
        for i in 0..10u32 {
            line.frame(u64::from(i) * 10, i, 1, SLICE);
            line.carry(u64::from(i) * 10, 200);
        }
        let lost = *line.sent.last().unwrap();
        if key_between {
            line.frame(100, 10, 1, IDR);
            line.carry(100, 200);
        }
        line.sender.expire(at(1000), &mut line.stats);
        line.sender.on_lost(lost);
        line.frame(1000, 11, 1, SLICE);
        assert_eq!(line.carry(1000, 200), goes);
    }
}

#[test]
fn an_unknown_format_is_never_withheld() {
    let mut line = Line::new(true);
    line.frame(0, 1, 1, [0xff, 0xff]);
    line.sender.expire(at(400), &mut line.stats);
    line.frame(400, 2, 1, [0xff, 0xff]);
    assert_eq!(line.carry(400, 200), 1);
    assert_eq!(line.stats.dropped_dependent, 0);
}

#[derive(Clone, Debug)]
enum Step {
    Frame {
        packets: usize,
        size: usize,
        start: [u8; 2],
    },
    /// A packet whose frame goes on.
    Packet {
        size: usize,
    },
    Datagram {
        size: usize,
    },
    Carry {
        space: usize,
    },
    Settle {
        lost: bool,
        which: prop::sample::Index,
    },
    Wait {
        ms: u64,
    },
    Cut,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let start = prop_oneof![Just(SLICE), Just(IDR), Just([0x09, 0x10]), Just([0xff, 0])];
    prop_oneof![
        4 => (1usize..6, 15usize..300, start)
            .prop_map(|(packets, size, start)| Step::Frame { packets, size, start }),
        2 => (15usize..300).prop_map(|size| Step::Packet { size }),
        1 => (0usize..300).prop_map(|size| Step::Datagram { size }),
        6 => (0usize..400).prop_map(|space| Step::Carry { space }),
        4 => (any::<bool>(), any::<prop::sample::Index>())
            .prop_map(|(lost, which)| Step::Settle { lost, which }),
        4 => (1u64..150).prop_map(|ms| Step::Wait { ms }),
        1 => Just(Step::Cut),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn whatever_happens_the_books_agree(
        await_key_frame in any::<bool>(),
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut line = Line::new(await_key_frame);
        let (mut ms, mut timestamp, mut accepted) = (0, 0u32, 0);
        let mut restarts = 0;
        for step in steps {
            match step {
                Step::Frame { packets, size, start } => {
                    timestamp += 1;
                    for i in 1..=packets {
                        line.packet(ms, timestamp, i == packets, start, size);
                    }
                    accepted += packets as u64;
                    timestamp += 1;
                }
                Step::Packet { size } => {
                    line.packet(ms, timestamp, false, SLICE, size);
                    accepted += 1;
                }
                Step::Datagram { size } => {
                    let data = Bytes::from(vec![7; size]);
                    let taken = line.sender.accept(at(ms), data, &mut line.stats);
                    prop_assert_eq!(taken, Ok(()));
                    accepted += 1;
                }
                Step::Carry { space } => {
                    line.carry(ms, space);
                }
                Step::Settle { lost, which } if !line.sent.is_empty() => {
                    let part = line.sent.swap_remove(which.index(line.sent.len()));
                    if lost {
                        line.sender.on_lost(part);
                    } else {
                        line.sender.on_acked(part);
                    }
                }
                Step::Settle { .. } => {}
                Step::Wait { ms: more } => {
                    ms += more;
                    line.sender.expire(at(ms), &mut line.stats);
                }
                Step::Cut => line.sender.on_interrupted(),
                Step::Restart => {
                    line.sender.restart(0);
                    line.sent.clear();
                    restarts += 1;
                }
            }
            let dropped = line.stats.dropped_late
                + line.stats.dropped_queue_full
                + line.stats.dropped_dependent;
            line.sender.assert_sound();
            prop_assert!(dropped <= accepted);
            if restarts == 0 {
                prop_assert!(line.stats.sent <= accepted);
            }
            prop_assert!(await_key_frame || line.stats.dropped_dependent == 0);
        }
        // In the end nothing is left behind.
        line.sender.expire(at(ms + 1000), &mut line.stats);
        line.sender.assert_sound();
        prop_assert_eq!(line.sender.queued(), (0, 0));
        prop_assert_eq!(line.sender.next_expiry(), None);
    }
}
