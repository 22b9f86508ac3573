//! What happened, the newest last.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::app::App;
use super::screen;
use crate::report::status::Status;

/// ```text
///  EVENTS, time since the start ----------------------------------------------
///   0.112 s: connected with 'room-2' (session 0e97177b)
///   0.112 s: line-a: the line is up
/// ```
/// The last ones that have room; scrolling down goes back in time.
pub(super) fn draw(app: &App, status: &Status, frame: &mut Frame<'_>, area: Rect, scroll: u16) {
    let mut rows: Vec<Line<'static>> = Vec::new();
    for event in &status.events {
        rows.extend(screen::wrapped(event, [2, 4], area.width, Style::new()));
    }
    let room = usize::from(area.height.saturating_sub(1));
    let most = rows.len().saturating_sub(room);
    let back = usize::from(scroll).min(most);
    rows.truncate(rows.len() - back);
    let rows = rows.split_off(rows.len().saturating_sub(room));
    let title = match back {
        0 => "EVENTS, time since the start".to_owned(),
        n => format!("EVENTS, time since the start ({n} newer rows below)"),
    };
    screen::table(app.theme, &title, rows, frame, area, 0);
}
