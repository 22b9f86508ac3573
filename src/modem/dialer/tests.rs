//! The dialer against modems that follow a script, in virtual time.

use super::*;
use crate::modem::profile::{Profile, Role};
use proptest::prelude::*;

/// What a modem does when it is sent a line: what it says, and after how long.
struct Line {
    expected: &'static str,
    answer: Vec<u8>,
    after: Duration,
}

/// A modem that follows a script, with a dialer.
struct Bench {
    dialer: Dialer,
    now: Instant,
    script: VecDeque<Line>,
    /// What the modem is about to say.
    coming: VecDeque<(Instant, Vec<u8>)>,
    /// What was sent since the last line end.
    typed: Vec<u8>,
    sent: Vec<(Instant, String)>,
    events: Vec<Event>,
    statuses: Vec<String>,
}

const DIAL: &str = "description = \"x\"\nfamily = \"x\"\nuse = \"dial\"\ncarrier-time = 60\n\
    [[setting]]\ncommand = \"&C1\"\nreason = \"the carrier\"\n\
    [[setting]]\ncommand = \"S2=255\"\nreason = \"no escape\"\nwhen = \"dtr\"\noptional = true\n";
const LEASED: &str = "description = \"x\"\nfamily = \"x\"\nuse = \"leased\"\n\
    silent-until-carrier = true\ncarrier-time = 60\n\
    [[setting]]\ncommand = \"&C1\"\nreason = \"the carrier\"\n\
    [[setting]]\ncommand = \"&L1\"\nreason = \"leased, originate\"\nwhen = \"originate\"\n\
    [[setting]]\ncommand = \"&L2\"\nreason = \"leased, answer\"\nwhen = \"answer\"\n";

const BARE: PortSignals = PortSignals {
    carrier: None,
    has_dtr: false,
};
const OFF: PortSignals = PortSignals {
    carrier: Some(false),
    has_dtr: true,
};
const ON: PortSignals = PortSignals {
    carrier: Some(true),
    has_dtr: true,
};

fn plan(profile: &str, way: Way) -> Plan {
    Plan {
        profile: toml::from_str::<Profile>(profile).unwrap(),
        way,
        role: Some(Role::Originate),
        redial: Redial::DEFAULT,
        baud: 115_200,
        dead_after: Plan::DEAD_AFTER,
    }
}

