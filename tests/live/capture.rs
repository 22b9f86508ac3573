//! A line is recorded while it carries a call, decoded again, and looked at with Wireshark's own means.

use std::collections::BTreeSet;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::equipment::{Desk, Kind};
use crate::link::{Channel, PATIENCE, Site, wait_until};

const RATE: u32 = 38_400;

/// Audio, video and control of an end.
struct Room {
    desks: [Desk; 3],
}

impl Room {
    fn new() -> Self {
        let desks = [(); 3].map(|()| Desk::new());
        Self { desks }
    }

    fn channels(&self) -> Vec<Channel<'_>> {
        let classes = ["audio", "video", "control"];
        let channel = |(i, class): (usize, &'static str)| Channel {
            id: i + 1,
            class,
            name: class,
            rtcp: class == "video",
            desk: &self.desks[i],
        };
        classes.into_iter().enumerate().map(channel).collect()
    }

    /// Talks for so long: steady voice, pictures of several datagrams, now and then a message.
    fn talk(&self, long: Duration) {
        let start = Instant::now();
        let mut number = 0u16;
        while start.elapsed() < long {
            let mut voice = vec![0x80, 18];
            voice.extend(number.to_be_bytes());
            voice.extend((u32::from(number) * 160).to_be_bytes());
            voice.extend([0, 0, 0, 7]);
            voice.extend([number as u8; 20]);
            self.desks[0].send(Kind::Media, &voice);
            if number.is_multiple_of(10) {
                let mut picture = vec![0x80, 0x80 | 96];
                picture.extend((number / 10).to_be_bytes());
                picture.extend((u32::from(number) * 1800).to_be_bytes());
                picture.extend([0, 0, 0, 9]);
                picture.extend((0..700u32).map(|i| (i * 7919 + u32::from(number)) as u8));
                self.desks[1].send(Kind::Media, &picture);
                self.desks[2].send(Kind::Media, &number.to_be_bytes());
            }
            number += 1;
            let due = Duration::from_millis(20) * u32::from(number);
            sleep(due.saturating_sub(start.elapsed()));
        }
    }
}

