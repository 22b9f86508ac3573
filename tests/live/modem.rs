//! Links whose lines have modems: those that follow a script, and the simulated ones.

use rustix::process::Signal;
use serde_json::Value;

use crate::equipment::{Desk, Kind};
use crate::link::{Channel, End, Site, wait_until};
use crate::scripted_modems::{Manner, Modems, NUMBER};

/// One end with a modem of which nothing is known.
fn end<'a>(site: &'a Site, name: &str, device: &str, keys: &str, desk: &Desk) -> End<'a> {
    end_with(
        site,
        name,
        device,
        &format!("modem = \"generic\"\n{keys}"),
        desk,
    )
}

fn end_with<'a>(site: &'a Site, name: &str, device: &str, keys: &str, desk: &Desk) -> End<'a> {
    let line = format!("device = \"{device}\"\nbaud = 115200\n{keys}\n");
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
        modem(status) == "waiting for a call" && status["devices"][0]["state"] == "calling"
    });
    let trouble = two.status().unwrap()["stats"]["lines"][0]["trouble"].clone();
    assert_eq!(trouble, "no call yet");
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
fn a_modem_that_cannot_be_used_is_said_in_words_and_asked_again() {
    for (manner, words) in [
        (
            Manner::Silent,
            "the modem does not answer. Check that it is on",
        ),
        (
            Manner::Garbage,
            "at 115200 bit/s cannot be read. Set `baud`",
        ),
        (Manner::EchoOnly, "comes back, but no result"),
    ] {
        let modems = Modems::new(manner);
        let site = Site::new();
        let desk = Desk::new();
        let one = end(&site, "room-1", modems.path(0), "dial = \"1\"", &desk);
        one.wait_for_log(words);
        let said = site.program.run(&["status", "room-1"]);
        assert!(
            said.out.contains("  problem: ") && said.out.contains(words),
            "{}",
            said.out
        );
        assert!(said.out.contains("  modem "), "{}", said.out);
        let asked = modems.said_to(0).len();
        wait_until("another try", || modems.said_to(0).len() > asked + 1);
    }
}

#[test]
fn a_simulated_call_between_two_families_carries_and_is_dialled_again_when_it_is_lost() {
    let (site, desks) = (Site::new(), [Desk::new(), Desk::new()]);
    let _line = site.line(&[
        "--modem=courier,multitech",
        "--training",
        "2",
        "--cut",
        "40,4",
    ]);
    let (a, b) = (site.path("line-a"), site.path("line-b"));
    let keys = "modem = \"multitech\"\nanswer = true";
    let two = end_with(&site, "room-2", &b, keys, &desks[1]);
    two.wait_for("a modem that waits", |status| {
        modem(status) == "waiting for a call"
    });
    let keys = "modem = \"courier\"\ndial = \"1002\"";
    let one = end_with(&site, "room-1", &a, keys, &desks[0]);
    one.wait_until_up();
    let status = one.status().unwrap();
    assert!(
        modem(&status).starts_with("connected at 33600 bit/s"),
        "{status}"
    );
    desks[0].send(Kind::Media, b"before");
    wait_until("the first message", || desks[1].count(Kind::Media) == 1);

    one.wait_for_log("the call has ended: the carrier is gone");
    desks[0].send(Kind::Media, b"meanwhile");
    one.wait_for_log("dialling 1002, attempt 2 of 10");
    one.wait_until_up();
    wait_until("the second message", || desks[1].count(Kind::Media) == 2);
}

#[test]
fn a_leased_line_trains_in_silence_and_survives_a_restart_of_one_end() {
    let (site, desks) = (Site::new(), [Desk::new(), Desk::new()]);
    let _line = site.line(&["--modem=courier", "--leased", "--training", "2"]);
    let (a, b) = (site.path("line-a"), site.path("line-b"));
    let keys = "modem = \"courier-leased\"";
    let mut one = end_with(&site, "room-1", &a, keys, &desks[0]);
    let two = end_with(&site, "room-2", &b, keys, &desks[1]);
    one.wait_until_up();
    two.wait_until_up();
    let status = two.status().unwrap();
    assert!(
        modem(&status).starts_with("connected at 33600 bit/s"),
        "{status}"
    );
    one.kill();
    one.start();
    one.wait_for_log("It may be connected already");
    one.wait_until_up();
    desks[1].send(Kind::Media, b"after");
    wait_until("a message", || desks[0].count(Kind::Media) == 1);
    assert!(!two.log().contains("the carrier is gone"), "{}", two.log());
}
