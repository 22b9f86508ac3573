//! A call over a [`World`]: what equipment sends, what arrives, when, and whether it is right.
//!
//! Each datagram that arrives is held against what was sent on that port, in order: what was
//! passed over is lost, unless it is audio and comes after all; what was never sent is wrong.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Side, Source, World};
use crate::proto::config::Port;
use crate::proto::error::Refused;
use crate::proto::time::{Duration, Instant, earliest};

/// Sources at both ends, and what became of what they sent.
#[derive(Default)]
pub struct Call {
    streams: Vec<Stream>,
}

struct Stream {
    from: Side,
    port: Port,
    source: Box<dyn Source>,
    until: Option<Instant>,
    sent: VecDeque<(Instant, Bytes)>,
    /// Passed over lately.
    passed: VecDeque<(Instant, Bytes)>,
    tally: Tally,
    /// What is to be told of each datagram, where somebody follows.
    outcomes: Option<VecDeque<Outcome>>,
}

/// What became of one datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// When the equipment sent it.
    pub sent: Instant,
    /// When it arrived; `None` when it is lost.
    pub arrived: Option<Instant>,
    /// The datagram.
    pub datagram: Bytes,
}

/// What became of the datagrams of one port in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Datagrams that the equipment sent.
    pub offered: u64,
    /// Of these, refused at once.
    pub refused: u64,
    /// Arrived byte for byte.
    pub delivered: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
    /// Passed over by later ones that arrived, and did not come after all.
    pub lost: u64,
    /// Delivered behind later ones, where that may be ([`Source::may_be_overtaken`]).
    pub overtaken: u64,
    /// Arrived, but not sent, or not in this place: damaged, twice, or out of order.
    pub wrong: u64,
    /// One-way delay of each that arrived; empty where the port is followed.
    pub delays: Vec<Duration>,
    /// When each arrived; empty where the port is followed.
    pub arrivals: Vec<Instant>,
}

impl Tally {
    /// Share of the offered datagrams that were lost, those still on their way not counted.
    pub fn loss(&self) -> f64 {
        self.lost as f64 / (self.lost + self.delivered).max(1) as f64
    }

    /// The delay that `share` (0 to 1) of the delivered datagrams do not exceed.
    pub fn delay(&self, share: f64) -> Duration {
        let mut sorted = self.delays.clone();
        sorted.sort_unstable();
        let index = (share * sorted.len() as f64).ceil() as usize;
        sorted
            .get(index.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }
}

impl Call {
    /// Puts a source behind a port of an end, until a time if one is given.
    pub fn add(
        &mut self,
        from: Side,
        port: Port,
        source: impl Source + 'static,
        until: Option<Instant>,
    ) {
        let (sent, passed, tally) = Default::default();
        self.streams.push(Stream {
            from,
            port,
            source: Box::new(source),
            until,
            sent,
            passed,
            tally,
            outcomes: None,
        });
    }

    /// What became of what `from` sent on a port.
    pub fn tally(&self, from: Side, port: Port) -> Option<&Tally> {
        let stream = self
            .streams
            .iter()
            .find(|stream| stream.from == from && stream.port == port)?;
        Some(&stream.tally)
    }

    /// From now on what becomes of each datagram of a port waits for [`Call::poll_outcome`]. Its
    /// tally only counts, so that days of call find room.
    pub fn follow(&mut self, from: Side, port: Port) {
        if let Some(stream) = self.stream_mut(from, port) {
            stream.outcomes.get_or_insert_default();
        }
    }

    /// What became of the next datagram of a port that is followed, in the order in which they
    /// were sent; `None` while that is open. One that was refused comes at once.
    pub fn poll_outcome(&mut self, from: Side, port: Port) -> Option<Outcome> {
        self.stream_mut(from, port)?.outcomes.as_mut()?.pop_front()
    }

    /// Nothing more is waited for: what is open is lost.
    pub fn give_up(&mut self) {
        for stream in &mut self.streams {
            stream.lose(stream.sent.len());
        }
    }

