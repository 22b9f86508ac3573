//! What a running link tells others than people: the service manager, the journal, Prometheus.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::{Duration, Instant};

use prometheus_parse::{Scrape, Value};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::support::{Program, Running};

/// A settings file of a link without a device, with these lines behind it.
fn settings(folder: &TempDir, more: &str) -> String {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let listen = socket.local_addr().unwrap();
    let text = format!(
        "[link]\nname = \"room \\\"1\\\"\"\n\
         [[line]]\ndevice = \"/dev/no-such-port\"\nbaud = 38400\n\
         [[channel]]\nid = 3\nname = \"control\"\nclass = \"control\"\n\
         listen = \"{listen}\"\ndeliver = \"auto\"\n{more}"
    );
    let file = folder.path().join("room.toml");
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

fn wait_until(what: &str, mut good: impl FnMut() -> bool) {
    let start = Instant::now();
    while !good() {
        assert!(start.elapsed() < Duration::from_secs(60), "no {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_service_manager_is_told_ready_alive_and_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let program = Program::new();
    let mut command = program.command(&["run", &settings(&folder, "")]);
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "600000")
        .env_remove("WATCHDOG_PID")
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let told = || {
        let mut buffer = [0; 500];
        let length = manager.recv(&mut buffer).expect("a word of the link");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert_eq!(told(), "READY=1\n");
    for _ in 0..3 {
        let words = told();
        assert!(words.starts_with("WATCHDOG=1\n"), "{words}");
        assert!(
            words.contains("STATUS=far end: nobody yet; 0 of 1 lines up"),
            "{words}"
        );
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    wait_until("STOPPING", || told() == "STOPPING=1\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_journal_gets_the_urgency_and_no_times() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(&folder, "");
    let program = Program::new();
    let link = program.start(&["run", &file, "--journal"]);
    check_journal(link);

    // And by itself, where the variable names the very file that standard error is.
    let log = folder.path().join("log");
    let stderr = fs::File::create(&log).unwrap();
    let metadata = stderr.metadata().unwrap();
    let stream = format!("{}:{}", metadata.dev(), metadata.ino());
    let mut command = program.command(&["run", &file]);
    command.env("JOURNAL_STREAM", stream).stderr(stderr);
    let mut child = command.spawn().unwrap();
    let text = || fs::read_to_string(&log).unwrap();
    wait_until("word", || text().contains("no-such-port"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(text().starts_with("<6>room \"1\" runs;"), "{}", text());

    // Inherited, but not where standard error goes.
    let mut command = program.command(&["run", &file]);
    command.env("JOURNAL_STREAM", "1:1").stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    log.read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.contains(" INFO copperlink"), "{line}");
}

fn check_journal(mut link: Running) {
    assert!(link.error_line().starts_with("<6>room \"1\" runs;"));
    let warning = link.error_line();
    assert!(
        warning.starts_with("<4>/dev/no-such-port is not there"),
        "{warning}"
    );
    let said = link.terminate();
    assert!(
        said.err.lines().all(|line| line.starts_with('<')),
        "{}",
        said.err
    );
}

/// A link with metrics at a free port.
struct Measured {
    program: Program,
    _folder: TempDir,
    address: String,
    link: Running,
}

impl Measured {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let file = settings(&folder, &format!("[status]\nmetrics = \"{address}\"\n"));
        let program = Program::new();
        let link = program.start(&["run", &file]);
        let measured = Self {
            program,
            _folder: folder,
            address,
            link,
        };
        wait_until("metrics", || TcpStream::connect(&measured.address).is_ok());
        measured
    }

    fn request(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let whole = format!("{request} HTTP/1.1\r\nHost: room\r\n\r\n");
        stream.write_all(whole.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

#[test]
fn prometheus_reads_what_status_shows() {
    let measured = Measured::start();
    let answer = measured.request("GET /metrics");
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap();
    let mut figures: HashMap<String, f64> = HashMap::new();
    for sample in &scrape.samples {
        assert!(sample.metric.starts_with("copperlink_"), "{sample:?}");
        assert!(scrape.docs.contains_key(&sample.metric), "{sample:?}");
        // A name with quotation marks, as it stands in the text.
        let link = sample.labels.get("link");
        assert!(link.is_some_and(|link| link.contains("room")), "{sample:?}");
        let is_counter = matches!(sample.value, Value::Counter(_));
        assert_eq!(is_counter, sample.metric.ends_with("_total"), "{sample:?}");
        let (Value::Counter(value) | Value::Gauge(value)) = sample.value else {
            panic!("{sample:?}");
        };
        figures.insert(sample.metric.clone(), value);
    }

    let status = measured.program.run(&["status", "--json"]).json();
    let line = &status["stats"]["lines"][0];
    let channel = &status["stats"]["channels"][0];
    let port = &status["ports"][0];
    // Without a device nothing changes between the two looks.
    for (metric, figure) in [
        ("sessions_total", &status["stats"]["sessions"]),
        ("line_bytes_sent_total", &line["bytes_sent"]),
        ("line_bytes_received_total", &line["bytes_received"]),
        ("line_frames_lost_total", &line["frames_lost"]),
        ("line_openings_total", &line["openings"]),
        (
            "line_service_seconds_total",
            &status["in_service"][0]["seconds"],
        ),
        (
            "channel_datagrams_accepted_total",
            &channel["sent"]["accepted"],
        ),
        (
            "channel_dropped_queue_full_total",
            &channel["sent"]["dropped_queue_full"],
        ),
        (
            "channel_datagrams_delivered_total",
            &channel["received"]["delivered"],
        ),
        ("port_no_destination_total", &port["no_destination"]),
    ] {
        let value = figures[&format!("copperlink_{metric}")];
        assert_eq!(Some(value), figure.as_f64(), "{metric}");
    }
    let rate = line["rate_bps"].as_f64().map(|bits| bits / 10.0);
    assert_eq!(
        figures.get("copperlink_line_rate_bytes_per_second"),
        rate.as_ref()
    );
    assert_eq!(figures["copperlink_line_up"], 0.0);
    assert!(figures["copperlink_uptime_seconds"] > 0.0);
    every_counter_is_there(&status, &figures);
    for (name, count) in status["stats"]["order_wire"].as_object().expect("counters") {
        let suffix = if name == "queued" { "" } else { "_total" };
        let metric = format!("copperlink_order_wire_{name}{suffix}");
        assert_eq!(figures.get(&metric).copied(), count.as_f64(), "{metric}");
    }
    measured.link.terminate();
}

/// Each whole number that `status --json` has of a line, a channel or a port has its metric.
fn every_counter_is_there(status: &serde_json::Value, figures: &HashMap<String, f64>) {
    let renamed = HashMap::from([
        ("accepted", "datagrams_accepted"),
        ("sent", "datagrams_sent"),
        ("delivered", "datagrams_delivered"),
        ("missing", "datagrams_missing"),
        ("compressed", "headers_compressed"),
        ("saved_bytes", "header_bytes_saved"),
        ("repeated", "sent_in_advance"),
        ("queued", "queued_datagrams"),
        ("rate_bps", "rate_bytes_per_second"),
        ("rtt_us", "round_trip_seconds"),
        ("queue_us", "queue_seconds"),
        ("frame_bytes", "frame_limit_bytes"),
        ("parity", "parity_bytes"),
        ("express_parity", "express_parity_bytes"),
    ]);
    let line = &status["stats"]["lines"][0];
    let channel = &status["stats"]["channels"][0];
    for (prefix, facts) in [
        ("line", line),
        ("line", &line["outgoing"]),
        ("way", &line["incoming"]),
        ("channel", &channel["sent"]),
        ("channel", &channel["received"]),
        ("port", &status["ports"][0]),
    ] {
        for (key, value) in facts.as_object().unwrap() {
            if !value.is_u64() || key == "channel" {
                continue;
            }
            let name = renamed
                .get(key.as_str())
                .unwrap_or(&key.as_str())
                .to_string();
            let found = ["", "_total"]
                .iter()
                .any(|end| figures.contains_key(&format!("copperlink_{prefix}_{name}{end}")));
            assert!(found, "{key} of the {prefix} has no metric");
        }
    }
}

#[test]
fn other_paths_and_other_verbs_are_refused_in_words() {
    let measured = Measured::start();
    let answer = measured.request("GET /");
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(answer.contains("are at /metrics"), "{answer}");
    let answer = measured.request("DELETE /metrics");
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
}

#[test]
fn readers_that_say_nothing_and_readers_that_talk_rubbish_hold_nothing_up() {
    let measured = Measured::start();
    let connect = || TcpStream::connect(&measured.address).unwrap();
    let _silent: Vec<TcpStream> = (0..20).map(|_| connect()).collect();
    for _ in 0..5 {
        let mut rude = connect();
        // The answer, if there is one, is not of interest.
        let _ = rude.write_all(&[0xff; 100_000]);
    }
    let start = Instant::now();
    let status = measured.program.run(&["status", "--json"]);
    assert_eq!(status.code, Some(0), "{}", status.err);
    // The silent ones lose their places, and then the next is served.
    let answer = measured.request("GET /metrics");
    assert!(answer.contains("copperlink_uptime_seconds"), "{answer}");
    println!("served after {:.1} s", start.elapsed().as_secs_f64());
    let said = measured.link.terminate();
    assert_eq!(said.code, Some(0));
}

#[test]
fn an_address_for_metrics_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = settings(&folder, &format!("[status]\nmetrics = \"{address}\"\n"));
    let program = Program::new();
    let said = program.run(&["run", &file]);
    assert_eq!(said.code, Some(2));
    let words = format!("metrics cannot be served on {address}");
    assert!(said.err.contains(&words), "{}", said.err);
    let said = program.run(&["check", &file]);
    assert!(
        said.out.contains(&format!("{address} is in use now")),
        "{}",
        said.out
    );
}

#[test]
fn metrics_that_others_can_read_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    for (address, warned) in [("0.0.0.0", true), ("127.0.0.1", false)] {
        let more = format!("[status]\nmetrics = \"{address}:{port}\"\nhistory = \"h.csv\"\n");
        let said = Program::new().run(&["check", &settings(&folder, &more)]);
        assert_eq!(said.code, Some(0));
        let words = "can be read by everybody who reaches that address";
        assert_eq!(said.out.contains(words), warned, "{}", said.out);
        assert!(
            said.out.contains("a line each minute to h.csv"),
            "{}",
            said.out
        );
    }
}

#[test]
fn status_gives_the_history_only_when_asked() {
    let measured = Measured::start();
    let brief = measured.program.run(&["status", "--json"]).json();
    assert!(brief["history"].is_null());
    assert!(brief["in_service"].is_array());
    wait_until("second", || {
        let whole = measured.program.run(&["status", "--json", "--history"]);
        let column = whole.json()["history"]["seconds"]["link"]["bytes_in"].clone();
        column.as_array().is_some_and(|column| !column.is_empty())
    });
}
