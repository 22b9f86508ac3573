//! Two simulated modems behind two pseudo terminals, by hand: what a technician types, and what
//! comes back.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::support::{Program, Running, run};

/// Whatever should happen within some seconds happens within this time, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// A terminal at a port; what comes is read all the time.
struct Terminal {
    port: File,
    coming: Receiver<u8>,
    heard: String,
}

impl Terminal {
    fn open(path: &str) -> Self {
        let port = File::options().read(true).write(true).open(path).unwrap();
        let mut termios = tcgetattr(&port).unwrap();
        termios.set_speed(115_200).unwrap();
        tcsetattr(&port, OptionalActions::Now, &termios).unwrap();
        // Until the simulator has seen it.
        sleep(Duration::from_millis(100));
        let mut reading = port.try_clone().unwrap();
        let (tell, coming) = channel();
        std::thread::spawn(move || {
            let mut byte = [0];
            while reading.read(&mut byte).is_ok_and(|length| length > 0) {
                if tell.send(byte[0]).is_err() {
                    return;
                }
            }
        });
        Self {
            port,
            coming,
            heard: String::new(),
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.port.write_all(bytes).unwrap();
    }

    /// Waits for these words; they, and what came before, are gone then.
    fn until(&mut self, words: &str) -> String {
        let start = Instant::now();
        loop {
            if let Some(at) = self.heard.find(words) {
                return self.heard.drain(..at + words.len()).collect();
            }
            match self.coming.recv_timeout(PATIENCE) {
                Ok(byte) => self.heard.push(char::from(byte)),
                Err(_) => panic!("no {words:?}, but {:?}", self.heard),
            }
            assert!(start.elapsed() < PATIENCE, "no {words:?}: {:?}", self.heard);
        }
    }

    fn ok(&mut self, line: &str) {
        self.send(format!("{line}\r").as_bytes());
        self.until("\r\nOK\r\n");
    }
}

/// A simulation and its two terminals.
fn simulate(program: &Program, options: &[&str]) -> (Running, Terminal, Terminal) {
    let mut args = vec!["simulate"];
    args.extend(options);
    let mut modems = program.start(&args);
    let mut open = |end: &str| {
        let said = modems.line();
        let path = said.strip_prefix(end).unwrap_or_else(|| panic!("{said}"));
        Terminal::open(path)
    };
    let (a, b) = (open("A "), open("B "));
    (modems, a, b)
}

#[test]
fn a_call_by_hand() {
    let program = Program::new();
    let line = ["--modem", "--rate", "28800", "--training", "1", "--json"];
    let (modems, mut a, mut b) = simulate(&program, &line);
    a.send(b"AT\r");
    a.until("AT\r\r\nOK\r\n");
    a.ok("ATE0");
    b.ok("ATE0");
    a.send(b"ATDT1002\r");
    b.until("\r\nRING\r\n");
    b.send(b"ATA\r");
    a.until("\r\nCONNECT 28800\r\n");
    b.until("\r\nCONNECT 28800\r\n");
    a.send(b"from A to B");
    b.until("from A to B");
    b.send(b"from B to A");
    a.until("from B to A");
    sleep(Duration::from_millis(1500));
    a.send(b"+++");
    a.until("\r\nOK\r\n");
    a.ok("ATH");
    b.until("\r\nNO CARRIER\r\n");
    a.send(b"ATDT1003\r");
    a.until("\r\nBUSY\r\n");
    a.send(b"AT&J7\r");
    a.until("\r\nERROR\r\n");

    let facts = modems.terminate().json();
    assert_eq!(facts["modems"][0]["number"], "1001");
    assert_eq!(facts["modems"][1]["number"], "1002");
    for end in [0, 1] {
        assert_eq!(facts["modems"][end]["connections"], 1);
        assert_eq!(facts["modems"][end]["connected"], false);
    }
    assert_eq!(facts["modems"][0]["errors"], 1);
    assert_eq!(facts["modems"][1]["rings"], 1);
    // With error control: "from A to B" and "+++".
    assert_eq!(facts["a_to_b"]["arrived"], 14);
}

#[test]
fn it_says_the_numbers_and_what_the_modems_do() {
    let program = Program::new();
    let (mut modems, mut a, mut b) = simulate(&program, &["--modem", "--training", "0.5"]);
    let numbers = modems.line();
    assert_eq!(
        numbers,
        "A has the number 1001, B 1002; 1003 is busy, 1004 does not answer, 1005 is no modem"
    );
    b.ok("ATS0=1");
    a.send(b"ATDT1002\r");
    a.until("CONNECT 33600");
    b.until("CONNECT 33600");
    for words in [
        "A dials 1002",
        "B rings",
        "A trains",
        "B trains",
        "A is connected",
    ] {
        let said = modems.line();
        assert!(
            said.ends_with(words) || said.contains(words),
            "{words}: {said}"
        );
    }
    let said = modems.terminate();
    assert_eq!(said.code, Some(0));
    assert!(said.out.contains("online"), "{}", said.out);
}

#[test]
fn two_kinds_of_modem_on_a_leased_line_find_each_other_by_themselves() {
    let program = Program::new();
    let options = ["--modem=courier", "--leased", "--training", "1", "--json"];
    let (modems, mut a, mut b) = simulate(&program, &options);
    a.until("\r\nCONNECT 33600/ARQ/V34/LAPM/V42BIS\r\n");
    b.until("\r\nCONNECT 33600/ARQ/V34/LAPM/V42BIS\r\n");
    a.send(b"hello");
    b.until("hello");
    assert_eq!(
        modems.terminate().json()["modems"][0]["number"],
        serde_json::Value::Null
    );
}

#[test]
fn a_file_of_ones_own_retrains_the_modems_and_cuts_their_power() {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    fs::write(
        &file,
        "description = \"of one test\"\nrate = 14400\n\
         [[change]]\nat = 6\nmodems = \"retrain\"\n[[change]]\nat = 9\nmodem_b = \"off\"\n",
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    let program = Program::new();
    let options = [
        "--modem",
        "--leased",
        "--line",
        path,
        "--training",
        "0.5",
        "--retraining",
        "0.5",
        "--json",
    ];
    let (modems, mut a, mut b) = simulate(&program, &options);
    a.until("CONNECT 14400");
    b.until("CONNECT 14400");
    a.until("NO CARRIER");
    let facts = modems.terminate().json();
    assert_eq!(facts["modems"][0]["retrains"], 1);
    assert_eq!(facts["modems"][0]["carrier_lost"], 1);
    assert_eq!(facts["modems"][1]["connected"], false);

    // Without modems it cannot be played.
    let said = run(&["simulate", "--line", path, "--seconds", "1"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("simulate --modem"), "{}", said.err);
    let said = run(&["demo", "--line", path]);
    assert_eq!(said.code, Some(2));
}

#[test]
fn a_modem_may_be_stuck_and_a_line_without_dial_tone() {
    let program = Program::new();
    let options = [
        "--modem",
        "--odd",
        "a=stuck",
        "--odd",
        "b=57600",
        "--no-dial-tone",
    ];
    let (mut modems, mut a, mut b) = simulate(&program, &options);
    assert!(modems.line().ends_with("no dial tone"));
    a.send(b"AT\r");
    sleep(Duration::from_millis(1500));
    a.send(b"+++");
    let said = a.until("OK");
    assert_eq!(said, "\r\nOK");
    a.ok("ATHE0");
    a.send(b"ATDT1002\r");
    a.until("NO DIALTONE");
    // B's port is at another speed than its modem.
    b.send(b"AT\rAT\r");
    sleep(Duration::from_millis(500));
    while let Ok(byte) = b.coming.try_recv() {
        b.heard.push(char::from(byte));
    }
    assert!(!b.heard.contains("OK"), "{}", b.heard);
    modems.terminate();
}

#[test]
fn the_sample_line_for_modems_is_a_good_one() {
    let line = ["--line", "examples/lines/lost-calls.toml", "--seconds", "1"];
    let said = run(&[&["simulate", "--modem", "--json"], &line[..]].concat());
    assert_eq!(said.code, Some(0), "{}", said.err);
}

#[test]
fn what_is_only_for_modems_needs_modems() {
    for wrong in [
        &["simulate", "--leased"] as &[&str],
        &["simulate", "--modem", "--odd", "c=stuck"],
        &["simulate", "--modem=hayes"],
        &["simulate", "--modem", "--leased", "--no-dial-tone"],
    ] {
        assert_eq!(run(wrong).code, Some(2), "{wrong:?}");
    }
}
