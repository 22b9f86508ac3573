//! The line model against what it promises. Mostly at 10 kbit/s, where a byte takes 1 ms.

use proptest::prelude::*;

use super::*;
use crate::sim::{Bursts, Rng};

fn rate(bits_per_second: u32) -> BitRate {
    BitRate::new(bits_per_second).unwrap()
}

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One byte per millisecond.
fn slow() -> LineModelConfig {
    LineModelConfig::clean(rate(10_000))
}

/// Polls at each `poll_timeout` up to `end`: what arrived, and when.
fn drain(line: &mut LineModel, end: Instant) -> Vec<(Instant, u8)> {
    let mut arrived = Vec::new();
    while let Some(now) = line.poll_timeout().filter(|&at| at <= end) {
        let mut buf = Vec::new();
        line.poll_bytes(now, &mut buf);
        arrived.extend(buf.into_iter().map(|byte| (now, byte)));
        assert!(
            line.poll_timeout().is_none_or(|next| next > now),
            "no progress"
        );
    }
    arrived
}

/// Keeps the line saturated with `bytes` and polls it every `step`: what arrived.
fn saturate(line: &mut LineModel, bytes: &[u8], step: Duration) -> Vec<u8> {
    let (mut now, mut sent, mut arrived) = (Instant::ZERO, 0, Vec::new());
    while sent < bytes.len() || line.queued(now) + line.in_flight(now) > 0 {
        let room = line.room(now).min(bytes.len() - sent);
        sent += line.handle_bytes(now, &bytes[sent..sent + room]);
        now += step;
        line.poll_bytes(now, &mut arrived);
    }
    arrived
}

fn random_bytes(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    Rng::new(99).fill(&mut bytes);
    bytes
}

#[test]
fn the_rate_is_exact_over_ten_seconds() {
    for bits_per_second in [300, 2400, 33_600, 38_400, 115_200, 921_600] {
        for chunk_of_input in [3, 4096] {
            let mut line = LineModel::new(LineModelConfig::clean(rate(bits_per_second)));
            let mut buf = Vec::new();
            let mut next = Some(Instant::ZERO);
            while let Some(now) = next.filter(|&now| now < at(10_000_000)) {
                line.poll_bytes(now, &mut buf);
                let wanted = chunk_of_input - line.queued(now).min(chunk_of_input);
                line.handle_bytes(now, &vec![0; wanted]);
                next = line.poll_timeout();
            }
            let exact = u64::from(bits_per_second);
            assert_eq!(line.stats().delivered, exact - 1, "{bits_per_second} bit/s");
            line.poll_bytes(at(10_000_000), &mut buf);
            assert_eq!(line.stats().delivered, exact, "{bits_per_second} bit/s");
        }
    }
}

#[test]
fn a_byte_arrives_a_byte_time_and_a_delay_after_it_was_sent() {
    let mut line = LineModel::new(LineModelConfig::clean(rate(38_400)).with_delay(ms(250)));
    line.handle_bytes(at(1_000), b"ab");
    // 260.4 and 520.8 us.
    assert_eq!(line.poll_timeout(), Some(at(251_261)));
    let mut buf = Vec::new();
    assert_eq!(line.poll_bytes(at(251_260), &mut buf), 0);
    assert_eq!(line.in_flight(at(251_260)), 2);
    assert_eq!(line.poll_bytes(at(251_261), &mut buf), 1);
    assert_eq!(line.poll_timeout(), Some(at(251_521)));
    assert_eq!(line.poll_bytes(at(251_520), &mut buf), 0);
    assert_eq!(line.poll_bytes(at(251_521), &mut buf), 1);
    assert_eq!(buf, b"ab");
    assert_eq!(line.poll_timeout(), None);
}

#[test]
fn what_the_buffer_holds_fits_and_one_more_does_not() {
    let mut line = LineModel::new(slow().with_buffer(10));
    assert_eq!(line.handle_bytes(at(0), &[0; 10]), 10);
    assert_eq!((line.room(at(0)), line.queued(at(0))), (0, 10));
    assert_eq!(line.handle_bytes(at(999), &[1]), 0);
    assert_eq!(line.room(at(999)), 0);
    assert_eq!(line.room(at(1000)), 1);
    assert_eq!(line.handle_bytes(at(1000), &[2, 3]), 1);
    let stats = line.stats();
    assert_eq!((stats.accepted, stats.refused), (11, 2));
    assert_eq!(
        drain(&mut line, at(1_000_000)).last(),
        Some(&(at(11_000), 2))
    );
    assert_eq!(line.room(at(1_000_000)), 10);

    let mut line = LineModel::new(slow().with_buffer(10));
    assert_eq!(line.handle_bytes(at(0), &[0; 11]), 10);
    let mut line = LineModel::new(slow().with_buffer(0));
    assert_eq!(line.handle_bytes(at(0), &[0]), 0);
}

