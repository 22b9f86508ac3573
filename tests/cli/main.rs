//! Runs the real program: what it says, where, and with which exit code.

mod basics;
mod demo;
mod dial;
mod lines;
mod modems;
mod monitor;
mod pages;
mod run;
mod service;
mod settings;
mod simulate;
mod support;

#[path = "../shared/scripted_modems.rs"]
mod scripted_modems;
