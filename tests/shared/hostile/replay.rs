//! An end that gets an input, and the judgement of what it gives to its equipment.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use copperlink::proto::Session;
use copperlink::proto::config::Port;
use copperlink::proto::time::Instant;

use super::recording::{CONTROL, LINE, SHORT_CHECK};
use super::{Input, Recording};

/// What came of an input.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Datagrams that were delivered rightly.
    pub(crate) right: u64,
    /// Audio that nobody sent: its check has 16 bits, and passes garbage now and then.
    pub(crate) wrong_audio: u64,
    /// What was sent with another RTP header. In a recording the far end relies on contexts that it
    /// was told to have arrived, and damage that was done later takes them away.
    pub(crate) wrong_header: u64,
    /// What must not be, in words.
    pub(crate) wrong: Option<String>,
    /// Which counters moved, and how far: inputs that differ in this do different things.
    pub(crate) features: u64,
    /// Of the counters of the line: good, bad, joined, repaired, slips.
    pub(crate) frames: [u64; 5],
}

/// An end at work on an input. The caller goes on piece by piece, and may look at the clock
/// between.
pub(crate) struct Replay<'a> {
    recordings: &'a [Recording],
    input: &'a Input,
    session: Session,
    now: Instant,
    at: usize,
    pauses: usize,
    given: usize,
    delivered: HashSet<(Port, Bytes)>,
    /// Control messages of each far end so far.
    control: Vec<usize>,
    events: u64,
    out: Vec<u8>,
    outcome: Outcome,
}

/// Most bytes that may be given out at once: what a video and a control flow hold, and a frame.
const MOST_AT_ONCE: usize = 4 * (512 << 10);
const RTP_HEADER: usize = 12;
/// More timeouts than that at one time are a loop.
const MOST_TIMEOUTS: u32 = 64;

impl<'a> Replay<'a> {
    pub(crate) fn new(recordings: &'a [Recording], input: &'a Input) -> Self {
        Self {
            recordings,
            input,
            session: recordings[input.base].receiver(),
            now: Instant::ZERO,
            at: 0,
            pauses: 0,
            given: 0,
            delivered: HashSet::new(),
            control: vec![0; recordings.len()],
            events: 0,
            out: Vec::new(),
            outcome: Outcome::default(),
        }
    }

    /// Takes all of it in pieces of up to so many bytes.
    pub(crate) fn run(mut self, piece: usize) -> Outcome {
        while let Some(len) = self.wait(piece.max(1)) {
            self.feed(len);
            self.judge();
        }
        self.end()
    }

    /// Waits until the next piece, of at most so many bytes, and says how many it has.
    pub(crate) fn wait(&mut self, most: usize) -> Option<usize> {
        let left = self.input.bytes.len() - self.at;
        if left == 0 || self.outcome.wrong.is_some() {
            return None;
        }
        while let Some(&(at, us)) = self.input.pauses.get(self.pauses)
            && at <= self.at
        {
            self.pauses += 1;
            self.idle(Duration::from_micros(us));
        }
        let next = self.input.pauses.get(self.pauses);
        let most = next.map_or(most, |&(at, _)| most.min(at - self.at));
        let len = left.min(most);
        let byte_us = self.recordings[self.input.base].byte_us();
        self.idle(Duration::from_micros((len as f64 * byte_us) as u64));
        Some(len)
    }

    /// Hands the piece to the session.
    pub(crate) fn feed(&mut self, len: usize) {
        let piece = &self.input.bytes[self.at..self.at + len];
        self.session.handle_bytes(self.now, LINE, piece);
        self.at += len;
    }

    /// Looks at what the session has to say.
    pub(crate) fn judge(&mut self) {
        self.out.clear();
        self.session
            .poll_transmit(self.now, LINE, 4096, &mut self.out);
        let mut bytes = 0;
        while let Some((port, datagram)) = self.session.poll_datagram() {
            bytes += datagram.len();
            self.take(port, datagram);
        }
        if bytes > MOST_AT_ONCE {
            self.is_wrong(format!("{bytes} bytes at once"));
        }
        while self.session.poll_event().is_some() {
            self.events += 1;
        }
    }

