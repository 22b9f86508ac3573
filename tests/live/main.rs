//! Real time, real processes, real pseudo terminals: two `copperlink run` over a
//! `copperlink simulate`, and equipment that is nothing but UDP sockets.
//!
//! Promises only what a busy machine can keep: that the right thing happens, in the right order
//! and within seconds. Exact delays and shares are for `tests/sim`, where time is virtual.
//! `cargo test --test live -- --nocapture` shows the delays that were measured.
//!
//! Where it is tested what bad input gets:
//!
//! | input | here | elsewhere |
//! |---|---|---|
//! | a modem that is busy, silent or loses its call | `modem` | `tests/cli/dial.rs`; `modem/dialer` |
//! | settings that are wrong | | `tests/cli/settings.rs` |
//! | device not there; comes later; goes and comes again | `bad_input::a_device_that_comes_later_is_used` | words: `tests/cli/run.rs`; `shell/driver_tests.rs` |
//! | device in use | `bad_input::a_device_in_use_names_its_holder` | `shell/line/serial.rs` |
//! | no permission for a device, or no serial port | | `shell/line/{serial,problem}.rs` |
//! | any bytes from the line | `bad_input::garbage_on_the_line_is_a_counter` | `proto/framing`, `tests/sim` |
//! | datagram too large for its channel | `bad_input::too_large_for_its_channel_is_counted` | `proto/channel` |
//! | more datagrams than a queue holds; floods | `bad_input::a_flood_on_one_port_leaves_the_others_alone` | `shell/port/udp.rs`, `shell/driver_tests.rs`, `tests/sim` |
//! | equipment's port closed | `bad_input::equipment_that_is_off_is_counted` | `shell/port/udp.rs` |
//! | told to stop while the line is stalled | `bad_input::told_to_stop_while_the_line_is_stalled` | `shell/driver_tests.rs` |
//! | a device whose far side never reads | `bad_input::told_to_stop_while_the_device_takes_nothing` | `shell/line/port_io.rs`, `tests/sim/stall.rs` |
//! | a second link of the same name; a port that is taken | | `tests/cli/run.rs`, `shell/status.rs` |
//! | the far end has another table; a loop; another speed; nobody there | `words` | `tests/sim/coming_up.rs` |
//! | the far end speaks another version | | `proto/line` |
//! | the terminal server restarted; one that speaks something else | `terminal_server` (needs ser2net) | `shell/driver_tests.rs`, `shell/line/served_port_tests.rs` |
//! | a line that is looped, silent, noisy, or at another speed, under test | `line_test` | `tests/sim/linetest.rs` |
//! | one end killed and started again | `restart` | `tests/sim/control.rs`, `shell/state.rs` |

mod bad_input;
mod both_media;
mod capture;
mod carry;
mod cost;
mod equipment;
mod line_test;
mod link;
mod modem;
mod restart;
mod simulated_modems;
mod talk;
mod terminal_server;
mod words;

#[path = "../../src/bin/copperlink/media/mod.rs"]
mod media;
#[path = "../shared/program.rs"]
mod program;
#[path = "../shared/scripted_modems.rs"]
mod scripted_modems;
#[path = "../shared/usage.rs"]
mod usage;