#[test]
fn a_cut_loses_what_would_arrive_and_later_bytes_arrive() {
    let mut line = LineModel::new(slow().with_delay(ms(5)));
    line.handle_bytes(at(0), &[1, 2, 3, 4, 5, 6, 7, 8]);
    // Byte n arrives at (n + 5) ms; 3, 4 and 5 come while the line is cut.
    line.set_cut(at(7_000), true);
    line.set_cut(at(10_000), false);
    let mut buf = Vec::new();
    line.poll_bytes(at(10_000), &mut buf);
    buf.extend(drain(&mut line, at(50_000)).iter().map(|&(_, byte)| byte));
    assert_eq!(buf, [1, 2, 6, 7, 8]);
    assert_eq!(line.stats().bytes_cut, 3);
}

#[test]
fn a_byte_on_the_line_keeps_its_rate() {
    let mut line = LineModel::new(slow());
    line.handle_bytes(at(0), &[1, 2, 3]);
    line.set_rate(at(1_500), rate(100_000));
    let times: Vec<u64> = drain(&mut line, at(10_000))
        .iter()
        .map(|(at, _)| at.as_micros())
        .collect();
    // The first was due before the change and is fetched at once.
    assert_eq!(times, [1_500, 2_000, 2_100]);
    line.set_rate(at(20_000), rate(1_000));
    line.handle_bytes(at(20_000), &[4]);
    assert_eq!(drain(&mut line, at(90_000)), [(at(30_000), 4)]);
}

#[test]
fn the_receiver_hands_over_full_chunks_and_the_rest_after_silence() {
    let mut line = LineModel::new(slow().with_chunk(8).with_delay(ms(100)));
    line.handle_bytes(at(0), &[7; 11]);
    let times: Vec<u64> = drain(&mut line, at(1_000_000))
        .iter()
        .map(|(at, _)| at.as_micros())
        .collect();
    // Three are left at 11 ms; four byte times later nothing has followed.
    let expected = [[108_000; 8].as_slice(), &[115_000; 3]].concat();
    assert_eq!(times, expected);
}

#[test]
fn a_pause_below_four_byte_times_does_not_end_a_chunk() {
    // The second byte ends 1 ms after the pause; alone it waits four more.
    for (pause, expected) in [(2_999, [4_999, 4_999]), (3_000, [5_000, 9_000])] {
        let mut line = LineModel::new(slow().with_chunk(2));
        line.handle_bytes(at(0), &[1]);
        let mut arrived = drain(&mut line, at(1_000 + pause));
        line.handle_bytes(at(1_000 + pause), &[2]);
        arrived.extend(drain(&mut line, at(1_000_000)));
        let times: Vec<u64> = arrived.iter().map(|(at, _)| at.as_micros()).collect();
        assert_eq!(times, expected);
    }
}

#[test]
fn one_event_per_chunk_on_a_saturated_line() {
    let mut line = LineModel::new(slow().with_chunk(8).with_delay(ms(20)));
    line.handle_bytes(at(0), &[0; 800]);
    let mut events = 0;
    while let Some(now) = line.poll_timeout() {
        assert_eq!(line.poll_bytes(now, &mut Vec::new()), 8);
        events += 1;
    }
    assert_eq!(events, 100);
}

#[test]
fn what_nobody_fetches_is_bounded() {
    let most = LineModel::MAX_READY;
    let mut line = LineModel::new(LineModelConfig::clean(BitRate::MAX).with_buffer(most + 1));
    line.handle_bytes(at(0), &vec![0; most]);
    line.set_cut(at(10_000_000), false);
    assert_eq!(line.stats().bytes_overrun, 0);
    line.handle_bytes(at(10_000_000), &[0]);
    line.set_cut(at(10_000_001), false);
    assert_eq!(line.stats().bytes_overrun, 1);
    assert_eq!(line.poll_bytes(at(20_000_000), &mut Vec::new()), most);
}

