//! A real terminal server in the way: ser2net, where it is installed, with a pseudo terminal as its
//! serial port and RFC 2217 towards us.
//!
//! ```text
//! room-1 -- line-a == simulated line == line-b -- ser2net -- rfc2217://127.0.0.1:port -- room-2
//! ```

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::equipment::{Desk, Kind};
use crate::link::{Channel, End, PATIENCE, Site, wait_until};

const RATE: u32 = 38_400;
const VOICE: u16 = 150;
const MESSAGES: u32 = 20;

#[test]
fn a_call_through_a_terminal_server_arrives() {
    let Some(direct) = call("line-b directly", |_site| Some("line-b".to_owned())) else {
        return;
    };
    let mut server = None;
    let through = call("ser2net", |site| {
        server = Ser2net::start(site);
        server.as_ref().map(Ser2net::device)
    });
    let Some(through) = through else { return };
    println!(
        "ser2net adds {:.1} ms to half of the voice packets",
        (through.as_secs_f64() - direct.as_secs_f64()) * 1000.0
    );
    assert!(through < Duration::from_millis(500), "{through:?}");
}

#[test]
fn a_link_comes_back_when_the_terminal_server_was_restarted() {
    let site = Site::new();
    let _line = site.line(&["--rate", &RATE.to_string()]);
    let Some(mut server) = Ser2net::start(&site) else {
        return;
    };
    let desks = [Desk::new(), Desk::new()];
    let near = site.run("room-1", "line-a", RATE, &[control(&desks[0])]);
    let far = site.run("room-2", &server.device(), RATE, &[control(&desks[1])]);
    near.wait_until_up();
    far.wait_until_up();

    server.stop();
    far.wait_for_log("closed the connection; connecting again");
    far.wait_for_log("does not answer");
    desks[0].send(Kind::Media, b"said while it was away");
    let start = Instant::now();
    server.start_again();
    wait_until("the message", || desks[1].count(Kind::Media) == 1);
    println!(
        "a message arrives {:.1} s after ser2net was started again",
        start.elapsed().as_secs_f64()
    );
    assert_eq!(
        desks[1].arrived(Kind::Media)[0].bytes,
        b"said while it was away"
    );
}

/// A call of some seconds, of which everything must arrive. Returns how long half of the voice
/// packets took at most; nothing when there is no such device.
fn call(way: &str, device: impl FnOnce(&Site) -> Option<String>) -> Option<Duration> {
    let site = Site::new();
    let _line = site.line(&["--rate", &RATE.to_string()]);
    let device = device(&site)?;
    let voice = [Desk::new(), Desk::new()];
    let talk = [Desk::new(), Desk::new()];
    let run = |i: usize, device: &str| -> End<'_> {
        let name = ["room-1", "room-2"][i];
        let audio = Channel {
            id: 2,
            class: "audio",
            name: "audio",
            rtcp: false,
            desk: &voice[i],
        };
        site.run(name, device, RATE, &[control(&talk[i]), audio])
    };
    let ends = [run(0, "line-a"), run(1, &device)];
    ends.iter().for_each(End::wait_until_up);

    let mut sent = Vec::new();
    let start = Instant::now();
    for number in 0..VOICE {
        let due = Duration::from_millis(20) * u32::from(number);
        sleep(due.saturating_sub(start.elapsed()));
        sent.push(Instant::now());
        voice.iter().for_each(|desk| {
            desk.send(Kind::Media, &packet(number));
        });
        if u32::from(number) < MESSAGES {
            talk.iter().for_each(|desk| {
                desk.send(Kind::Media, &message(u32::from(number)));
            });
        }
    }
    let all =
        |desks: &[Desk; 2], count: usize| desks.iter().all(|desk| desk.count(Kind::Media) >= count);
    wait_until("all voice and messages", || {
        all(&voice, usize::from(VOICE)) && all(&talk, MESSAGES as usize)
    });
    for desk in &talk {
        let arrived = desk.arrived(Kind::Media).into_iter().map(|it| it.bytes);
        assert!(arrived.eq((0..MESSAGES).map(message)));
    }
    let mut delays = Vec::new();
    for desk in &voice {
        let arrived = desk.arrived(Kind::Media);
        for (number, &sent) in (0..VOICE).zip(&sent) {
            let wanted = packet(number);
            let found = arrived.iter().find(|it| it.bytes == wanted);
            delays.push(found.expect("every packet arrives").at - sent);
        }
    }
    delays.sort();
    let at = |share: usize| delays[delays.len() * share / 100 - 1];
    println!(
        "voice over {RATE} bit/s, {way}: half within {:.1} ms, 99 % within {:.1} ms, all within {:.1} ms",
        at(50).as_secs_f64() * 1000.0,
        at(99).as_secs_f64() * 1000.0,
        at(100).as_secs_f64() * 1000.0
    );
    Some(at(50))
}

fn control(desk: &Desk) -> Channel<'_> {
    Channel {
        id: 1,
        class: "control",
        name: "control",
        rtcp: false,
        desk,
    }
}

/// RTP with the bytes that Telnet and RFC 2217 must let through.
fn packet(number: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(number.to_be_bytes());
    packet.extend((u32::from(number) * 160).to_be_bytes());
    packet.extend(7u32.to_be_bytes());
    packet.extend([0xff, 0xff, 0xfa, 0x0d, 0x0a, 0x0d, 0x00, 0xf0, 0x11, 0x13]);
    packet.extend([number as u8; 10]);
    packet
}

fn message(number: u32) -> Vec<u8> {
    [&number.to_be_bytes()[..], &[0xff; 40]].concat()
}

/// A ser2net of our own.
struct Ser2net {
    port: u16,
    settings: String,
    child: Child,
}

impl Ser2net {
    /// Starts one with `line-b` of the site as its port. `None`, and a word about it, where it is
    /// not installed.
    fn start(site: &Site) -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let settings = site.path("ser2net.yaml");
        let text = format!(
            "%YAML 1.1\n---\n\
             connection: &line\n    accepter: telnet(rfc2217),tcp(nodelay),127.0.0.1,{port}\n\
             \x20   connector: serialdev(nouucplock),{},{RATE}n81,local\n\
             \x20   options:\n      kickolduser: true\n      chardelay: false\n",
            site.path("line-b")
        );
        fs::write(&settings, text).unwrap();
        let Some(child) = spawn(&settings, port) else {
            eprintln!("skipped: ser2net is not installed");
            return None;
        };
        Some(Self {
            port,
            settings,
            child,
        })
    }

    fn device(&self) -> String {
        format!("rfc2217://127.0.0.1:{}", self.port)
    }

    fn stop(&mut self) {
        // It has no state to save.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn start_again(&mut self) {
        self.child = spawn(&self.settings, self.port).unwrap();
    }
}

impl Drop for Ser2net {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Debian has it where users do not look.
fn spawn(settings: &str, port: u16) -> Option<Child> {
    let child = ["ser2net", "/usr/sbin/ser2net"].iter().find_map(|name| {
        let mut command = Command::new(name);
        command
            .args(["-n", "-c", settings])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().ok()
    })?;
    let start = Instant::now();
    // It takes one user at a time, and puts out an old one for a new one.
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < PATIENCE, "ser2net does not listen");
        sleep(Duration::from_millis(50));
    }
    Some(child)
}
