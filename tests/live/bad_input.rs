//! Bad input while a link runs: it is named or counted, and the link goes on.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::equipment::{Desk, Kind, Noted};
use crate::link::{Channel, End, Site, channel, wait_until};

#[test]
fn a_device_that_comes_later_is_used() {
    let (site, rooms) = (Site::new(), [Room::new(), Room::new()]);
    let ends = start_ends(&site, &rooms, 38_400);
    for (end, device) in ends.iter().zip(["line-a", "line-b"]) {
        let device = site.path(device);
        end.wait_for_log(&format!("{device} is not there; waiting for it"));
    }
    for time in 0..2 {
        let from = time * 10;
        for number in from..from + 10 {
            rooms[0].control.send(Kind::Media, &[number]);
        }
        let mut line = site.line(&[]);
        ends.iter().for_each(End::wait_until_up);
        let all = usize::from(from) + 10;
        wait_until("all messages", || {
            rooms[1].control.count(Kind::Media) == all
        });
        // Removes the names of its ports first: otherwise they could lead to another line.
        line.signal(Signal::TERM);
        line.wait();
        for end in &ends {
            end.wait_for("a line that is closed", |status| {
                status["devices"][0]["state"] == "waiting"
            });
        }
    }
    let arrived = bytes(&rooms[1].control.arrived(Kind::Media));
    assert!(arrived.into_iter().eq((0..20).map(|number| vec![number])));
}

/// For root too, which the kernel's exclusive mode does not stop: the lock does.
#[test]
fn a_device_in_use_names_its_holder() {
    let (site, desks) = (Site::new(), [Desk::new(), Desk::new()]);
    let _line = site.line(&[]);
    let control = |i: usize| [control(1, &desks[i])];
    let mut first = site.run("first", "line-a", 38_400, &control(0));
    first.wait_for("an open device", is_open);
    let second = site.run("second", "line-a", 38_400, &control(1));
    let device = site.path("line-a");
    let holder = first.process().id();
    let words = format!("{device} is in use by process {holder} (copperlink)");
    let status = second.wait_for("a problem", |status| {
        status["devices"][0]["problem"].is_string()
    });
    let problem = status["devices"][0]["problem"].as_str().unwrap();
    assert!(problem.contains(&words), "{problem}");
    second.wait_for_log(&words);
    // The first is not disturbed, and when it has gone the second gets its turn.
    assert!(!first.log().contains("is gone"), "{}", first.log());
    first.kill();
    second.wait_for("an open device", is_open);
}

#[test]
fn garbage_on_the_line_is_a_counter() {
    let (site, rooms) = (Site::new(), [Room::new(), Room::new()]);
    let _lines = [
        site.line_between("line-a", "middle-a", &[]),
        site.line_between("middle-b", "line-b", &[]),
    ];
    let towards_b = splice(&site.path("middle-a"), &site.path("middle-b"));
    let ends = start_ends(&site, &rooms, 38_400);
    ends.iter().for_each(End::wait_until_up);

    let mut chance: u32 = 1;
    let mut sent_audio = Vec::new();
    for number in 0..200u8 {
        rooms[0].control.send(Kind::Media, &[number; 20]);
        let audio = vec![255 - number; 25];
        rooms[0].audio.send(Kind::Media, &audio);
        sent_audio.push(audio);
        if number % 10 == 5 {
            let garbage: Vec<u8> = (0..60)
                .map(|_| {
                    chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    // With many of the bytes that end a frame.
                    if chance >> 29 == 0 {
                        0
                    } else {
                        (chance >> 16) as u8
                    }
                })
                .collect();
            (&*towards_b).write_all(&garbage).unwrap();
        }
        sleep(Duration::from_millis(20));
    }
    wait_until("all messages", || {
        rooms[1].control.count(Kind::Media) == 200
    });
    let messages = bytes(&rooms[1].control.arrived(Kind::Media));
    assert!(
        messages
            .into_iter()
            .eq((0..200).map(|number| vec![number; 20]))
    );
    // Audio may be lost, but what comes is what was sent.
    let mut sent = sent_audio.iter();
    let arrived = bytes(&rooms[1].audio.arrived(Kind::Media));
    assert!(arrived.iter().all(|audio| sent.any(|sent| sent == audio)));
    let status = ends[1].wait_for("a line that is up", |status| {
        status["stats"]["lines"][0]["state"] == "up"
    });
    let bad = status["stats"]["lines"][0]["frames_bad"].as_u64().unwrap();
    println!(
        "garbage: {bad} bad frames, {} of 200 voice packets",
        arrived.len()
    );
    assert!(bad > 0);
}

