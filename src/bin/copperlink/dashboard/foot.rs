//! The last row: the keys.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::app::{App, Pane};

/// ```text
///  q quit  ? help  l lines  c channels  g graphs  e events  t time  p pause  tab
/// ```
/// The pane that fills the screen is reversed.
pub(super) fn draw(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let keys = [
        ("q", "quit", None),
        ("?", "help", None),
        ("l", "lines", Some(Pane::Lines)),
        ("c", "channels", Some(Pane::Channels)),
        ("g", "graphs", Some(Pane::Graphs)),
        ("e", "events", Some(Pane::Events)),
        ("t", "time", None),
        ("p", "pause", None),
    ];
    let mut row = vec![Span::raw(" ")];
    let mut add = |key: &str, words: &str, is_chosen| {
        let style = match is_chosen {
            true => app.theme.chosen(),
            false => app.theme.quiet(),
        };
        row.push(Span::styled(key.to_owned(), app.theme.heading()));
        row.push(Span::styled(format!(" {words}"), style));
        row.push(Span::raw("  "));
    };
    for (key, words, pane) in keys {
        add(key, words, pane == Some(app.pane));
    }
    if app.links.len() > 1 {
        add("tab", "", false);
    }
    frame.render_widget(Line::from(row), area);
}
