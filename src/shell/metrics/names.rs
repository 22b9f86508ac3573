//! The names of the metrics, and what of a [`Snapshot`] each of them is. No code but that.
//!
//! ```text
//!   copperlink_…             the link                        {link}
//!   copperlink_order_wire_…  the technicians' talk           {link}
//!   copperlink_line_…        a line                          {link, line}
//!   copperlink_way_…         a line, one direction           {link, line, way}; way: there, here
//!   copperlink_channel_…     a channel, RTCP and the media   {link, id, channel}
//!                            of a port for both apart
//!   copperlink_port_…        a UDP port                      {link, id, kind}
//! ```
//!
//! Promise: every counter that `status` shows is here, under Prometheus' conventions: base units,
//! `_total` behind what only grows. Of the streams only their number: their labels would change
//! with each call.

use crate::proto::stats::{ChannelStats, LineState, LineStats, QualityStats};
use crate::shell::{DeviceState, DeviceStatus, InService, LineErrors, PortStatus, Snapshot};

/// A line with its device and its seconds.
pub(super) struct Line<'a> {
    pub(super) stats: &'a LineStats,
    pub(super) device: &'a DeviceStatus,
    pub(super) in_service: &'a InService,
}

impl Line<'_> {
    fn port_errors(&self) -> LineErrors {
        self.device.errors.unwrap_or_default()
    }
}

/// One direction of a line.
pub(super) struct Way<'a> {
    pub(super) line: &'a str,
    pub(super) way: &'static str,
    pub(super) quality: &'a QualityStats,
}

/// A name without its prefix, what it means, and where it is found in a `T`.
pub(super) type Counter<T> = (&'static str, &'static str, fn(&T) -> u64);
/// The same; `None` while it is not known.
pub(super) type Gauge<T> = (&'static str, &'static str, fn(&T) -> Option<f64>);

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn yes(is_so: bool) -> Option<f64> {
    Some(f64::from(u8::from(is_so)))
}

pub(super) const LINK_COUNTERS: &[Counter<Snapshot>] = &[
    (
        "sessions",
        "Sessions begun with the far end; more than one means that it was restarted",
        |s| s.stats.sessions,
    ),
    ("order_wire_accepted", "Texts accepted here", |s| {
        s.stats.order_wire.accepted
    }),
    (
        "order_wire_refused",
        "Texts refused: too long, or too many waited",
        |s| s.stats.order_wire.refused,
    ),
    (
        "order_wire_delivered",
        "Texts that the far end has heard",
        |s| s.stats.order_wire.delivered,
    ),
    (
        "order_wire_repeats",
        "Frames sent again, because no answer came",
        |s| s.stats.order_wire.repeats,
    ),
    ("order_wire_received", "Texts of the far end", |s| {
        s.stats.order_wire.received
    }),
    (
        "order_wire_twice",
        "Frames of the far end that had come before",
        |s| s.stats.order_wire.twice,
    ),
    (
        "order_wire_own_voice",
        "Frames of this end that came back",
        |s| s.stats.order_wire.own_voice,
    ),
];

pub(super) const LINK_GAUGES: &[Gauge<Snapshot>] = &[
    ("uptime_seconds", "Time since the link was opened", |s| {
        Some(seconds(s.uptime_us))
    }),
    (
        "connected",
        "Whether there is a session with the far end",
        |s| yes(s.stats.peer.is_some()),
    ),
    ("order_wire_queued", "Texts that wait", |s| {
        Some(s.stats.order_wire.queued as f64)
    }),
];