    /// Datagrams of a port whose fate is open.
    pub fn open(&self, from: Side, port: Port) -> usize {
        let stream = self
            .streams
            .iter()
            .find(|stream| stream.from == from && stream.port == port);
        stream.map_or(0, |stream| stream.sent.len())
    }

    /// Runs the world with the call to `until`.
    pub fn run_until(&mut self, world: &mut World, until: Instant) {
        loop {
            let source = self.streams.iter().filter_map(Stream::next).min();
            let next = earliest(source, world.poll_timeout());
            let Some(next) = next.filter(|&next| next <= until) else {
                break;
            };
            world.advance(next.max(world.now()));
            for stream in &mut self.streams {
                stream.offer(world);
            }
            self.collect(world);
        }
        world.run_until(until);
        self.collect(world);
    }

    fn collect(&mut self, world: &mut World) {
        for side in Side::BOTH {
            while let Some((at, port, datagram)) = world.poll_datagram(side) {
                if let Some(stream) = self.stream_mut(side.other(), port) {
                    stream.take(at, &datagram);
                }
            }
        }
    }

    fn stream_mut(&mut self, from: Side, port: Port) -> Option<&mut Stream> {
        self.streams
            .iter_mut()
            .find(|stream| stream.from == from && stream.port == port)
    }
}

/// Datagrams that were passed over, and may still come.
const REMEMBERED: usize = 64;

impl Stream {
    fn next(&self) -> Option<Instant> {
        let next = self.source.poll_timeout()?;
        self.until.is_none_or(|until| next < until).then_some(next)
    }

    fn offer(&mut self, world: &mut World) {
        while self.next().is_some_and(|next| next <= world.now()) {
            let Some(datagram) = self.source.poll_datagram(world.now()) else {
                break;
            };
            self.tally.offered += 1;
            match world.send(self.from, self.port, datagram.clone()) {
                Ok(()) => self.sent.push_back((world.now(), datagram)),
                Err(
                    Refused::NoSuchPort
                    | Refused::TooLarge { .. }
                    | Refused::QueueFull
                    | Refused::Empty,
                ) => {
                    self.tally.refused += 1;
                    self.tell(world.now(), None, datagram);
                }
            }
        }
    }

    fn take(&mut self, at: Instant, datagram: &Bytes) {
        let is_this = |(_, sent): &(Instant, Bytes)| sent == datagram;
        let sent = if let Some(place) = self.sent.iter().position(is_this) {
            self.pass_over(place);
            self.sent.pop_front()
        } else if let Some(place) = self.passed.iter().position(is_this) {
            self.tally.lost -= 1;
            self.tally.overtaken += 1;
            self.passed.remove(place)
        } else {
            self.tally.wrong += 1;
            return;
        };
        self.tally.delivered += 1;
        self.tally.delivered_bytes += datagram.len() as u64;
        let Some((sent, datagram)) = sent else {
            return;
        };
        if self.outcomes.is_some() {
            self.tell(sent, Some(at), datagram);
        } else {
            self.tally.delays.push(at.since(sent));
            self.tally.arrivals.push(at);
        }
    }

    /// The oldest so many are lost, but for those that may still come.
    fn pass_over(&mut self, count: usize) {
        self.tally.lost += count as u64;
        self.passed.extend(self.sent.drain(..count));
        let kept = if self.source.may_be_overtaken() {
            REMEMBERED
        } else {
            0
        };
        self.forget_passed(kept);
    }

    /// The oldest so many will not come any more, nor will what they passed.
    fn lose(&mut self, count: usize) {
        self.pass_over(count);
        self.forget_passed(0);
    }

    fn forget_passed(&mut self, kept: usize) {
        while self.passed.len() > kept {
            if let Some((sent, datagram)) = self.passed.pop_front() {
                self.tell(sent, None, datagram);
            }
        }
    }

    fn tell(&mut self, sent: Instant, arrived: Option<Instant>, datagram: Bytes) {
        if let Some(outcomes) = &mut self.outcomes {
            outcomes.push_back(Outcome {
                sent,
                arrived,
                datagram,
            });
        }
    }
}
