//! copperlink's own dialogue with a modem against modems that misbehave: both ends, in virtual time.

use std::fs;
use std::path::Path;
use std::time::Duration;

use copperlink::modem::{
    Dialer, Dtr, Event, Failure, Plan, PortSignals, Profile, Redial, Role as PlanRole, Way,
};
use copperlink::proto::time::{BitRate, Instant, earliest};
use copperlink::sim::modem::{Between, Exchange, Family, Role};
use copperlink::sim::{ModemConfig, Modems, Scenario, Side};

/// Whether a port has its pins, as a real one, or only bytes, as a pseudo terminal.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pins {
    All,
    None,
}

/// Two dialers, each at its modem.
struct Bench {
    modems: Modems,
    dialers: [Dialer; 2],
    pins: Pins,
    now: Instant,
    /// What the modems have not taken yet.
    output: [Vec<u8>; 2],
    events: [Vec<Event>; 2],
}

impl Bench {
    fn new(modems: Modems, plans: [Plan; 2], pins: Pins) -> Self {
        let mut bench = Self {
            modems,
            dialers: plans.map(Dialer::new),
            pins,
            now: Instant::ZERO,
            output: [Vec::new(), Vec::new()],
            events: [Vec::new(), Vec::new()],
        };
        for side in Side::BOTH {
            let speed = BitRate::new(115_200).expect("a rate");
            bench.modems.handle_speed(bench.now, side, speed);
            let signals = bench.signals(side);
            bench.dialers[side as usize].start(bench.now, signals);
        }
        bench.drain();
        bench
    }

    fn signals(&self, side: Side) -> PortSignals {
        match self.pins {
            Pins::All => PortSignals {
                carrier: Some(self.modems.signals(side).dcd),
                has_dtr: true,
            },
            Pins::None => PortSignals::default(),
        }
    }

    /// Everything that waits at this moment goes where it belongs.
    fn drain(&mut self) {
        let now = self.now;
        for side in Side::BOTH {
            let mut heard = Vec::new();
            self.modems.poll_bytes(now, side, &mut heard);
            let signals = self.signals(side);
            let dialer = &mut self.dialers[side as usize];
            if !heard.is_empty() {
                dialer.handle_bytes(now, &heard);
            }
            dialer.handle_signals(now, signals);
            dialer.handle_timeout(now);
            let output = &mut self.output[side as usize];
            dialer.poll_transmit(output);
            let taken = self.modems.handle_bytes(now, side, output);
            output.drain(..taken);
            while let Some(event) = dialer.poll_event() {
                if let Event::Dtr(level) = event {
                    let is_on = level == Dtr::On;
                    self.modems.handle_signals(now, side, is_on, true);
                }
                self.events[side as usize].push(event);
            }
        }
    }

    fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while self.now < end {
            let mut next = self.modems.poll_timeout();
            for dialer in &self.dialers {
                next = earliest(next, dialer.poll_timeout().map(|(at, _)| at));
            }
            let at_least = self.now + Duration::from_micros(100);
            self.now = next.unwrap_or(end).max(at_least).min(end);
            self.drain();
        }
    }

    /// How often a side was connected, and at which rates.
    fn rates(&self, side: Side) -> Vec<Option<u32>> {
        let events = self.events[side as usize].iter();
        let connected = events.filter_map(|event| match event {
            Event::Connected(connection) => Some(connection.character_rate()),
            _ => None,
        });
        connected.collect()
    }

    fn failures(&self, side: Side) -> Vec<&Failure> {
        let events = self.events[side as usize].iter();
        let failed = events.filter_map(|event| match event {
            Event::Failed(failure) => Some(failure),
            _ => None,
        });
        failed.collect()
    }
}

fn profile(name: &str) -> Profile {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/modem/profiles");
    let text = fs::read_to_string(folder.join(name).with_extension("toml"));
    toml::from_str(&text.expect("the profile")).expect("a good profile")
}

fn plan(name: &str, way: Way, role: Option<PlanRole>) -> Plan {
    let redial = match way {
        Way::Dial(_) => Redial::DEFAULT,
        _ => Redial::FREE,
    };
    Plan {
        profile: profile(name),
        way,
        role,
        redial,
        baud: 115_200,
        dead_after: Plan::DEAD_AFTER,
    }
}

fn dial(name: &str, number: &str) -> Plan {
    plan(name, Way::Dial(number.parse().expect("a number")), None)
}

fn answer(name: &str) -> Plan {
    plan(name, Way::Answer { rings: 1 }, None)
}

fn telephone(families: [Family; 2], changes: &str, exchange: Exchange) -> Modems {
    let text = format!("description = \"of one test\"\nrate = 28800\ndelay_ms = 20\n{changes}");
    let scenario: Scenario = toml::from_str(&text).expect("a good scenario");
    let between = Between::Exchange(exchange);
    Modems::new(families.map(ModemConfig::new), between, scenario, 1)
}