pub(super) const fn line_counters<'a>() -> [Counter<Line<'a>>; 22] {
    [
        ("line_bytes_sent", "Bytes handed to the line", |l| {
            l.stats.bytes_sent
        }),
        (
            "line_bytes_received",
            "Bytes that came from the line",
            |l| l.stats.bytes_received,
        ),
        ("line_frames_sent", "Frames sent", |l| l.stats.frames_sent),
        ("line_frames_received", "Good frames received", |l| {
            l.stats.frames_received
        }),
        ("line_frames_bad", "Received frames of no use", |l| {
            l.stats.frames_bad
        }),
        (
            "line_frames_joined",
            "Frames put together again after an interruption",
            |l| l.stats.frames_joined,
        ),
        (
            "line_frames_lost",
            "Frames sent that the far end did not get",
            |l| l.stats.frames_lost,
        ),
        (
            "line_interruptions",
            "Frames sent that an express frame interrupted",
            |l| l.stats.interruptions,
        ),
        ("line_reports_sent", "Reports sent", |l| {
            l.stats.reports_sent
        }),
        (
            "line_report_bytes_sent",
            "Bytes of frames that carried a report alone",
            |l| l.stats.report_bytes_sent,
        ),
        (
            "line_cuts",
            "Times that the line went from up to cut",
            |l| l.stats.cuts,
        ),
        ("line_openings", "Times that the device came back", |l| {
            l.stats.openings
        }),
        (
            "line_service_seconds",
            "Seconds since the line first came up",
            |l| l.in_service.seconds,
        ),
        (
            "line_available_seconds",
            "Available seconds of the way here (G.821)",
            |l| l.in_service.available,
        ),
        (
            "line_errored_seconds",
            "Errored seconds of the way here (G.821)",
            |l| l.in_service.errored,
        ),
        (
            "line_severely_errored_seconds",
            "Severely errored seconds of the way here (G.821)",
            |l| l.in_service.severely_errored,
        ),
        (
            "line_unavailable_seconds",
            "Unavailable seconds of the way here (G.821)",
            |l| l.in_service.unavailable,
        ),
        (
            "line_outages",
            "Times that the line became unavailable (G.821)",
            |l| l.in_service.outages,
        ),
        (
            "line_port_framing_errors",
            "Bytes without a stop bit that the port counted, where it tells",
            |l| l.port_errors().framing,
        ),
        (
            "line_port_overruns",
            "Bytes that the port or its driver had no room for, where it tells",
            |l| l.port_errors().overrun,
        ),
        (
            "line_port_parity_errors",
            "Parity errors that the port counted, where it tells",
            |l| l.port_errors().parity,
        ),
        (
            "line_port_breaks",
            "Breaks that the port counted, where it tells",
            |l| l.port_errors().breaks,
        ),
    ]
}

pub(super) const fn line_gauges<'a>() -> [Gauge<Line<'a>>; 11] {
    [
        ("line_up", "Whether the line carries frames", |l| {
            yes(l.stats.state == LineState::Up)
        }),
        (
            "line_trouble",
            "Whether something is wrong with the line",
            |l| yes(l.stats.trouble.is_some()),
        ),
        ("line_device_open", "Whether the device is open", |l| {
            yes(l.device.state == DeviceState::Open)
        }),
        (
            "line_clear_to_send",
            "Whether the terminal lets us send (CTS)",
            |l| l.device.clear_to_send.and_then(yes),
        ),
        (
            "line_carrier",
            "Whether the modem hears the other one (DCD)",
            |l| l.device.carrier.and_then(yes),
        ),
        (
            "line_rate_bytes_per_second",
            "What the pacer takes the line for, at ten bits a byte",
            |l| Some(l.stats.rate_bps as f64 / 10.0),
        ),
        ("line_round_trip_seconds", "Smoothed round trip", |l| {
            l.stats.rtt_us.map(seconds)
        }),
        ("line_queue_seconds", "Line time that waits below", |l| {
            Some(seconds(l.stats.queue_us))
        }),
        (
            "line_frame_limit_bytes",
            "Longest frame that is sent",
            |l| Some(l.stats.outgoing.frame_bytes as f64),
        ),
        ("line_parity_bytes", "Parity for each 255 bytes sent", |l| {
            Some(l.stats.outgoing.parity as f64)
        }),
        (
            "line_express_parity_bytes",
            "Parity of express frames",
            |l| Some(l.stats.outgoing.express_parity as f64),
        ),
    ]
}

pub(super) const fn way_counters<'a>() -> [Counter<Way<'a>>; 3] {
    [
        (
            "way_bytes_repaired",
            "Wrong bytes that were repaired",
            |w| w.quality.bytes_repaired,
        ),
        (
            "way_frames_repaired",
            "Frames in which bytes were repaired",
            |w| w.quality.frames_repaired,
        ),
        (
            "way_slips",
            "Frames repaired in spite of a byte too many or too few",
            |w| w.quality.slips,
        ),
    ]
}

