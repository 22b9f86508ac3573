use super::*;

const RATE: u32 = 9600;
const BYTES_A_SECOND: usize = 960;

fn tester(expect: Option<Pattern>, inject_every: Option<u64>) -> Tester {
    Tester::new(
        TesterConfig {
            rate: BitRate::new(RATE).unwrap(),
            send: (Pattern::P2047, Polarity::Normal),
            expect,
            inject_every,
        },
        Instant::ZERO,
    )
}

fn at(second: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(second)
}

fn pattern() -> impl Iterator<Item = u8> {
    let mut generator = Generator::new(Pattern::P2047, Polarity::Normal);
    std::iter::from_fn(move || Some(generator.byte()))
}

fn events(tester: &mut Tester) -> Vec<Event> {
    std::iter::from_fn(|| tester.poll_event()).collect()
}

/// Each second these bytes, all at its beginning.
fn feed(tester: &mut Tester, from: u64, seconds: &[Vec<u8>]) {
    for (n, bytes) in seconds.iter().enumerate() {
        tester.handle_bytes(at(from + n as u64), bytes);
    }
    tester.handle_timeout(at(from + seconds.len() as u64));
}

fn seconds(count: usize) -> Vec<Vec<u8>> {
    let bytes: Vec<u8> = pattern().take(count * BYTES_A_SECOND).collect();
    bytes.chunks(BYTES_A_SECOND).map(<[u8]>::to_vec).collect()
}

#[test]
fn errors_put_in_at_one_end_are_counted_at_the_other() {
    let mut sender = tester(None, Some(1000));
    let mut receiver = tester(None, None);
    let (mut now, mut sent) = (Instant::ZERO, Vec::new());
    while now < at(20) {
        sent.clear();
        sender.poll_transmit(now, 4096, &mut sent);
        receiver.handle_bytes(now, &sent);
        now = sender.poll_timeout().unwrap();
    }
    let (sender, receiver) = (sender.settled(), receiver.settled());
    assert_eq!(sender.injected, sender.bytes_sent * 8 / 1000);
    let rate = receiver.bit_error_rate().unwrap();
    assert!((0.0009..0.0011).contains(&rate), "{rate}");
    assert_eq!((receiver.slips, receiver.synchronisation_losses), (0, 0));
    assert!(receiver.bits > 18 * 7680, "{receiver:?}");
}

#[test]
fn a_second_with_a_fifth_wrong_is_a_loss_and_a_little_less_is_errors() {
    for (every, losses) in [(5, 1), (6, 0)] {
        let mut tester = tester(None, None);
        let mut bytes = seconds(5);
        for bit in (0..BYTES_A_SECOND * 8).step_by(every) {
            bytes[2][bit / 8] ^= 1 << (bit % 8);
        }
        feed(&mut tester, 0, &bytes);
        let events = events(&mut tester);
        let stats = tester.settled();
        assert_eq!(
            stats.synchronisation_losses, losses,
            "one in {every}: {events:?}"
        );
        if losses > 0 {
            assert!(stats.errors <= 20, "{stats:?}");
            assert_eq!(stats.seconds.severely_errored, 1);
            assert!(events.contains(&Event::SynchronisationLost));
        } else {
            assert!(stats.errors >= 1200, "{stats:?}");
        }
        assert_eq!(stats.slips, 0, "it goes on where it would have been");
    }
}

#[test]
fn silence_is_said_once_and_its_seconds_are_lost() {
    let mut tester = tester(None, None);
    let mut bytes = seconds(6);
    bytes[2].clear();
    bytes[3].clear();
    feed(&mut tester, 0, &bytes);
    let said = events(&mut tester);
    assert_eq!(
        said,
        [
            Event::Synchronised(Pattern::P2047, Polarity::Normal),
            Event::SignalLost,
            Event::SignalBack,
        ]
    );
    let stats = tester.settled();
    assert_eq!(stats.slips, 0, "what the silence took is no slip");
    assert_eq!(stats.silent_seconds, 2);
    assert_eq!(stats.seconds.severely_errored, 2);
    assert_eq!(stats.errors, 0);
}

#[test]
fn a_lost_byte_is_a_slip_and_not_a_flood_of_errors() {
    let mut tester = tester(None, None);
    let mut bytes = seconds(5);
    bytes[2].remove(100);
    bytes[3].insert(500, 0x55);
    feed(&mut tester, 0, &bytes);
    let stats = tester.settled();
    assert_eq!((stats.errors, stats.slips), (0, 2));
    assert_eq!(
        (stats.slipped_bytes_lost, stats.slipped_bytes_extra),
        (1, 1)
    );
    assert_eq!(stats.seconds.errored, 0);
}

#[test]
fn seconds_begin_with_the_first_synchronisation() {
    let mut tester = tester(None, None);
    tester.handle_timeout(at(30));
    assert_eq!(tester.counted(), 0);
    feed(&mut tester, 30, &seconds(3));
    let stats = tester.settled();
    assert_eq!(stats.seconds.seconds, 3);
    assert_eq!(stats.seconds.errored, 0);
    assert_eq!(stats.synchronised_after_us, Some(30_000_000));
}

#[test]
fn a_pattern_that_goes_within_its_first_second_is_no_test() {
    let mut tester = tester(None, None);
    let mut bytes = seconds(1);
    bytes[0].truncate(100);
    bytes[0].extend(std::iter::repeat_n(0x55, 800));
    feed(&mut tester, 0, &bytes);
    tester.handle_timeout(at(10));
    assert!(!tester.has_begun());
    let stats = tester.settled();
    assert_eq!((stats.pattern, stats.synchronisation_losses), (None, 0));
    assert_eq!(stats.bytes_received, 900);
    feed(&mut tester, 10, &seconds(3));
    assert_eq!(tester.settled().seconds.available, 3);
}

#[test]
fn another_pattern_than_the_named_one_is_not_taken() {
    let mut wrong = tester(Some(Pattern::P511), None);
    feed(&mut wrong, 0, &seconds(3));
    assert_eq!(wrong.counted(), 0);
    let stats = wrong.settled();
    assert_eq!(
        (stats.pattern, stats.other_pattern),
        (None, Some(Pattern::P2047))
    );
    let mut right = tester(Some(Pattern::P2047), None);
    feed(&mut right, 0, &seconds(3));
    assert_eq!(right.counted(), 3);
}

#[test]
fn what_nobody_asks_for_is_forgotten_and_still_counted() {
    let mut tester = tester(None, None);
    let mut bytes = pattern();
    for n in 0..200 {
        let mut chunk: Vec<u8> = bytes.by_ref().take(40).collect();
        chunk.remove(0);
        tester.handle_bytes(Instant::from_micros(n), &chunk);
    }
    assert_eq!(events(&mut tester).len(), EVENTS_KEPT);
    assert_eq!(tester.settled().slips, 199);
}
