//! The first row: which links there are, and who is at the far end.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::{Line, Span};

use super::app::App;
use crate::report::number;

/// ```text
///  1 room-1  2 room-2                    far end room-2, up 2 h 03 min, PAUSED
/// ```
/// The chosen link is reversed.
pub(super) fn draw(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let mut tabs = vec![Span::raw(" ")];
    for (i, link) in app.links.iter().enumerate() {
        let style = match i == app.chosen {
            true => app.theme.chosen(),
            false => app.theme.quiet(),
        };
        tabs.push(Span::styled(format!(" {} {} ", i + 1, link.name), style));
        tabs.push(Span::raw(" "));
    }
    if app.links.is_empty() {
        tabs.push(Span::styled(" copperlink ", app.theme.chosen()));
    }
    let mut right = Vec::new();
    if let Some(status) = app.link().and_then(|link| link.status()) {
        let far_end = match (&status.stats.peer_name, status.stats.peer) {
            (Some(name), Some(_)) => format!("far end {name}"),
            _ => "no far end yet".to_owned(),
        };
        let up = number::lasted(Duration::from_micros(status.uptime_us));
        right.push(Span::raw(format!("{far_end}, up {up} ")));
    }
    if app.paused {
        right.insert(0, Span::styled("PAUSED  ", app.theme.doubtful()));
    }
    frame.render_widget(Line::from(tabs), area);
    let right = Line::from(right).alignment(Alignment::Right);
    let width = u16::try_from(right.width())
        .unwrap_or(u16::MAX)
        .min(area.width);
    let place = Rect {
        x: area.right() - width,
        width,
        ..area
    };
    frame.render_widget(right, place);
}
