//! Runs the real program: what it says, where, and with which exit code.

mod basics;
mod demo;
mod lines;
mod monitor;
mod pages;
mod run;
mod service;
mod settings;
mod simulate;
mod support;
