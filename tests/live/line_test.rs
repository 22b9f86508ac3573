//! The technician's tests over simulated lines: two testers, a loop plug, a link that runs.

use std::fs;
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::equipment::{Desk, Kind};
use crate::link::{Channel, Site};

/// A test that runs beside another one.
struct Running(Option<Child>);

impl Running {
    fn start(site: &Site, args: &[&str]) -> Self {
        let child = site
            .program
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(Some(child.unwrap()))
    }

    fn end(mut self) -> (Option<i32>, String, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.0.take().unwrap().wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code(), text(stdout), text(stderr))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // It may have ended already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// `test bert` at both ends of a simulated line, and what each found.
fn both_ends(line: &[&str], options: [&[&str]; 2]) -> [(Option<i32>, Value); 2] {
    let site = Site::new();
    let _line = site.line(line);
    let ends = [("line-a", options[0]), ("line-b", options[1])].map(|(device, options)| {
        let device = site.path(device);
        let mut args = vec!["test", "bert", &device, "--baud", "38400", "--json"];
        args.extend(options);
        Running::start(&site, &args)
    });
    ends.map(|end| {
        let (code, out, err) = end.end();
        let json = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out} {err}"));
        (code, json)
    })
}

#[test]
fn two_ends_measure_the_errors_of_the_line_and_agree_on_a_verdict() {
    let options: [&[&str]; 2] = [&["--seconds", "5"], &["--seconds", "5"]];
    for (code, report) in both_ends(&["--ber", "1e-3"], options) {
        assert_eq!(report["stats"]["pattern"], "2047");
        assert_eq!(report["stats"]["seconds"]["seconds"], 5);
        // A busy machine sends less, and counts it right all the same.
        let rate = report["bit_error_rate"].as_f64().unwrap();
        assert!((3e-4..3e-3).contains(&rate), "{report:#}");
        assert_eq!(report["verdict"]["grade"], "usable", "{report:#}");
        assert_eq!(code, Some(0));
    }
}

#[test]
fn a_clean_line_is_good_and_errors_put_in_at_one_end_are_counted_at_the_other() {
    let options: [&[&str]; 2] = [
        &["--bits", "60000", "--pattern", "2^15-1", "--inject", "1e-2"],
        &["--bits", "60000", "--pattern", "2^15-1"],
    ];
    let [(_, here), (code, there)] = both_ends(&[], options);
    assert_eq!(here["stats"]["errors"], 0, "{here:#}");
    assert_eq!(here["verdict"]["grade"], "good", "{here:#}");
    assert!(here["stats"]["injected"].as_u64().unwrap() > 500);
    let rate = there["bit_error_rate"].as_f64().unwrap();
    assert!((0.008..0.012).contains(&rate), "{there:#}");
    assert_eq!(there["stats"]["polarity"], "inverted");
    assert_eq!((code, &there["verdict"]["grade"]), (Some(1), &"bad".into()));
}

#[test]
fn a_looped_line_is_measured_from_one_end_with_a_report_to_hand_over() {
    let site = Site::new();
    let _line = site.line(&["--loopback", "a", "--ber", "1e-4"]);
    let (device, page) = (site.path("line-a"), site.path("report.html"));
    let said = site.program.run(&[
        "test",
        "bert",
        &device,
        "--baud",
        "38400",
        "--loop",
        "--seconds",
        "3",
        "--report",
        &page,
    ]);
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
    assert!(said.out.contains("through the loop"), "{}", said.out);
    assert!(said.out.contains("WHAT IT WILL CARRY"), "{}", said.out);
    let page = fs::read_to_string(page).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<svg"));
    assert!(!page.contains("http"));
}

#[test]
fn a_looped_terminal_server_is_measured_too() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let device = format!("tcp://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 512];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            if stream.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
    });
    let said = Site::new().program.run(&[
        "test",
        "bert",
        &device,
        "--baud",
        "115200",
        "--loop",
        "--pattern",
        "qrss",
        "--seconds",
        "2",
        "--json",
    ]);
    server.join().unwrap();
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
    assert_eq!(said.json()["stats"]["pattern"], "qrss");
    assert_eq!(said.json()["stats"]["errors"], 0);
}