#[test]
fn too_large_for_its_channel_is_counted() {
    let (site, rooms) = (Site::new(), [Room::new(), Room::new()]);
    let _line = site.line(&["--rate", "115200"]);
    let ends = start_ends(&site, &rooms, 115_200);
    ends.iter().for_each(End::wait_until_up);
    for length in [1025, 65_507, 1024, 1025, 100] {
        rooms[0].audio.send(Kind::Media, &vec![7; length]);
    }
    wait_until("the rest", || rooms[1].audio.count(Kind::Media) == 2);
    let lengths = rooms[1].audio.arrived(Kind::Media);
    let lengths: Vec<usize> = lengths.iter().map(|noted| noted.bytes.len()).collect();
    assert_eq!(lengths, [1024, 100]);
    let status = ends[0].status().unwrap();
    assert_eq!(channel(&status, "audio")["sent"]["dropped_too_large"], 3);
    assert_eq!(channel(&status, "audio")["sent"]["accepted"], 2);
    assert_still_carries(&rooms);
}

#[test]
fn equipment_that_is_off_is_counted() {
    let (site, rooms) = (Site::new(), [Room::new(), Room::new()]);
    let _line = site.line(&["--rate", "115200"]);
    let ends = start_ends(&site, &rooms, 115_200);
    ends.iter().for_each(End::wait_until_up);
    let [here, mut there] = rooms;
    // Another port: the link delivers to the old one, at which nobody listens now.
    there.video = Desk::new();
    for _ in 0..20 {
        here.video.send(Kind::Media, &[1; 300]);
        sleep(Duration::from_millis(10));
    }
    let status = ends[1].wait_for("all of them", |status| {
        channel(status, "video")["received"]["delivered"] == 20
    });
    let ports = status["ports"].as_array().unwrap();
    let refused = |name: &str| {
        let id = &channel(&status, name)["id"];
        let port = ports.iter().find(|port| port["channel"] == *id).unwrap();
        port["send_refused"].as_u64().unwrap()
    };
    assert!(refused("video") > 0, "{status:#}");
    assert_eq!(refused("audio"), 0);
    assert_still_carries(&[here, there]);
}

#[test]
fn a_flood_on_one_port_leaves_the_others_alone() {
    const PACKETS: u8 = 200;
    let (site, rooms) = (Site::new(), [Room::new(), Room::new()]);
    let _line = site.line(&["--rate", "115200"]);
    let ends = start_ends(&site, &rooms, 115_200);
    ends.iter().for_each(End::wait_until_up);
    let over = AtomicBool::new(false);
    let sent: Vec<Noted> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for _ in 0..10 {
                    rooms[0].video.send(Kind::Media, &[9; 1200]);
                }
                sleep(Duration::from_millis(1));
            }
        });
        // The flood has filled everything that it can fill.
        sleep(Duration::from_millis(500));
        let sent = (0..PACKETS)
            .map(|number| {
                let noted = Noted {
                    at: Instant::now(),
                    bytes: vec![number; 25],
                };
                rooms[0].audio.send(Kind::Media, &noted.bytes);
                rooms[0].control.send(Kind::Media, &[number; 10]);
                sleep(Duration::from_millis(20));
                noted
            })
            .collect();
        over.store(true, Ordering::Relaxed);
        sent
    });
    let all = usize::from(PACKETS);
    wait_until("all messages", || {
        rooms[1].control.count(Kind::Media) == all
    });
    let messages = bytes(&rooms[1].control.arrived(Kind::Media));
    assert!(
        messages
            .into_iter()
            .eq((0..PACKETS).map(|number| vec![number; 10]))
    );
    let audio = rooms[1].audio.arrived(Kind::Media);
    let mut delays: Vec<Duration> = audio
        .iter()
        .map(|noted| noted.at - sent[usize::from(noted.bytes[0])].at)
        .collect();
    delays.sort();
    assert!(audio.len() >= all * 9 / 10, "{} voice packets", audio.len());
    let (p50, p99) = (delays[delays.len() / 2], delays[delays.len() * 99 / 100]);
    let status = ends[0].status().unwrap();
    let video = &channel(&status, "video")["sent"];
    println!(
        "flood: {} of {all} voice packets, delay p50 {p50:.1?}, p99 {p99:.1?}; of {} video \
         datagrams {} found the queue full",
        audio.len(),
        video["accepted"],
        video["dropped_queue_full"]
    );
    // A megabyte of pictures waits: a voice packet behind them would be more than a minute late.
    assert!(p50 < Duration::from_secs(1), "{p50:?}");
    assert!(video["dropped_queue_full"].as_u64() > Some(0), "{video:#}");
    assert_eq!(status["stats"]["lines"][0]["cuts"], 0);
}

