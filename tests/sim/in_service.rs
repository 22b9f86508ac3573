//! The seconds in service of a line whose weather is known.

use std::time::Duration;

use copperlink::shell::{History, InService};
use copperlink::sim::{Noise, Side, World};

use crate::common::{CONTROL, LINE, world};

/// An end whose history is kept, with something on the line all the time.
struct Watched {
    world: World,
    history: History,
}

impl Watched {
    fn new() -> Self {
        let world = world(38_400, Noise::NONE, 7);
        Self {
            history: History::new(1, world.now()),
            world,
        }
    }

    fn pass(&mut self, seconds: u64) -> InService {
        for _ in 0..seconds {
            // Half of the line. Refused when the queue is full, while the line is cut.
            let _ = (self.world).send(Side::B, CONTROL, vec![7; 1900].into());
            self.world
                .run_until(self.world.now() + Duration::from_secs(1));
            while self.world.poll_datagram(Side::A).is_some() {}
            let stats = self.world.session(Side::A).expect("it runs").stats();
            self.history.record(self.world.now(), &stats);
        }
        self.history.in_service()[0]
    }

    fn noise(&mut self, bit_error_rate: f64) {
        let (now, noise) = (self.world.now(), Noise::bit_errors(bit_error_rate));
        self.world.line_mut(Side::B, LINE).set_noise(now, noise);
    }
}

#[test]
fn a_clean_line_has_no_errored_second() {
    let count = Watched::new().pass(300);
    assert!((298..=300).contains(&count.seconds), "{count:?}");
    assert_eq!(count.available, count.seconds);
    assert_eq!((count.errored, count.unavailable), (0, 0));
}

#[test]
fn wrong_bits_make_errored_seconds_and_many_of_them_severe_ones() {
    let mut line = Watched::new();
    line.pass(10);
    // One or two wrong bits a second: in four seconds of five there is one at least.
    line.noise(1e-4);
    let some = line.pass(200);
    assert!((120..200).contains(&some.errored), "{some:?}");
    assert!(some.severely_errored < 10, "{some:?}");
    // Two in a thousand: each second is severe, so all of them are unavailable.
    line.noise(2e-3);
    let many = line.pass(60);
    assert!(many.unavailable > 50, "{many:?}");
}

#[test]
fn a_cut_of_half_a_minute_is_unavailable_time_and_one_of_three_seconds_is_severe() {
    let mut line = Watched::new();
    line.pass(10);
    for (cut, severe, unavailable) in [(3, 1..=5, 0..=0), (30, 0..=5, 25..=32)] {
        let before = line.pass(20);
        line.world.set_cut(LINE, true);
        line.pass(cut);
        line.world.set_cut(LINE, false);
        let after = line.pass(20);
        let gained = after.severely_errored - before.severely_errored;
        assert!(severe.contains(&gained), "{cut} s: {after:?}");
        let gained = after.unavailable - before.unavailable;
        assert!(unavailable.contains(&gained), "{cut} s: {after:?}");
    }
}
