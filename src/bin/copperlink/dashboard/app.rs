//! What the dashboard shows, and what each key does to it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::link::LinkView;
use super::theme::Theme;
use crate::report::status::Status;

/// Everything that the screen depends on.
#[derive(Debug)]
pub(super) struct App {
    pub(super) theme: Theme,
    pub(super) links: Vec<LinkView>,
    pub(super) chosen: usize,
    pub(super) pane: Pane,
    pub(super) span: Span,
    /// Rows by which the pane is scrolled; of the events, backwards.
    pub(super) scroll: u16,
    pub(super) paused: bool,
    pub(super) help: bool,
    /// Why there is no link to show.
    pub(super) nothing: String,
}

/// What fills the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pane {
    /// Something of everything.
    Overview,
    /// How are the lines?
    Lines,
    /// What do the channels carry?
    Channels,
    /// How has it been?
    Graphs,
    /// What happened?
    Events,
}

/// How far the graphs look back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    TwoMinutes,
    TenMinutes,
    Day,
}

/// Whether to go on after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    Quit,
}

impl App {
    pub(super) fn new(theme: Theme, names: Vec<String>) -> Self {
        Self {
            theme,
            links: names.into_iter().map(LinkView::new).collect(),
            chosen: 0,
            pane: Pane::Overview,
            span: Span::TwoMinutes,
            scroll: 0,
            paused: false,
            help: false,
            nothing: String::new(),
        }
    }

    /// Takes what a link answered. A link of a new name gets a place of its own.
    pub(super) fn on_answer(&mut self, name: &str, answer: Result<Box<Status>, String>) {
        if self.paused {
            return;
        }
        match self.links.iter_mut().find(|link| link.name == name) {
            Some(link) => link.take(answer),
            None => {
                let mut link = LinkView::new(name.to_owned());
                link.take(answer);
                self.links.push(link);
            }
        }
    }

    /// The link that is shown.
    pub(super) fn link(&self) -> Option<&LinkView> {
        self.links.get(self.chosen)
    }

    /// Does what a key says.
    pub(super) fn on_key(&mut self, key: KeyEvent) -> Next {
        if key.kind == KeyEventKind::Release {
            return Next::Go;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('q') => return Next::Quit,
            KeyCode::Char('c') if control => return Next::Quit,
            KeyCode::Char('?' | 'h') => self.help = !self.help,
            KeyCode::Esc if self.help => self.help = false,
            KeyCode::Esc | KeyCode::Char('o') => self.show(Pane::Overview),
            KeyCode::Char('l') => self.toggle(Pane::Lines),
            KeyCode::Char('c') => self.toggle(Pane::Channels),
            KeyCode::Char('g') => self.toggle(Pane::Graphs),
            KeyCode::Char('e') => self.toggle(Pane::Events),
            KeyCode::Char('t') => self.span = self.span.next(),
            KeyCode::Char('p') => self.paused = !self.paused,
            KeyCode::Tab | KeyCode::Right => self.choose(self.chosen + 1),
            KeyCode::BackTab | KeyCode::Left => {
                self.choose(self.chosen + self.links.len().saturating_sub(1));
            }
            KeyCode::Char(digit @ '1'..='9') => {
                let wanted = usize::from(digit as u8 - b'1');
                if wanted < self.links.len() {
                    self.choose(wanted);
                }
            }
            KeyCode::Down => self.scroll = self.scroll.saturating_add(1),
            KeyCode::Up => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::PageDown => self.scroll = self.scroll.saturating_add(PAGE),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(PAGE),
            KeyCode::Home => self.scroll = 0,
            _ => {}
        }
        Next::Go
    }

    fn choose(&mut self, wanted: usize) {
        self.chosen = wanted % self.links.len().max(1);
        self.scroll = 0;
    }

    /// A second press of the same key goes back.
    fn toggle(&mut self, pane: Pane) {
        self.show(match self.pane == pane {
            true => Pane::Overview,
            false => pane,
        });
    }

    fn show(&mut self, pane: Pane) {
        self.pane = pane;
        self.scroll = 0;
        self.help = false;
    }
}

impl Span {
    const fn next(self) -> Self {
        match self {
            Self::TwoMinutes => Self::TenMinutes,
            Self::TenMinutes => Self::Day,
            Self::Day => Self::TwoMinutes,
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::TwoMinutes => "the last 2 minutes",
            Self::TenMinutes => "the last 10 minutes",
            Self::Day => "the last 24 hours",
        }
    }
}

const PAGE: u16 = 10;
