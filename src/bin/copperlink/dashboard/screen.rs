//! Where everything is on the screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::app::{App, Pane};
use super::link::{LinkView, State};
use super::theme::Theme;
use super::{channels, events, foot, graphs, head, help, lines};
use crate::report::number;
use crate::report::status::Status;

/// ```text
///  below 140 columns              from 140 columns on
/// +--------------------------+   +---------------------------------------------+
/// | head: links, far end     |   | head                                        |
/// | lines                    |   | lines                 | graphs              |
/// | channels                 |   | channels              |                     |
/// | graphs                   |   +-----------------------+                     |
/// | events                   |   | events                                      |
/// | foot: keys               |   | foot                                        |
/// +--------------------------+   +---------------------------------------------+
/// ```
/// Another pane than the overview has everything between head and foot.
pub(super) fn draw(app: &App, frame: &mut Frame<'_>) {
    let rows = [
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
    ];
    let [top, middle, bottom] = Layout::vertical(rows).areas(frame.area());
    head::draw(app, frame, top);
    foot::draw(app, frame, bottom);
    if app.help {
        help::draw(app, frame, middle);
    } else {
        match app.link() {
            Some(link) => body(app, link, frame, middle),
            None => words(frame, middle, &app.nothing),
        }
    }
    if app.theme.is_ascii() {
        only_ascii(frame);
    }
}

fn body(app: &App, link: &LinkView, frame: &mut Frame<'_>, area: Rect) {
    let status = match &link.state {
        State::Runs(status) => status,
        State::Asking => return words(frame, area, "asking the link …"),
        State::Absent { why, was_up } => return words(frame, area, &absent(link, why, *was_up)),
    };
    match app.pane {
        Pane::Overview => overview(app, link, status, frame, area),
        Pane::Lines => lines::draw(app, status, frame, area, app.scroll),
        Pane::Channels => channels::draw(app, link, status, frame, area, app.scroll),
        Pane::Graphs => graphs::draw(app, status, frame, area),
        Pane::Events => events::draw(app, status, frame, area, app.scroll),
    }
}

fn overview(app: &App, link: &LinkView, status: &Status, frame: &mut Frame<'_>, area: Rect) {
    let is_wide = area.width >= WIDE;
    let left_width = match is_wide {
        true => area.width * 5 / 9,
        false => area.width,
    };
    let wanted = [
        lines::height(app, status, left_width),
        channels::height(status),
    ];
    let graphs_height = if is_wide { 0 } else { graphs::HEIGHT };
    let room = area.height.saturating_sub(graphs_height + LEAST_EVENTS);
    let heights = share(wanted, room);
    let split = |area, graphs_height| {
        Layout::vertical([
            Constraint::Length(heights[0]),
            Constraint::Length(heights[1]),
            Constraint::Length(graphs_height),
            Constraint::Min(0),
        ])
        .areas::<4>(area)
    };
    if is_wide {
        let [tables, below] = Layout::vertical([
            Constraint::Length(TABLES.max(heights[0] + heights[1])),
            Constraint::Min(0),
        ])
        .areas(area);
        let [left, right] =
            Layout::horizontal([Constraint::Length(left_width), Constraint::Min(0)]).areas(tables);
        let [of_lines, of_channels, ..] = split(left, 0);
        lines::draw(app, status, frame, of_lines, 0);
        channels::draw(app, link, status, frame, of_channels, 0);
        graphs::draw(app, status, frame, right);
        events::draw(app, status, frame, below, app.scroll);
    } else {
        let [of_lines, of_channels, of_graphs, of_events] = split(area, graphs_height);
        lines::draw(app, status, frame, of_lines, 0);
        channels::draw(app, link, status, frame, of_channels, 0);
        graphs::draw(app, status, frame, of_graphs);
        events::draw(app, status, frame, of_events, app.scroll);
    }
}

/// Gives two panes what they want, or each its share: the second one at least four rows.
fn share(wanted: [u16; 2], room: u16) -> [u16; 2] {
    let second_least = wanted[1].min(4);
    let first = wanted[0].min(room.saturating_sub(second_least));
    [first, wanted[1].min(room - first)]
}

fn absent(link: &LinkView, why: &str, was_up: Option<std::time::Duration>) -> String {
    let name = &link.name;
    let what = match was_up {
        Some(time) => format!("{name} has ended; it was up {}.", number::lasted(time)),
        None => format!("{name} is not running."),
    };
    format!("{what} Waiting for it.\n\n{why}")
}

fn words(frame: &mut Frame<'_>, area: Rect, words: &str) {
    let text = Paragraph::new(words).wrap(Wrap { trim: true });
    let rows = [Constraint::Length(1), Constraint::Min(0)];
    let [_, below] = Layout::vertical(rows).areas(area);
    let columns = [Constraint::Length(1), Constraint::Min(0)];
    let [_, inner] = Layout::horizontal(columns).areas(below);
    frame.render_widget(text, inner);
}

/// A heading that fills its row.
pub(super) fn heading(theme: Theme, title: &str, width: u16) -> Line<'static> {
    let used = title.chars().count() + 2;
    let rest = usize::from(width).saturating_sub(used);
    Line::from(vec![
        Span::styled(format!(" {title} "), theme.heading()),
        Span::styled(theme.rule().repeat(rest), theme.quiet()),
    ])
}

/// Rows under a heading, from the one at `scroll` on.
pub(super) fn table(
    theme: Theme,
    title: &str,
    rows: Vec<Line<'static>>,
    frame: &mut Frame<'_>,
    area: Rect,
    scroll: u16,
) {
    let [top, below] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    let count = u16::try_from(rows.len()).unwrap_or(u16::MAX);
    // Never beyond the last row.
    let scroll = scroll.min(count.saturating_sub(below.height));
    let hidden = count.saturating_sub(below.height.saturating_add(scroll));
    let title = match hidden {
        0 => title.to_owned(),
        n => format!("{title} ({n} more rows below)"),
    };
    frame.render_widget(heading(theme, &title, area.width), top);
    frame.render_widget(Paragraph::new(rows).scroll((scroll, 0)), below);
}

/// Text cut into rows, with the indent of the first one and of the others.
pub(super) fn wrapped(
    text: &str,
    indent: [usize; 2],
    width: u16,
    style: Style,
) -> Vec<Line<'static>> {
    let room = usize::from(width)
        .saturating_sub(indent[0].max(indent[1]) + 1)
        .max(10);
    let mut rows: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match rows.last_mut() {
            Some(row) if row.chars().count() + 1 + word.chars().count() <= room => {
                row.push(' ');
                row.push_str(word);
            }
            _ => rows.push(word.to_owned()),
        }
    }
    let indents = std::iter::once(indent[0]).chain(std::iter::repeat(indent[1]));
    let rows = rows.into_iter().zip(indents);
    rows.map(|(row, indent)| Line::styled(" ".repeat(indent) + &row, style))
        .collect()
}

/// Replaces what the terminal cannot show.
fn only_ascii(frame: &mut Frame<'_>) {
    for cell in &mut frame.buffer_mut().content {
        if !cell.symbol().is_ascii() {
            cell.set_symbol("?");
        }
    }
}

const WIDE: u16 = 140;
const LEAST_EVENTS: u16 = 3;
/// Height of the tables beside the graphs.
const TABLES: u16 = 25;
