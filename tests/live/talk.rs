//! The order wire, as the technicians use it: `copperlink talk` at both ends of a simulated line.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::equipment::Desk;
use crate::link::{Channel, PATIENCE, Site};

fn control<'a>(id: usize, class: &'a str, desk: &'a Desk) -> Channel<'a> {
    Channel {
        id,
        class,
        name: class,
        rtcp: false,
        desk,
    }
}

/// A `copperlink talk --json` that is fed line by line.
struct Talker {
    child: Child,
    keyboard: Option<ChildStdin>,
    told: mpsc::Receiver<Value>,
}

impl Talker {
    fn start(site: &Site, name: &str) -> Self {
        let mut child = site
            .program
            .command(&["talk", name, "--json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                drop(tell.send(serde_json::from_str(&line).unwrap()));
            }
        });
        let keyboard = child.stdin.take();
        Self {
            child,
            keyboard,
            told,
        }
    }

    fn say(&mut self, text: &str) {
        let keyboard = self.keyboard.as_mut().unwrap();
        writeln!(keyboard, "{text}").unwrap();
    }

    /// The next event of that kind.
    fn next(&self, kind: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let event = self.told.recv_timeout(left);
            let event = event.unwrap_or_else(|_| panic!("no {kind} has come"));
            if let Some(found) = event.get(kind) {
                return found.clone();
            }
        }
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn technicians_talk_over_a_noisy_line() {
    let (site, desks) = (Site::new(), [Desk::new(), Desk::new()]);
    let _line = site.line(&["--rate", "9600", "--ber", "1e-3"]);
    let one = site.run(
        "room-1",
        "line-a",
        9600,
        &[control(1, "control", &desks[0])],
    );
    let two = site.run(
        "room-2",
        "line-b",
        9600,
        &[control(1, "control", &desks[1])],
    );
    one.wait_until_up();
    two.wait_until_up();
    let mut a = Talker::start(&site, "room-1");
    let mut b = Talker::start(&site, "room-2");
    assert_eq!(a.next("hello")["there"], "room-2");
    a.say("7번 선로 확인 부탁합니다");
    let text = b.next("text");
    assert_eq!(text["text"], "7번 선로 확인 부탁합니다");
    assert_eq!(
        (&text["from"], &text["past"]),
        (&"room-1".into(), &false.into())
    );
    b.say("확인");
    a.next("delivered");
    let own = b.next("text");
    assert_eq!(own["id"], 0);
    b.next("delivered");
    // Who comes later sees what was said.
    let late = Talker::start(&site, "room-1");
    let past: Vec<Value> = (0..2).map(|_| late.next("text")).collect();
    assert!(
        past.iter()
            .all(|text| text["past"] == true && text["delivered"] == true)
    );
    one.wait_for_log("'room-2' says: 확인");
    // A reader that does not read, and one that says nothing sensible, hold nothing up.
    drop(a.keyboard.take());
    let start = Instant::now();
    assert_eq!(a.child.wait().unwrap().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn one_text_is_sent_and_waited_for_even_while_the_tables_differ() {
    let (site, desks) = (Site::new(), [Desk::new(), Desk::new()]);
    let _line = site.line(&[]);
    let one = site.run(
        "room-1",
        "line-a",
        38_400,
        &[control(1, "control", &desks[0])],
    );
    one.wait_for("a device that is open", |status| {
        status["devices"][0]["state"] == "open"
    });
    let refused = |status: &Value| status["stats"]["lines"][0]["state"] == "refused";
    let send = [
        "talk",
        "room-1",
        "--send",
        "is channel 1 audio there?",
        "--timeout",
        "1",
    ];
    let alone = site.program.run(&send);
    assert_eq!(alone.code, Some(1), "{}", alone.err);
    assert!(
        alone.err.contains("not heard at the far end within 1 s"),
        "{}",
        alone.err
    );
    let two = site.run(
        "room-2",
        "line-b",
        38_400,
        &[control(1, "audio", &desks[1])],
    );
    one.wait_for("a line that is refused", refused);
    let send = ["talk", "room-1", "--send", "channel 1 is control here"];
    let said = site.program.run(&send);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.out.contains("heard there: channel 1 is control here"),
        "{}",
        said.out
    );
    two.wait_for_log("is channel 1 audio there?");
    two.wait_for_log("channel 1 is control here");
    let log = two.log();
    assert_eq!(log.matches("is channel 1 audio there?").count(), 1, "{log}");
}
