//! A stand-in for the session in the unit tests of the shell. It carries datagrams over its first
//! line without any repair, and checks how the driver treats it.

use std::cell::Cell;
use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use super::line::CHUNK;
use crate::proto::config::{ChannelId, LineId, LinkConfig, Port, ResumePoint, SessionId};
use crate::proto::error::{ConfigError, Refused};
use crate::proto::event::{Event, TextId};
use crate::proto::listen::LineView;
use crate::proto::stats::{OrderWireStats, Stats};
use crate::proto::time::{BitRate, Instant};
use crate::proto::{LineSignals, Timer};

/// On the line: channel, length (big endian), bytes. Channel 0 is the goodbye.
#[derive(Debug)]
pub(super) struct Session {
    config: LinkConfig,
    last_now: Instant,
    open: Vec<bool>,
    output: BytesMut,
    input: BytesMut,
    datagrams: VecDeque<(Port, Bytes)>,
    events: VecDeque<Event>,
    delivered: u32,
    /// Whether the driver has ever asked for the record: it does so when there is a state file.
    is_recording: Cell<bool>,
    /// Whether it asked since the record changed.
    is_recorded: Cell<bool>,
    timeouts: u64,
    texts: u64,
}

impl Session {
    pub(super) fn new(config: LinkConfig, now: Instant) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            last_now: now,
            open: vec![false; config.lines.len()],
            output: BytesMut::new(),
            input: BytesMut::new(),
            datagrams: VecDeque::new(),
            events: VecDeque::new(),
            delivered: config.resume.as_ref().map_or(0, |r| r.delivered[0].1),
            is_recording: Cell::new(false),
            is_recorded: Cell::new(true),
            timeouts: 0,
            texts: 0,
            config,
        })
    }

    pub(super) fn handle_datagram(
        &mut self,
        now: Instant,
        port: Port,
        datagram: Bytes,
    ) -> Result<(), Refused> {
        self.at(now);
        if self.output.len() > QUEUE {
            return Err(Refused::QueueFull);
        }
        self.put(port.channel.0, &datagram);
        Ok(())
    }

    /// The far end hears everything at once.
    pub(super) fn handle_text(&mut self, now: Instant, text: &str) -> Result<TextId, Refused> {
        self.at(now);
        if text.is_empty() {
            return Err(Refused::Empty);
        }
        let id = TextId(self.texts);
        self.texts += 1;
        self.events.push_back(Event::TextDelivered { id });
        Ok(id)
    }

    pub(super) fn handle_bytes(&mut self, now: Instant, line: LineId, bytes: &[u8]) {
        self.at(now);
        assert!(self.open[usize::from(line.0)], "bytes of a closed line");
        self.input.extend_from_slice(bytes);
        while self.input.len() >= 3 {
            let length = usize::from(u16::from_be_bytes([self.input[1], self.input[2]]));
            if self.input.len() < 3 + length {
                return;
            }
            let channel = self.input[0];
            self.input.advance(3);
            let datagram = self.input.split_to(length).freeze();
            if channel == 0 {
                self.events.push_back(Event::PeerClosed);
                continue;
            }
            let port = Port::media(ChannelId(channel));
            self.datagrams.push_back((port, datagram));
            self.delivered += 1;
            self.is_recorded.set(false);
        }
    }

    pub(super) fn handle_signals(&mut self, now: Instant, line: LineId, signals: LineSignals) {
        self.at(now);
        self.open[usize::from(line.0)] = signals.open;
        self.input.clear();
        self.events.push_back(match signals.open {
            true => Event::LineUp { line },
            false => Event::LineDown { line },
        });
    }

    pub(super) fn handle_rate(&mut self, now: Instant, line: LineId, _rate: BitRate) {
        self.at(now);
        assert!(!self.open[usize::from(line.0)], "a new rate in a call");
    }

    pub(super) fn handle_queue(&mut self, now: Instant, line: LineId, _bytes: usize) {
        self.at(now);
        assert!(self.open[usize::from(line.0)], "a queue of a closed line");
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.at(now);
        self.timeouts += 1;
    }

    /// Nothing of it can be read by others.
    pub(super) fn line_view(&self, _line: LineId) -> Option<LineView> {
        None
    }

    pub(super) fn close(&mut self, now: Instant) {
        self.at(now);
        self.put(0, b"");
    }

    pub(super) fn poll_transmit(
        &mut self,
        now: Instant,
        line: LineId,
        room: usize,
        buf: &mut Vec<u8>,
    ) -> usize {
        self.at(now);
        assert!(room <= CHUNK);
        assert!(self.datagrams.is_empty(), "datagrams were not taken first");
        let is_recorded = self.is_recorded.get() || !self.is_recording.get();
        assert!(is_recorded, "the record was not asked for first");
        if line != LineId(0) || !self.open[0] {
            return 0;
        }
        let length = room.min(self.output.len());
        buf.extend_from_slice(&self.output.split_to(length));
        length
    }

    pub(super) fn poll_datagram(&mut self) -> Option<(Port, Bytes)> {
        self.datagrams.pop_front()
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Due at once while bytes wait, as a pacer may be that knows nothing of the device.
    pub(super) fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        (!self.output.is_empty()).then_some((self.last_now, Timer::Pace))
    }

    pub(super) fn resume_point(&self) -> Option<ResumePoint> {
        self.is_recording.set(true);
        self.is_recorded.set(true);
        Some(ResumePoint {
            own: self.config.session,
            peer: SessionId(1),
            delivered: vec![(ChannelId(1), self.delivered)],
        })
    }

    /// Of all counters only `sessions`: how often it was told that time is up.
    pub(super) fn stats(&self) -> Stats {
        Stats {
            name: self.config.name.clone(),
            session: self.config.session,
            peer: None,
            peer_name: None,
            sessions: self.timeouts,
            order_wire: OrderWireStats::default(),
            lines: Vec::new(),
            channels: Vec::new(),
        }
    }

    fn at(&mut self, now: Instant) {
        assert!(now >= self.last_now, "the clock went back");
        self.last_now = now;
    }

    fn put(&mut self, channel: u8, bytes: &[u8]) {
        let length = u16::try_from(bytes.len()).unwrap();
        self.output.extend_from_slice(&[channel]);
        self.output.extend_from_slice(&length.to_be_bytes());
        self.output.extend_from_slice(bytes);
    }
}

const QUEUE: usize = 1 << 20;
