//! The whole of it: two `copperlink run` that dial each other through two simulated modems, or find
//! each other on a leased line; and what modems do to a call.

use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::equipment::{Desk, Kind};
use crate::link::{Channel, End, Site, wait_until};

/// A `copperlink simulate --modem`, and what it says of its modems.
struct Telephone {
    child: Child,
    said: String,
}

impl Telephone {
    /// Starts it between `line-a` and `line-b` of the folder; `changes` happen to it.
    fn start(site: &Site, options: &[&str], changes: &str) -> Self {
        let (a, b) = (site.path("line-a"), site.path("line-b"));
        let (file, said) = (site.path("telephone.toml"), site.path("said"));
        let text = format!("description = \"of one test\"\nrate = 28800\ndelay_ms = 20\n{changes}");
        fs::write(&file, text).unwrap();
        let mut args = vec!["simulate", "--line", &file, "--link-a", &a, "--link-b", &b];
        args.extend(["--training", "1", "--retraining", "2"]);
        args.extend(options);
        let child = site
            .program
            .command(&args)
            .stdout(File::create(&said).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let telephone = Self { child, said };
        wait_until("the modems", || fs::metadata(&b).is_ok());
        telephone
    }

    /// How often it said these words.
    fn count(&self, words: &str) -> usize {
        fs::read_to_string(&self.said)
            .unwrap()
            .matches(words)
            .count()
    }

    fn wait_for(&self, words: &str, times: usize) {
        wait_until(words, || self.count(words) >= times);
    }
}

impl Drop for Telephone {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The equipment of one room.
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

    fn end<'a>(&self, site: &'a Site, name: &str, device: &str, modem: &str) -> End<'a> {
        let device = site.path(device);
        let line = format!("device = \"{device}\"\nbaud = 115200\nflow = \"none\"\n{modem}\n");
        let channel = |id, class, desk| Channel {
            id,
            class,
            name: class,
            rtcp: false,
            desk,
        };
        let channels = [
            channel(1, "audio", &self.audio),
            channel(2, "video", &self.video),
            channel(3, "control", &self.control),
        ];
        site.run_over(name, &line, &channels)
    }

    /// Talks until it is over, in half of what the line carries. Says how many control messages
    /// it sent.
    fn talk(&self, over: &AtomicBool) -> u32 {
        let mut tick: u32 = 0;
        let start = Instant::now();
        while !over.load(Ordering::Relaxed) {
            self.audio.send(Kind::Media, &[0x5a; 24]);
            if tick.is_multiple_of(3) {
                self.video.send(Kind::Media, &[0xa5; 90]);
            }
            if tick.is_multiple_of(5) {
                self.control.send(Kind::Media, &(tick / 5).to_be_bytes());
            }
            tick += 1;
            sleep((start + tick * TICK).saturating_duration_since(Instant::now()));
        }
        tick.div_ceil(5)
    }

    /// Control messages that have come: 0, 1, 2 and so on, none lost, none twice.
    fn wait_for_control(&self, sent: u32) {
        wait_until("the last control message", || {
            self.control.count(Kind::Media) >= sent as usize
        });
        let arrived = self.control.arrived(Kind::Media);
        let numbers = arrived.iter().map(|noted| noted.bytes.clone());
        assert!(numbers.eq((0..sent).map(|number| number.to_be_bytes().to_vec())));
    }

    /// Waits until each medium has brought so much more.
    fn wait_for_more(&self, what: &str) {
        let count =
            || [&self.audio, &self.video, &self.control].map(|desk| desk.count(Kind::Media));
        let before = count();
        wait_until(what, || {
            let now = count();
            (0..3).all(|i| now[i] > before[i] + 10)
        });
    }
}

/// Sets it when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Both talk while something is done; nothing of control is lost.
fn while_both_talk(rooms: &[Room; 2], what: impl FnOnce()) {
    let over = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let talkers = rooms
            .each_ref()
            .map(|room| scope.spawn(|| room.talk(&over)));
        // Also when what is done fails: otherwise they would talk for ever.
        let end = Over(&over);
        what();
        drop(end);
        talkers.map(|talker| talker.join().unwrap())
    });
    rooms[1].wait_for_control(sent[0]);
    rooms[0].wait_for_control(sent[1]);
}

/// From one audio packet to the next.
const TICK: Duration = Duration::from_millis(40);

#[test]
fn a_dialled_call_lives_through_a_retrain_and_a_lost_carrier() {
    let site = Site::new();
    let changes =
        "[[change]]\nat = 12\nmodems = \"retrain\"\n[[change]]\nat = 20\nmodems = \"hang-up\"\n";
    let telephone = Telephone::start(&site, &["--modem=courier,chipset"], changes);
    let rooms = [Room::new(), Room::new()];
    let two = rooms[1].end(
        &site,
        "room-2",
        "line-b",
        "modem = \"rockwell\"\nanswer = true",
    );
    let one = rooms[0].end(
        &site,
        "room-1",
        "line-a",
        "modem = \"courier\"\ndial = \"1002\"",
    );
    telephone.wait_for(
        "A is connected: sends 28800, hears 28800 bit/s, with error control",
        1,
    );
    one.wait_until_up();
    two.wait_until_up();
    while_both_talk(&rooms, || {
        rooms.iter().for_each(|room| room.wait_for_more("a call"));
        telephone.wait_for("A trains again", 1);
        sleep(Duration::from_secs(2));
        rooms
            .iter()
            .for_each(|room| room.wait_for_more("a call after the retrain"));
        telephone.wait_for("has lost the carrier", 2);
        // It dials again by itself.
        telephone.wait_for("A is connected", 2);
        rooms
            .iter()
            .for_each(|room| room.wait_for_more("a call after redialling"));
    });
    assert_eq!(telephone.count("A dials 1002"), 2);
    assert_eq!(telephone.count("gives up"), 0);
}

#[test]
fn a_leased_line_comes_up_in_any_order_and_comes_back_after_each_power_cut() {
    let site = Site::new();
    let changes = "[[change]]\nat = 16\nmodem_a = \"off\"\n[[change]]\nat = 18\nmodem_a = \"on\"\n\
                   [[change]]\nat = 36\nmodem_b = \"off\"\n[[change]]\nat = 38\nmodem_b = \"on\"\n";
    let telephone = Telephone::start(&site, &["--modem=courier", "--leased"], changes);
    let rooms = [Room::new(), Room::new()];
    let modem = "modem = \"courier-leased\"";
    let two = rooms[1].end(&site, "room-2", "line-b", modem);
    sleep(Duration::from_secs(3));
    let one = rooms[0].end(&site, "room-1", "line-a", modem);
    one.wait_until_up();
    two.wait_until_up();
    while_both_talk(&rooms, || {
        for (cut, back) in [
            ("A is switched off", "A is switched on"),
            ("B is switched off", "B is switched on"),
        ] {
            rooms.iter().for_each(|room| room.wait_for_more("a call"));
            telephone.wait_for(cut, 1);
            telephone.wait_for(back, 1);
            let connected = telephone.count("A is connected");
            telephone.wait_for("A is connected", connected + 1);
        }
        rooms
            .iter()
            .for_each(|room| room.wait_for_more("a call at the end"));
    });
}
