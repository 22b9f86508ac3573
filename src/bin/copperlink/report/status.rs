//! The state of a running link: what its status socket tells, on one screen.
//!
//! ```text
//! room-1: process 4242, up 2 h 03 min; far end room-2
//!
//! LINE ttyUSB0: up
//!   trouble: …
//!   device /dev/ttyUSB0, 115200 bit/s, flow hardware, open
//!   modem connected at 33600 bit/s, V.34, V.42, no compression
//!   pace 33600 bit/s, round trip 24.1 ms, 3.1 ms waiting below
//!   sent 1.2 MB in 10000 frames, 3 lost, 900 interrupted
//!   received 1.1 MB in 9990 good frames, 3 joined, 5 bad; cut 0 times
//!   noise there  good: 1 byte in 1200 wrong, at random; no frames lost; frames to 994 bytes with …
//!   noise here   …
//!   in service: 3600 s, 12 errored, 0 severely, 0 unavailable
//!
//! CHANNELS
//!  id  name   class  taken  sent  again  queued  dropped here  delivered  not delivered
//!
//! STREAMS on ports for both media
//!  id  flow        stream    medium  payload type  clock   packets
//!
//! PORTS
//!  id  port   listens on  delivers to  last sender  trouble
//!
//! EVENTS (time since the start)
//!   0.100 s: …
//! ```
//!
//! Reads the document leniently: a link of another version may tell more.

use std::fmt::Write;
use std::time::Duration;

use serde::Deserialize;

use copperlink::shell::{InService, Series};

use super::Table;
use super::noise::{Outgoing, Quality};
use super::number;

