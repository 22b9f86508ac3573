//! Runs the real program: what it says, where, and with which exit code.

mod basics;
mod demo;
mod lines;
mod modems;
mod run;
mod settings;
mod simulate;
mod support;
