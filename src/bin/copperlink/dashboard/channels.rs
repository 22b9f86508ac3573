//! The channels: what each carries, loses and drops.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::app::App;
use super::link::LinkView;
use super::screen;
use crate::report::number;
use crate::report::status::{Channel, Status, reasons};

/// ```text
///  CHANNELS (kbit/s on the line, and delivered here) -------------------------
///   id name         class       out      in    waits  missing  dropped here
///    1 audio        audio      10.4    11.2     0 ms    0.0 %  -
/// ```
/// `waits` is what the queue takes of the line. From 120 columns on there are also the datagrams.
pub(super) fn draw(
    app: &App,
    link: &LinkView,
    status: &Status,
    frame: &mut Frame<'_>,
    area: Rect,
    scroll: u16,
) {
    let is_wide = area.width >= WIDE;
    let mut rows = vec![Line::styled(row_of(COLUMNS, is_wide), app.theme.quiet())];
    let rate: u64 = status.stats.lines.iter().map(|line| line.rate_bps).sum();
    for (i, channel) in status.stats.channels.iter().enumerate() {
        let style = match channel.received.missing > 0 || !drops(channel).starts_with('-') {
            true => app.theme.doubtful(),
            false => Style::new(),
        };
        rows.push(Line::styled(row(link, channel, i, rate, is_wide), style));
    }
    let title = "CHANNELS, kbit/s on the line and delivered here";
    screen::table(app.theme, title, rows, frame, area, scroll);
}

/// Rows that the pane wants.
pub(super) fn height(status: &Status) -> u16 {
    u16::try_from(status.stats.channels.len() + 2).unwrap_or(u16::MAX)
}

fn row(link: &LinkView, channel: &Channel, i: usize, rate: u64, is_wide: bool) -> String {
    let (sent, received) = (&channel.sent, &channel.received);
    let kbits = |rate: Option<f64>| rate.map_or("-".to_owned(), |rate| format!("{rate:.1}"));
    let rates = link.rates(i);
    let waits_ms = sent.queued_bytes * 10 * 1000 / rate.max(1);
    let all = received.missing + received.delivered;
    row_of(
        [
            &channel.id.to_string(),
            &channel.name,
            &channel.class,
            &kbits(rates.map(|rates| rates.out)),
            &kbits(rates.map(|rates| rates.in_)),
            &format!("{waits_ms} ms"),
            &number::percent(received.missing as f64, all as f64),
            &drops(channel),
            &sent.accepted.to_string(),
            &sent.sent.to_string(),
            &(sent.resent + sent.repeated).to_string(),
            &received.delivered.to_string(),
        ],
        is_wide,
    )
}

fn row_of(cells: [&str; 12], is_wide: bool) -> String {
    let [
        id,
        name,
        class,
        out,
        in_,
        waits,
        missing,
        dropped,
        taken,
        sent,
        again,
        delivered,
    ] = cells;
    let more = match is_wide {
        true => format!("{taken:>9}{sent:>9}{again:>8}{delivered:>11}"),
        false => String::new(),
    };
    format!(
        " {id:>3} {:<13} {class:<8}{out:>7}{in_:>8}{waits:>10}{missing:>9}{more}  {dropped}",
        shortened(name)
    )
}

/// A name in thirteen letters.
fn shortened(name: &str) -> String {
    match name.chars().count() {
        ..=13 => name.to_owned(),
        _ => name.chars().take(12).chain(['~']).collect(),
    }
}

fn drops(channel: &Channel) -> String {
    let (sent, received) = (&channel.sent, &channel.received);
    reasons(&[
        (sent.dropped_late, "late"),
        (sent.dropped_dependent, "need a key frame"),
        (sent.dropped_queue_full, "queue full"),
        (sent.dropped_too_large, "too large"),
        (received.damaged, "damaged"),
        (received.refused, "refused"),
    ])
}

const COLUMNS: [&str; 12] = [
    "id",
    "name",
    "class",
    "out",
    "in",
    "waits",
    "missing",
    "dropped",
    "taken",
    "sent",
    "again",
    "delivered",
];
const WIDE: u16 = 110;
