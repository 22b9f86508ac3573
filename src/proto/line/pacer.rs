//! How many bytes a line may get now, so that little waits below the core.
//!
//! What has been handed over can no longer be overtaken. The pacer keeps the time at which the
//! line will have sent everything it was given, and allows more only within the bound.
//!
//! Three clocks say when that is. One runs on what was handed over and the line's rate alone. The
//! others start anew from each measurement of what really waits: in the port, where the driver tells, and
//! behind it, where the far end does ([`delivery`](super::delivery)). The latest one counts: when more
//! waits than was reckoned (a stall, a modem slower than told), the queue drains back to the bound;
//! when less is reported (drivers, adapters and FIFOs hide bytes, a pseudo terminal all of them),
//! nothing is handed over earlier than the rate allows. As each measurement replaces the one
//! before, a wrong one does no lasting harm.
//!
//! With a measurement every `t`, at most the bound and what the line carries in `t` wait below.

use crate::proto::time::{BitRate, Duration, Instant};

/// Paces one line.
///
/// Times are in units of a nanosecond divided by the bit rate: there a byte takes a whole number,
/// [`BYTE`], at any rate, and nothing is ever rounded. Otherwise a line would slowly fill, or idle.
#[derive(Debug)]
pub(crate) struct Pacer {
    rate: BitRate,
    bound: Duration,
    /// The bound in bytes.
    most: u64,
    /// When the line will be idle if it keeps to its rate.
    reckoned: u128,
    /// The same, from the last measurement in the port on.
    measured: u128,
    /// The same, from the last report of the far end on.
    reported: u128,
}

/// Even the slowest line gets this many bytes at once.
const SMALL_WRITE: u64 = 4;
/// Ten bits, times the nanoseconds of a second.
const BYTE: u128 = 10 * 1_000_000_000;

impl Pacer {
    /// For a line of that rate, on which at most `bound` of line time may wait.
    pub(crate) fn new(rate: BitRate, bound: Duration) -> Self {
        Self {
            rate,
            bound,
            most: most(rate, bound),
            reckoned: 0,
            measured: 0,
            reported: 0,
        }
    }

    /// From now on the line has that rate. What waits is as many bytes as before.
    pub(crate) fn set_rate(&mut self, now: Instant, rate: BitRate) {
        let before = self.scaled(now);
        self.rate = rate;
        self.most = most(rate, self.bound);
        let scaled = self.scaled(now);
        for idle_at in [&mut self.reckoned, &mut self.measured, &mut self.reported] {
            *idle_at = scaled + idle_at.saturating_sub(before);
        }
    }

    /// The rate in use.
    pub(crate) fn rate(&self) -> BitRate {
        self.rate
    }

    /// Whether it is worth handing over bytes now: a quarter of the bound has left. A few bytes at
    /// each occasion would cost a system call each, and reach the far end no sooner. Not less
    /// either: a timer may be two milliseconds late, and then the line must not be idle.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.waits(now) <= self.due()
    }

    /// Bytes that may be handed over now.
    pub(crate) fn allowance(&self, now: Instant) -> usize {
        let queued = self.waits(now).div_ceil(BYTE);
        u128::from(self.most).saturating_sub(queued) as usize
    }

    /// Notes that `bytes` were handed over.
    pub(crate) fn on_sent(&mut self, now: Instant, bytes: usize) {
        if bytes == 0 {
            // Nothing to hand over is no end of being idle.
            return;
        }
        let now = self.scaled(now);
        for idle_at in [&mut self.reckoned, &mut self.measured, &mut self.reported] {
            *idle_at = (*idle_at).max(now) + bytes as u128 * BYTE;
        }
    }

    /// Notes that `bytes` of what was handed over have not left yet.
    pub(crate) fn on_measured(&mut self, now: Instant, bytes: usize) {
        self.measured = self.scaled(now) + bytes as u128 * BYTE;
    }

    /// Notes that `bytes` of what was handed over wait behind the port, or have not left it.
    pub(crate) fn on_reported(&mut self, now: Instant, bytes: usize) {
        self.reported = self.scaled(now) + bytes as u128 * BYTE;
    }

    /// When it is worth asking again.
    pub(crate) fn next(&self, now: Instant) -> Instant {
        let due = self.idle_at().saturating_sub(self.due());
        let micros = due.div_ceil(self.bits() * 1000);
        Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)).max(now)
    }

    /// Line time that still waits.
    pub(crate) fn queued(&self, now: Instant) -> Duration {
        self.duration(self.waits(now))
    }

    /// How long the line has been idle.
    pub(crate) fn idle_for(&self, now: Instant) -> Duration {
        self.duration(self.scaled(now).saturating_sub(self.idle_at()))
    }

    fn due(&self) -> u128 {
        u128::from(self.most - self.most / 4) * BYTE
    }

    fn idle_at(&self) -> u128 {
        self.reckoned.max(self.measured).max(self.reported)
    }

    fn waits(&self, now: Instant) -> u128 {
        self.idle_at().saturating_sub(self.scaled(now))
    }

    fn bits(&self) -> u128 {
        u128::from(self.rate.bits_per_second())
    }

    fn scaled(&self, now: Instant) -> u128 {
        u128::from(now.as_micros()) * 1000 * self.bits()
    }

    fn duration(&self, scaled: u128) -> Duration {
        Duration::from_nanos(u64::try_from(scaled / self.bits()).unwrap_or(u64::MAX))
    }
}

