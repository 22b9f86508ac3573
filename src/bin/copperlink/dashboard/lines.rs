//! The lines: state, rate, errors before and after repair, and what is done about them.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::app::App;
use super::screen::{self, wrapped};
use super::theme::Theme;
use crate::report::noise::{Outgoing, Quality, frames_of};
use crate::report::number;
use crate::report::status::{self, Device, Status};

/// ```text
///  LINES ---------------------------------------------------------------------
///  line-a: up, 38400 bit/s, round trip 9.3 ms, queue 0.0 ms, open, CTS on
///    what is wrong, and what to try
///    way    quality                wrong before  lost after  repaired  slips  bad
///    there  noisy, repaired            1 in 430       0.1 %      1234      0    3
///    here   clean                             -       0.0 %         0      0    0
///    frames to 976 bytes, parity 8, express 4; cut 0 times
///    in service: 3600 s, 12 errored, 0 severely, 0 unavailable
/// ```
pub(super) fn draw(app: &App, status: &Status, frame: &mut Frame<'_>, area: Rect, scroll: u16) {
    let rows = rows(app, status, area.width);
    screen::table(app.theme, "LINES", rows, frame, area, scroll);
}

/// Rows that the pane wants.
pub(super) fn height(app: &App, status: &Status, width: u16) -> u16 {
    u16::try_from(rows(app, status, width).len() + 1).unwrap_or(u16::MAX)
}

fn rows(app: &App, status: &Status, width: u16) -> Vec<Line<'static>> {
    let theme = app.theme;
    let mut rows = Vec::new();
    for (i, (line, device)) in status.stats.lines.iter().zip(&status.devices).enumerate() {
        rows.push(first_row(theme, line, device));
        if let Some(words) = device.problem_now().or(line.trouble.as_ref()) {
            rows.extend(wrapped(words, [3, 3], width, theme.bad()));
        }
        if let Some(modem) = &device.modem {
            let words = format!("modem: {modem}");
            rows.extend(wrapped(&words, [3, 3], width, theme.quiet()));
        }
        if let (Some(there), Some(here)) = (&line.outgoing, &line.incoming)
            && matches!(line.state.as_str(), "up" | "cut")
        {
            rows.push(Line::styled(row_of(COLUMNS), theme.quiet()));
            rows.push(way(
                theme,
                "there",
                there.quality(),
                line.frames_lost,
                line.frames_lost,
            ));
            let lost = frames_of(line.frames_bad);
            rows.push(way(theme, "here", here, lost, line.frames_bad));
            rows.push(Line::raw(shape(there, line.cuts)));
        }
        if let Some(count) = status.in_service.get(i).filter(|count| count.seconds > 0) {
            let words = status::seconds_words(count);
            rows.push(Line::raw(format!("   in service: {words}")));
        }
    }
    rows
}

fn first_row(theme: Theme, line: &status::Line, device: &Device) -> Line<'static> {
    let state = match line.state.as_str() {
        "up" => theme.good(),
        "calling" => theme.doubtful(),
        _ => theme.bad(),
    };
    let round_trip = match line.rtt_us {
        Some(micros) => format!(", round trip {}", number::millis(micros)),
        None => String::new(),
    };
    let clear_to_send = match device.clear_to_send {
        None => "",
        Some(true) => ", CTS on",
        Some(false) => ", held off (CTS)",
    };
    let carrier = match device.carrier {
        None => "",
        Some(true) => ", DCD on",
        Some(false) => ", no carrier (DCD)",
    };
    Line::from(vec![
        Span::raw(format!(" {}: ", line.name)),
        Span::styled(line.state.clone(), state),
        Span::raw(format!(
            ", {} bit/s{round_trip}, queue {}, {}{clear_to_send}{carrier}",
            line.rate_bps,
            number::millis(line.queue_us),
            match device.state.as_str() {
                "open" => "open",
                "calling" => "no call",
                _ => "no device",
            }
        )),
    ])
}

/// `lost`: frames of no use, which say how bad it is; `bad`: what is shown of them.
fn way(theme: Theme, name: &str, quality: &Quality, lost: u64, bad: u64) -> Line<'static> {
    let (wrong, loss) = quality.rates();
    let (repaired, slips) = quality.repairs();
    let wrong = match wrong > 0.0 {
        true => format!("1 in {}", number::one_in(wrong)),
        false => "-".to_owned(),
    };
    let verdict = quality.verdict(lost);
    let row = row_of([
        name,
        verdict,
        &wrong,
        &number::percent(loss, 1.0),
        &repaired.to_string(),
        &slips.to_string(),
        &bad.to_string(),
    ]);
    let style = match verdict {
        "clean" | "good" => Style::new(),
        words if words.starts_with("too") => theme.bad(),
        _ => theme.doubtful(),
    };
    Line::styled(row, style)
}

fn row_of([way, quality, wrong, lost, repaired, slips, bad]: [&str; 7]) -> String {
    format!("   {way:<6}{quality:<28}{wrong:>12}{lost:>11}{repaired:>9}{slips:>6}{bad:>5}")
}

fn shape(there: &Outgoing, cuts: u64) -> String {
    let (bytes, parity, express) = there.shape();
    format!(
        "   frames to {bytes} bytes, parity {parity}, express {express}; cut {}",
        number::times(cuts)
    )
}

const COLUMNS: [&str; 7] = [
    "way",
    "quality",
    "wrong before",
    "lost after",
    "repaired",
    "slips",
    "bad",
];
