//! Data in a call.

use super::*;

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    crate::sim::Rng::new(9).fill(&mut bytes);
    bytes
}

/// A call with or without error control over a wire.
fn call(error_control: bool, text: &str) -> Rig {
    let config = short_training(Family::Chipset);
    let mut rig = Rig::with(
        [config.clone(), config],
        Between::Exchange(Exchange::default()),
        wire(text),
    );
    rig.ok(A, if error_control { "AT\\N3" } else { "AT\\N0" });
    rig.call();
    rig
}

#[test]
fn behind_a_fast_port_the_line_keeps_its_rate_and_cts_holds_the_terminal_off() {
    let mut rig = call(false, "rate = 28800");
    let sent = noise(20_000);
    let start = rig.now;
    let mut rest = &sent[..];
    let mut held_off = 0;
    while !rest.is_empty() {
        let taken = rig.modems.handle_bytes(rig.now, A, rest);
        rest = &rest[taken..];
        rig.wait(Duration::from_millis(1));
        held_off += u32::from(!rig.modems.signals(A).cts);
    }
    assert!(held_off > 1000, "{held_off}");
    rig.seconds(3.0);
    assert!(rig.heard[1] == sent);
    assert_eq!(rig.modems.stats(A).overrun, 0);
    let took = rig.now.since(start).as_secs_f64() - 3.0;
    // 2880 bytes a second, less what waits in the modem at the end.
    assert!((5.3..6.9).contains(&took), "{took}");
}

#[test]
fn without_flow_control_what_finds_no_room_is_lost_and_counted() {
    let config = ModemConfig {
        buffer: 2048,
        ..short_training(Family::Chipset)
    };
    let mut rig = Rig::with(
        [config.clone(), config],
        Between::Exchange(Exchange::default()),
        wire("rate = 14400"),
    );
    rig.ok(A, "AT&K0");
    rig.call();
    rig.send(A, &noise(10_000));
    rig.seconds(5.0);
    let arrived = rig.heard[1].len() as u64;
    let lost = rig.modems.stats(A).overrun;
    assert_eq!(arrived + lost, 10_000);
    assert!(lost > 4000, "{lost}");
}

#[test]
fn with_xon_and_xoff_the_modem_says_them_and_takes_them_out() {
    let mut rig = call(false, "rate = 14400");
    rig.seconds(1.5);
    rig.send(A, b"+++");
    rig.until(A, "OK");
    rig.ok(A, "AT&K4");
    rig.at(A, "ATO");
    rig.send(A, &[0x55; 6000]);
    rig.seconds(8.0);
    let said = std::mem::take(&mut rig.heard[0]);
    assert_eq!(said, [0x13, 0x11]);
    rig.send(A, b"a\x13b");
    rig.send(B, b"held");
    rig.seconds(1.0);
    assert!(rig.said(B).ends_with("ab"));
    assert_eq!(rig.said(A), "");
    rig.send(A, b"\x11");
    rig.seconds(1.0);
    assert_eq!(rig.said(A), "held");
}

#[test]
fn without_error_control_errors_pass_and_with_it_they_become_delay() {
    let sent = noise(20_000);
    for error_control in [false, true] {
        let mut rig = call(error_control, "rate = 28800\nber = 3e-4\nlost = 1e-4");
        rig.send(A, &sent);
        rig.seconds(30.0);
        let arrived = std::mem::take(&mut rig.heard[1]);
        let stats = rig.modems.stats(A);
        match error_control {
            true => {
                assert!(arrived == sent);
                assert!(stats.blocks_again > 10, "{stats:?}");
            }
            false => {
                assert_eq!(arrived.len() as u64, 20_000 - stats.line.bytes_lost);
                assert!(stats.line.bytes_flipped > 20, "{stats:?}");
                assert_eq!(stats.blocks_again, 0);
            }
        }
    }
}

#[test]
fn three_plus_signs_inside_of_data_are_data() {
    let mut rig = call(false, "rate = 28800");
    rig.send(A, b"data+++ATH\rdata+++");
    rig.seconds(0.5);
    rig.send(A, b"more");
    rig.seconds(3.0);
    assert_eq!(rig.said(B), "data+++ATH\rdata+++more");
    assert_eq!(rig.said(A), "");
    // And with S2 over 127 even between silences.
    rig.send(A, b"+++");
    rig.until(A, "OK");
    rig.ok(A, "ATS2=128");
    rig.at(A, "ATO");
    rig.seconds(2.0);
    rig.send(A, b"+++");
    rig.seconds(3.0);
    assert_eq!(rig.said(A), "");
}

#[test]
fn a_line_that_hits_the_modems_loop_gives_back_what_was_sent() {
    let mut rig = call(
        false,
        "rate = 28800\n[[change]]\nat = 20\ndirection = \"a-to-b\"\nloops_back = true",
    );
    let left = Instant::from_micros(21_000_000).since(rig.now);
    rig.wait(left);
    rig.send(A, b"echo?");
    rig.seconds(1.0);
    assert_eq!((rig.said(A), rig.said(B)), ("echo?".into(), String::new()));
}

#[test]
fn directions_may_have_different_rates() {
    let mut rig = Rig::with(
        [
            short_training(Family::Chipset),
            short_training(Family::Chipset),
        ],
        Between::Exchange(Exchange::default()),
        wire("rate = 33600\n[[change]]\nat = 0\ndirection = \"b-to-a\"\nrate = 16800"),
    );
    rig.ok(B, "ATS0=1");
    rig.send(A, b"ATDT1002\r");
    rig.until(A, "CONNECT 16800");
    rig.until(B, "CONNECT 33600");
}