#[test]
fn a_noisy_line_damages_as_much_as_it_counts() {
    let noise = Noise {
        bit_error_rate: 1e-3,
        bursts: Some(Bursts {
            mean_burst: ms(5),
            mean_gap: ms(500),
            bit_error_rate: 0.2,
        }),
        ..Noise::NONE
    };
    let config = LineModelConfig::clean(rate(115_200)).with_noise(noise);
    let mut line = LineModel::new(config.with_chunk(8).with_delay(ms(3)));
    let sent = random_bytes(1_000_000);
    let arrived = saturate(&mut line, &sent, ms(10));
    assert_eq!(arrived.len(), sent.len());
    let flipped: u32 = sent
        .iter()
        .zip(&arrived)
        .map(|(a, b)| (a ^ b).count_ones())
        .sum();
    assert_eq!(u64::from(flipped), line.stats().bits_flipped);
    let expected = 8e6 * (1e-3 * 500.0 + 0.2 * 5.0) / 505.0;
    assert!(
        (f64::from(flipped) / expected - 1.0).abs() < 0.2,
        "{flipped} of {expected}"
    );
}

#[test]
fn stray_bytes_come_only_while_the_line_is_idle() {
    let noise = Noise {
        idle_byte_rate: 100.0,
        ..Noise::NONE
    };
    let mut line = LineModel::new(slow().with_noise(noise).with_buffer(50_000));
    let strays = drain(&mut line, at(50_000_000)).len();
    assert!((4500..5500).contains(&strays), "{strays}");
    line.handle_bytes(at(50_000_000), &vec![0; 50_000]);
    assert_eq!(drain(&mut line, at(100_000_000)).len(), 50_000);
    assert_eq!(line.stats().bytes_inserted, strays as u64);
}

#[test]
fn short_pauses_add_up_to_stray_bytes() {
    let noise = Noise {
        idle_byte_rate: 100.0,
        ..Noise::NONE
    };
    let mut line = LineModel::new(slow().with_noise(noise));
    // A byte every 2 ms: half of the time the line is idle.
    for i in 0..20_000 {
        line.handle_bytes(at(2_000 * i), &[0]);
    }
    let strays = line.stats().bytes_inserted;
    assert!((1_800..2_200).contains(&strays), "{strays}");
}

#[test]
fn a_stray_byte_that_fills_a_chunk_is_not_late() {
    let noise = Noise {
        idle_byte_rate: 1_000.0,
        ..Noise::NONE
    };
    for seed in 0..20 {
        let config = slow().with_noise(noise).with_chunk(4).with_seed(seed);
        let (mut busy, mut lazy) = (LineModel::new(config.clone()), LineModel::new(config));
        busy.handle_bytes(at(0), &[0; 6]);
        lazy.handle_bytes(at(0), &[0; 6]);
        let mut expected = Vec::new();
        for micros in 0..20_000 {
            let mut buf = Vec::new();
            busy.poll_bytes(at(micros), &mut buf);
            expected.extend(buf.into_iter().map(|byte| (at(micros), byte)));
        }
        assert_eq!(drain(&mut lazy, at(19_999)), expected, "seed {seed}");
    }
}

#[test]
fn noise_and_faults_begin_when_they_are_set() {
    let mut line = LineModel::new(slow().with_buffer(100));
    line.handle_bytes(at(0), &[0; 20]);
    line.set_noise(at(5_000), Noise::bit_errors(1.0));
    line.set_fault(at(10_000), Fault::SevenBits);
    line.set_noise(at(15_000), Noise::NONE);
    let mut buf = Vec::new();
    line.poll_bytes(at(20_000), &mut buf);
    assert_eq!(buf, [[0; 5], [0xff; 5], [0x7f; 5], [0; 5]].concat());
}

