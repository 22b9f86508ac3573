//! Colours and signs, as far as the terminal and its user want them.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::bar;

use crate::report;

/// What the terminal can show, and its user wants to see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    colour: bool,
    ascii: bool,
}

impl Theme {
    /// What the environment says: NO_COLOR, and whether the locale is UTF-8. `ascii` asks for
    /// plain letters in any case.
    pub(crate) fn of_environment(ascii: bool) -> Self {
        // The first that is set counts.
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|value| !value.is_empty());
        Self::new(
            report::is_colour_wanted(),
            ascii || !locale.is_some_and(|locale| is_utf8(&locale)),
        )
    }

    pub(super) const fn new(colour: bool, ascii: bool) -> Self {
        Self { colour, ascii }
    }

    pub(super) const fn is_ascii(self) -> bool {
        self.ascii
    }

    pub(super) fn heading(self) -> Style {
        self.coloured(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    pub(super) fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(super) fn quiet(self) -> Style {
        self.coloured(Color::DarkGray)
    }

    pub(super) fn good(self) -> Style {
        self.coloured(Color::Green)
    }

    pub(super) fn doubtful(self) -> Style {
        self.coloured(Color::Yellow)
    }

    pub(super) fn bad(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn coloured(self, colour: Color) -> Style {
        match self.colour {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }

    /// What a heading is filled up with.
    pub(super) const fn rule(self) -> &'static str {
        match self.ascii {
            true => "-",
            false => "\u{2500}",
        }
    }

    /// Bars of a graph, from low to high.
    pub(super) const fn bars(self) -> bar::Set<'static> {
        match self.ascii {
            true => ASCII_BARS,
            false => bar::NINE_LEVELS,
        }
    }
}

fn is_utf8(locale: &str) -> bool {
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

const ASCII_BARS: bar::Set<'static> = bar::Set {
    empty: " ",
    one_eighth: ".",
    one_quarter: ".",
    three_eighths: ":",
    half: ":",
    five_eighths: "+",
    three_quarters: "*",
    seven_eighths: "#",
    full: "#",
};
