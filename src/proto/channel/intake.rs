//! Which flow a datagram of the equipment goes into.
//!
//! Promise: every port has one intake; what comes from a port of class `rtp` goes into the audio
//! or the video flow of its channel, stream by stream ([`recognise`](super::recognise)). All flows
//! of a channel's media deliver to the same port at the far end.

use super::Flow;
use super::recognise::Recogniser;
use crate::proto::config::{ChannelConfig, Class, LinkConfig, Medium, Port, PortKind};
use crate::proto::framing::segment::{FlowId, STEADY_FLOWS};
use crate::proto::stats::StreamStats;
use crate::proto::time::{BitRate, Instant};

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
        let rate = config.lines.iter().map(|line| line.rate).max();
        for channel in config.channels_by_id() {
            for (flow, kind) in channel.flows() {
                // The order wire has flow 0; validate() keeps the number below 32.
                let id = FlowId(flows.len() as u8 + 1);
                let place = flows.iter().filter(|flow| flow.is_express()).count();
                let place = (place < STEADY_FLOWS).then_some(place as u8);
                let flow = within_reach(flow, rate);
                let flow = Flow::new(id, &flow, kind, place).of_channel(channel.class);
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

/// A flow with a deadline that a line of that rate can keep.
fn within_reach(mut flow: ChannelConfig, rate: Option<BitRate>) -> ChannelConfig {
    if flow.class == Class::Audio
        && let Some(rate) = rate
    {
        flow.deadline = flow.deadline.max(rate.time_for(AUDIO_REACH));
    }
    flow
}

/// The least line time that an audio packet may wait: a frame with some packets, while the one
/// before it is on the line.
const AUDIO_REACH: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::config::{ChannelId, SessionId};
    use crate::proto::time::Duration;

    fn link(channels: Vec<ChannelConfig>) -> LinkConfig {
        LinkConfig {
            name: String::new(),
            session: SessionId(1),
            lines: vec![],
            channels,
            resume: None,
        }
    }

    #[test]
    fn flows_are_numbered_audio_video_rtcp_in_the_order_of_the_channels() {
        let channel = |id, class: Class, rtcp| ChannelConfig {
            rtcp,
            ..ChannelConfig::new(id, class.word(), class)
        };
        let (flows, intakes) = Intake::of(&link(vec![
            channel(9, Class::Video, true),
            channel(4, Class::Rtp, true),
            channel(2, Class::Control, false),
            channel(7, Class::Rtp, false),
        ]));
        let facts: Vec<_> = flows
            .iter()
            .map(|flow| {
                let stats = flow.stats();
                (flow.id.0, stats.id.0, stats.name, flow.is_express())
            })
            .collect();
        let expected = [
            (1, 2, "control", false),
            (2, 4, "rtp/audio", true),
            (3, 4, "rtp/video", false),
            (4, 4, "rtp/rtcp", false),
            (5, 7, "rtp/audio", true),
            (6, 7, "rtp/video", false),
            (7, 9, "video", false),
            (8, 9, "video/rtcp", false),
        ];
        let expected = expected.map(|(id, channel, name, express)| {
            let name = name.to_owned();
            (id, channel, name, express)
        });
        assert_eq!(facts, expected);
        let ports: Vec<_> = intakes.iter().map(|intake| intake.port).collect();
        let port = |id| Port::media(ChannelId(id));
        let rtcp = |id| Port::rtcp(ChannelId(id));
        let expected = [port(2), port(4), rtcp(4), port(7), port(9), rtcp(9)];
        assert_eq!(ports, expected);
    }

    #[test]
    fn both_media_share_the_limits_of_their_channel() {
        let by_default = ChannelConfig::new(1, "call", Class::Rtp);
        let long = ChannelConfig {
            deadline: Duration::from_millis(900),
            ..by_default.clone()
        };
        let tight = ChannelConfig {
            deadline: Duration::from_millis(100),
            queue_bytes: 2000,
            queue_datagrams: 3,
            ..by_default.clone()
        };
        for (channel, deadlines, datagrams) in [
            (by_default, [150, 400], [64, 960]),
            (long, [150, 900], [64, 960]),
            (tight, [100, 100], [1, 2]),
        ] {
            let flows = channel.flows();
            assert_eq!(flows.len(), 2);
            let [audio, video] = [&flows[0].0, &flows[1].0];
            assert_eq!([audio.class, video.class], [Class::Audio, Class::Video]);
            let of = [audio, video].map(|flow| flow.deadline.as_millis());
            assert_eq!(of, deadlines);
            let of = [audio, video].map(|flow| flow.queue_datagrams);
            assert_eq!(of, datagrams);
            assert_eq!(audio.queue_bytes + video.queue_bytes, channel.queue_bytes);
        }
    }
}