#[test]
fn a_capture_of_a_noisy_line_tells_what_the_link_counted_and_wireshark_names_every_frame() {
    let (site, rooms) = (Site::new(), [Room::new(), Room::new()]);
    let _line = site.line(&["--rate", "38400", "--ber", "1e-3"]);
    let one = site.run("room-1", "line-a", RATE, &rooms[0].channels());
    one.wait_for("a device that is open", |status| {
        status["devices"][0]["state"] == "open"
    });
    let file = site.path("line.pcapng");
    let mut capture = site
        .program
        .command(&["capture", "room-1", &file, "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Another station first, whose table differs.
    let stranger = Desk::new();
    let other = Channel {
        id: 1,
        class: "control",
        name: "slides",
        rtcp: false,
        desk: &stranger,
    };
    let mut wrong = site.run("room-3", "line-b", RATE, &[other]);
    wrong.wait_for("a line that is refused", |status| {
        let trouble = status["stats"]["lines"][0]["trouble"].as_str();
        trouble.is_some_and(|trouble| trouble.contains("channel 3: here none"))
    });
    wrong.kill();
    let two = site.run("room-2", "line-b", RATE, &rooms[1].channels());
    one.wait_until_up();
    two.wait_until_up();
    let said = site.program.run(&["talk", "room-1", "--send", "선로 확인"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    std::thread::scope(|scope| {
        for room in &rooms {
            scope.spawn(|| room.talk(Duration::from_secs(8)));
        }
    });
    end(capture.id());
    let mut recorded = String::new();
    let out = capture.stdout.as_mut().unwrap();
    out.read_to_string(&mut recorded).unwrap();
    assert_eq!(capture.wait().unwrap().code(), Some(0), "{recorded}");
    let recorded: Value = serde_json::from_str(&recorded).unwrap();
    assert_eq!(recorded["bytes_missing"], 0);

    let replay = site.program.run(&["replay", &file, "--json"]);
    assert_eq!(replay.code, Some(0), "{}", replay.err);
    let replay = replay.json();
    // What the link itself counted over the same time.
    let counted = replay["link_counted"].as_object().unwrap();
    assert_eq!(counted.len(), 7);
    for (what, count) in counted {
        assert_eq!(&replay["received"][what], count, "{what}: {replay:#}");
    }
    assert!(replay["received"]["bytes_repaired"].as_u64().unwrap() > 20);
    // What was on its way when a session began was torn off.
    assert!(replay["sent"]["frames_bad"].as_u64().unwrap() <= 8);
    assert_eq!(replay["sent"]["bytes_repaired"], 0);
    let talk = &replay["talk"][0];
    assert_eq!(
        (&talk["from"], &talk["text"]),
        (&"here".into(), &"선로 확인".into())
    );
    let cause = replay["likely_cause"].as_str().unwrap();
    assert!(cause.contains("spread evenly"), "{cause}");
    let names: BTreeSet<&str> = [&replay["received"], &replay["sent"]]
        .into_iter()
        .flat_map(|way| way["kinds"].as_object().unwrap().keys())
        .map(String::as_str)
        .collect();
    let all = [
        "express",
        "express short",
        "heard",
        "hello",
        "ordinary",
        "table",
        "text",
    ];
    assert_eq!(names, BTreeSet::from(all), "{replay:#}");
    let screen = site.program.run(&["replay", &file]);
    assert!(
        screen.out.contains("Said on the order wire"),
        "{}",
        screen.out
    );
    println!("{}", screen.out);
    dissect(&site, &file, &replay);
}

/// Looks at the capture with the dissector for Wireshark, where that is installed.
fn dissect(site: &Site, file: &str, replay: &Value) {
    let home = site.path("home");
    std::fs::create_dir_all(&home).unwrap();
    let script = concat!(
        "lua_script:",
        env!("CARGO_MANIFEST_DIR"),
        "/firmware-notes/copperlink.lua"
    );
    let run = |args: &[&str]| {
        let mut command = Command::new("tshark");
        command.env("HOME", &home).args(["-X", script, "-r", file]);
        command.args(args).output()
    };
    let fields = [
        "-T",
        "fields",
        "-E",
        "separator=|",
        "-e",
        "copperlink.what",
        "-e",
        "copperlink.kind",
        "-e",
        "copperlink.check",
        "-e",
        "_ws.malformed",
        "-e",
        "_ws.col.Info",
    ];
    let Ok(output) = run(&fields) else {
        println!("not looked at with Wireshark: tshark is not installed");
        return;
    };
    let (out, err) = [output.stdout, output.stderr]
        .map(|text| String::from_utf8(text).unwrap())
        .into();
    assert!(output.status.success(), "{err}");
    let mut kinds = BTreeSet::new();
    let (mut frames, mut noise) = (0, 0);
    for line in out.lines() {
        assert!(!line.contains("Lua Error"), "{line}");
        let cells: Vec<&str> = line.split('|').collect();
        assert_eq!(cells[3], "", "malformed: {line}");
        match cells[0] {
            "2" => {
                frames += 1;
                kinds.insert(cells[1]);
                assert!(cells[2].ends_with("good"), "{line}");
            }
            "3" => {
                noise += 1;
                assert!(cells[4].starts_with("noise"), "{line}");
            }
            _ => {}
        }
    }
    let count = |way: &str, what: &str| replay[way][what].as_u64().unwrap();
    assert_eq!(
        frames,
        count("received", "frames") + count("sent", "frames")
    );
    let bad = count("received", "frames_bad") + count("sent", "frames_bad");
    assert_eq!(noise, bad);
    let all = [
        "express",
        "express short",
        "heard",
        "hello",
        "ordinary",
        "table",
        "text",
    ];
    assert_eq!(kinds, BTreeSet::from(all));
    // The whole tree is made, too.
    let tree = run(&["-V"]).unwrap();
    let tree = String::from_utf8_lossy(&tree.stdout).into_owned();
    assert!(!tree.contains("Lua Error") && !tree.contains("Malformed"));
    assert!(!tree.contains("Not a segment") && !tree.contains("another version"));
    assert!(tree.contains("Largest received") && tree.contains("선로 확인"));
    println!("Wireshark names {frames} frames and {noise} pieces of noise");
}

#[test]
fn a_file_that_is_no_capture_is_said_in_words() {
    let site = Site::new();
    let file = site.path("notes.pcapng");
    std::fs::write(&file, "notes").unwrap();
    for file in [
        file.as_str(),
        "/no/such/file",
        "tests/media/packed_g723.pcap",
    ] {
        let said = site.program.run(&["replay", file]);
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert!(
            said.err.contains("is no capture of copperlink"),
            "{}",
            said.err
        );
    }
    let said = site.program.run(&["capture", "room-1", &file]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("no link is running here"), "{}", said.err);
}

#[test]
fn a_damaged_capture_is_read_as_far_as_it_goes_and_does_no_harm() {
    let (site, rooms) = (Site::new(), [Room::new(), Room::new()]);
    let _line = site.line(&["--rate", "38400"]);
    let one = site.run("room-1", "line-a", RATE, &rooms[0].channels());
    let _two = site.run("room-2", "line-b", RATE, &rooms[1].channels());
    one.wait_until_up();
    let file = site.path("line.pcapng");
    let start = Instant::now();
    let said = site
        .program
        .run(&["capture", "room-1", &file, "--seconds", "2"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(start.elapsed() < PATIENCE);
    assert!(said.out.contains("received"), "{}", said.out);
    let whole = std::fs::read(&file).unwrap();
    for (place, step) in (0..whole.len()).step_by(whole.len() / 12 + 1).enumerate() {
        let mut damaged = whole.clone();
        match place % 3 {
            0 => damaged.truncate(step),
            1 => damaged[step] ^= 0x41,
            _ => damaged[step..]
                .iter_mut()
                .for_each(|byte| *byte = byte.wrapping_mul(3)),
        }
        std::fs::write(&file, damaged).unwrap();
        let said = site.program.run(&["replay", &file, "--json"]);
        assert!(matches!(said.code, Some(0 | 2)), "{place}: {}", said.err);
        assert!(!said.err.contains("panicked"), "{place}: {}", said.err);
    }
}

#[test]
fn a_capture_that_is_too_slow_says_how_much_it_lacks_and_the_link_goes_on() {
    const FAST: u32 = 921_600;
    let (site, desks) = (Site::new(), [Desk::new(), Desk::new()]);
    let _line = site.line(&["--rate", "921600"]);
    let video = |i: usize| Channel {
        id: 1,
        class: "video",
        name: "video",
        rtcp: false,
        desk: &desks[i],
    };
    let one = site.run("room-1", "line-a", FAST, &[video(0)]);
    let two = site.run("room-2", "line-b", FAST, &[video(1)]);
    one.wait_until_up();
    two.wait_until_up();
    let file = site.path("line.pcapng");
    let args = ["capture", "room-1", &file, "--json"];
    let mut command = site.program.command(&args);
    let mut capture = command.stdout(Stdio::piped()).spawn().unwrap();
    wait_until("the capture", || std::fs::metadata(&file).is_ok());
    // A disk that does not answer: whoever records stands still.
    signal(capture.id(), Signal::STOP);
    let moved = |status: &Value| {
        let line = &status["stats"]["lines"][0];
        line["bytes_sent"].as_u64().unwrap() + line["bytes_received"].as_u64().unwrap()
    };
    let before = moved(&one.status().unwrap());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for desk in &desks {
            let over = &over;
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    desk.send(Kind::Media, &[0x55; 1200]);
                    sleep(Duration::from_millis(10));
                }
            });
        }
        one.wait_for("much that moved", |status| {
            moved(status) > before + 1_500_000
        });
        over.store(true, Ordering::Relaxed);
    });
    let status = one.status().unwrap();
    assert_eq!(status["stats"]["lines"][0]["state"], "up");
    signal(capture.id(), Signal::CONT);
    sleep(Duration::from_millis(500));
    end(capture.id());
    let mut recorded = String::new();
    let out = capture.stdout.as_mut().unwrap();
    out.read_to_string(&mut recorded).unwrap();
    assert_eq!(capture.wait().unwrap().code(), Some(0), "{recorded}");
    let recorded: Value = serde_json::from_str(&recorded).unwrap();
    let missing = recorded["bytes_missing"].as_u64().unwrap();
    println!("{missing} bytes are missing of a capture that stood still");
    assert!(missing > 100_000, "{recorded}");
    let replay = site.program.run(&["replay", &file, "--json"]).json();
    assert_eq!(replay["bytes_missing"], missing);
    let cause = replay["likely_cause"].as_str().unwrap();
    assert!(cause.starts_with("The capture lacks"), "{cause}");
}

fn end(id: u32) {
    signal(id, Signal::INT);
}

fn signal(id: u32, signal: Signal) {
    let pid = Pid::from_raw(id.cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}