#[test]
fn told_to_stop_while_the_line_is_stalled() {
    let (site, rooms) = (Site::new(), [Room::new(), Room::new()]);
    let line = site.line(&["--rate", "115200"]);
    let ends = start_ends(&site, &rooms, 115_200);
    ends.iter().for_each(End::wait_until_up);
    line.signal(Signal::STOP);
    for (mut end, (signal, room)) in ends
        .into_iter()
        .zip([(Signal::INT, &rooms[0]), (Signal::TERM, &rooms[1])])
    {
        // More than everything on the way can hold.
        for _ in 0..100 {
            room.video.send(Kind::Media, &[3; 1200]);
        }
        sleep(Duration::from_secs(1));
        end.process().signal(signal);
        let (code, took) = end.process().wait();
        println!("{signal:?} on a stalled line: ended after {took:.1?}");
        assert_eq!(code, Some(0), "{signal:?}: {}", end.log());
        assert!(took < Duration::from_secs(4), "{signal:?}: {took:?}");
    }
}

#[test]
fn told_to_stop_while_the_device_takes_nothing() {
    use rustix::io::Errno;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let (site, desk) = (Site::new(), Desk::new());
    // Nobody will ever read this side.
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let port = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let device = File::options().write(true).open(&port).unwrap();
    rustix::io::ioctl_fionbio(&device, true).unwrap();
    std::os::unix::fs::symlink(&port, site.path("line-a")).unwrap();

    let mut end = site.run("room-1", "line-a", 38_400, &[control(1, &desk)]);
    end.wait_for("an open device", is_open);
    // What the end itself sends while it calls would take minutes to fill the device.
    let fill = || {
        while !matches!(rustix::io::write(&device, &[0; 512]), Err(Errno::AGAIN)) {}
        while !matches!(rustix::io::write(&device, &[0]), Err(Errno::AGAIN)) {}
    };
    let words = "the device takes no bytes for";
    let status = end.wait_for(words, |status| {
        // Again and again: the kernel moves bytes on by and by, and has room for more.
        fill();
        let trouble = status["stats"]["lines"][0]["trouble"].as_str();
        trouble.is_some_and(|trouble| trouble.contains(words))
    });
    assert_eq!(status["devices"][0]["state"], "open");
    end.wait_for_log(words);
    desk.send(Kind::Media, b"to nobody");
    end.process().signal(Signal::TERM);
    let (code, took) = end.process().wait();
    println!("a device that takes nothing: ended after {took:.1?}");
    assert_eq!(code, Some(0), "{}", end.log());
    assert!(took < Duration::from_secs(2), "{took:?}");
}

/// The equipment of one end.
struct Room {
    audio: Desk,
    video: Desk,
    control: Desk,
}

impl Room {
    fn new() -> Self {
        Self {
            audio: Desk::new(),
            video: Desk::new(),
            control: Desk::new(),
        }
    }

    fn channels(&self) -> [Channel<'_>; 3] {
        let of = |id, class, desk| Channel {
            id,
            class,
            name: class,
            rtcp: false,
            desk,
        };
        [
            of(1, "audio", &self.audio),
            of(2, "video", &self.video),
            control(3, &self.control),
        ]
    }
}

fn control(id: usize, desk: &Desk) -> Channel<'_> {
    Channel {
        id,
        class: "control",
        name: "control",
        rtcp: false,
        desk,
    }
}

fn start_ends<'a>(site: &'a Site, rooms: &[Room; 2], baud: u32) -> [End<'a>; 2] {
    [
        site.run("room-1", "line-a", baud, &rooms[0].channels()),
        site.run("room-2", "line-b", baud, &rooms[1].channels()),
    ]
}

/// Control messages still pass both ways.
fn assert_still_carries(rooms: &[Room; 2]) {
    for (from, to) in [(0, 1), (1, 0)] {
        rooms[from].control.send(Kind::Media, b"still here");
        wait_until("a message", || rooms[to].control.count(Kind::Media) == 1);
        assert_eq!(
            rooms[to].control.arrived(Kind::Media)[0].bytes,
            b"still here"
        );
    }
}

/// Joins two ports as a cable would. Returns the second, to write more into it.
fn splice(a: &str, b: &str) -> Arc<File> {
    let open = |path: &str| {
        let port = File::options().read(true).write(true).open(path);
        Arc::new(port.unwrap())
    };
    // The name leads to the port only as long as its line runs; the cable ends with it.
    let [a, b] = [a, b].map(|name| open(fs::canonicalize(name).unwrap().to_str().unwrap()));
    for (from, to) in [(&a, &b), (&b, &a)] {
        let (from, to) = (Arc::clone(from), Arc::clone(to));
        std::thread::spawn(move || {
            let mut buffer = [0; 256];
            while let Ok(length @ 1..) = (&*from).read(&mut buffer) {
                if (&*to).write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
        });
    }
    b
}

fn is_open(status: &serde_json::Value) -> bool {
    status["devices"][0]["state"] == "open"
}

fn bytes(arrived: &[Noted]) -> Vec<Vec<u8>> {
    arrived.iter().map(|noted| noted.bytes.clone()).collect()
}
