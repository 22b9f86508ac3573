//! A [`Snapshot`] in Prometheus' text format, with the names of [`names`](super::names).

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::names::{
    CHANNEL_COUNTERS, CHANNEL_GAUGES, Counter, Gauge, LINK_COUNTERS, LINK_GAUGES, Line,
    PORT_COUNTERS, Way, line_counters, line_gauges, way_counters, way_gauges,
};
use crate::proto::stats::{ChannelStats, LineStats};
use crate::shell::{PortStatus, Snapshot};

/// The whole text.
///
/// # Errors
/// Only what the encoder itself may say.
pub(super) fn of(snapshot: Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("copperlink");
    registry.register_collector(Box::new(Facts(snapshot)));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Facts(Snapshot);

impl Collector for Facts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Snapshot {
            stats,
            devices,
            ports,
            in_service,
            ..
        } = &self.0;
        let link = stats.name.as_str();
        let mut out = Encoder {
            encoder: &mut encoder,
        };
        let whole = std::slice::from_ref(&self.0);
        let of_link = |_: &Snapshot| [("link", link.to_owned())];
        out.counters(LINK_COUNTERS, whole, of_link)?;
        out.gauges(LINK_GAUGES, whole, of_link)?;

        let lines = stats.lines.iter().zip(devices).zip(in_service);
        let lines: Vec<Line<'_>> = lines
            .map(|((stats, device), in_service)| Line {
                stats,
                device,
                in_service,
            })
            .collect();
        let of_line =
            |line: &Line<'_>| [("link", link.to_owned()), ("line", line.stats.name.clone())];
        out.counters(&line_counters(), &lines, of_line)?;
        out.gauges(&line_gauges(), &lines, of_line)?;

        let ways: Vec<Way<'_>> = stats.lines.iter().flat_map(ways).collect();
        let of_way = |way: &Way<'_>| {
            [
                ("link", link.to_owned()),
                ("line", way.line.to_owned()),
                ("way", way.way.to_owned()),
            ]
        };
        out.counters(&way_counters(), &ways, of_way)?;
        out.gauges(&way_gauges(), &ways, of_way)?;

        let of_channel = |channel: &ChannelStats| {
            [
                ("link", link.to_owned()),
                ("id", channel.id.to_string()),
                ("channel", channel.name.clone()),
            ]
        };
        out.counters(CHANNEL_COUNTERS, &stats.channels, of_channel)?;
        out.gauges(CHANNEL_GAUGES, &stats.channels, of_channel)?;

        let of_port = |port: &PortStatus| {
            [
                ("link", link.to_owned()),
                ("id", port.channel.to_string()),
                ("kind", port.kind.to_owned()),
            ]
        };
        out.counters(PORT_COUNTERS, ports, of_port)
    }
}

/// Both directions of a line.
fn ways(line: &LineStats) -> [Way<'_>; 2] {
    [("there", &line.outgoing.quality), ("here", &line.incoming)].map(|(way, quality)| Way {
        line: &line.name,
        way,
        quality,
    })
}

struct Encoder<'a, 'b> {
    encoder: &'a mut DescriptorEncoder<'b>,
}

impl Encoder<'_, '_> {
    fn counters<T, const N: usize>(
        &mut self,
        counters: &[Counter<T>],
        things: &[T],
        labels: impl Fn(&T) -> [(&'static str, String); N],
    ) -> fmt::Result {
        for (name, help, value) in counters {
            let kind = MetricType::Counter;
            let mut family = self.encoder.encode_descriptor(name, help, None, kind)?;
            for thing in things {
                let labels = labels(thing);
                let metric = family.encode_family(&labels)?;
                ConstCounter::new(value(thing)).encode(metric)?;
            }
        }
        Ok(())
    }

    fn gauges<T, const N: usize>(
        &mut self,
        gauges: &[Gauge<T>],
        things: &[T],
        labels: impl Fn(&T) -> [(&'static str, String); N],
    ) -> fmt::Result {
        for (name, help, value) in gauges {
            let kind = MetricType::Gauge;
            let mut family = self.encoder.encode_descriptor(name, help, None, kind)?;
            for thing in things {
                let Some(value) = value(thing) else {
                    continue;
                };
                let labels = labels(thing);
                let metric = family.encode_family(&labels)?;
                ConstGauge::new(value).encode(metric)?;
            }
        }
        Ok(())
    }
}
