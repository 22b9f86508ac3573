//! What is wrong with the line is named within seconds: in the status, and in the log.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::equipment::Desk;
use crate::link::{Channel, End, Site};

/// Five seconds are promised; a busy machine gets some more.
const SOON: Duration = Duration::from_secs(8);

#[test]
fn tables_that_differ_are_named_at_both_ends() {
    let (site, desks) = (Site::new(), [Desk::new(), Desk::new()]);
    let _line = site.line(&[]);
    let start = Instant::now();
    let one = site.run(
        "room-1",
        "line-a",
        38_400,
        &[channel("video", "camera", &desks[0])],
    );
    let two = site.run(
        "room-2",
        "line-b",
        38_400,
        &[channel("control", "slides", &desks[1])],
    );
    names(
        &one,
        start,
        "channel 1: here video 'camera', there control 'slides'",
    );
    names(
        &two,
        start,
        "channel 1: here control 'slides', there video 'camera'",
    );
}

#[test]
fn a_line_looped_back_is_named() {
    let (site, desk) = (Site::new(), Desk::new());
    let _line = site.line(&["--loopback", "a"]);
    let start = Instant::now();
    let end = site.run(
        "room-1",
        "line-a",
        38_400,
        &[channel("control", "control", &desk)],
    );
    names(&end, start, "loop on the line");
}

#[test]
fn a_far_end_at_another_speed_is_named() {
    let (site, desks) = (Site::new(), [Desk::new(), Desk::new()]);
    let _line = site.line(&[]);
    let start = Instant::now();
    let one = site.run(
        "room-1",
        "line-a",
        38_400,
        &[channel("control", "control", &desks[0])],
    );
    let two = site.run(
        "room-2",
        "line-b",
        19_200,
        &[channel("control", "control", &desks[1])],
    );
    names(
        &one,
        start,
        "Most likely the speed (baud) differs between the two ends",
    );
    names(
        &two,
        start,
        "Most likely the speed (baud) differs between the two ends",
    );
}

#[test]
fn a_far_end_that_is_absent_is_named() {
    let (site, desk) = (Site::new(), Desk::new());
    let _line = site.line(&[]);
    let start = Instant::now();
    let end = site.run(
        "room-1",
        "line-a",
        38_400,
        &[channel("control", "control", &desk)],
    );
    names(&end, start, "nothing heard from the far end");
}

fn channel<'a>(class: &'a str, name: &'a str, desk: &'a Desk) -> Channel<'a> {
    Channel {
        id: 1,
        class,
        name,
        rtcp: false,
        desk,
    }
}

/// Waits until the status has the words. The log has them too.
fn names(end: &End<'_>, start: Instant, words: &str) {
    let took = loop {
        let status = end.status();
        let took = start.elapsed();
        let trouble = status.map(|status| status["stats"]["lines"][0]["trouble"].clone());
        let said = trouble.as_ref().ok().and_then(|trouble| trouble.as_str());
        if said.is_some_and(|said| said.contains(words)) {
            break took;
        }
        assert!(took < SOON, "{trouble:?} instead of {words}\n{}", end.log());
        sleep(Duration::from_millis(100));
    };
    println!("{:4.1} s: {words}", took.as_secs_f64());
    end.wait_for_log(words);
}