/// What of the document is shown.
#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    pub(crate) stats: Stats,
    pub(crate) uptime_us: u64,
    pub(crate) pid: u32,
    pub(crate) devices: Vec<Device>,
    pub(crate) ports: Vec<Port>,
    pub(crate) events: Vec<String>,
    /// Links of before seconds were counted do not tell.
    #[serde(default)]
    pub(crate) in_service: Vec<InService>,
    #[serde(default)]
    pub(crate) history: History,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct History {
    pub(crate) seconds: Series,
    pub(crate) minutes: Series,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Stats {
    pub(crate) name: String,
    pub(crate) peer: Option<u32>,
    pub(crate) peer_name: Option<String>,
    pub(crate) sessions: u64,
    pub(crate) lines: Vec<Line>,
    pub(crate) channels: Vec<Channel>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) trouble: Option<String>,
    pub(crate) rate_bps: u64,
    /// Links of before the rate was measured do not tell.
    pub(crate) rate_set_bps: Option<u64>,
    pub(crate) rtt_us: Option<u64>,
    pub(crate) queue_us: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) frames_sent: u64,
    pub(crate) frames_received: u64,
    pub(crate) frames_bad: u64,
    pub(crate) frames_joined: u64,
    pub(crate) interruptions: u64,
    pub(crate) frames_lost: u64,
    pub(crate) cuts: u64,
    /// Links of before noise was measured do not tell.
    pub(crate) outgoing: Option<Outgoing>,
    pub(crate) incoming: Option<Quality>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Device {
    pub(crate) device: String,
    pub(crate) baud: u32,
    pub(crate) flow: String,
    pub(crate) state: String,
    pub(crate) clear_to_send: Option<bool>,
    pub(crate) problem: Option<String>,
    /// Links of before modems were dialled do not tell.
    pub(crate) modem: Option<String>,
    /// Links of before these were looked at do not tell.
    pub(crate) carrier: Option<bool>,
    pub(crate) signals: Option<Signals>,
    pub(crate) errors: Option<Errors>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Signals {
    pub(crate) clear_to_send: bool,
    pub(crate) data_set_ready: bool,
    pub(crate) carrier: bool,
    pub(crate) ring: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Errors {
    pub(crate) framing: u64,
    pub(crate) overrun: u64,
    pub(crate) parity: u64,
    pub(crate) breaks: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Channel {
    pub(crate) id: u8,
    pub(crate) name: String,
    pub(crate) class: String,
    /// In channels for both media.
    #[serde(default)]
    pub(crate) streams: Vec<Stream>,
    pub(crate) sent: Sent,
    pub(crate) received: Received,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Stream {
    pub(crate) ssrc: u32,
    pub(crate) payload_type: u8,
    pub(crate) medium: String,
    pub(crate) firm: bool,
    pub(crate) clock_hz: Option<u32>,
    pub(crate) packets: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Sent {
    pub(crate) accepted: u64,
    pub(crate) sent: u64,
    #[serde(default)]
    pub(crate) wire_bytes: u64,
    pub(crate) resent: u64,
    /// Links of before audio was repeated do not tell.
    #[serde(default)]
    pub(crate) repeated: u64,
    pub(crate) queued: u64,
    #[serde(default)]
    pub(crate) queued_bytes: u64,
    pub(crate) dropped_too_large: u64,
    pub(crate) dropped_queue_full: u64,
    pub(crate) dropped_late: u64,
    /// Links of before `await_key_frame` do not tell.
    #[serde(default)]
    pub(crate) dropped_dependent: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Received {
    pub(crate) delivered: u64,
    #[serde(default)]
    pub(crate) delivered_bytes: u64,
    pub(crate) missing: u64,
    #[serde(default)]
    pub(crate) recovered: u64,
    pub(crate) repeated: u64,
    pub(crate) damaged: u64,
    pub(crate) refused: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Port {
    pub(crate) channel: u8,
    pub(crate) kind: String,
    pub(crate) listen: String,
    pub(crate) deliver: String,
    pub(crate) last_sender: Option<String>,
    pub(crate) no_destination: u64,
    pub(crate) send_refused: u64,
    pub(crate) send_full: u64,
    pub(crate) send_failed: u64,
    pub(crate) receive_failed: u64,
    pub(crate) inbound_overflow: u64,
}

impl Status {
    /// The screen.
    pub(crate) fn screen(&self) -> String {
        let mut out = self.head();
        let devices = self.stats.lines.iter().zip(&self.devices);
        for (i, (line, device)) in devices.enumerate() {
            out.push('\n');
            out.push_str(&line_words(line, device));
            if let Some(seconds) = self.in_service.get(i).filter(|s| s.seconds > 0) {
                let _ = writeln!(out, "  in service: {}", seconds_words(seconds));
            }
        }
        let _ = write!(out, "\nCHANNELS\n{}", self.channel_table());
        if let Some(table) = self.stream_table() {
            let _ = write!(out, "\nSTREAMS on ports for both media\n{table}");
        }
        let _ = write!(out, "\nPORTS\n{}", self.port_table());
        if !self.events.is_empty() {
            out.push_str("\nEVENTS (time since the start)\n");
            for event in &self.events {
                let _ = writeln!(out, "  {event}");
            }
        }
        out
    }

    fn head(&self) -> String {
        let stats = &self.stats;
        let uptime = number::lasted(Duration::from_micros(self.uptime_us));
        let far_end = match (&stats.peer_name, stats.peer) {
            (Some(name), Some(_)) => format!("far end {name}"),
            (None, Some(_)) => "far end without a name".to_owned(),
            _ => "no far end yet".to_owned(),
        };
        let restarts = match stats.sessions {
            0 | 1 => String::new(),
            n => format!(", started again {}", number::times(n - 1)),
        };
        let (name, pid) = (&stats.name, self.pid);
        format!("{name}: process {pid}, up {uptime}; {far_end}{restarts}\n")
    }

    fn channel_table(&self) -> Table {
        let mut table = Table::new(&[
            ">id",
            "name",
            "class",
            ">taken",
            ">sent",
            ">again",
            ">queued",
            "dropped here",
            ">delivered",
            "not delivered",
        ]);
        for channel in &self.stats.channels {
            let (sent, received) = (&channel.sent, &channel.received);
            table.row([
                channel.id.to_string(),
                channel.name.clone(),
                channel.class.clone(),
                sent.accepted.to_string(),
                sent.sent.to_string(),
                with_words(sent.resent, sent.repeated, "in advance"),
                sent.queued.to_string(),
                reasons(&[
                    (sent.dropped_late, "late"),
                    (sent.dropped_dependent, "waiting for a key frame"),
                    (sent.dropped_queue_full, "queue full"),
                    (sent.dropped_too_large, "too large"),
                ]),
                with_words(
                    received.delivered,
                    received.recovered,
                    "of them late after a loss",
                ),
                reasons(&[
                    (received.missing, "missing"),
                    (received.damaged, "damaged"),
                    (received.repeated, "repeated"),
                    (received.refused, "refused"),
                ]),
            ]);
        }
        table
    }

    /// What the streams on ports for both media were recognised as; `None` without any.
    fn stream_table(&self) -> Option<Table> {
        let mut table = Table::new(&[
            ">id",
            "flow",
            "stream",
            "medium",
            ">payload type",
            ">clock",
            ">packets",
        ]);
        let channels = self.stats.channels.iter();
        let mut streams = channels
            .flat_map(|channel| channel.streams.iter().map(move |stream| (channel, stream)))
            .peekable();
        streams.peek()?;
        for (channel, stream) in streams {
            let doubt = if stream.firm { "" } else { " (a guess)" };
            table.row([
                channel.id.to_string(),
                channel.name.clone(),
                format!("{:08x}", stream.ssrc),
                format!("{}{doubt}", stream.medium),
                stream.payload_type.to_string(),
                stream
                    .clock_hz
                    .map_or_else(|| "unknown".to_owned(), |hz| format!("{hz} Hz")),
                stream.packets.to_string(),
            ]);
        }
        Some(table)
    }

    fn port_table(&self) -> Table {
        let mut table = Table::new(&[
            ">id",
            "port",
            "listens on",
            "delivers to",
            "last sender",
            "trouble",
        ]);
        for port in &self.ports {
            table.row([
                port.channel.to_string(),
                port.kind.clone(),
                port.listen.clone(),
                port.deliver.clone(),
                port.last_sender
                    .clone()
                    .unwrap_or_else(|| "nobody yet".into()),
                reasons(&[
                    (port.no_destination, "nobody to deliver to yet"),
                    (port.send_refused, "refused by the equipment's host"),
                    (port.send_full, "socket full"),
                    (port.send_failed, "sending failed"),
                    (port.receive_failed, "receiving failed"),
                    (port.inbound_overflow, "came too fast"),
                ]),
            ]);
        }
        table
    }
}

fn line_words(line: &Line, device: &Device) -> String {
    let mut out = format!("LINE {}: {}\n", line.name, line.state);
    let problem = device.problem_now();
    // A line without its device has no other trouble, and the problem says why.
    let trouble = line.trouble.as_ref();
    let trouble = trouble.filter(|_| problem.is_none() || line.state != "closed");
    if let Some(trouble) = trouble {
        let _ = writeln!(out, "  trouble: {trouble}");
    }
    let held_off = match device.clear_to_send {
        None => "",
        Some(true) => ", clear to send",
        Some(false) => ", held off (CTS)",
    };
    let carrier = match device.carrier {
        None | Some(true) => "",
        Some(false) => ", no carrier (DCD)",
    };
    let _ = writeln!(
        out,
        "  device {}, {} bit/s, flow {}, {}{held_off}{carrier}",
        device.device, device.baud, device.flow, device.state
    );
    if let Some(modem) = &device.modem {
        let _ = writeln!(out, "  modem {modem}");
    }
    out += &port_words(device);
    if let Some(problem) = problem {
        let _ = writeln!(out, "  problem: {problem}");
    }
    let round_trip = line.rtt_us.map_or("unknown".to_owned(), number::millis);
    let _ = writeln!(
        out,
        "  pace {} bit/s, {}, round trip {round_trip}, {} waiting below",
        line.rate_bps,
        pace_words(line),
        number::millis(line.queue_us)
    );
    let _ = writeln!(
        out,
        "  sent {} in {} frames, {} lost, {} interrupted",
        number::bytes(line.bytes_sent),
        line.frames_sent,
        line.frames_lost,
        line.interruptions
    );
    let _ = writeln!(
        out,
        "  received {} in {} good frames, {} joined, {} bad; cut {}",
        number::bytes(line.bytes_received),
        line.frames_received,
        line.frames_joined,
        line.frames_bad,
        number::times(line.cuts)
    );
    out + &noise_words(line)
}

impl Device {
    /// What is wrong with it now: the link keeps it when it is over. That of a modem without a call may be
    /// what the modem says anyway.
    pub(crate) fn problem_now(&self) -> Option<&String> {
        let problem = self.problem.as_ref();
        problem.filter(|&problem| self.state != "open" && self.modem.as_ref() != Some(problem))
    }
}

/// The port's signals and the errors that it counted, where it tells.
fn port_words(device: &Device) -> String {
    let mut out = String::new();
    if let Some(signals) = device.signals.as_ref().filter(|_| device.state == "open") {
        let words = [
            ("CTS", signals.clear_to_send),
            ("DSR", signals.data_set_ready),
            ("DCD", signals.carrier),
            ("RI", signals.ring),
        ]
        .map(|(name, on)| format!("{name} {}", if on { "on" } else { "off" }));
        let _ = writeln!(out, "  signals {}", words.join(", "));
    }
    if let Some(errors) = &device.errors {
        let words = reasons(&[
            (errors.framing, "framing errors"),
            (errors.overrun, "overruns"),
            (errors.parity, "parity errors"),
            (errors.breaks, "breaks"),
        ]);
        if words != "-" {
            let _ = writeln!(out, "  the port counted {words}");
        }
    }
    out
}

/// Where the pace comes from.
fn pace_words(line: &Line) -> String {
    match line.rate_set_bps {
        None => "measured".to_owned(),
        Some(set) if set > line.rate_bps => {
            format!("measured, less than the {set} of the settings")
        }
        Some(_) => "as set".to_owned(),
    }
}

/// The seconds in service of the way here. Those that are not decided yet are none of them.
pub(crate) fn seconds_words(count: &InService) -> String {
    format!(
        "{} s, {} errored, {} severely, {} unavailable",
        count.seconds, count.errored, count.severely_errored, count.unavailable
    )
}

/// What noise does, while it is known: a line that carries nothing tells nothing of it.
fn noise_words(line: &Line) -> String {
    let (Some(there), Some(here)) = (&line.outgoing, &line.incoming) else {
        return String::new();
    };
    let when = match line.state.as_str() {
        "up" => "",
        "cut" => "before the cut ",
        _ => return String::new(),
    };
    format!(
        "  noise there  {when}{}\n  noise here   {when}{}\n",
        there.words(line.frames_lost),
        here.words(line.frames_bad)
    )
}

/// A count, and a second one with what it is when it is not zero.
fn with_words(count: u64, other: u64, words: &str) -> String {
    match other {
        0 => count.to_string(),
        _ => format!("{count}, {other} {words}"),
    }
}

/// The counters that are not zero, each with its reason.
pub(crate) fn reasons(counters: &[(u64, &str)]) -> String {
    let words: Vec<String> = counters
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, reason)| format!("{count} {reason}"))
        .collect();
    match words.is_empty() {
        true => "-".to_owned(),
        false => words.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_screen_says_what_is_wrong_and_why_things_were_dropped() {
        let document = r#"{
            "stats": {"name": "room-1", "session": 1, "peer": 7, "peer_name": "room-2",
                "sessions": 2, "more": true,
                "lines": [{"name": "ttyUSB0", "state": "cut", "trouble": "nothing heard",
                    "rate_bps": 33600, "rate_set_bps": 33600, "rtt_us": 24100, "queue_us": 3100, "bytes_sent": 1200000,
                    "bytes_received": 5, "frames_sent": 10, "frames_received": 9,
                    "frames_bad": 5, "frames_joined": 3, "interruptions": 2, "frames_lost": 3,
                    "reports_sent": 0, "cuts": 1,
                    "outgoing": {"frame_bytes": 946, "parity": 16, "express_parity": 8,
                        "quality": {"error_rate": 0.008, "loss_rate": 0.021, "burstiness": 1.1,
                            "bytes_repaired": 90, "frames_repaired": 60, "slips": 0}},
                    "incoming": {"error_rate": 0.0, "loss_rate": 0.0, "burstiness": 0.0,
                        "bytes_repaired": 0, "frames_repaired": 0, "slips": 0}}],
                "channels": [{"id": 1, "name": "audio", "class": "audio", "rtcp": false,
                    "sent": {"accepted": 9, "accepted_bytes": 1, "sent": 7, "resent": 8,
                        "repeated": 12, "queued": 0, "dropped_too_large": 0, "dropped_queue_full": 0,
                        "dropped_late": 2, "dropped_dependent": 6},
                    "received": {"delivered": 5, "missing": 4, "recovered": 3, "repeated": 0, "damaged": 0,
                        "refused": 0}},
                    {"id": 2, "name": "call/video", "class": "rtp", "rtcp": false,
                    "medium": "video", "streams": [
                        {"ssrc": 168624129, "payload_type": 96, "medium": "video", "firm": true,
                        "clock_hz": 90000, "packets": 77},
                        {"ssrc": 2, "payload_type": 97, "medium": "video", "firm": false,
                        "clock_hz": null, "packets": 1}],
                    "sent": {"accepted": 9, "accepted_bytes": 1, "sent": 7, "resent": 0,
                        "queued": 0, "dropped_too_large": 0, "dropped_queue_full": 0,
                        "dropped_late": 0, "dropped_dependent": 0},
                    "received": {"delivered": 0, "missing": 0, "repeated": 0, "damaged": 0,
                        "refused": 0}}]},
            "uptime_us": 61000000, "pid": 42,
            "devices": [{"device": "/dev/ttyUSB0", "baud": 115200, "flow": "hardware",
                "state": "waiting", "clear_to_send": null, "problem": "it is gone",
                "errors": {"framing": 7, "overrun": 0, "parity": 0, "breaks": 2}}],
            "ports": [{"channel": 1, "kind": "media", "listen": "127.0.0.1:5004",
                "deliver": "auto", "last_sender": null, "no_destination": 3, "send_refused": 0,
                "send_full": 0, "send_failed": 0, "receive_failed": 0, "inbound_overflow": 0}],
            "events": ["0.100 s: the line is up"],
            "in_service": [{"seconds": 3600, "available": 3600, "errored": 12,
                "severely_errored": 0, "unavailable": 0, "pending": 0, "outages": 0}]}"#;
        let status: Status = serde_json::from_str(document).unwrap();
        let screen = status.screen();
        for words in [
            "room-1: process 42, up 1 min 01 s; far end room-2, started again once",
            "LINE ttyUSB0: cut",
            "trouble: nothing heard",
            "problem: it is gone",
            "  the port counted 7 framing errors, 2 breaks\n",
            "pace 33600 bit/s, as set, round trip 24.1 ms",
            "sent 1.2 MB",
            "  noise there  before the cut noisy, takes room from video: 1 byte in 130 wrong, at \
             random; 2.1 % of frames lost; frames to 946 bytes with parity 16, express parity 8\n",
            "  noise here   before the cut clean: no byte wrong; no frames lost\n",
            "\n  in service: 3600 s, 12 errored, 0 severely, 0 unavailable\n",
            "2 late, 6 waiting for a key frame",
            "call/video  0a0d0001  video                      96  90000 Hz       77",
            "call/video  00000002  video (a guess)            97   unknown        1",
            "4 missing",
            "8, 12 in advance",
            "5, 3 of them late after a loss",
            "3 nobody to deliver to yet",
            "nobody yet",
            "0.100 s: the line is up",
        ] {
            assert!(screen.contains(words), "{words} is not in\n{screen}");
        }
        let screen_of = |set: &str| {
            let document = document.replace("\"rate_set_bps\": 33600", set);
            let status: Status = serde_json::from_str(&document).unwrap();
            status.screen()
        };
        for set in ["\"rate_set_bps\": null", "\"other\": 0"] {
            let screen = screen_of(set);
            assert!(
                screen.contains("pace 33600 bit/s, measured, round"),
                "{screen}"
            );
        }
        let words = "pace 33600 bit/s, measured, less than the 38400 of the settings, round";
        let screen = screen_of("\"rate_set_bps\": 38400");
        assert!(screen.contains(words), "{screen}");
    }

    #[test]
    fn each_signal_of_an_open_port_is_shown() {
        let device = |more: &str| {
            let document = format!(
                r#"{{"device": "/dev/ttyS0", "baud": 9600, "flow": "none", "state": "open", {more}}}"#
            );
            serde_json::from_str::<Device>(&document).unwrap()
        };
        let open = device(
            r#""carrier": false, "signals": {"clear_to_send": true, "data_set_ready": true,
            "carrier": false, "ring": false}"#,
        );
        assert_eq!(
            port_words(&open),
            "  signals CTS on, DSR on, DCD off, RI off\n"
        );
        // A pseudo terminal, or a link of before.
        assert_eq!(port_words(&device(r#""problem": null"#)), "");
    }
}