#[test]
fn each_fault_does_what_it_says() {
    let sent: Vec<u8> = (0..=255).collect();
    let receive = |fault| saturate(&mut LineModel::new(slow().with_fault(fault)), &sent, ms(1));
    assert_eq!(receive(Fault::None), sent);
    assert_eq!(receive(Fault::StuckAt(0x55)), [0x55; 256]);
    let seven: Vec<u8> = sent.iter().map(|byte| byte & 0x7f).collect();
    assert_eq!(receive(Fault::SevenBits), seven);
    let eaten = receive(Fault::EatsXonXoff);
    assert_eq!(eaten.len(), 254);
    assert!(!eaten.contains(&0x11) && !eaten.contains(&0x13));
    let speeds = |sender, receiver| Fault::SpeedMismatch {
        sender_baud: rate(sender),
        receiver_baud: rate(receiver),
    };
    assert_eq!(receive(speeds(9600, 9600)), sent);
    assert_ne!(receive(speeds(9600, 19_200)), sent);
    assert_ne!(receive(speeds(19_200, 9600)), sent);
}

#[test]
fn a_slower_receiver_gets_its_last_character_from_the_silence() {
    let fault = Fault::SpeedMismatch {
        sender_baud: rate(19_200),
        receiver_baud: rate(9600),
    };
    let mut line = LineModel::new(slow().with_fault(fault));
    line.handle_bytes(at(0), &[0x00]);
    // Ten bits of 100 us sent; the stop bit is sampled at 9.5 bits of 200 us.
    assert_eq!(drain(&mut line, at(1_000_000)), [(at(2_000), 0xf8)]);
}

fn any_noise() -> impl Strategy<Value = Noise> {
    let bursts = (0u64..20_000, 0u64..50_000, 0.0..1.0f64).prop_map(|(burst, gap, rate)| Bursts {
        mean_burst: Duration::from_micros(burst),
        mean_gap: Duration::from_micros(gap),
        bit_error_rate: rate,
    });
    let share = || prop_oneof![Just(0.0), Just(1.0), 0.0..0.2f64];
    let strays = prop_oneof![Just(0.0), 0.0..2_000.0f64];
    (
        share(),
        proptest::option::of(bursts),
        share(),
        share(),
        strays,
    )
        .prop_map(
            |(bit_error_rate, bursts, lost_byte_rate, inserted_byte_rate, idle_byte_rate)| Noise {
                bit_error_rate,
                bursts,
                lost_byte_rate,
                inserted_byte_rate,
                idle_byte_rate,
            },
        )
}

fn any_rate() -> impl Strategy<Value = BitRate> {
    prop_oneof![50u32..500_000, Just(20_000_000)].prop_map(rate)
}

fn any_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::None),
        Just(Fault::SevenBits),
        any::<u8>().prop_map(Fault::StuckAt),
        Just(Fault::EatsXonXoff),
        Just(Fault::SaysXonXoff),
        (any_rate(), any_rate()).prop_map(|(sender_baud, receiver_baud)| Fault::SpeedMismatch {
            sender_baud,
            receiver_baud,
        }),
    ]
}

fn any_config() -> impl Strategy<Value = LineModelConfig> {
    let sizes = (0usize..300, 0usize..40);
    let delay = (0u64..20_000).prop_map(Duration::from_micros);
    (
        any_rate(),
        delay,
        sizes,
        any_noise(),
        any_fault(),
        any::<u64>(),
    )
        .prop_map(
            |(rate, delay, (buffer, chunk), noise, fault, seed)| LineModelConfig {
                rate,
                delay,
                buffer,
                chunk,
                noise,
                fault,
                seed,
            },
        )
}

#[derive(Clone, Debug)]
enum Call {
    Bytes(Vec<u8>),
    Poll,
    PollAtTimeout,
    Cut(bool),
    Noise(Noise),
    Fault(Fault),
    Rate(BitRate),
}

fn any_call() -> impl Strategy<Value = Call> {
    prop_oneof![
        6 => proptest::collection::vec(any::<u8>(), 0..100).prop_map(Call::Bytes),
        4 => Just(Call::Poll),
        6 => Just(Call::PollAtTimeout),
        1 => any::<bool>().prop_map(Call::Cut),
        1 => any_noise().prop_map(Call::Noise),
        1 => any_fault().prop_map(Call::Fault),
        1 => any_rate().prop_map(Call::Rate),
    ]
}

