//! Which flow a datagram of the equipment goes into.
//!
//! Promise: every port has one intake; what comes from a port of class `rtp` goes into the audio
//! or the video flow of its channel, stream by stream ([`recognise`](super::recognise)). All flows
//! of a channel's media deliver to the same port at the far end.

use super::Flow;
use super::recognise::Recogniser;
use crate::proto::config::{Class, LinkConfig, Medium, Port, PortKind};
use crate::proto::framing::segment::FlowId;
use crate::proto::stats::StreamStats;
use crate::proto::time::Instant;

/// Where the datagrams of one port go.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) port: Port,
    /// Index of its flow.
    flow: usize,
    /// On a port that may carry both media. The video flow stands behind the audio flow.
    recogniser: Option<Recogniser>,
}

impl Intake {
    /// The flows of a link in the order of their numbers, and the intakes before them.
    pub(crate) fn of(config: &LinkConfig) -> (Vec<Flow>, Vec<Self>) {
        let (mut flows, mut intakes): (Vec<Flow>, Vec<Self>) = Default::default();
        for channel in config.channels_by_id() {
            for (flow, kind) in channel.flows() {
                // The order wire has flow 0; validate() keeps the number below 32.
                let id = FlowId(flows.len() as u8 + 1);
                let flow = Flow::new(id, &flow, kind).of_channel(channel.class);
                if intakes.last().is_none_or(|last| last.port != flow.port) {
                    let carries_both = channel.class == Class::Rtp && kind == PortKind::Media;
                    intakes.push(Self {
                        port: flow.port,
                        flow: flows.len(),
                        recogniser: carries_both.then(Recogniser::default),
                    });
                }
                flows.push(flow);
            }
        }
        (flows, intakes)
    }

    /// Index of the flow that a datagram goes into.
    pub(crate) fn flow_for(&mut self, now: Instant, datagram: &[u8]) -> usize {
        match &mut self.recogniser {
            None => self.flow,
            Some(recogniser) => match recogniser.judge(now, datagram) {
                Medium::Audio => self.flow,
                Medium::Video => self.flow + 1,
            },
        }
    }

    /// The streams that were recognised as `medium`.
    pub(crate) fn streams(&self, medium: Medium) -> Vec<StreamStats> {
        let streams = self.recogniser.iter().flat_map(Recogniser::streams);
        streams.filter(|stream| stream.medium == medium).collect()
    }
}
