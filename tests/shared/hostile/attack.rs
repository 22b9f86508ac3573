//! A call that goes on while its line does everything that a line may do.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use copperlink::proto::Session;
use copperlink::proto::config::Port;
use copperlink::proto::time::Instant;
use copperlink::sim::{Bursts, LineModel, LineModelConfig, Noise, Rng, Source};

use super::recording::{LINE, Line, SHORT_CHECK, lines, session, sources};
use super::{Damager, Recording};

/// Two ends, and a line between them that gets worse and better. The caller goes on step by step.
pub(crate) struct Attack<'a> {
    damager: Damager<'a>,
    ends: [Session; 2],
    ways: [Way; 2],
    now: Instant,
    /// When the weather changes, and how likely a block is damaged until then.
    changes: Instant,
    damaged: f64,
    /// What must not be, in words.
    pub(crate) wrong: Option<String>,
    /// Audio that nobody sent: its check has 16 bits, and passes garbage now and then.
    pub(crate) wrong_audio: u64,
    pub(crate) right: u64,
    /// Blocks that were damaged beside the noise.
    pub(crate) blocks: u64,
}

/// One direction.
struct Way {
    model: LineModel,
    sources: Vec<(Port, Box<dyn Source>)>,
    /// What the equipment sent, in order, and each datagram's place in that.
    sent: HashMap<Port, HashMap<Bytes, usize>>,
    /// The place behind the last that arrived.
    next: HashMap<Port, usize>,
    came: HashSet<(Port, usize)>,
    /// What arrived, and is held back to be damaged, and until when.
    held: Vec<u8>,
    until: Instant,
    /// What this end sent last.
    last: Vec<u8>,
}

/// An echo has some of the last so many bytes.
const ECHO: usize = 1000;
const STEP: Duration = Duration::from_millis(1);
/// Ends of attacks are not those of recordings: what is spliced in says nothing to them.
const ENDS: [u32; 2] = [0x3333_0001, 0x4444_0001];

impl<'a> Attack<'a> {
    /// A call that begins.
    pub(crate) fn new(recordings: &'a [Recording], seed: u64) -> Self {
        let mut damager = Damager::new(recordings, seed);
        let lines = lines();
        let line: &Line = &lines[damager.rng.below(lines.len() as u64) as usize];
        let config = line.config();
        let ways = [0, 1].map(|side| Way {
            model: LineModel::new(
                LineModelConfig::clean(config.rate)
                    .with_delay(Duration::from_millis(5))
                    .with_seed(seed * 2 + side),
            ),
            sources: sources(line, seed * 100 + side * 10 + 1),
            sent: HashMap::new(),
            next: HashMap::new(),
            came: HashSet::new(),
            held: Vec::new(),
            until: Instant::ZERO,
            last: Vec::new(),
        });
        Self {
            damager,
            ends: ENDS.map(|number| session("room", number, &config)),
            ways,
            now: Instant::ZERO,
            changes: Instant::ZERO,
            damaged: 0.0,
            wrong: None,
            wrong_audio: 0,
            right: 0,
            blocks: 0,
        }
    }

    /// A millisecond passes; says how many bytes arrived. False words in `wrong` end the call.
    pub(crate) fn step(&mut self) -> usize {
        self.now += STEP;
        let now = self.now;
        if now >= self.changes {
            self.change_weather();
        }
        let mut arrived = 0;
        for side in [0, 1] {
            self.offer(side);
            let [first, second] = &mut self.ends;
            let (near, far) = if side == 0 {
                (first, second)
            } else {
                (second, first)
            };
            let [forth, back] = &mut self.ways;
            let (way, other) = if side == 0 {
                (forth, back)
            } else {
                (back, forth)
            };
            near.handle_timeout(now);
            if way.last.len() > ECHO {
                way.last.clear();
            }
            let before = way.last.len();
            near.poll_transmit(now, LINE, way.model.room(now), &mut way.last);
            way.model.handle_bytes(now, &way.last[before..]);
            way.model.poll_bytes(now, &mut way.held);
            if now >= way.until && !way.held.is_empty() {
                if self.damager.rng.chance(self.damaged) {
                    self.blocks += 1;
                    self.damager.damage_in_order(&mut way.held, &other.last);
                }
                arrived += way.held.len();
                far.handle_bytes(now, LINE, &way.held);
                way.held.clear();
                if self.damager.rng.chance(0.05) {
                    way.until = now + STEP * self.damager.rng.between(1, 60) as u32;
                }
            }
            while far.poll_event().is_some() {}
            while let Some((port, datagram)) = self.ends[1 - side].poll_datagram() {
                self.judge(side, port, &datagram);
            }
        }
        arrived
    }

