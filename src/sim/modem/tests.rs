//! Each behaviour of the modems, in virtual time, as a terminal at either end sees it.

mod calls;
mod commands;
mod data;
mod leased;
mod trouble;

use super::*;
use crate::sim::scenario::ModemChange;

/// Two modems, and what their terminals have heard.
struct Rig {
    modems: Modems,
    now: Instant,
    heard: [Vec<u8>; 2],
}

use Side::{A, B};

impl Rig {
    fn with(configs: [ModemConfig; 2], between: Between, scenario: Scenario) -> Self {
        Self {
            modems: Modems::new(configs, between, scenario, 1),
            now: Instant::ZERO,
            heard: [Vec::new(), Vec::new()],
        }
    }

    /// Two of a family on an exchange, and a good wire.
    fn family(family: Family) -> Self {
        Self::with(
            [ModemConfig::new(family), ModemConfig::new(family)],
            Between::Exchange(Exchange::default()),
            wire("rate = 28800\ndelay_ms = 20"),
        )
    }

    fn new() -> Self {
        Self::family(Family::Chipset)
    }

    fn leased(family: Family) -> Self {
        let answers = ModemConfig {
            role: Role::Answer,
            ..ModemConfig::new(family)
        };
        Self::with(
            [ModemConfig::new(family), answers],
            Between::LeasedLine,
            wire("rate = 28800\ndelay_ms = 20"),
        )
    }

    /// A terminal sends all of it, as fast as the modem takes it.
    fn send(&mut self, side: Side, bytes: &[u8]) {
        let mut rest = bytes;
        let end = self.now + Duration::from_secs(600);
        while !rest.is_empty() {
            let taken = self.modems.handle_bytes(self.now, side, rest);
            rest = &rest[taken..];
            self.wait(Duration::from_millis(1));
            assert!(self.now < end, "the modem takes nothing more");
        }
    }

    fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.modems.poll_timeout().filter(|&next| next < end) {
            self.now = next.max(self.now);
            self.fetch();
        }
        self.now = end;
        self.fetch();
    }

    fn fetch(&mut self) {
        for side in Side::BOTH {
            let heard = &mut self.heard[side as usize];
            self.modems.poll_bytes(self.now, side, heard);
        }
    }

    fn seconds(&mut self, seconds: f64) {
        self.wait(Duration::from_secs_f64(seconds));
    }

    /// What a terminal has heard since it was asked last.
    fn said(&mut self, side: Side) -> String {
        let heard = std::mem::take(&mut self.heard[side as usize]);
        String::from_utf8_lossy(&heard).into_owned()
    }

    /// Types a command line, and gives what comes within a second.
    fn at(&mut self, side: Side, line: &str) -> String {
        self.said(side);
        self.send(side, line.as_bytes());
        self.send(side, b"\r");
        self.seconds(1.0);
        self.said(side)
    }

    /// The same, where `OK` has to come.
    fn ok(&mut self, side: Side, line: &str) {
        let said = self.at(side, line);
        assert!(said.ends_with("\r\nOK\r\n"), "{line}: {said:?}");
    }

    /// Seconds until a terminal hears these words; they are gone then.
    fn until(&mut self, side: Side, words: &str) -> f64 {
        let start = self.now;
        loop {
            let heard = String::from_utf8_lossy(&self.heard[side as usize]).into_owned();
            if let Some(at) = heard.find(words) {
                self.heard[side as usize].drain(..at + words.len());
                return self.now.since(start).as_secs_f64();
            }
            let waited = self.now.since(start);
            assert!(waited < Duration::from_secs(200), "no {words}: {heard:?}");
            self.wait(Duration::from_millis(10));
        }
    }

    /// A dials, B answers by itself; both hear `CONNECT`.
    fn call(&mut self) {
        self.ok(A, "ATE0");
        self.ok(B, "ATE0S0=1");
        self.send(A, b"ATDT1002\r");
        self.until(A, "CONNECT");
        self.until(B, "CONNECT");
        self.seconds(0.1);
        self.said(A);
        self.said(B);
    }

    /// Whether bytes pass both ways now.
    fn assert_joined(&mut self) {
        self.said(A);
        self.said(B);
        self.send(A, b"from A");
        self.send(B, b"from B");
        self.seconds(1.0);
        assert_eq!(self.said(A), "from B");
        assert_eq!(self.said(B), "from A");
    }
}

fn wire(text: &str) -> Scenario {
    toml::from_str(&format!("description = \"of one test\"\n{text}")).unwrap()
}

fn short_training(family: Family) -> ModemConfig {
    ModemConfig {
        training: Duration::from_secs(1),
        retraining: Duration::from_secs(1),
        ..ModemConfig::new(family)
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut rig = Rig::with(
            [
                ModemConfig::new(Family::Chipset),
                ModemConfig::new(Family::Courier),
            ],
            Between::Exchange(Exchange::default()),
            wire("rate = 26400\nber = 1e-3"),
        );
        rig.ok(A, "AT\\N0");
        rig.call();
        rig.send(A, &[0x55; 2000]);
        rig.seconds(2.0);
        (rig.said(B), rig.modems.stats(A), rig.now)
    };
    assert!(run() == run());
}
