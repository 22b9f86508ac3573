//! What the driver is asked for by others on this host: the status, the order wire, a recording.

use super::Driver;
use crate::proto::config::LineId;
use crate::proto::event::Event;
use crate::proto::stats::LineState;
use crate::shell::capture::{CaptureHead, Tap, Tapped};
use crate::shell::link::Request;
use crate::shell::snapshot::{DeviceState, Snapshot};
use crate::shell::talk;
use crate::shell::words::Words;

impl Driver {
    /// Does what was asked for. Who asked may be gone by now.
    pub(super) fn answer(&mut self, request: Request) {
        match request {
            Request::Snapshot(reply) => {
                self.record.account(self.clock.now(), &self.session);
                let _ = reply.send(self.snapshot());
            }
            Request::Join(reply) => {
                let stats = self.session.stats();
                let _ = reply.send(self.talk.join(stats.name, stats.peer_name));
            }
            Request::Say(text, reply) => {
                let taken = self.session.handle_text(self.clock.now(), &text);
                if let Ok(id) = taken {
                    self.talk.on_said(&self.session.stats().name, id, &text);
                }
                let _ = reply.send(taken);
            }
            Request::Tap(line, reply) => {
                // Who asked and went is noticed with the next bytes.
                let _ = reply.send(self.tap(&line));
            }
            Request::Untap(id, reply) => {
                let now = self.clock.now();
                let tap = self.taps.iter().position(|tap| tap.id == id);
                let line = tap.map(|place| {
                    let mut tap = self.taps.swap_remove(place);
                    tap.tell_missed(now);
                    tap.line()
                });
                let mut stats = self.session.stats().lines;
                let index = line.map_or(usize::MAX, |line| usize::from(line.0));
                let stats = (index < stats.len()).then(|| stats.swap_remove(index));
                let _ = reply.send((now, stats));
            }
        }
    }

    /// Lets somebody record a line.
    fn tap(&mut self, name: &str) -> Result<Tapped, String> {
        let names: Vec<&str> = self.lines.iter().map(|line| line.name.as_str()).collect();
        let named = names.iter().position(|known| *known == name);
        let index = match name {
            "" => Some(0),
            _ => named,
        };
        let view = index.and_then(|index| {
            let id = LineId(index as u8);
            Some((id, self.session.line_view(id)?))
        });
        let Some((line, view)) = view else {
            return Err(format!(
                "there is no line '{name}'; there are: {}",
                names.join(", ")
            ));
        };
        if self.taps.len() >= MOST_TAPS {
            return Err(format!("{MOST_TAPS} captures run already; end one of them"));
        }
        let now = self.clock.now();
        let stats = self.session.stats().lines;
        let stats = stats.get(usize::from(line.0));
        let id = self.next_tap;
        self.next_tap += 1;
        let (tap, moves) = Tap::new(id, line);
        self.taps.push(tap);
        Ok(Tapped {
            id,
            head: CaptureHead {
                view,
                stats: serde_json::to_value(stats).unwrap_or_default(),
                at_us: now.as_micros(),
                opened_ms: talk::now_ms().saturating_sub(now.as_micros() / 1000),
            },
            moves,
        })
    }

    /// Whether an event is of the order wire; whoever talks is told. It is in the log, too, but not
    /// among the events of the status: talk would drive them out.
    pub(super) fn is_talk(&mut self, event: &Event) -> bool {
        match event {
            Event::Text { from, text } => {
                tracing::info!(
                    "{}",
                    Words::of(event, |line| format!("line {}", line.0)).text
                );
                self.talk.on_heard(from, text);
                true
            }
            Event::TextDelivered { id } => {
                self.talk.on_delivered(*id);
                true
            }
            _ => false,
        }
    }

    fn snapshot(&self) -> Snapshot {
        let mut stats = self.session.stats();
        for (line, device) in stats.lines.iter_mut().zip(&self.lines) {
            // To the session a modem without a call is no device; whoever looks wants the truth.
            if device.status.state == DeviceState::Calling && line.state == LineState::Closed {
                line.trouble = Some("no call yet".to_owned());
            }
        }
        Snapshot {
            stats,
            uptime_us: self.clock.now().as_micros(),
            pid: std::process::id(),
            devices: self.lines.iter().map(|line| line.status.clone()).collect(),
            ports: self.ports.status(),
            events: self.record.events(),
            in_service: self.record.in_service(),
            history: self.record.recent(),
        }
    }
}

/// Who may record at a time.
const MOST_TAPS: usize = 4;