#[test]
fn each_profile_dials_and_answers_with_a_modem_of_its_family() {
    let kinds = [
        ("courier", Family::Courier),
        ("multitech", Family::MultiTech),
        ("rockwell", Family::Chipset),
        ("generic", Family::Chipset),
        ("generic", Family::Courier),
        ("generic", Family::MultiTech),
    ];
    for (name, family) in kinds {
        for (other_name, other) in kinds {
            for pins in [Pins::All, Pins::None] {
                let modems = telephone([family, other], "", Exchange::default());
                let plans = [dial(name, "1002"), answer(other_name)];
                let mut bench = Bench::new(modems, plans, pins);
                bench.run(30);
                let what = format!("{name} {family:?} to {other_name} {other:?}, {pins:?}");
                for side in Side::BOTH {
                    assert_eq!(bench.rates(side).len(), 1, "{what} {:?}", bench.events);
                    assert!(bench.dialers[side as usize].is_online(), "{what}");
                    assert_eq!(bench.failures(side), [] as [&Failure; 0], "{what}");
                }
            }
        }
    }
}

#[test]
fn what_goes_wrong_with_a_number_is_known_for_what_it_is() {
    let mute = Exchange {
        dial_tone: false,
        ..Exchange::default()
    };
    for (number, exchange, expected) in [
        ("1003", Exchange::default(), Failure::Busy),
        ("1005", Exchange::default(), Failure::Voice),
        ("1004", Exchange::default(), Failure::NoCarrier),
        ("1002", mute, Failure::NoDialtone),
    ] {
        let modems = telephone([Family::Courier; 2], "", exchange);
        let plans = [dial("courier", number), answer("courier")];
        let mut bench = Bench::new(modems, plans, Pins::All);
        bench.run(75);
        assert_eq!(
            bench.failures(Side::A).first(),
            Some(&&expected),
            "{number}"
        );
        assert!(bench.rates(Side::A).is_empty());
    }
}

#[test]
fn a_call_that_is_dropped_is_dialled_again_and_a_retrain_is_nothing() {
    let changes =
        "[[change]]\nat = 40\nmodems = \"retrain\"\n[[change]]\nat = 60\nmodems = \"hang-up\"\n";
    let modems = telephone(
        [Family::Courier, Family::MultiTech],
        changes,
        Exchange::default(),
    );
    let plans = [dial("courier", "1002"), answer("multitech")];
    let mut bench = Bench::new(modems, plans, Pins::All);
    bench.run(59);
    for side in Side::BOTH {
        assert_eq!(bench.rates(side).len(), 1);
        assert_eq!(bench.modems.stats(side).retrains, 1);
    }
    bench.run(60);
    for side in Side::BOTH {
        assert_eq!(bench.rates(side).len(), 2, "{:?}", bench.events);
        assert_eq!(bench.failures(side), [&Failure::CarrierLost]);
    }
}

#[test]
fn a_leased_line_comes_up_in_any_order_and_after_a_power_cut_of_either_modem() {
    for (name, family) in [
        ("courier-leased", Family::Courier),
        ("multitech-leased", Family::MultiTech),
    ] {
        for (first, cut) in [(Side::A, Side::B), (Side::B, Side::A)] {
            let modem = |role, is_first| ModemConfig {
                role,
                leased: true,
                start: if is_first {
                    copperlink::sim::modem::Start::Idle
                } else {
                    copperlink::sim::modem::Start::Off
                },
                ..ModemConfig::new(family)
            };
            let modems = [
                modem(Role::Originate, first == Side::A),
                modem(Role::Answer, first == Side::B),
            ];
            let scenario: Scenario =
                toml::from_str("description = \"x\"\nrate = 28800").expect("good");
            let modems = Modems::new(modems, Between::LeasedLine, scenario, 1);
            let plans = [PlanRole::Originate, PlanRole::Answer]
                .map(|role| plan(name, Way::Leased, Some(role)));
            let mut bench = Bench::new(modems, plans, Pins::All);
            bench.run(20);
            bench.modems.set_power(bench.now, first.other(), true);
            bench.run(150);
            let what = format!("{name}, {first:?} first");
            for side in Side::BOTH {
                assert!(bench.modems.is_connected(side), "{what} {:?}", bench.events);
                assert!(bench.dialers[side as usize].is_online(), "{what}");
            }
            bench.modems.set_power(bench.now, cut, false);
            bench.run(10);
            assert!(!bench.modems.is_connected(cut.other()));
            bench.modems.set_power(bench.now, cut, true);
            bench.run(150);
            for side in Side::BOTH {
                assert!(bench.modems.is_connected(side), "{what} {:?}", bench.events);
                assert!(bench.dialers[side as usize].is_online(), "{what}");
            }
        }
    }
}