pub(super) const fn way_gauges<'a>() -> [Gauge<Way<'a>>; 3] {
    [
        (
            "way_wrong_bytes_ratio",
            "Share of the bytes that arrive wrong, before repair",
            |w| Some(w.quality.error_rate),
        ),
        (
            "way_lost_frames_ratio",
            "Share of the frames that are lost, after repair",
            |w| Some(w.quality.loss_rate),
        ),
        (
            "way_burstiness",
            "How far errors come together; 1 at random",
            |w| Some(w.quality.burstiness),
        ),
    ]
}

pub(super) const CHANNEL_COUNTERS: &[Counter<ChannelStats>] = &[
    (
        "channel_datagrams_accepted",
        "Datagrams taken from the equipment",
        |c| c.sent.accepted,
    ),
    (
        "channel_accepted_bytes",
        "Bytes taken from the equipment",
        |c| c.sent.accepted_bytes,
    ),
    (
        "channel_datagrams_sent",
        "Datagrams sent over the line",
        |c| c.sent.sent,
    ),
    (
        "channel_wire_bytes",
        "Bytes sent over the line, repeats and overhead included",
        |c| c.sent.wire_bytes,
    ),
    (
        "channel_headers_compressed",
        "Datagrams whose header went as a difference",
        |c| c.sent.compressed,
    ),
    ("channel_header_bytes_saved", "Bytes that this saved", |c| {
        c.sent.saved_bytes
    }),
    (
        "channel_resent",
        "Pieces sent again because they were lost",
        |c| c.sent.resent,
    ),
    (
        "channel_sent_in_advance",
        "Audio packets sent once more in advance",
        |c| c.sent.repeated,
    ),
    (
        "channel_dropped_too_large",
        "Datagrams dropped: too large",
        |c| c.sent.dropped_too_large,
    ),
    (
        "channel_dropped_queue_full",
        "Datagrams dropped: the queue was full",
        |c| c.sent.dropped_queue_full,
    ),
    ("channel_dropped_late", "Datagrams dropped: too late", |c| {
        c.sent.dropped_late
    }),
    (
        "channel_dropped_dependent",
        "Datagrams dropped: waiting for a key frame",
        |c| c.sent.dropped_dependent,
    ),
    (
        "channel_datagrams_delivered",
        "Datagrams delivered to the equipment",
        |c| c.received.delivered,
    ),
    (
        "channel_delivered_bytes",
        "Bytes delivered to the equipment",
        |c| c.received.delivered_bytes,
    ),
    (
        "channel_recovered",
        "Audio packets that came when they were sent once more",
        |c| c.received.recovered,
    ),
    (
        "channel_repeated",
        "Pieces that came twice, or after their turn",
        |c| c.received.repeated,
    ),
    (
        "channel_damaged",
        "Put together whole, but the check failed",
        |c| c.received.damaged,
    ),
    (
        "channel_refused",
        "Pieces that did not fit, or had no room",
        |c| c.received.refused,
    ),
];

pub(super) const CHANNEL_GAUGES: &[Gauge<ChannelStats>] = &[
    (
        "channel_queued_datagrams",
        "Datagrams that wait for the line",
        |c| Some(c.sent.queued as f64),
    ),
    (
        "channel_queued_bytes",
        "Bytes that wait for the line",
        |c| Some(c.sent.queued_bytes as f64),
    ),
    // No counter: an audio packet that comes after all is no longer missing.
    (
        "channel_datagrams_missing",
        "Datagrams of the far end that did not come",
        |c| Some(c.received.missing as f64),
    ),
    (
        "channel_streams",
        "Streams that were recognised on a port for both media",
        |c| Some(c.streams.len() as f64),
    ),
];

pub(super) const PORT_COUNTERS: &[Counter<PortStatus>] = &[
    (
        "port_no_destination",
        "Datagrams dropped: nobody has sent to this port yet",
        |p| p.no_destination,
    ),
    (
        "port_send_refused",
        "Times that the equipment's host answered: nothing listens",
        |p| p.send_refused,
    ),
    (
        "port_send_full",
        "Datagrams dropped: the socket's buffer was full",
        |p| p.send_full,
    ),
    (
        "port_send_failed",
        "Datagrams dropped: the system refused to send them",
        |p| p.send_failed,
    ),
    ("port_receive_failed", "Times that receiving failed", |p| {
        p.receive_failed
    }),
    (
        "port_inbound_overflow",
        "Datagrams that the kernel dropped: they came too fast",
        |p| p.inbound_overflow,
    ),
];
