//! How fast bytes become frames and frames bytes: a session that receives a busy line.
//!
//! `cargo bench --bench framing`

use std::time::Duration;

use bytes::Bytes;
use copperlink::proto::config::{
    ChannelConfig, ChannelId, Class, LineConfig, LineId, LinkConfig, Port, SessionId,
};
use copperlink::proto::time::{BitRate, Instant};
use copperlink::proto::{LineSignals, Session};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const LINE: LineId = LineId(0);
const VIDEO: Port = Port::media(ChannelId(1));

fn session(id: u32) -> Session {
    let rate = BitRate::new(921_600).expect("a rate that is accepted");
    let config = LinkConfig {
        name: "bench".to_owned(),
        session: SessionId(id),
        lines: vec![LineConfig::new("line", rate)],
        channels: vec![ChannelConfig::new(1, "video", Class::Video)],
        resume: None,
    };
    let mut session = Session::new(config, Instant::ZERO).expect("valid");
    session.handle_signals(Instant::ZERO, LINE, LineSignals::OPEN);
    session
}

/// Two sessions and a clock: each step moves what the pacer gives, both ways.
struct Pair {
    now: Instant,
    ends: [Session; 2],
    buf: Vec<u8>,
    delivered: u64,
}

impl Pair {
    fn new() -> Self {
        let mut pair = Self {
            now: Instant::ZERO,
            ends: [session(1), session(2)],
            buf: Vec::new(),
            delivered: 0,
        };
        for _ in 0..500 {
            pair.step();
        }
        pair
    }

    fn step(&mut self) {
        self.now += Duration::from_millis(2);
        for from in 0..2 {
            self.buf.clear();
            self.ends[from].handle_timeout(self.now);
            self.ends[from].poll_transmit(self.now, LINE, 4096, &mut self.buf);
            let to = &mut self.ends[1 - from];
            to.handle_bytes(self.now, LINE, &self.buf);
            while let Some((_, datagram)) = to.poll_datagram() {
                self.delivered += datagram.len() as u64;
            }
        }
    }
}

fn busy_line(c: &mut Criterion) {
    let datagram = Bytes::from((0..1200).map(|i| (i * 7 % 256) as u8).collect::<Vec<_>>());
    let mut group = c.benchmark_group("a busy line");
    const SECOND: usize = 500;
    group.throughput(Throughput::Bytes(92_160));
    group.sample_size(20);
    group.bench_function("one second of a saturated 921600 line, both ends", |b| {
        let mut pair = Pair::new();
        b.iter(|| {
            for step in 0..SECOND {
                if step % 6 == 0 {
                    let _ = pair.ends[0].handle_datagram(pair.now, VIDEO, datagram.clone());
                }
                pair.step();
            }
            pair.delivered
        });
        assert!(pair.delivered > 0, "nothing was carried");
    });
    group.finish();
}

criterion_group!(benches, busy_line);
criterion_main!(benches);
