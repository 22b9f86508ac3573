//! `monitor`: running links on a full screen, one file for each pane.
//!
//! ```text
//!   poll     asks the links, each in its own task          -> answers
//!   app      what is chosen and what is known; keys        -> App
//!   link     one link: the last answer, rates, history
//!   screen   where the panes are                head, lines, channels, graphs, events, help, foot
//!   terminal the real terminal around all that
//! ```
//!
//! Promises: the screen is a function of the [`App`] alone, whatever terminal it is drawn on; a
//! link that does not run or ends is said and waited for; the terminal is given back as it was,
//! however the program ends. Assumes that the links tell what `status` shows. Leaves what the
//! figures mean to [`report`](crate::report).

mod app;
mod channels;
mod events;
mod foot;
mod graphs;
mod head;
mod help;
mod lines;
mod link;
mod poll;
mod screen;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;

pub(crate) use terminal::run;
pub(crate) use theme::Theme;
