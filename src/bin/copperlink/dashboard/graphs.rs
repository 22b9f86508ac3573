//! How it has been: small graphs of the last minutes.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Sparkline;

use copperlink::shell::{LineColumns, Series};

use super::app::{App, Span};
use super::screen;
use crate::report::status::Status;

/// ```text
///  HISTORY of the last 2 minutes, now and at most ----------------------------
///   in kbit/s       12.1    14.0  ▂▃▃▄▃▃▂▃▃▄▃▃▂▃▃▄▃▃▂▃▃▄▃▃▂▃▃▄▃▃▂▃▃▄▃▃
///   wrong bytes/s    0.0     3.0      ▂      █
///   lost/s           0.0     0.0
///   waits kB         0.1     4.0
/// ```
/// With more room: also what goes out and the round trip, and higher graphs. The newest is at the right.
pub(super) fn draw(app: &App, status: &Status, frame: &mut Frame<'_>, area: Rect) {
    let [top, below] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    let title = format!("HISTORY of {}, now and at most", app.span.words());
    frame.render_widget(screen::heading(app.theme, &title, area.width), top);

    let series = match app.span {
        Span::Day => &status.history.minutes,
        _ => &status.history.seconds,
    };
    let graphs = Graph::all(series);
    let count = match below.height {
        ..6 => 4,
        _ => graphs.len(),
    };
    let height = (below.height / count as u16).clamp(1, 4);
    let mut place = Rect { height, ..below };
    for graph in graphs.iter().take(count) {
        if place.bottom() > below.bottom() {
            break;
        }
        graph.draw(app, frame, place);
        place.y += height;
    }
}

/// Height of the pane at its smallest.
pub(super) const HEIGHT: u16 = 5;

struct Graph {
    title: &'static str,
    /// Per period, newest last.
    values: Vec<f64>,
    /// How several periods become one column.
    joined: Joined,
    style: fn(&App) -> Style,
}

#[derive(Clone, Copy)]
enum Joined {
    Mean,
    Most,
}

impl Graph {
    /// The most telling ones first.
    fn all(series: &Series) -> Vec<Self> {
        let (link, lines) = (&series.link, &series.lines);
        let seconds = series.period_s.max(1) as f64;
        let rate = |column: &[u32], factor: f64| -> Vec<f64> {
            let values = column.iter();
            values.map(|&n| f64::from(n) * factor / seconds).collect()
        };
        let wrong = sum(lines, |line| &line.bytes_repaired);
        let bad = sum(lines, |line| &line.frames_bad);
        let wrong = wrong.iter().zip(&bad).map(|(a, b)| (a + b) / seconds);
        let lost = sum(lines, |line| &line.frames_lost);
        let lost = lost.iter().map(|n| n / seconds);
        let longest = |i: usize| {
            let rtts = lines.iter().filter_map(|line| line.rtt_us.get(i));
            rtts.max().map_or(0.0, |&us| f64::from(us) / 1000.0)
        };
        let plain: fn(&App) -> Style = |app| app.theme.good();
        let trouble: fn(&App) -> Style = |app| app.theme.bad();
        let graph = |title, values, joined, style| Self {
            title,
            values,
            joined,
            style,
        };
        vec![
            graph("in kbit/s", rate(&link.bytes_in, 8e-3), Joined::Mean, plain),
            graph("wrong here/s", wrong.collect(), Joined::Mean, trouble),
            graph("lost there/s", lost.collect(), Joined::Mean, trouble),
            graph(
                "waits, kB",
                link.queued_bytes
                    .iter()
                    .map(|&n| f64::from(n) / 1e3)
                    .collect(),
                Joined::Most,
                |app| app.theme.doubtful(),
            ),
            graph(
                "out kbit/s",
                rate(&link.bytes_out, 8e-3),
                Joined::Mean,
                plain,
            ),
            graph(
                "round trip, ms",
                (0..link.bytes_in.len()).map(longest).collect(),
                Joined::Most,
                |app| app.theme.doubtful(),
            ),
        ]
    }

    fn draw(&self, app: &App, frame: &mut Frame<'_>, area: Rect) {
        let columns = [Constraint::Length(LABEL), Constraint::Min(0)];
        let [label, bars] = Layout::horizontal(columns).areas(area);
        let periods = match app.span {
            Span::TwoMinutes => 120,
            Span::TenMinutes => 600,
            Span::Day => 1440,
        };
        let columns = self.columns(periods, usize::from(bars.width));
        let now = columns.last().copied().unwrap_or_default();
        let most = columns.iter().copied().fold(0.0, f64::max);
        let words = format!("  {:<15}{now:>7.1}{most:>8.1}  ", self.title);
        frame.render_widget(Line::raw(words), label);
        // Bars are whole numbers; what is not nothing is at least one step high.
        let steps = u64::from(bars.height) * 8;
        let step = |value: &f64| match *value > 0.0 {
            true => ((value / most * steps as f64).round() as u64).max(1),
            false => 0,
        };
        let empty = usize::from(bars.width).saturating_sub(columns.len());
        let data: Vec<u64> = std::iter::repeat_n(0, empty)
            .chain(columns.iter().map(step))
            .collect();
        let bar_chart = Sparkline::default()
            .data(data)
            .max(steps)
            .bar_set(app.theme.bars())
            .style((self.style)(app));
        frame.render_widget(bar_chart, bars);
    }

    /// The last periods, joined so that they have room in so many columns.
    fn columns(&self, periods: usize, width: usize) -> Vec<f64> {
        let values = &self.values[self.values.len().saturating_sub(periods)..];
        let each = periods.div_ceil(width.max(1));
        // Whole columns, counted from the newest.
        let columns = values.rchunks(each).map(|chunk| match self.joined {
            Joined::Mean => chunk.iter().sum::<f64>() / chunk.len() as f64,
            Joined::Most => chunk.iter().copied().fold(0.0, f64::max),
        });
        let mut columns: Vec<f64> = columns.collect();
        columns.reverse();
        columns
    }
}

fn sum(lines: &[LineColumns], column: impl Fn(&LineColumns) -> &Vec<u32>) -> Vec<f64> {
    let length = lines.iter().map(|line| column(line).len()).max();
    let at = |i: usize| {
        let values = lines.iter().filter_map(|line| column(line).get(i));
        values.map(|&n| f64::from(n)).sum()
    };
    (0..length.unwrap_or(0)).map(at).collect()
}

const LABEL: u16 = 34;
