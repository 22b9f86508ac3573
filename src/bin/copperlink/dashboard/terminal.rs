//! The real terminal: taken at the start, given back at the end, however the program ends.

use std::io;
use std::thread;

use ratatui::Terminal;
use ratatui::backend::Backend;
use ratatui::crossterm::event::{self, Event};
use tokio::sync::mpsc;

use copperlink::shell::status;

use super::app::{App, Next};
use super::poll::Poll;
use super::screen;
use super::theme::Theme;
use crate::outcome::{Failure, Verdict};
use crate::stop::StopSignals;

/// Shows these links until the user has seen enough, or the program is told to stop.
///
/// # Errors
/// When the terminal cannot be had or written to.
pub(crate) async fn run(theme: Theme, names: Vec<String>) -> Result<Verdict, Failure> {
    let mut stop = StopSignals::listen()?;
    let poll = Poll::start(&names);
    let known = match names.is_empty() {
        true => status::list(),
        false => names,
    };
    let app = App::new(theme, known);
    // Also in a panic the terminal is given back, before the words of the panic.
    let mut terminal = ratatui::try_init().map_err(|error| {
        Failure::CannotRun(format!(
            "the terminal cannot be used: {error}. `copperlink status --json` needs none"
        ))
    })?;
    let given_back = GiveBack;
    let shown = show(app, poll, &mut terminal, keys(), &mut stop).await;
    drop(given_back);
    shown.map_err(Failure::Output)?;
    Ok(Verdict::Done)
}

/// Draws what there is whenever it changes.
async fn show<B: Backend<Error = io::Error>>(
    mut app: App,
    mut poll: Poll,
    terminal: &mut Terminal<B>,
    mut keys: mpsc::Receiver<io::Result<Event>>,
    stop: &mut StopSignals,
) -> io::Result<()> {
    app.nothing = Poll::nothing();
    loop {
        terminal.draw(|frame| screen::draw(&app, frame))?;
        tokio::select! {
            Some(answer) = poll.next() => app.on_answer(&answer.name, answer.answer),
            Some(event) = keys.recv() => {
                // Anything else is a new size: drawn at once.
                if let Event::Key(key) = event?
                    && app.on_key(key) == Next::Quit
                {
                    return Ok(());
                }
            }
            () = stop.next() => return Ok(()),
        }
    }
}

/// Reads keys in a thread of its own, as a terminal can only be waited for. It ends with the
/// program.
fn keys() -> mpsc::Receiver<io::Result<Event>> {
    let (sender, keys) = mpsc::channel(KEYS);
    thread::spawn(move || {
        loop {
            let event = event::read();
            let is_over = event.is_err();
            if sender.blocking_send(event).is_err() || is_over {
                return;
            }
        }
    });
    keys
}

/// Gives the terminal back when it is dropped.
struct GiveBack;

impl Drop for GiveBack {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Keys that wait.
const KEYS: usize = 16;
