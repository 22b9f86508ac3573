//! A simulated line with a `copperlink run` at each end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::equipment::Desk;
use crate::program::Program;

/// Whatever should happen soon happens within this time, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A place with two lines' ends and a run directory.
pub(crate) struct Site {
    pub(crate) program: Program,
    folder: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self {
            program: Program::new(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        path.to_str().unwrap().to_owned()
    }

    /// Starts a simulated line between `line-a` and `line-b` of the folder.
    pub(crate) fn line(&self, options: &[&str]) -> Process {
        self.line_between("line-a", "line-b", options)
    }

    pub(crate) fn line_between(&self, a: &str, b: &str, options: &[&str]) -> Process {
        let (a, b) = (self.path(a), self.path(b));
        let mut args = vec!["simulate", "--link-a", &a, "--link-b", &b];
        args.extend(options);
        let line = Process::start(&self.program, &args);
        wait_until("the simulated line", || {
            fs::metadata(&a).is_ok() && fs::metadata(&b).is_ok()
        });
        line
    }

    /// Starts one end of a link. The device is an end of a line of the folder, or a whole address.
    pub(crate) fn run(
        &self,
        name: &str,
        device: &str,
        baud: u32,
        channels: &[Channel<'_>],
    ) -> End<'_> {
        let device = match device.contains("://") {
            true => device.to_owned(),
            false => self.path(device),
        };
        let line = format!("device = \"{device}\"\nbaud = {baud}\nflow = \"none\"\n");
        self.run_over(name, &line, channels)
    }

    /// Starts one end of a link over the line with those settings.
    pub(crate) fn run_over(&self, name: &str, line: &str, channels: &[Channel<'_>]) -> End<'_> {
        let mut settings = format!("[link]\nname = \"{name}\"\n[[line]]\n{line}");
        for channel in channels {
            settings += &channel.settings();
        }
        let file = self.path(&format!("{name}.toml"));
        fs::write(&file, settings).unwrap();
        let mut end = End {
            site: self,
            name: name.to_owned(),
            file,
            process: None,
        };
        end.start();
        end
    }
}

/// A channel of the settings, and the equipment that it serves.
pub(crate) struct Channel<'a> {
    pub(crate) id: usize,
    pub(crate) class: &'a str,
    pub(crate) name: &'a str,
    pub(crate) rtcp: bool,
    pub(crate) desk: &'a Desk,
}

impl Channel<'_> {
    fn settings(&self) -> String {
        let Self {
            id,
            class,
            name,
            rtcp,
            desk,
        } = self;
        // The default deadlines are for users; what a busy machine delays by a second is not lost.
        let deadline = match *class {
            "control" => "",
            _ => "deadline_ms = 5000\nqueue_datagrams = 2000\n",
        };
        format!(
            "[[channel]]\nid = {id}\nname = \"{name}\"\nclass = \"{class}\"\nrtcp = {rtcp}\n\
             listen = \"127.0.0.1:{}\"\ndeliver = \"127.0.0.1:{}\"\n{deadline}",
            desk.link_port(),
            desk.port()
        )
    }
}

/// A `copperlink run` that can be killed and started again.
pub(crate) struct End<'a> {
    site: &'a Site,
    name: String,
    file: String,
    process: Option<Process>,
}

impl End<'_> {
    /// Starts it again after [`End::kill`].
    pub(crate) fn start(&mut self) {
        self.process = Some(Process::start(&self.site.program, &["run", &self.file]));
    }

    /// kill -9: nothing can be saved or said any more.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        self.process.as_mut().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        self.process.as_ref().unwrap().log()
    }

    /// `status --json`, or why there is none.
    pub(crate) fn status(&self) -> Result<Value, String> {
        let said = self.site.program.run(&["status", &self.name, "--json"]);
        match said.code {
            Some(0) => Ok(said.json()),
            _ => Err(said.err),
        }
    }

    /// Asks for the status until it is as it should be. Returns it.
    pub(crate) fn wait_for(&self, what: &str, good: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let status = self.status();
            match &status {
                Ok(status) if good(status) => return status.clone(),
                _ => {}
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{}: {what} has not come: {status:#?}\n{}",
                self.name,
                self.log()
            );
            sleep(Duration::from_millis(100));
        }
    }

    pub(crate) fn wait_until_up(&self) {
        self.wait_for("a line that is up", |status| {
            status["stats"]["lines"][0]["state"] == "up"
        });
    }

    /// Waits for words in the log.
    pub(crate) fn wait_for_log(&self, words: &str) {
        wait_until(words, || self.log().contains(words));
    }
}

/// The entry of a channel in a status.
pub(crate) fn channel<'a>(status: &'a Value, name: &str) -> &'a Value {
    let channels = status["stats"]["channels"].as_array().unwrap();
    let found = channels.iter().find(|channel| channel["name"] == name);
    found.unwrap_or_else(|| panic!("no channel {name}: {status:#}"))
}

/// A program that runs. Its log is read all the time. Killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Process {
    fn start(program: &Program, args: &[&str]) -> Self {
        let mut child = program
            .command(args)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&log);
        std::thread::spawn(move || {
            let mut line = String::new();
            while err.read_line(&mut line).is_ok_and(|length| length > 0) {
                shared.lock().unwrap().push_str(&line);
                line.clear();
            }
        });
        Self { child, log }
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it has ended. Returns its exit code and how long that took.
    pub(crate) fn wait(&mut self) -> (Option<i32>, Duration) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), start.elapsed());
            }
            assert!(
                start.elapsed() < PATIENCE,
                "it does not end: {}",
                self.log()
            );
            sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, good: impl Fn() -> bool) {
    let start = Instant::now();
    while !good() {
        assert!(start.elapsed() < PATIENCE, "{what} has not come");
        sleep(Duration::from_millis(20));
    }
}
