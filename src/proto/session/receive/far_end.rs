//! A far end that says whatever a test wants it to say, with good checks.

use crate::proto::config::{ChannelConfig, Class, LineConfig, LineId, LinkConfig, SessionId};
use crate::proto::framing::check::{CheckKind, Seal};
use crate::proto::framing::encoder::encode;
use crate::proto::framing::header::{self, FrameKind, NumberForm, Service};
use crate::proto::framing::parity::Parity;
use crate::proto::line::handshake::{Hello, table_digest};
use crate::proto::session::Session;
use crate::proto::signals::LineSignals;
use crate::proto::time::{BitRate, Instant};

pub(super) const LINE: LineId = LineId(0);
pub(super) const HERE: SessionId = SessionId(0x2222_0001);
pub(super) const THERE: SessionId = SessionId(0x1111_0001);
pub(super) const SEAL: Seal = Seal::new(THERE, HERE);
pub(super) const ORDINARY: FrameKind = FrameKind::Ordinary;
pub(super) const EXPRESS: FrameKind = FrameKind::Express(CheckKind::Long);
pub(super) const SHORT: FrameKind = FrameKind::Express(CheckKind::Short);

fn config() -> LinkConfig {
    let rate = BitRate::new(38_400).expect("a rate that is accepted");
    let rtcp = |channel| ChannelConfig {
        rtcp: true,
        ..channel
    };
    LinkConfig {
        name: "room-2".into(),
        session: HERE,
        lines: vec![LineConfig::new("line", rate)],
        channels: vec![
            ChannelConfig::new(1, "audio", Class::Audio),
            rtcp(ChannelConfig::new(2, "video", Class::Video)),
            ChannelConfig::new(3, "control", Class::Control),
            rtcp(ChannelConfig::new(4, "both", Class::Rtp)),
        ],
        resume: None,
    }
}

/// An end that has heard a hello of the far end.
pub(super) fn receiver() -> Session {
    let mut session = Session::new(config(), Instant::ZERO).expect("valid");
    session.handle_signals(Instant::ZERO, LINE, LineSignals::OPEN);
    session.handle_bytes(Instant::ZERO, LINE, &hello(THERE, 0));
    session
}

/// A hello that says that all is well.
pub(super) fn hello(session: SessionId, next: u32) -> Vec<u8> {
    let hello = Hello {
        session,
        heard: Some(HERE),
        hears: true,
        is_up: true,
        digest: table_digest(&config()),
        next,
        expected: 0,
        name: "room-1".into(),
        resume: None,
    };
    let mut content = Vec::new();
    hello.write(&mut content);
    service(Service::Hello, &content)
}

/// A service frame behind a delimiter.
pub(super) fn service(service: Service, content: &[u8]) -> Vec<u8> {
    let kind = FrameKind::Service(service);
    let mut body = Vec::new();
    header::write(kind, 0, NumberForm::Short, &mut body);
    body.extend_from_slice(content);
    let wire = encode(kind, 0, Seal::SERVICE, Parity::SERVICE, &mut body);
    [vec![0], wire].concat()
}

/// A numbered frame.
pub(super) fn frame(
    kind: FrameKind,
    number: u64,
    form: NumberForm,
    parity: Parity,
    content: &[u8],
) -> Vec<u8> {
    let mut body = Vec::new();
    header::write(kind, number, form, &mut body);
    body.extend_from_slice(content);
    encode(kind, number, SEAL, parity, &mut body)
}

/// Chance from a seed (`SplitMix64`): these tests need more draws than a property test gives.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In `0..bound`.
    pub(super) const fn below(&mut self, bound: usize) -> usize {
        ((self.next() as u128 * bound as u128) >> 64) as usize
    }

    pub(super) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// Wrong bits, each with that probability.
    pub(super) fn flip_bits(&mut self, bytes: &mut [u8], rate: f64) {
        let mut bit = 0.0;
        loop {
            let uniform = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
            bit += ((-uniform).ln_1p() / (-rate).ln_1p()).floor();
            let Some(byte) = bytes.get_mut((bit / 8.0) as usize) else {
                return;
            };
            *byte ^= 1 << (bit as u64 % 8);
            bit += 1.0;
        }
    }
}
