//! Two modems and an exchange between them, on pseudo terminals, for tests that run the program.
//!
//! No model of a line: bytes pass at once. The modems know what a Hayes modem knows of commands, remember
//! each setting, and can be told to misbehave.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use copperlink::shell::pty::Master;

/// How a modem answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As it should.
    Good,
    /// Not at all.
    Silent,
    /// At another speed.
    Garbage,
    /// With an echo and nothing else.
    EchoOnly,
}

/// Two modems. They end when this is dropped.
pub(crate) struct Modems {
    pub(crate) paths: [PathBuf; 2],
    /// What was said to each, line by line.
    said: Arc<Mutex<[Vec<String>; 2]>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The number of the other modem. 7 is always busy, 8 has no modem.
pub(crate) const NUMBER: &str = "200";

impl Modems {
    pub(crate) fn new(manner: Manner) -> Self {
        let said = Arc::new(Mutex::new([Vec::new(), Vec::new()]));
        let is_over = Arc::new(AtomicBool::new(false));
        let (sender, paths) = std::sync::mpsc::channel();
        let thread = std::thread::spawn({
            let (said, is_over) = (Arc::clone(&said), Arc::clone(&is_over));
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    let masters = [Master::open().unwrap(), Master::open().unwrap()];
                    let paths = [0, 1].map(|i: usize| masters[i].path().to_owned());
                    sender.send(paths).unwrap();
                    let mut exchange = Exchange {
                        modems: masters.map(|master| Modem::new(master, manner)),
                        said,
                    };
                    while !is_over.load(Ordering::Relaxed) {
                        exchange.turn();
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                });
            }
        });
        Self {
            paths: paths.recv().unwrap(),
            said,
            is_over,
            thread: Some(thread),
        }
    }

    pub(crate) fn path(&self, modem: usize) -> &str {
        self.paths[modem].to_str().unwrap()
    }

    /// What was said to a modem.
    pub(crate) fn said_to(&self, modem: usize) -> Vec<String> {
        self.said.lock().unwrap()[modem].clone()
    }
}

impl Drop for Modems {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

struct Exchange {
    modems: [Modem; 2],
    said: Arc<Mutex<[Vec<String>; 2]>>,
}

struct Modem {
    master: Master,
    manner: Manner,
    state: State,
    line: Vec<u8>,
    settings: BTreeMap<String, String>,
    /// For the port.
    output: Vec<u8>,
    last_input: Instant,
    /// An escape came, and silence must follow it.
    escaped: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Commands,
    Calling,
    Ringing(Instant),
    Data,
}

impl Exchange {
    fn turn(&mut self) {
        for i in [0, 1] {
            let mut buffer = [0; 512];
            if let Ok(length) = self.modems[i].master.try_read(&mut buffer) {
                self.take(i, &buffer[..length]);
            }
            self.modems[i].tick();
            let modem = &mut self.modems[i];
            if let Ok(length) = modem.master.try_write(&modem.output) {
                modem.output.drain(..length);
            }
        }
    }

    fn take(&mut self, i: usize, bytes: &[u8]) {
        let quiet = self.modems[i].last_input.elapsed();
        self.modems[i].last_input = Instant::now();
        if self.modems[i].state == State::Data {
            if bytes == b"+++" && quiet >= GUARD {
                self.modems[i].escaped = true;
                return;
            }
            self.modems[1 - i].output.extend(bytes);
            return;
        }
        for byte in bytes {
            match byte {
                b'\r' => {
                    let line = std::mem::take(&mut self.modems[i].line);
                    let line = String::from_utf8_lossy(&line).into_owned();
                    self.said.lock().unwrap()[i].push(line.clone());
                    self.command(i, &line);
                }
                byte => self.modems[i].line.push(*byte),
            }
        }
    }

