//! What the keys do and the words mean.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::app::App;
use super::screen;

/// ```text
///  HELP ------------------------
///    key   what it does
/// ```
pub(super) fn draw(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let rows = HELP
        .lines()
        .map(|row| Line::raw(format!("  {row}")))
        .collect();
    screen::table(app.theme, "HELP", rows, frame, area, app.scroll);
}

const HELP: &str = "\
q, ctrl-C       quit; the links go on
?               this help
tab, 1 to 9     the next link, that link
l               how are the lines?
c               what do the channels carry?
g               how has it been?
e               what happened?
esc, o          something of everything
t               how far the graphs look back: 2 minutes, 10 minutes, a day
p               pause: nothing changes on the screen; again: go on
arrows, page    scroll

there, here     from this end to the far end, and from there to here
wrong before    one byte in how many arrives wrong, before repair
lost after      share of the frames that are lost, after repair
longest, parity the longest frame that is sent; bytes of parity for each 255
                bytes, of ordinary and of express frames
in service      seconds as G.821 counts them, of the way here: errored ones,
                severely errored ones (one bit in 1000, or the line down), and
                unavailable ones (from ten severely errored on end on)";
