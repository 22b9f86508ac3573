//! What the program itself costs: two `copperlink run` joined by a simulated line of 921600
//! bit/s between two pseudo terminals, in real time. Each figure stands beside its goal (design,
//! section 10, row 9).
//!
//! Measures the two processes that carry the link; the one that plays the line is not counted,
//! but takes its share of the machine. Linux only: elsewhere nothing tells what a process uses.
//!
//! Also what looking costs: the same with a `monitor` that asks twice a second and a Prometheus that
//! asks each second, which is fifteen times as often as it does by default; and what a recording costs.
//!
//! `cargo bench --bench live` takes three minutes. Figures of a machine that does other work are
//! worthless.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use program::Program;
use tempfile::TempDir;
use usage::Usage;

#[path = "../tests/shared/program.rs"]
mod program;
#[path = "../tests/shared/usage.rs"]
mod usage;

const RATE: u32 = 921_600;
const DATAGRAM: usize = 1200;
/// More than the line carries, so that it is never idle.
const OFFERED: f64 = 1.2;
const SATURATED: Duration = Duration::from_secs(20);
const IDLE: Duration = Duration::from_secs(20);
/// Until queues are full, or empty again.
const SETTLE: Duration = Duration::from_secs(3);

fn main() {
    if Usage::of(std::process::id()).is_none() {
        println!("not measured: this system does not tell what a process uses");
        return;
    }
    let site = Site::new();
    let _line = site.line();
    let rooms = [Room::new(), Room::new()];
    let ends = [
        site.run("a", "line-a", &rooms[0]),
        site.run("b", "line-b", &rooms[1]),
    ];
    ["a", "b"].iter().for_each(|name| site.wait_until_up(name));
    println!("nobody looks");
    saturated(&ends, &rooms);
    println!("\na is recorded");
    recorded(&site, || saturated(&ends, &rooms));
    sleep(SETTLE);
    idle("up, and nothing to carry", &ends[0]);
    println!("\na is looked at");
    watched(&site, || {
        saturated(&ends, &rooms);
        sleep(SETTLE);
        idle("up, nothing to carry, looked at", &ends[0]);
    });
    let lonely = Room::new();
    idle("no device", &site.run("c", "no-such-line", &lonely));
}

/// Does something while a is recorded, and says what the recording itself took.
fn recorded(site: &Site, what: impl FnOnce()) {
    let file = site.path("line.pcapng");
    let capture = Process::start(&site.program, &["capture", "a", &file]);
    let before = capture.usage();
    what();
    let cpu = (capture.usage().cpu - before.cpu).as_secs_f64();
    println!(
        "  the recording itself: {:.2} % of a core",
        cpu / (SATURATED + SETTLE).as_secs_f64() * 100.0
    );
}

/// Both ways more than the line carries.
fn saturated(ends: &[Process; 2], rooms: &[Room; 2]) {
    println!(
        "{RATE} bit/s saturated both ways with datagrams of {DATAGRAM} bytes, {:.0} s",
        SATURATED.as_secs_f64()
    );
    println!(
        "  {:<4} {:>14} {:>12} {:>16} {:>12} {:>10} {:>10} {:>10}",
        "end",
        "sent byte/s",
        "of the line",
        "CPU ms per MB",
        "of a core",
        "wakeups/s",
        "RSS MiB",
        "most MiB"
    );
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for room in rooms {
            scope.spawn(|| room.talk(&over));
            scope.spawn(|| room.listen(&over));
        }
        sleep(SETTLE);
        let before = ends.each_ref().map(Process::usage);
        let arrived = rooms.each_ref().map(Room::arrived);
        let started = Instant::now();
        sleep(SATURATED);
        let took = started.elapsed().as_secs_f64();
        for (i, end) in ["a", "b"].into_iter().enumerate() {
            let (before, now) = (before[i], ends[i].usage());
            let cpu = (now.cpu - before.cpu).as_secs_f64();
            // What this end sent arrives at the other one.
            let bytes = [1 - i, i].map(|room| (rooms[room].arrived() - arrived[room]) as f64);
            println!(
                "  {end:<4} {:>14.0} {:>10.1} % {:>16.2} {:>10.2} % {:>10.0} {:>10.1} {:>10.1}",
                bytes[0] / took,
                bytes[0] / took / f64::from(RATE / 10) * 100.0,
                cpu * 1e3 / ((bytes[0] + bytes[1]) / 1e6),
                cpu / took * 100.0,
                (now.wakeups - before.wakeups) as f64 / took,
                now.resident as f64 / 1024.0,
                now.most_resident as f64 / 1024.0,
            );
        }
        over.store(true, Ordering::Relaxed);
    });
    println!("  goal {:>64} {:>23} {:>10}", "<= 5 %", "<= 16", "<= 16");
}

/// While a monitor and a Prometheus look at the link `a`.
fn watched(site: &Site, work: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let look = |pause: Duration, ask: fn(&Site)| {
            let over = &over;
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    ask(site);
                    sleep(pause);
                }
            });
        };
        look(Duration::from_millis(500), |site| {
            let mut link = UnixStream::connect(site.socket()).expect("a link");
            let mut document = String::new();
            link.write_all(b"status\n")
                .and_then(|()| link.read_to_string(&mut document))
                .expect("an answer");
            assert!(document.contains("history"));
        });
        look(Duration::from_secs(1), |site| {
            let mut link = TcpStream::connect(&site.metrics).expect("a link");
            let mut text = String::new();
            link.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
                .and_then(|()| link.read_to_string(&mut text))
                .expect("an answer");
            assert!(text.contains("copperlink_line_bytes_sent_total"));
        });
        work();
        over.store(true, Ordering::Relaxed);
    });
}