    fn command(&mut self, i: usize, line: &str) {
        match self.modems[i].manner {
            Manner::Good => {}
            Manner::Silent => return,
            Manner::Garbage => return self.modems[i].output.extend([0xe5, 0x9e, 0x80, 0xff, 0x98]),
            Manner::EchoOnly => {
                return self.modems[i].output.extend(format!("{line}\r").bytes());
            }
        }
        let Some(command) = line.strip_prefix("AT") else {
            if self.modems[i].state == State::Calling {
                self.end_attempt(i);
            }
            // Without `AT` it is no command: what a link says to a modem whose call has ended.
            return;
        };
        if self.modems[i].state == State::Calling {
            return self.end_attempt(i);
        }
        let number = command.strip_prefix("DT").or(command.strip_prefix("DP"));
        match (command, number) {
            (_, Some(NUMBER)) => {
                self.modems[i].state = State::Calling;
                self.modems[1 - i].state = State::Ringing(Instant::now() - RINGS);
            }
            (_, Some("7")) => self.modems[i].says("BUSY"),
            (_, Some(_)) => self.modems[i].says("NO CARRIER"),
            ("A", _) if matches!(self.modems[i].state, State::Ringing(_)) => {
                for modem in &mut self.modems {
                    modem.says("CARRIER 28800");
                    modem.says("PROTOCOL: LAP-M");
                    modem.says("COMPRESSION: NONE");
                    modem.says("CONNECT 115200");
                    modem.state = State::Data;
                }
            }
            ("H", _) => {
                self.modems[i].says("OK");
                if self.modems[1 - i].state == State::Data {
                    self.modems[1 - i].says("NO CARRIER");
                    self.modems[1 - i].state = State::Commands;
                }
            }
            ("&V", _) => self.modems[i].shows_its_settings(),
            _ => self.modems[i].set(command),
        }
    }

    /// Any character ends an attempt.
    fn end_attempt(&mut self, i: usize) {
        for modem in &mut self.modems {
            modem.state = State::Commands;
        }
        self.modems[i].says("NO CARRIER");
    }
}

impl Modem {
    fn new(master: Master, manner: Manner) -> Self {
        let factory = [
            ("&C", "0"),
            ("&D", "0"),
            ("&K", "3"),
            ("S7", "050"),
            ("S12", "050"),
        ];
        Self {
            master,
            manner,
            state: State::Commands,
            line: Vec::new(),
            settings: factory.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            output: Vec::new(),
            last_input: Instant::now(),
            escaped: false,
        }
    }

    fn says(&mut self, line: &str) {
        self.output.extend(format!("\r\n{line}\r\n").bytes());
    }

    fn tick(&mut self) {
        if self.escaped && self.last_input.elapsed() >= GUARD {
            self.escaped = false;
            self.state = State::Commands;
            self.says("OK");
        }
        if let State::Ringing(last) = self.state
            && last.elapsed() >= RINGS
        {
            self.state = State::Ringing(Instant::now());
            self.says("RING");
        }
    }

    fn set(&mut self, command: &str) {
        if let Some(register) = command.strip_suffix('?') {
            let value = self.settings.get(register).cloned();
            self.says(&value.unwrap_or_else(|| "000".to_owned()));
        } else if let Some((register, value)) = command.split_once('=') {
            self.settings.insert(register.to_owned(), value.to_owned());
        } else {
            let name = command.trim_end_matches(|c: char| c.is_ascii_digit());
            let value = command[name.len()..].to_owned();
            self.settings.insert(name.to_owned(), value);
        }
        self.says("OK");
    }

    fn shows_its_settings(&mut self) {
        let page: Vec<String> = self
            .settings
            .iter()
            .map(|(name, value)| match name.starts_with('S') {
                true => format!("{name}:{value}"),
                false => format!("{name}{value}"),
            })
            .collect();
        self.says(&format!("ACTIVE PROFILE:\r\nE0 Q0 V1 {}", page.join(" ")));
        self.says("OK");
    }
}

/// Silence around an escape, as modems leave the factory.
const GUARD: Duration = Duration::from_secs(1);
const RINGS: Duration = Duration::from_secs(2);
