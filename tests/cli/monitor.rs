//! The monitor on a real terminal: what it draws, and that it gives the terminal back.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::support::{Program, run};

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    let said = run(&["monitor"]);
    assert_eq!(said.code, Some(2));
    assert!(said.out.is_empty());
    assert!(said.err.contains("not a terminal"), "{}", said.err);
    assert!(
        said.err.contains("copperlink status --json"),
        "{}",
        said.err
    );
}

/// A terminal of 80 columns with the monitor on it.
struct Screen {
    child: std::process::Child,
    keys: File,
    /// The program's side, to look at its modes.
    terminal: OwnedFd,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Screen {
    fn start(program: &Program, args: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let open = || {
            File::options()
                .read(true)
                .write(true)
                .open(name.to_str().unwrap())
                .unwrap()
        };
        let mut command = program.command(args);
        command
            .env("LANG", "C.UTF-8")
            .env_remove("LC_ALL")
            .env_remove("LC_CTYPE")
            .env("TERM", "xterm")
            .stdin(Stdio::from(open()))
            .stdout(Stdio::from(open()))
            .stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let keys = File::from(master);
        let mut output = keys.try_clone().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                shared.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Self {
            child,
            keys,
            terminal: open().into(),
            seen,
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    fn wait_for(&self, words: &str) {
        let start = Instant::now();
        while !self.text().contains(words) {
            let waited = start.elapsed();
            assert!(
                waited < Duration::from_secs(60),
                "no {words}: {:?}",
                self.text()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether the terminal takes keys one by one and shows none.
    fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.terminal).unwrap().local_modes;
        !modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// Waits for the end; then the terminal must be as it was.
    fn ends(&mut self) {
        let start = Instant::now();
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(start.elapsed() < Duration::from_secs(60), "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(code, Some(0));
        // The other screen is gone, and the cursor is back.
        self.wait_for("\u{1b}[?1049l");
        self.wait_for("\u{1b}[?25h");
        assert!(!self.is_raw());
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn the_terminal_is_given_back_on_q_on_ctrl_c_and_on_sigterm() {
    let program = Program::new();
    for ending in ["q", "\u{3}", "SIGTERM"] {
        let mut screen = Screen::start(&program, &["monitor", "room-9"]);
        // A link that does not run is said, and waited for.
        // Only what changes is drawn, so words come one by one.
        screen.wait_for("Waiting");
        screen.wait_for("is not running.");
        assert!(screen.is_raw());
        assert!(screen.text().contains("\u{1b}[?1049h"));
        match ending {
            "SIGTERM" => kill_process(Pid::from_child(&screen.child), Signal::TERM).unwrap(),
            keys => screen.keys.write_all(keys.as_bytes()).unwrap(),
        }
        screen.ends();
    }
}