fn dial(number: &str) -> Way {
    Way::Dial(number.parse().unwrap())
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Bench {
    fn new(plan: Plan) -> Self {
        Self {
            dialer: Dialer::new(plan),
            now: Instant::ZERO + secs(1),
            script: VecDeque::new(),
            coming: VecDeque::new(),
            typed: Vec::new(),
            sent: Vec::new(),
            events: Vec::new(),
            statuses: Vec::new(),
        }
    }

    /// A dialled line whose modem is on and understands its settings.
    fn dialled(number: &str) -> Self {
        Self::new(plan(DIAL, dial(number))).awake()
    }

    fn awake(self) -> Self {
        self.expect("ATE0Q0V1", "OK").expect("AT&C1", "OK")
    }

    /// The modem answers a line after 50 ms.
    fn expect(self, expected: &'static str, answer: &str) -> Self {
        self.expect_late(expected, answer, Duration::from_millis(50))
    }

    fn expect_late(mut self, expected: &'static str, answer: &str, after: Duration) -> Self {
        let answer = match answer {
            "" => Vec::new(),
            answer => format!("\r\n{answer}\r\n").into_bytes(),
        };
        self.script.push_back(Line {
            expected,
            answer,
            after,
        });
        self
    }

    /// It answers with these bytes.
    fn expect_bytes(mut self, expected: &'static str, answer: &[u8]) -> Self {
        self.script.push_back(Line {
            expected,
            answer: answer.to_vec(),
            after: Duration::from_millis(50),
        });
        self
    }

    fn start(mut self, signals: PortSignals) -> Self {
        self.dialer.start(self.now, signals);
        self.drain();
        self
    }

    /// The modem says a line of its own accord.
    fn says(&mut self, line: &str) {
        let bytes = format!("\r\n{line}\r\n");
        self.dialer.handle_bytes(self.now, bytes.as_bytes());
        self.drain();
    }

    fn signals(&mut self, signals: PortSignals) {
        self.dialer.handle_signals(self.now, signals);
        self.drain();
    }

    fn link(&mut self, is_up: bool) {
        self.dialer.handle_link(self.now, is_up);
        self.drain();
    }

    fn hang_up(&mut self) {
        self.dialer.hang_up(self.now);
        self.drain();
    }

    /// Lets time pass.
    fn run(&mut self, time: Duration) -> &mut Self {
        let end = self.now + time;
        let mut steps = 0;
        loop {
            let timer = self.dialer.poll_timeout().map(|(at, _)| at);
            let coming = self.coming.front().map(|(at, _)| *at);
            let next = earliest(timer, coming).filter(|at| *at <= end);
            let Some(next) = next else {
                self.now = end;
                return self;
            };
            self.now = self.now.max(next);
            while let Some((_, bytes)) = self.coming.pop_front_if(|(at, _)| *at <= next) {
                self.dialer.handle_bytes(self.now, &bytes);
            }
            self.dialer.handle_timeout(self.now);
            self.drain();
            steps += 1;
            assert!(steps < 10_000, "a loop: {:?}", self.dialer);
        }
    }

    fn drain(&mut self) {
        self.dialer.poll_transmit(&mut self.typed);
        while let Some(end) = self.line_end() {
            let line: Vec<u8> = self.typed.drain(..end).collect();
            let line = String::from_utf8(line).unwrap().replace('\r', "");
            let next = self.script.pop_front_if(|next| next.expected == line);
            if let Some(Line { answer, after, .. }) = next
                && !answer.is_empty()
            {
                self.coming.push_back((self.now + after, answer));
            }
            self.sent.push((self.now, line));
        }
        while let Some(event) = self.dialer.poll_event() {
            if event == Event::Changed {
                self.statuses.push(self.dialer.status());
            } else {
                self.events.push(event);
            }
        }
        assert_eq!(self.dialer.unsaid(), 0);
    }

    fn line_end(&self) -> Option<usize> {
        if self.typed.starts_with(b"+++") {
            return Some(3);
        }
        self.typed
            .iter()
            .position(|byte| *byte == b'\r')
            .map(|at| at + 1)
    }

    fn lines(&self) -> Vec<&str> {
        self.sent.iter().map(|(_, line)| line.as_str()).collect()
    }

    fn failures(&self) -> Vec<&Failure> {
        let failures = self.events.iter().filter_map(|event| match event {
            Event::Failed(failure) => Some(failure),
            _ => None,
        });
        failures.collect()
    }

    fn connections(&self) -> Vec<&Connection> {
        let connections = self.events.iter().filter_map(|event| match event {
            Event::Connected(connection) => Some(connection),
            _ => None,
        });
        connections.collect()
    }

    /// Nothing of the script is left, so everything was asked in its order.
    fn assert_followed(&self) {
        let left: Vec<_> = self.script.iter().map(|line| line.expected).collect();
        assert!(left.is_empty(), "left: {left:?}; sent: {:?}", self.lines());
    }
}

#[test]
fn a_call_is_dialled_and_tells_its_rate() {
    let mut bench = Bench::dialled("0123-456")
        .expect_late(
            "ATDT0123456",
            "CARRIER 28800\r\n\r\nPROTOCOL: LAP-M\r\n\r\nCOMPRESSION: NONE\r\n\r\nCONNECT 115200",
            secs(20),
        )
        .start(BARE);
    bench.run(secs(30));
    bench.assert_followed();
    assert!(bench.dialer.is_online());
    assert_eq!(bench.connections()[0].line_rate, Some(28_800));
    assert_eq!(
        bench.dialer.status(),
        "connected at 28800 bit/s, V.42, no compression"
    );
    assert!(
        bench
            .statuses
            .contains(&"dialling 0123456, attempt 1 of 10".to_owned())
    );
    assert_eq!(bench.lines().len(), 3);
}

#[test]
fn echo_numbers_and_stray_bytes_are_understood() {
    let mut bench = Bench::new(plan(DIAL, dial("1")))
        .expect_bytes("ATE0Q0V1", b"\x00\xffATE0Q0V1\r0\r")
        .expect_bytes("AT&C1", b"\x11AT&C1\r\r\nOK\r\n\n\n")
        .expect_bytes("ATDT1", b"ATDT1\r2\r10\r")
        .start(BARE);
    bench.run(secs(5));
    bench.assert_followed();
    assert_eq!(bench.connections()[0].line_rate, Some(2400));
}

#[test]
fn a_number_longer_than_a_line_takes_several() {
    let number = "1".repeat(40);
    let mut bench = Bench::new(plan(DIAL, dial(&number))).awake();
    for piece in ["ATDT111111111111111111111111111111111;", "ATDT1111111"] {
        let answer = if piece.ends_with(';') {
            "OK"
        } else {
            "CONNECT 1200"
        };
        bench = bench.expect(piece, answer);
    }
    let mut bench = bench.start(BARE);
    bench.run(secs(10));
    bench.assert_followed();
    assert!(bench.dialer.is_online());
}

#[test]
fn each_way_to_fail_has_its_words_and_is_tried_again() {
    for (answer, failure, word) in [
        ("BUSY", Failure::Busy, "busy"),
        ("NO CARRIER", Failure::NoCarrier, "no-carrier"),
        ("NO DIALTONE", Failure::NoDialtone, "no-dialtone"),
        ("NO DIAL TONE", Failure::NoDialtone, "no-dialtone"),
        ("NO ANSWER", Failure::NoAnswer, "no-answer"),
        ("VOICE", Failure::Voice, "voice"),
        ("DELAYED 00:01:00", Failure::Delayed, "delayed"),
        ("ERROR", Failure::CannotDial, "cannot-dial"),
        ("LINE IN USE", Failure::LineInUse, "line-in-use"),
    ] {
        let mut bench = Bench::dialled("1").expect("ATDT1", answer).start(BARE);
        bench.run(secs(4));
        bench.assert_followed();
        assert_eq!(bench.failures(), [&failure], "{answer}");
        assert_eq!(failure.word(), word);
        // It happened, and then something to try.
        assert!(failure.to_string().contains(['.', ';']), "{failure}");
        let pauses = bench.dialer.status();
        assert!(pauses.starts_with("trying again after"), "{pauses}");
    }
}

#[test]
fn a_busy_far_end_is_called_again_with_growing_pauses_up_to_a_limit() {
    let mut bench = Bench::new(plan(DIAL, dial("1")));
    for _ in 0..10 {
        bench = bench.awake().expect("ATDT1", "BUSY");
    }
    let mut bench = bench.start(BARE);
    bench.run(secs(3600));
    bench.assert_followed();
    assert_eq!(bench.failures().len(), 10);
    assert_eq!(bench.events.last(), Some(&Event::GaveUp));
    assert_eq!(bench.dialer.status(), "gave up after 10 calls that failed");
    assert_eq!(bench.dialer.poll_timeout(), None);
    let dialled = bench.sent.iter().filter(|(_, line)| line == "ATDT1");
    let times: Vec<Instant> = dialled.map(|(at, _)| *at).collect();
    let pauses = times.windows(2).map(|pair| pair[1].since(pair[0]));
    let pauses: Vec<u64> = pauses.map(|pause| pause.as_secs()).collect();
    assert_eq!(pauses, [5, 10, 20, 40, 80, 120, 120, 120, 120]);
}

#[test]
fn a_blacklisted_number_is_not_tried_again() {
    let mut bench = Bench::dialled("1")
        .expect("ATDT1", "BLACKLISTED")
        .start(BARE);
    bench.run(secs(600));
    assert_eq!(bench.failures(), [&Failure::Blacklisted]);
    assert_eq!(bench.events.last(), Some(&Event::GaveUp));
}

#[test]
fn a_call_that_does_not_come_about_is_ended_by_a_character() {
    let mut bench = Bench::dialled("1")
        .expect("ATDT1", "")
        .expect("", "NO CARRIER")
        .expect("ATH", "OK")
        .start(BARE);
    bench.run(secs(82));
    bench.assert_followed();
    assert_eq!(bench.failures(), [&Failure::NoConnection { seconds: 76 }]);
    let (at, _) = bench.sent.iter().find(|(_, line)| line.is_empty()).unwrap();
    let (dialled, _) = bench.sent.iter().find(|(_, line)| line == "ATDT1").unwrap();
    // Nothing was sent in between: any character would have ended the attempt.
    let between = bench.sent.iter().filter(|(t, _)| t > dialled && t < at);
    assert_eq!(between.count(), 0);
}

#[test]
fn a_silent_modem_is_taken_for_one_in_a_call_and_then_reported() {
    let mut bench = Bench::new(plan(DIAL, dial("1"))).start(BARE);
    bench.run(secs(20));
    assert_eq!(bench.failures(), [&Failure::Silent]);
    assert_eq!(
        bench.lines()[..7],
        [
            "ATE0Q0V1", "ATE0Q0V1", "ATE0Q0V1", "+++", "ATH", "ATE0Q0V1", "ATE0Q0V1"
        ]
    );
    // Nothing within the guard times.
    let times: Vec<Instant> = bench.sent.iter().map(|(at, _)| *at).collect();
    assert!(times[3].since(times[2]) >= LONG_GUARD);
    assert!(times[4].since(times[3]) >= LONG_GUARD);
    // It may only be off: no call was made, and it is asked again and again.
    bench.run(secs(3600));
    assert!(bench.failures().len() > 20);
    assert!(
        bench
            .failures()
            .iter()
            .all(|failure| **failure == Failure::Silent)
    );
}

#[test]
fn a_modem_in_an_old_call_is_brought_back_by_the_escape() {
    let mut bench = Bench::new(plan(DIAL, dial("1")))
        .expect("+++", "OK")
        .expect("ATH", "OK")
        .expect("AT&C1", "OK")
        .expect("ATDT1", "CONNECT 9600")
        .start(BARE);
    bench.run(secs(20));
    bench.assert_followed();
    assert!(bench.dialer.is_online());
    let words = "getting the modem out of an old call".to_owned();
    assert!(bench.statuses.contains(&words));
}

#[test]
fn a_wrong_port_speed_is_named() {
    let mut bench = Bench::new(plan(DIAL, dial("1")));
    for _ in 0..3 {
        bench = bench.expect_bytes("ATE0Q0V1", &[0xe5, 0x9e, 0x80, 0xff, 0x06, 0x98]);
    }
    let mut bench = bench.start(BARE);
    bench.run(secs(20));
    assert_eq!(bench.failures(), [&Failure::WrongSpeed { baud: 115_200 }]);
}

#[test]
fn an_echo_without_a_result_is_named() {
    let mut bench = Bench::new(plan(DIAL, dial("1")));
    for _ in 0..3 {
        bench = bench.expect_bytes("ATE0Q0V1", b"ATE0Q0V1\r");
    }
    let mut bench = bench.expect_bytes("ATH", b"+++ATH\r").start(BARE);
    bench.run(secs(20));
    assert_eq!(bench.failures(), [&Failure::OnlyEcho]);
}

#[test]
fn a_login_instead_of_a_modem_is_named() {
    let mut bench = Bench::new(plan(DIAL, dial("1")));
    for _ in 0..3 {
        bench = bench.expect("ATE0Q0V1", "Login incorrect");
    }
    let mut bench = bench.start(BARE);
    bench.run(secs(20));
    assert!(matches!(bench.failures()[0], Failure::Strange { said } if said == "Login incorrect"));
}

#[test]
fn a_refused_setting_is_named_with_its_reason() {
    let mut bench = Bench::new(plan(DIAL, dial("1")))
        .expect("ATE0Q0V1", "OK")
        .expect("AT&C1", "ERROR")
        .start(BARE);
    bench.run(secs(2));
    let words = bench.failures()[0].to_string();
    assert!(
        words.contains("refuses AT&C1") && words.contains("the carrier"),
        "{words}"
    );
}

#[test]
fn one_that_may_be_refused_is_a_note() {
    let mut bench = Bench::new(plan(DIAL, dial("1")))
        .awake()
        .expect("ATS2=255", "ERROR")
        .expect("ATDT1", "CONNECT 9600")
        .start(OFF);
    bench.run(secs(10));
    bench.assert_followed();
    assert!(bench.dialer.is_online());
    let note = bench.events.iter().find_map(|event| match event {
        Event::Note(note) => Some(note.to_string()),
        _ => None,
    });
    assert_eq!(
        note.unwrap(),
        "the modem refuses ATS2=255, which may be missing: no escape"
    );
}

#[test]
fn a_port_with_dtr_resets_and_hangs_up_by_it() {
    let mut bench = Bench::dialled("1")
        .expect("ATS2=255", "OK")
        .expect("ATDT1", "CONNECT 9600")
        .start(OFF);
    assert_eq!(bench.events, [Event::Dtr(Dtr::Off)]);
    bench.run(secs(10));
    bench.assert_followed();
    bench.signals(ON);
    let sent = bench.sent.len();
    bench.events.clear();
    bench.hang_up();
    bench.run(secs(5));
    assert_eq!(
        bench.events,
        [Event::Dtr(Dtr::Off), Event::Dtr(Dtr::On), Event::HungUp]
    );
    assert_eq!(bench.sent.len(), sent, "nothing needs to be sent for it");
}

#[test]
fn a_port_without_dtr_hangs_up_by_the_escape_with_silence_around_it() {
    let mut bench = Bench::dialled("1")
        .expect("ATDT1", "CONNECT 9600")
        .expect("+++", "OK")
        .expect("ATH", "OK")
        .start(BARE);
    bench.run(secs(5));
    let before = bench.now;
    bench.hang_up();
    bench.run(secs(20));
    bench.assert_followed();
    assert_eq!(bench.events.last(), Some(&Event::HungUp));
    let (escaped, _) = bench.sent.iter().find(|(_, line)| line == "+++").unwrap();
    assert!(escaped.since(before) >= LONG_GUARD);
}

#[test]
fn no_carrier_in_the_data_is_a_hint_that_silence_and_the_link_confirm() {
    let connected = || {
        let mut bench = Bench::dialled("1")
            .expect("ATDT1", "CONNECT 9600")
            .start(BARE);
        bench.run(secs(5));
        bench.link(true);
        bench
    };
    // The far end sends these words in a picture: more comes behind them.
    let mut bench = connected();
    bench.says("NO CARRIER");
    bench.dialer.handle_bytes(bench.now, b"\x05frame\x00");
    bench.link(false);
    bench.run(secs(30));
    assert!(bench.dialer.is_online());
    // They are the last words, but the link is up.
    let mut bench = connected();
    bench.says("NO CARRIER");
    bench.run(secs(30));
    assert!(bench.dialer.is_online());
    // And now it goes down.
    bench.link(false);
    bench.run(secs(1));
    assert_eq!(bench.failures(), [&Failure::CarrierLost]);
    // Down first, words then.
    let mut bench = connected();
    bench.link(false);
    bench.says("NO CARRIER");
    bench.run(Duration::from_millis(1900));
    assert!(bench.dialer.is_online());
    bench.run(Duration::from_millis(200));
    assert_eq!(bench.failures(), [&Failure::CarrierLost]);
}

#[test]
fn dcd_ends_a_call_after_a_while_and_a_blink_does_not() {
    let mut bench = Bench::dialled("1")
        .expect("ATS2=255", "OK")
        .expect("ATDT1", "CONNECT 9600")
        .start(OFF);
    bench.run(secs(10));
    // A cable without DCD says nothing.
    bench.run(secs(20));
    assert!(bench.dialer.is_online());
    bench.signals(ON);
    bench.signals(OFF);
    bench.run(Duration::from_millis(1900));
    bench.signals(ON);
    bench.run(secs(20));
    assert!(bench.dialer.is_online(), "a blink, as in a retrain");
    bench.signals(OFF);
    bench.run(Duration::from_millis(2100));
    assert_eq!(bench.failures(), [&Failure::CarrierLost]);
}

#[test]
fn a_retrain_is_waited_for_and_a_dead_line_is_not() {
    let mut bench = Bench::dialled("1")
        .expect("ATDT1", "CONNECT 9600")
        .expect("+++", "OK")
        .expect("ATH", "OK")
        .start(BARE);
    bench.run(secs(5));
    bench.link(true);
    bench.run(secs(100));
    bench.link(false);
    bench.run(secs(59));
    bench.link(true);
    bench.link(false);
    bench.run(secs(59));
    assert!(bench.dialer.is_online());
    bench.run(secs(20));
    bench.assert_followed();
    assert_eq!(bench.failures(), [&Failure::Dead { seconds: 60 }]);
    assert!(!bench.dialer.is_online());
}

#[test]
fn calls_to_a_far_end_without_copperlink_have_an_end() {
    let mut bench = Bench::new(Plan {
        redial: Redial {
            attempts: Some(2),
            ..Redial::DEFAULT
        },
        ..plan(DIAL, dial("1"))
    });
    for _ in 0..2 {
        bench = bench
            .awake()
            .expect("ATDT1", "CONNECT 9600")
            .expect("+++", "OK")
            .expect("ATH", "OK");
    }
    let mut bench = bench.start(BARE);
    bench.run(secs(3600));
    bench.assert_followed();
    assert_eq!(bench.failures().len(), 2);
    assert_eq!(bench.events.last(), Some(&Event::GaveUp));
}

#[test]
fn a_call_is_answered_after_its_rings() {
    let mut bench = Bench::new(plan(DIAL, Way::Answer { rings: 2 }))
        .awake()
        .expect("ATA", "CONNECT 14400")
        .start(BARE);
    bench.run(secs(5));
    assert_eq!(bench.dialer.status(), "waiting for a call");
    bench.says("RING");
    assert_eq!(bench.dialer.status(), "a call comes in, ring 1");
    // They give up, and call again.
    bench.run(secs(9));
    assert_eq!(bench.dialer.status(), "waiting for a call");
    bench.says("RING");
    bench.run(secs(5));
    bench.says("RING");
    bench.run(secs(5));
    bench.assert_followed();
    assert_eq!(bench.connections()[0].line_rate, Some(14_400));
}

#[test]
fn a_waiting_modem_that_was_switched_off_is_noticed() {
    let mut bench = Bench::new(plan(DIAL, Way::Answer { rings: 1 }))
        .awake()
        .expect("AT", "OK")
        .expect("AT", "OK")
        .start(BARE);
    bench.run(secs(130));
    bench.assert_followed();
    assert_eq!(bench.dialer.status(), "waiting for a call");
    bench.run(secs(63));
    assert_eq!(bench.failures(), [&Failure::Silent]);
    bench.script.clear();
    let mut bench = bench.awake();
    bench.run(secs(30));
    assert_eq!(bench.dialer.status(), "waiting for a call", "set up again");
}

#[test]
fn nothing_is_sent_on_a_leased_line_before_the_carrier() {
    let mut bench = Bench::new(plan(LEASED, Way::Leased))
        .awake()
        .expect("AT&L1", "OK")
        .start(OFF);
    bench.run(secs(10));
    bench.assert_followed();
    let sent = bench.sent.len();
    bench.run(secs(40));
    assert_eq!(bench.sent.len(), sent);
    bench.says("CONNECT 33600/ARQ/V34/LAPM");
    bench.signals(ON);
    bench.run(secs(2));
    assert!(bench.dialer.is_online());
    assert_eq!(bench.sent.len(), sent);
    assert_eq!(bench.connections()[0].line_rate, Some(33_600));
    // The line is cut: they train again by themselves, and nobody disturbs them.
    bench.signals(OFF);
    bench.run(secs(40));
    assert_eq!(bench.failures(), [&Failure::CarrierLost]);
    assert_eq!(
        bench.dialer.status(),
        "waiting for the carrier on the leased line"
    );
    bench.signals(ON);
    bench.run(secs(2));
    assert!(bench.dialer.is_online());
    assert_eq!(bench.sent.len(), sent);
}

#[test]
fn a_leased_line_that_is_up_is_left_alone() {
    let mut bench = Bench::new(plan(LEASED, Way::Leased)).start(ON);
    assert!(bench.dialer.is_online());
    assert!(bench.events.contains(&Event::Note(Note::WasConnected)));
    bench.hang_up();
    bench.run(secs(20));
    assert!(bench.sent.is_empty(), "not even by the end");
    assert!(!bench.events.contains(&Event::Dtr(Dtr::Off)));
}

#[test]
fn a_restart_on_a_leased_line_without_dcd_uses_the_connection_that_is_there() {
    // In data mode, with the escape off: what comes are frames of the far end.
    let mut bench = Bench::new(plan(LEASED, Way::Leased))
        .expect_bytes("ATE0Q0V1", &[0x81, 0x92, 0xf3, 0x00])
        .start(BARE);
    bench.run(secs(5));
    assert!(bench.dialer.is_online());
    assert!(bench.events.contains(&Event::Note(Note::MayBeConnected)));
    assert!(!bench.lines().contains(&"+++"));
    bench.link(true);
    bench.run(secs(3600));
    assert!(bench.dialer.is_online());
    // Where it was only off, it is asked again.
    bench.link(false);
    bench.run(secs(61));
    assert_eq!(bench.failures(), [&Failure::Dead { seconds: 60 }]);
    bench.script.clear();
    let mut bench = bench.awake().expect("AT&L1", "OK");
    bench.run(secs(30));
    assert_eq!(
        bench.dialer.status(),
        "waiting for the carrier on the leased line"
    );
}

#[test]
fn a_leased_line_without_a_carrier_is_tried_for_ever() {
    let mut bench = Bench::new(Plan {
        redial: Redial::FREE,
        ..plan(LEASED, Way::Leased)
    });
    for _ in 0..20 {
        bench = bench.awake().expect("AT&L1", "OK");
    }
    let mut bench = bench.start(BARE);
    bench.run(secs(3600));
    bench.assert_followed();
    assert_eq!(
        bench.failures()[0],
        &Failure::NoLeasedCarrier { seconds: 60 }
    );
    assert!(!bench.events.contains(&Event::GaveUp));
}

#[test]
fn a_modem_in_dumb_mode_is_not_spoken_to() {
    let dumb = "description = \"x\"\nfamily = \"x\"\nuse = \"leased\"\ntakes-commands = false\n";
    let mut bench = Bench::new(plan(dumb, Way::Leased)).start(OFF);
    bench.run(secs(30));
    assert!(!bench.dialer.is_online());
    bench.signals(ON);
    bench.run(secs(2));
    assert!(bench.dialer.is_online());
    // Without DCD nobody can know.
    let bench = Bench::new(plan(dumb, Way::Leased)).start(BARE);
    assert!(bench.dialer.is_online());
    assert!(bench.sent.is_empty());
}

#[test]
fn a_direct_line_is_always_a_call() {
    let direct = "description = \"x\"\nfamily = \"x\"\nuse = \"direct\"\ntakes-commands = false\n";
    let mut bench = Bench::new(plan(direct, Way::Direct)).start(OFF);
    assert!(bench.dialer.is_online());
    bench.says("NO CARRIER");
    bench.run(secs(3600));
    assert!(bench.dialer.is_online());
    assert_eq!(bench.dialer.poll_timeout(), None);
}

#[test]
fn stopping_while_it_dials_ends_the_attempt() {
    let mut bench = Bench::dialled("1")
        .expect("ATDT1", "")
        .expect("", "NO CARRIER")
        .expect("ATH", "OK")
        .start(BARE);
    bench.run(secs(5));
    bench.hang_up();
    bench.run(secs(5));
    bench.assert_followed();
    assert_eq!(bench.events.last(), Some(&Event::HungUp));
    assert_eq!(bench.dialer.poll_timeout(), None);
}

#[derive(Clone, Debug)]
enum Input {
    Bytes(Vec<u8>),
    Line(&'static str),
    Wait(u64),
    Signals(PortSignals),
    Link(bool),
    HangUp,
}

fn input() -> impl Strategy<Value = Input> {
    let words = [
        "OK",
        "ERROR",
        "CONNECT",
        "CONNECT 28800/ARQ",
        "RING",
        "NO CARRIER",
        "BUSY",
        "0",
        "3",
        "RINGING",
        "BLACKLISTED",
        "CARRIER 9600",
    ];
    prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..600).prop_map(Input::Bytes),
        8 => proptest::sample::select(words.to_vec()).prop_map(Input::Line),
        6 => (0u64..90_000).prop_map(Input::Wait),
        2 => (any::<Option<bool>>(), any::<bool>())
            .prop_map(|(carrier, has_dtr)| Input::Signals(PortSignals { carrier, has_dtr })),
        1 => any::<bool>().prop_map(Input::Link),
        1 => Just(Input::HangUp),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_it_neither_panics_nor_grows(
        way in 0..4, signals in (any::<Option<bool>>(), any::<bool>()),
        inputs in proptest::collection::vec(input(), 0..60)
    ) {
        let plan = match way {
            0 => plan(DIAL, dial("123,4")),
            1 => plan(DIAL, Way::Answer { rings: 2 }),
            2 => plan(LEASED, Way::Leased),
            _ => plan("description = \"x\"\nfamily = \"x\"\nuse = \"direct\"\n", Way::Direct),
        };
        let mut dialer = Dialer::new(plan);
        let mut now = Instant::ZERO;
        let (carrier, has_dtr) = signals;
        dialer.start(now, PortSignals { carrier, has_dtr });
        for input in inputs {
            match input {
                Input::Bytes(bytes) => dialer.handle_bytes(now, &bytes),
                Input::Line(line) => dialer.handle_bytes(now, format!("\r\n{line}\r\n").as_bytes()),
                Input::Wait(millis) => now += Duration::from_millis(millis),
                Input::Signals(signals) => dialer.handle_signals(now, signals),
                Input::Link(is_up) => dialer.handle_link(now, is_up),
                Input::HangUp => dialer.hang_up(now),
            }
            dialer.handle_timeout(now);
            let mut sent = Vec::new();
            dialer.poll_transmit(&mut sent);
            prop_assert!(sent.len() < 300);
            prop_assert!(sent.is_empty() || !dialer.is_online() , "{:?}", sent);
            prop_assert!(dialer.events.len() <= 4 * MOST_EVENTS);
            let mut turns = 0;
            while dialer.poll_event().is_some() {
                turns += 1;
            }
            prop_assert!(turns <= 4 * MOST_EVENTS);
            let _words = dialer.status();
        }
    }
}