/// The bound in bytes.
fn most(rate: BitRate, bound: Duration) -> u64 {
    (rate.bytes_in(bound) as u64).max(SMALL_WRITE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_rate_leaves_as_many_bytes_waiting() {
        let rate = |bits| BitRate::new(bits).unwrap();
        let mut pacer = Pacer::new(rate(38_400), Duration::from_millis(4));
        let now = Instant::from_micros(1_234_567);
        pacer.on_reported(now, 384);
        pacer.on_sent(now, 10);
        pacer.set_rate(now, rate(9600));
        assert_eq!(pacer.queued(now).as_millis(), 410);
        assert_eq!(pacer.allowance(now + rate(9600).time_for(394)), 4);
        let later = now + Duration::from_secs(1);
        pacer.set_rate(later, rate(115_200));
        assert_eq!(pacer.allowance(later), 46);
    }

    fn send_for(rate: u32, duration: Duration) -> u64 {
        let mut pacer = Pacer::new(BitRate::new(rate).unwrap(), Duration::from_millis(4));
        let (mut now, mut sent) = (Instant::ZERO, 0);
        while now < Instant::ZERO + duration {
            assert!(pacer.is_due(now));
            let allowance = pacer.allowance(now);
            pacer.on_sent(now, allowance);
            assert!(!pacer.is_due(now));
            sent += allowance as u64;
            assert!(pacer.queued(now) <= Duration::from_millis(4).max(pacer.rate.time_for(4)));
            now = pacer.next(now).max(now + Duration::from_micros(1));
        }
        sent
    }

    #[test]
    fn a_busy_line_is_kept_full_and_its_queue_short() {
        for rate in [300, 2400, 9600, 38_400, 115_200, 921_600] {
            let sent = send_for(rate, Duration::from_secs(10)) as f64;
            let full = f64::from(rate);
            assert!(
                sent >= full && sent <= full * 1.001 + 400.0,
                "{sent} of {full} at {rate}"
            );
        }
    }

    #[test]
    fn an_idle_line_gathers_no_credit() {
        let mut pacer = Pacer::new(BitRate::new(38_400).unwrap(), Duration::from_millis(4));
        let later = Instant::from_micros(10_000_000);
        assert_eq!(pacer.allowance(later), 15);
        pacer.on_sent(later, 15);
        assert_eq!(pacer.allowance(later), 0);
        assert_eq!(pacer.idle_for(later), Duration::ZERO);
        let idle = Duration::from_secs(1);
        let much_later = later + Duration::from_secs(1) + pacer.rate().time_for(15);
        pacer.on_sent(much_later - idle / 2, 0);
        assert!(pacer.idle_for(much_later) >= idle.mul_f64(0.999));
    }

    /// What really waits below, in bytes, on a line that carries `rate` bit/s when it moves.
    struct Below {
        rate: f64,
        waits: f64,
        carried: f64,
        most: f64,
    }

    /// A saturated line for some seconds: what it is told to be, what it really carries, when it
    /// stands still, and what is measured of what waits.
    struct Run<'a> {
        told: u32,
        real: f64,
        stands: std::ops::Range<u64>,
        measure: Option<&'a mut dyn FnMut(f64) -> f64>,
    }

    const STEP: u64 = 250;
    const MEASURE_EVERY: u64 = 4 * 1000;
    const LASTS: u64 = 10_000_000;

    impl Run<'_> {
        /// What became of the bytes; `watch` sees the time in microseconds and what waits.
        fn go(mut self, mut watch: impl FnMut(u64, f64)) -> Below {
            let mut pacer = Pacer::new(BitRate::new(self.told).unwrap(), Duration::from_millis(4));
            let mut below = Below {
                rate: f64::from(self.told) * self.real,
                waits: 0.0,
                carried: 0.0,
                most: 0.0,
            };
            let mut next = Instant::ZERO;
            for at in (0..LASTS).step_by(STEP as usize) {
                let now = Instant::from_micros(at);
                if at % MEASURE_EVERY == 0
                    && let Some(measure) = &mut self.measure
                {
                    pacer.on_measured(now, measure(below.waits) as usize);
                    next = pacer.next(now);
                }
                if now >= next {
                    let allowance = pacer.allowance(now);
                    pacer.on_sent(now, allowance);
                    below.waits += allowance as f64;
                    next = pacer.next(now);
                }
                below.most = below.most.max(below.waits);
                watch(at, below.waits);
                if !self.stands.contains(&at) {
                    let moves = (below.rate / 10.0 * STEP as f64 / 1e6).min(below.waits);
                    below.waits -= moves;
                    below.carried += moves;
                }
            }
            below
        }
    }

    impl Below {
        /// Share of what the line would have carried in that time without a pause.
        fn share(&self, micros: u64) -> f64 {
            self.carried / (self.rate / 10.0 * micros as f64 / 1e6)
        }
    }

    fn bytes_in(told: u32, micros: u64) -> f64 {
        f64::from(told) / 10.0 * micros as f64 / 1e6
    }

    /// The bound, and one measurement's worth.
    fn allowed(told: u32) -> f64 {
        bytes_in(told, 4000).max(SMALL_WRITE as f64) + bytes_in(told, MEASURE_EVERY) + 1.0
    }

    const RATES: [u32; 5] = [9600, 33_600, 115_200, 230_400, 921_600];

    #[test]
    fn a_line_slower_than_told_gets_no_more_than_it_carries() {
        for told in RATES {
            let run = |measure| {
                Run {
                    told,
                    real: 0.97,
                    stands: 0..0,
                    measure,
                }
                .go(|_, _| {})
            };
            let blind = run(None);
            assert!(
                blind.waits > 2.0 * allowed(told),
                "{} at {told}",
                blind.waits
            );
            let below = run(Some(&mut |waits: f64| waits.ceil()));
            assert!(below.most <= allowed(told), "{} at {told}", below.most);
            assert!(
                below.share(LASTS) >= 0.99,
                "{} at {told}",
                below.share(LASTS)
            );
        }
    }

    #[test]
    fn after_a_stall_the_queue_drains_back_to_the_bound() {
        let stands = 3_000_000..5_000_000;
        let soon = stands.end + 3 * MEASURE_EVERY;
        for told in RATES {
            let run = |measure| {
                let mut long_after: f64 = 0.0;
                let below = Run {
                    told,
                    real: 1.0,
                    stands: stands.clone(),
                    measure,
                }
                .go(|at, waits| {
                    if at > soon {
                        long_after = long_after.max(waits);
                    }
                });
                (below, long_after)
            };
            let (_, blind) = run(None);
            assert!(blind > bytes_in(told, 1_900_000), "{blind} at {told}");
            let (below, long_after) = run(Some(&mut |waits: f64| waits.ceil()));
            assert!(below.most <= allowed(told), "{} at {told}", below.most);
            let bound = bytes_in(told, 4000).max(SMALL_WRITE as f64) + 1.0;
            assert!(long_after <= bound, "{long_after} at {told}");
            let share = below.share(LASTS - (stands.end - stands.start));
            assert!(share >= 0.99, "{share} at {told}");
        }
    }

    #[test]
    fn noisy_measurements_cost_neither_the_bound_nor_the_line() {
        for told in RATES {
            let mut chance: u32 = 1;
            // A byte and a half of a millisecond too many or too few.
            let wrong = bytes_in(told, 1000) + 1.5;
            let mut noisy = |waits: f64| {
                chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (waits + (f64::from(chance) / f64::from(u32::MAX) * 2.0 - 1.0) * wrong).max(0.0)
            };
            let below = Run {
                told,
                real: 0.97,
                stands: 0..0,
                measure: Some(&mut noisy),
            }
            .go(|_, _| {});
            assert!(
                below.most <= allowed(told) + wrong,
                "{} at {told}",
                below.most
            );
            assert!(
                below.share(LASTS) >= 0.99,
                "{} at {told}",
                below.share(LASTS)
            );
        }
    }

    #[test]
    fn a_report_of_less_opens_no_flood() {
        for told in RATES {
            let below = Run {
                told,
                real: 1.0,
                stands: 0..0,
                measure: Some(&mut |_| 0.0),
            }
            .go(|_, _| {});
            let bound = bytes_in(told, 4000).max(SMALL_WRITE as f64) + 1.0;
            assert!(below.most <= bound, "{} at {told}", below.most);
            assert!(
                below.share(LASTS) >= 0.99,
                "{} at {told}",
                below.share(LASTS)
            );
        }
    }

    #[test]
    fn a_wrong_measurement_is_forgotten_with_the_next() {
        let mut pacer = Pacer::new(BitRate::new(38_400).unwrap(), Duration::from_millis(4));
        pacer.on_measured(Instant::ZERO, 384);
        assert_eq!(pacer.queued(Instant::ZERO), Duration::from_millis(100));
        assert_eq!(pacer.allowance(Instant::ZERO), 0);
        pacer.on_measured(Instant::ZERO, 5);
        assert_eq!(pacer.allowance(Instant::ZERO), 10);
        pacer.on_measured(Instant::ZERO, usize::MAX);
        assert_eq!(pacer.allowance(Instant::from_micros(1 << 40)), 0);
    }
}
