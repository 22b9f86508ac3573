//! A line that is only listened to: the receiving half without a session of its own.

use super::Line;
use super::handshake::Hello;
use super::receive::nearest;
use crate::proto::config::{LineConfig, SessionId};
use crate::proto::framing::decoder::{Decoder, DecoderCounts, Verdict};
use crate::proto::listen::{LineView, WayView};
use crate::proto::signals::LineSignals;
use crate::proto::time::{BitRate, Instant};

/// Frame numbers that are written down stay below.
const MOST: u64 = 1 << 48;

impl Line {
    /// What somebody else needs to go on reading from this moment.
    pub(crate) fn view(&self, link: String, own: SessionId, peer: Option<SessionId>) -> LineView {
        let mut begun = Decoder::default();
        let wire = self.outbox.begun();
        let mut unescaped = Vec::new();
        let wire = match self.escapes() {
            true => {
                super::Unescape::default().feed(&wire, &mut unescaped);
                &unescaped
            }
            false => &wire,
        };
        begun.feed(wire, &mut |_| Verdict::Bad);
        LineView {
            link,
            line: self.name.clone(),
            rate_bps: self.rate().bits_per_second(),
            avoid_xon_xoff: self.escapes(),
            session: own,
            peer,
            received: WayView {
                next: self.received.expected(),
                express_parity: self.express_there,
                decoder: self.decoder.clone(),
            },
            sent: WayView {
                next: self.sent.next_number(),
                // Frames with the short check go again when it is told.
                express_parity: self.express.parity(),
                decoder: begun,
            },
        }
    }

    /// A line that goes on from there, for frames of `from` to `to`. `None` when the view cannot be one of
    /// a line.
    pub(crate) fn overheard(
        view: &LineView,
        way: &WayView,
        ends: Option<(SessionId, SessionId)>,
        now: Instant,
    ) -> Option<Self> {
        let rate = BitRate::new(view.rate_bps)?;
        let mut line = Self::new(
            &LineConfig {
                avoid_xon_xoff: view.avoid_xon_xoff,
                ..LineConfig::new(view.line.clone(), rate)
            },
            now,
        );
        line.watch.on_signals(now, LineSignals::OPEN);
        if let Some((from, to)) = ends {
            line.begin_session(now, to, from);
        }
        line.session_begins = false;
        line.decoder = way.decoder.clone().restored()?;
        line.decoder.keep_given_up();
        line.received
            .on_announced(Some(way.next).filter(|&next| next < MOST)?);
        line.express_there = way.express_parity;
        Some(line)
    }

    /// Notes a hello of whoever sends here.
    pub(crate) fn overhear_hello(&mut self, now: Instant, hello: &Hello) {
        self.on_heard(now);
        let next = nearest(hello.next, self.received.expected());
        self.received.on_announced(next);
    }

    pub(crate) fn decoder_counts(&self) -> DecoderCounts {
        self.decoder.counts()
    }

    /// What was found to belong to no frame since the last call.
    pub(crate) fn take_given_up(&mut self) -> Vec<Vec<u8>> {
        self.decoder.take_given_up()
    }
}
