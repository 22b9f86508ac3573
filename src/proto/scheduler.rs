//! Which flow goes next.
//!
//! Two lanes: express for audio, one flow after the other, up to eight ninths of the line when the
//! others want the rest (the line keeps that account); ordinary for all else, shared by weight.
//! Each ordinary flow has a virtual time that grows with the bytes it sent, divided by its weight;
//! the flow that is furthest behind goes next (stride scheduling: C. Waldspurger and W. Weihl,
//! MIT/LCS/TM-528, 1995). A flow that was idle begins where the others are, so it is served at
//! once, but nobody pays for the past. So nobody starves, and a flood on one channel takes only
//! what the others leave. What interrupts a frame is on the same account: it may while it is not
//! ahead of the flows in that frame.

use super::channel::Flow;
use super::config::{Class, PortKind};

/// Chooses among the flows of a link. Indices are those of the flows.
#[derive(Debug)]
pub(crate) struct Scheduler {
    /// Virtual time of each flow: bytes times [`SCALE`] by weight.
    passed: Vec<u64>,
    /// Virtual time at which the last frame began.
    now: u64,
    /// Whose turn it is in the express lane.
    express_turn: usize,
}

/// A set of flows, by their indices. There are at most 31.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FlowSet(u32);

impl FlowSet {
    /// Whether the flow is in the set.
    pub(crate) fn has(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }

    /// Puts a flow into the set.
    pub(crate) fn insert(&mut self, index: usize) {
        self.0 |= 1 << index;
    }

    /// Whether no flow is in the set.
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// All weights divide it.
const SCALE: u64 = 12;

impl Scheduler {
    pub(crate) fn new(flows: usize) -> Self {
        Self {
            passed: vec![0; flows],
            now: 0,
            express_turn: 0,
        }
    }

    /// The ordinary flow that goes next, of those that `may` go.
    pub(crate) fn next_ordinary(
        &mut self,
        flows: &[Flow],
        may: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        for (passed, flow) in self.passed.iter_mut().zip(flows) {
            if !flow.has_data() {
                *passed = (*passed).max(self.now);
            }
        }
        let candidates =
            (0..flows.len()).filter(|&i| !flows[i].is_express() && may(i) && flows[i].has_data());
        candidates.min_by_key(|&i| {
            (
                self.passed[i].max(self.now),
                rank(&flows[i]),
                self.passed[i],
            )
        })
    }

    /// The same, if it is not ahead of the flows `under_way`: for what interrupts them.
    pub(crate) fn next_urgent(
        &mut self,
        flows: &[Flow],
        may: impl Fn(usize) -> bool,
        under_way: FlowSet,
    ) -> Option<usize> {
        let chosen = self.next_ordinary(flows, may)?;
        let key = self.passed[chosen].max(self.now);
        let is_behind = (0..flows.len())
            .filter(|&i| under_way.has(i))
            .all(|i| key <= self.passed[i]);
        is_behind.then_some(chosen)
    }

    /// Notes that a frame begins with something of this flow. Only this moves the time on: what
    /// comes while a long frame is on its way begins where the frame began, and a flow that had
    /// nothing that fitted takes nobody's turn.
    pub(crate) fn begin_frame(&mut self, index: usize) {
        self.now = self.now.max(self.passed[index]);
    }

    /// Notes what an ordinary flow sent.
    pub(crate) fn on_sent(&mut self, index: usize, flow: &Flow, bytes: usize) {
        self.passed[index] += bytes as u64 * SCALE / weight(flow);
    }

    /// The express flow that goes next.
    pub(crate) fn next_express(&mut self, flows: &[Flow]) -> Option<usize> {
        let count = flows.len();
        let chosen = (0..count)
            .map(|i| (self.express_turn + i) % count)
            .find(|&i| flows[i].is_express() && flows[i].has_data())?;
        self.express_turn = chosen + 1;
        Some(chosen)
    }
}

/// Who goes first among equals.
fn rank(flow: &Flow) -> u8 {
    match (flow.port.kind, flow.class) {
        (PortKind::Media, Class::Control) => 0,
        (PortKind::Rtcp, _) => 1,
        (PortKind::Media, _) => 2,
    }
}

/// Shares of the line when all have more than enough to send.
fn weight(flow: &Flow) -> u64 {
    match rank(flow) {
        0 => 3,
        1 => 1,
        _ => 4,
    }
}