#[test]
fn a_far_end_at_another_speed_is_no_pattern_and_says_what_to_try() {
    let site = Site::new();
    let _line = site.line(&[]);
    let (a, b) = (site.path("line-a"), site.path("line-b"));
    let far_end = Running::start(
        &site,
        &["test", "bert", &b, "--baud", "9600", "--wait", "20"],
    );
    let said = site
        .program
        .run(&["test", "bert", &a, "--baud", "19200", "--wait", "6"]);
    drop(far_end);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.out.contains("no test pattern"), "{}", said.out);
    assert!(said.out.contains("same speed"), "{}", said.out);
}

#[test]
fn nobody_at_the_far_end_is_a_failed_line() {
    let site = Site::new();
    let _line = site.line(&[]);
    let a = site.path("line-a");
    let args = [
        "test", "bert", &a, "--baud", "38400", "--wait", "1", "--json",
    ];
    let said = site.program.run(&args);
    assert_eq!(said.code, Some(1), "{}", said.err);
    let reasons = said.json()["verdict"]["reasons"].to_string();
    assert!(reasons.contains("nothing came from the line"), "{reasons}");
}

#[test]
fn a_device_that_is_not_there_cannot_be_tested() {
    let site = Site::new();
    let missing = site.path("no-such-port");
    for args in [
        &["test", "bert", &missing, "--baud", "9600"][..],
        &["test", "port", &missing],
    ] {
        let said = site.program.run(args);
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert!(said.out.is_empty(), "{}", said.out);
        assert!(
            said.err.contains("is not there. `copperlink ports`"),
            "{}",
            said.err
        );
    }
    let said = site.program.run(&["test", "link", "room-9"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("no link is running here"), "{}", said.err);
}

#[test]
fn a_pattern_or_a_flow_control_that_cannot_be_is_refused() {
    let site = Site::new();
    for (option, value, words) in [
        ("--pattern", "1023", "2^15-1"),
        ("--flow", "software", "hardware"),
        ("--inject", "0.5", "up to 0.1"),
        ("--bits", "many", "1e7"),
    ] {
        let args = ["test", "bert", "/dev/null", "--baud", "9600", option, value];
        let said = site.program.run(&args);
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert!(said.err.contains(words), "{}", said.err);
    }
}

#[test]
fn a_loop_plug_brings_all_bytes_back_and_seven_bits_are_named() {
    for (options, code, words) in [
        (&["--loopback", "a"][..], 0, "all 256 values came back"),
        (&["--loopback", "a", "--seven-bits"], 1, "8 data bits"),
        (
            &["--loopback", "a", "--line", "eats-xon-xoff"],
            1,
            "XON and XOFF",
        ),
        (&["--loopback", "b"], 1, "nothing came back"),
    ] {
        let site = Site::new();
        let _line = site.line(options);
        let a = site.path("line-a");
        let said = site.program.run(&["test", "port", &a, "--baud", "19200"]);
        assert_eq!(
            said.code,
            Some(code),
            "{options:?}: {} {}",
            said.out,
            said.err
        );
        assert!(said.out.contains(words), "{options:?}: {}", said.out);
    }
}

#[test]
fn a_link_is_watched_while_its_call_goes_on() {
    let site = Site::new();
    let _line = site.line(&["--ber", "1e-4"]);
    let desks = [Desk::new(), Desk::new()];
    let [a, b] = [
        ("room-1", "line-a", &desks[0]),
        ("room-2", "line-b", &desks[1]),
    ]
    .map(|(name, device, desk)| {
        let channel = Channel {
            id: 1,
            class: "control",
            name: "control",
            rtcp: false,
            desk,
        };
        site.run(name, device, 38_400, &[channel])
    });
    a.wait_until_up();
    b.wait_until_up();
    let watched = Running::start(
        &site,
        &["test", "link", "room-1", "--seconds", "4", "--json"],
    );
    for n in 0..20u8 {
        desks[0].send(Kind::Media, &[n; 100]);
        std::thread::sleep(Duration::from_millis(100));
    }
    let (code, out, err) = watched.end();
    assert_eq!(code, Some(0), "{out} {err}");
    let facts: Value = serde_json::from_str(&out).unwrap();
    assert!(facts["watched_s"].as_f64().unwrap() >= 4.0, "{facts:#}");
    let line = &facts["lines"][0];
    assert!(
        line["round_trip_ms"]["min"].as_f64().unwrap() > 0.0,
        "{facts:#}"
    );
    assert!(line["there"]["frames"].as_u64().unwrap() > 0, "{facts:#}");
    let taken = facts["channels"][0]["taken"].as_u64().unwrap();
    assert!((1..=20).contains(&taken), "{facts:#}");
}