proptest! {
    /// Any interleaving of calls: no panic, and no byte is forgotten or counted twice.
    #[test]
    fn every_byte_is_accounted_for(
        config in any_config(),
        calls in proptest::collection::vec((0u64..30_000, any_call()), 1..80),
    ) {
        let buffer = config.buffer;
        let mut line = LineModel::new(config);
        let (mut now, mut given) = (Instant::ZERO, 0);
        for (pause, call) in calls {
            now += Duration::from_micros(pause);
            let mut buf = Vec::new();
            match call {
                Call::Bytes(bytes) => {
                    let room = line.room(now);
                    prop_assert_eq!(line.handle_bytes(now, &bytes), room.min(bytes.len()));
                }
                Call::Poll => given += line.poll_bytes(now, &mut buf),
                Call::PollAtTimeout => {
                    now = now.max(line.poll_timeout().unwrap_or(now));
                    given += line.poll_bytes(now, &mut buf);
                    prop_assert!(line.poll_timeout().is_none_or(|next| next > now));
                }
                Call::Cut(cut) => line.set_cut(now, cut),
                Call::Noise(noise) => line.set_noise(now, noise),
                Call::Fault(fault) => line.set_fault(now, fault),
                Call::Rate(rate) => line.set_rate(now, rate),
            }
            let stats = line.stats();
            prop_assert!(line.queued(now) <= buffer);
            prop_assert_eq!(stats.delivered, given as u64);
            prop_assert_eq!(
                stats.accepted + stats.bytes_inserted,
                stats.delivered + stats.bytes_lost + stats.bytes_cut + stats.bytes_overrun
                    + (line.queued(now) + line.in_flight(now)) as u64
            );
        }
    }

    /// How input is cut into calls and how often the line is asked changes nothing.
    #[test]
    fn the_seed_and_the_times_decide_all(
        config in any_config(),
        writes in proptest::collection::vec(
            (0u64..30_000, proptest::collection::vec(any::<u8>(), 0..60), any::<u8>()),
            1..30,
        ),
    ) {
        // Above it a byte may leave in the microsecond in which it came.
        let config = LineModelConfig {
            rate: config.rate.min(rate(10_000_000)),
            ..config
        };
        let mut lines: Vec<LineModel> = (0..3).map(|_| LineModel::new(config.clone())).collect();
        let mut arrived = vec![Vec::new(); 3];
        let mut now = Instant::ZERO;
        for (pause, bytes, cut) in writes {
            now += Duration::from_micros(pause);
            let (head, tail) = bytes.split_at(usize::from(cut) % (bytes.len() + 1));
            lines[0].handle_bytes(now, &bytes);
            while let Some(due) = lines[1].poll_timeout().filter(|&due| due <= now) {
                lines[1].poll_bytes(due, &mut arrived[1]);
            }
            lines[1].handle_bytes(now, &bytes);
            lines[2].poll_bytes(now, &mut arrived[2]);
            lines[2].handle_bytes(now, head);
            lines[2].poll_bytes(now, &mut arrived[2]);
            lines[2].handle_bytes(now, tail);
        }
        let end = now + Duration::from_secs(1);
        for (line, arrived) in lines.iter_mut().zip(&mut arrived) {
            line.poll_bytes(end, arrived);
        }
        prop_assert_eq!(&arrived[0], &arrived[1]);
        prop_assert_eq!(&arrived[0], &arrived[2]);
        prop_assert_eq!(lines[0].stats(), lines[1].stats());
        prop_assert_eq!(lines[0].stats(), lines[2].stats());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Who polls only at `poll_timeout` gets each byte in the very microsecond in which who
    /// polls all the time gets it.
    #[test]
    fn a_timeout_is_never_late(
        config in any_config(),
        writes in proptest::collection::btree_map(
            0u64..15_000,
            proptest::collection::vec(any::<u8>(), 0..30),
            1..20,
        ),
    ) {
        let (mut busy, mut lazy) = (LineModel::new(config.clone()), LineModel::new(config));
        let (mut busy_got, mut lazy_got) = (Vec::new(), Vec::new());
        for micros in 0..20_000 {
            let now = at(micros);
            let mut buf = Vec::new();
            busy.poll_bytes(now, &mut buf);
            busy_got.extend(buf.drain(..).map(|byte| (now, byte)));
            if lazy.poll_timeout().is_some_and(|due| due <= now) {
                lazy.poll_bytes(now, &mut buf);
                lazy_got.extend(buf.drain(..).map(|byte| (now, byte)));
            }
            if let Some(bytes) = writes.get(&micros) {
                busy.handle_bytes(now, bytes);
                lazy.handle_bytes(now, bytes);
            }
        }
        prop_assert_eq!(busy_got, lazy_got);
    }
}