    /// Good and bad frames of both ends, those joined, those repaired and slips.
    pub(crate) fn frames(&self) -> [u64; 5] {
        let mut frames = [0; 5];
        for end in &self.ends {
            let stats = end.stats();
            let line = &stats.lines[0];
            let incoming = line.incoming;
            let here = [
                line.frames_received,
                line.frames_bad,
                line.frames_joined,
                incoming.frames_repaired,
                incoming.slips,
            ];
            frames
                .iter_mut()
                .zip(here)
                .for_each(|(sum, more)| *sum += more);
        }
        frames
    }

    fn change_weather(&mut self) {
        let rng = &mut self.damager.rng;
        self.changes = self.now + STEP * rng.between(300, 5000) as u32;
        self.damaged = if rng.chance(0.4) {
            0.0
        } else {
            0.1 * rng.uniform().powi(2)
        };
        let noise = weather(rng);
        let is_cut = rng.chance(0.05);
        for way in &mut self.ways {
            way.model.set_noise(self.now, noise);
            way.model.set_cut(self.now, is_cut);
        }
    }

    /// The equipment of an end sends what is due.
    fn offer(&mut self, side: usize) {
        let way = &mut self.ways[side];
        for (port, source) in &mut way.sources {
            while let Some(datagram) = source.poll_datagram(self.now) {
                let taken = self.ends[side].handle_datagram(self.now, *port, datagram.clone());
                if taken.is_ok() {
                    let of_port = way.sent.entry(*port).or_default();
                    let place = of_port.len();
                    of_port.insert(datagram, place);
                }
            }
        }
    }

    fn judge(&mut self, side: usize, port: Port, datagram: &Bytes) {
        let way = &mut self.ways[side];
        let is_audio = SHORT_CHECK.contains(&port);
        let sent = way.sent.get(&port).and_then(|sent| sent.get(datagram));
        let Some(&place) = sent else {
            if is_audio {
                self.wrong_audio += 1;
            } else {
                self.wrong = Some(format!("nobody sent this: {port:?} {datagram:02x?}"));
            }
            return;
        };
        let next = way.next.entry(port).or_default();
        let is_control = port == super::recording::CONTROL;
        if !way.came.insert((port, place)) {
            let sessions = self.ends.each_ref().map(|end| end.stats().sessions);
            self.wrong = Some(format!(
                "a datagram came twice: {port:?} {place}, {sessions:?} {:?}",
                self.now
            ));
        } else if !is_audio && (place < *next || is_control && place > *next) {
            self.wrong = Some(format!("{port:?}: {place} in place of {next}"));
        }
        *next = (*next).max(place + 1);
        self.right += 1;
    }
}

fn weather(rng: &mut Rng) -> Noise {
    let errors = Noise::bit_errors(10f64.powf(-5.0 + 3.2 * rng.uniform()));
    match rng.below(6) {
        0 => Noise::NONE,
        1 => Noise {
            bursts: Some(Bursts {
                mean_burst: STEP * rng.between(2, 60) as u32,
                mean_gap: STEP * rng.between(50, 2000) as u32,
                bit_error_rate: 0.3,
            }),
            ..Noise::NONE
        },
        2 => Noise {
            lost_byte_rate: 10f64.powf(-5.0 + 3.0 * rng.uniform()),
            inserted_byte_rate: 10f64.powf(-5.0 + 3.0 * rng.uniform()),
            idle_byte_rate: 20.0 * rng.uniform(),
            ..errors
        },
        _ => errors,
    }
}