    pub(crate) fn end(mut self) -> Outcome {
        self.idle(Duration::from_secs(1));
        self.judge();
        let stats = self.session.stats();
        let line = &stats.lines[0];
        let channels = stats.channels.iter().map(|channel| channel.received);
        let of_channels = channels.fold([0; 6], |sum, r| {
            let more = [
                r.delivered,
                r.missing,
                r.recovered,
                r.repeated,
                r.damaged,
                r.refused,
            ];
            std::array::from_fn(|i| sum[i] + more[i])
        });
        let frames = [
            line.frames_received,
            line.frames_bad,
            line.frames_joined,
            line.incoming.frames_repaired,
            line.incoming.slips,
        ];
        let others = [
            line.frames_lost,
            line.cuts,
            stats.sessions,
            line.outgoing.parity,
            line.outgoing.express_parity,
            line.state as u64,
        ];
        let counters = frames.iter().chain(&of_channels).chain(&others);
        // How often, by powers of four.
        let sizes =
            counters.map(|count| u64::from((u64::BITS - count.leading_zeros()).div_ceil(2)));
        self.outcome.features = sizes.fold(0, |all, size| {
            (all ^ size).wrapping_mul(0x0100_0000_01b3).rotate_left(5)
        });
        self.outcome.frames = frames;
        self.outcome
    }

    /// Time passes in which nothing arrives.
    fn idle(&mut self, time: Duration) {
        let until = self.now + time;
        let mut timeouts = 0;
        loop {
            let timer = self.session.poll_timeout().map(|(at, _)| at);
            let given = self.recordings[self.input.base].given.get(self.given);
            let given = given.filter(|(at, ..)| *at <= until);
            let due = timer.filter(|&at| at <= until);
            let Some(next) = given.map(|(at, ..)| *at).into_iter().chain(due).min() else {
                break;
            };
            timeouts = if next > self.now { 0 } else { timeouts + 1 };
            self.now = next.max(self.now);
            if let Some((_, port, datagram)) = given.filter(|(at, ..)| *at <= self.now) {
                self.given += 1;
                timeouts = 0;
                // Refused when the queue is full, as it must be on a line that is cut.
                let _ = self
                    .session
                    .handle_datagram(self.now, *port, datagram.clone());
            }
            self.session.handle_timeout(self.now);
            self.judge();
            if timeouts > MOST_TIMEOUTS {
                self.is_wrong("the same timeout for ever".to_owned());
                break;
            }
        }
        self.now = until;
    }

    fn take(&mut self, port: Port, datagram: Bytes) {
        let recordings = self.recordings.iter();
        let sender = recordings.enumerate().find(|(_, recording)| {
            let of_port = recording.sent.get(&port);
            of_port.is_some_and(|sent| sent.contains(&datagram))
        });
        let Some((index, sender)) = sender else {
            if self.has_wrong_header(port, &datagram) {
                self.outcome.wrong_header += 1;
            } else if SHORT_CHECK.contains(&port) {
                self.outcome.wrong_audio += 1;
            } else {
                self.is_wrong(format!("nobody sent this: {port:?} {datagram:02x?}"));
            }
            return;
        };
        if port == CONTROL {
            let place = self.control[index];
            if sender.control.get(place) != Some(&datagram) {
                let wanted = sender.control.iter().position(|sent| *sent == datagram);
                self.is_wrong(format!("control {wanted:?} in place of {place}"));
            }
            self.control[index] += 1;
        }
        self.outcome.right += 1;
        if !self.delivered.insert((port, datagram)) && !SHORT_CHECK.contains(&port) {
            self.is_wrong(format!("a datagram came twice: {port:?}"));
        }
    }

    /// Whether all but the RTP header was sent on that port, by one packet or by several in a frame.
    fn has_wrong_header(&self, port: Port, datagram: &Bytes) -> bool {
        let Some(payload) = datagram.get(RTP_HEADER..) else {
            return false;
        };
        let mut recordings = self.recordings.iter();
        port != CONTROL
            && recordings.any(|recording| {
                let share = match SHORT_CHECK.contains(&port) {
                    true => recording.audio_bytes,
                    false => payload.len(),
                };
                let payloads = recording.payloads.get(&port);
                let mut shares = payload.chunks(share.max(1));
                payloads.is_some_and(|payloads| shares.all(|share| payloads.contains(share)))
            })
    }

    fn is_wrong(&mut self, words: String) {
        self.outcome.wrong.get_or_insert(words);
    }
}