fn idle(what: &str, end: &Process) {
    sleep(SETTLE);
    let (before, started) = (end.usage(), Instant::now());
    sleep(IDLE);
    let (now, took) = (end.usage(), started.elapsed().as_secs_f64());
    println!(
        "\nidle, {what}: {:.3} % of a core (goal <= 0.2 %), {:.1} wakeups/s, {:.1} MiB",
        (now.cpu - before.cpu).as_secs_f64() / took * 100.0,
        (now.wakeups - before.wakeups) as f64 / took,
        now.resident as f64 / 1024.0
    );
}

/// The equipment of one end: one socket, and the port at which the link listens for it.
struct Room {
    socket: UdpSocket,
    link_port: u16,
    arrived: AtomicU64,
}

impl Room {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let link = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_millis(100)))
            .expect("a time-out");
        Self {
            socket,
            link_port: link.local_addr().expect("an address").port(),
            arrived: AtomicU64::new(0),
        }
    }

    fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    fn talk(&self, over: &AtomicBool) {
        let mut datagram = [0; DATAGRAM];
        let pause = DATAGRAM as f64 * 10.0 / f64::from(RATE) / OFFERED;
        let started = Instant::now();
        for number in 0u32.. {
            // No two alike, and zeros as rare as in compressed media.
            let mut chance = number.wrapping_mul(2_654_435_761) | 1;
            for byte in &mut datagram {
                chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte = (chance >> 24) as u8;
            }
            self.socket
                .send_to(&datagram, ("127.0.0.1", self.link_port))
                .expect("sent");
            let next = started + Duration::from_secs_f64(f64::from(number) * pause);
            sleep(next.saturating_duration_since(Instant::now()));
            if over.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    fn listen(&self, over: &AtomicBool) {
        let mut buffer = [0; 2 * DATAGRAM];
        while !over.load(Ordering::Relaxed) {
            // Otherwise only a time to look up.
            if let Ok(length) = self.socket.recv(&mut buffer) {
                self.arrived.fetch_add(length as u64, Ordering::Relaxed);
            }
        }
    }
}

/// A folder with both ends of a line.
struct Site {
    program: Program,
    folder: TempDir,
    /// Where the link `a` serves its metrics.
    metrics: String,
}

impl Site {
    fn new() -> Self {
        Self {
            program: Program::new(),
            folder: tempfile::tempdir().expect("a folder"),
            metrics: TcpListener::bind("127.0.0.1:0")
                .and_then(|free| free.local_addr())
                .expect("a port")
                .to_string(),
        }
    }

    fn path(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        path.to_str().expect("a path that is text").to_owned()
    }

    /// The status socket of the link `a`.
    fn socket(&self) -> PathBuf {
        let command = self.program.command(&[]);
        let mut variables = command.get_envs();
        let run_dir = variables.find(|(name, _)| *name == "COPPERLINK_RUN_DIR");
        let run_dir = run_dir.and_then(|(_, value)| value).expect("a directory");
        Path::new(run_dir).join("a.sock")
    }

    fn line(&self) -> Process {
        let (a, b, rate) = (self.path("line-a"), self.path("line-b"), RATE.to_string());
        let args = ["simulate", "--link-a", &a, "--link-b", &b, "--rate", &rate];
        let line = Process::start(&self.program, &args);
        wait_until("the simulated line", || {
            Path::new(&a).exists() && Path::new(&b).exists()
        });
        line
    }

    fn run(&self, name: &str, device: &str, room: &Room) -> Process {
        let (device, file) = (self.path(device), self.path(&format!("{name}.toml")));
        let equipment = room.socket.local_addr().expect("an address").port();
        let status = match name {
            "a" => format!("[status]\nmetrics = \"{}\"\n", self.metrics),
            _ => String::new(),
        };
        let settings = format!(
            "[link]\nname = \"{name}\"\n{status}\
             [[line]]\ndevice = \"{device}\"\nbaud = {RATE}\nflow = \"none\"\n\
             [[channel]]\nid = 1\nname = \"video\"\nclass = \"video\"\n\
             listen = \"127.0.0.1:{}\"\ndeliver = \"127.0.0.1:{equipment}\"\n",
            room.link_port
        );
        fs::write(&file, settings).expect("written");
        Process::start(&self.program, &["run", &file])
    }

    fn wait_until_up(&self, name: &str) {
        wait_until("a line that is up", || {
            let said = self.program.run(&["status", name, "--json"]);
            said.code == Some(0)
                && said.err.is_empty()
                && said.json()["stats"]["lines"][0]["state"] == "up"
        });
    }
}

/// A program that runs. Killed when it is dropped.
struct Process(Child);

impl Process {
    fn start(program: &Program, args: &[&str]) -> Self {
        let mut command = program.command(args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("started"))
    }

    fn usage(&self) -> Usage {
        Usage::of(self.0.id()).expect("it runs")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn wait_until(what: &str, good: impl Fn() -> bool) {
    let started = Instant::now();
    while !good() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{what} has not come"
        );
        sleep(Duration::from_millis(50));
    }
}
