//! Links whose lines have modems.

use rustix::process::Signal;
use serde_json::Value;

use crate::equipment::{Desk, Kind};
use crate::link::{Channel, End, Site, wait_until};
use crate::modems::{Manner, Modems, NUMBER};

/// One end with a modem.
fn end<'a>(site: &'a Site, name: &str, device: &str, keys: &str, desk: &Desk) -> End<'a> {
    let line = format!("device = \"{device}\"\nbaud = 115200\nmodem = \"generic\"\n{keys}\n");
    let control = Channel {
        id: 1,
        class: "control",
        name: "control",
        rtcp: false,
        desk,
    };
    site.run_over(name, &line, &[control])
}

fn modem(status: &Value) -> &str {
    status["devices"][0]["modem"].as_str().unwrap_or_default()
}

#[test]
fn a_link_over_a_call_comes_up_carries_and_hangs_up() {
    let modems = Modems::new(Manner::Good);
    let site = Site::new();
    let (desk_1, desk_2) = (Desk::new(), Desk::new());
    let dial = format!("dial = \"{NUMBER}\"");
    let two = end(&site, "room-2", modems.path(1), "answer = 2", &desk_2);
    two.wait_for("a modem that waits", |status| {
        modem(status) == "waiting for a call"
    });
    let mut one = end(&site, "room-1", modems.path(0), &dial, &desk_1);
    one.wait_until_up();
    two.wait_until_up();
    for end in [&one, &two] {
        let status = end.wait_for("the rate", |status| {
            modem(status) == "connected at 28800 bit/s, V.42, no compression"
        });
        assert_eq!(status["devices"][0]["state"], "open");
    }
    one.wait_for_log("modem: dialling 200, attempt 1 of 10");
    two.wait_for_log("modem: answering a call");

    let words = b"through two modems, +++ and all\r\nNO CARRIER\r\n";
    desk_1.send(Kind::Media, words);
    wait_until("the message", || desk_2.count(Kind::Media) == 1);
    assert_eq!(desk_2.arrived(Kind::Media)[0].bytes, words);

    // Stopped, it hangs up. The other end hears of it, and waits for the next call.
    one.process().signal(Signal::TERM);
    let (code, _) = one.process().wait();
    assert_eq!(code, Some(0), "{}", one.log());
    assert_eq!(modems.said_to(0).last().unwrap(), "ATH");
    two.wait_for_log("the call has ended: the carrier is gone");
    two.wait_for("a modem that waits again", |status| {
        modem(status) == "waiting for a call" && status["devices"][0]["state"] == "waiting"
    });
}

#[test]
fn a_busy_number_is_dialled_again() {
    let modems = Modems::new(Manner::Good);
    let site = Site::new();
    let desk = Desk::new();
    let one = end(
        &site,
        "room-1",
        modems.path(0),
        "dial = \"7\"\nredial = 2",
        &desk,
    );
    one.wait_for_log("the far end is busy");
    one.wait_for_log("dialling 7, attempt 2 of 2");
    one.wait_for_log("gave up after 2 calls that failed; nothing more is tried");
    let status = one.status().unwrap();
    assert_eq!(modem(&status), "gave up after 2 calls that failed");
    let calls = modems.said_to(0);
    assert_eq!(calls.iter().filter(|line| *line == "ATDT7").count(), 2);
}

#[test]
fn a_silent_modem_is_said_in_words_and_asked_again() {
    let modems = Modems::new(Manner::Silent);
    let site = Site::new();
    let desk = Desk::new();
    let one = end(&site, "room-1", modems.path(0), "dial = \"1\"", &desk);
    one.wait_for_log("the modem does not answer. Check that it is on");
    let said = site.program.run(&["status", "room-1"]);
    assert!(
        said.out.contains("problem: the modem does not answer"),
        "{}",
        said.out
    );
    assert!(said.out.contains("  modem "), "{}", said.out);
    let asked = modems.said_to(0).len();
    wait_until("another try", || modems.said_to(0).len() > asked + 1);
}
