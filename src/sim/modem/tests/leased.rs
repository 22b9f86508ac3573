//! Leased lines: nobody dials.

use super::*;

/// Both are set up for the leased line, and switched off.
fn set_up(family: Family) -> Rig {
    let mut rig = Rig::leased(family);
    let second = match family {
        Family::Courier => "AT&L1E0&W",
        Family::Chipset => "AT&L2S0=1E0&W",
        Family::MultiTech => "AT&L2E0&W",
    };
    rig.at(A, "AT&L1E0&W");
    rig.at(B, second);
    rig.modems.set_power(rig.now, A, false);
    rig.modems.set_power(rig.now, B, false);
    rig.seconds(5.0);
    rig.said(A);
    rig.said(B);
    rig
}

#[test]
fn both_train_by_themselves_after_power_up_in_any_order() {
    for family in [Family::Chipset, Family::Courier, Family::MultiTech] {
        for (first, second) in [(A, B), (B, A)] {
            let mut rig = set_up(family);
            rig.modems.set_power(rig.now, first, true);
            rig.seconds(60.0);
            assert_eq!(rig.said(first), "");
            rig.modems.set_power(rig.now, second, true);
            let took = rig.until(second, "CONNECT 28800");
            rig.until(first, "CONNECT 28800");
            // One second to start, the pause of the family, seven to train.
            let expected = if family == Family::MultiTech {
                38.0
            } else {
                10.0
            };
            assert!((expected - 0.1..expected + 0.2).contains(&took), "{took}");
            rig.seconds(0.1);
            rig.assert_joined();
        }
    }
}

#[test]
fn after_a_cut_or_a_power_cut_of_either_they_train_again_by_themselves() {
    let mut rig = set_up(Family::Courier);
    rig.modems.set_power(rig.now, A, true);
    rig.modems.set_power(rig.now, B, true);
    rig.until(B, "CONNECT");
    rig.seconds(0.5);
    for side in Side::BOTH {
        rig.modems.set_power(rig.now, side, false);
        rig.until(side.other(), "NO CARRIER");
        rig.seconds(10.0);
        rig.modems.set_power(rig.now, side, true);
        rig.until(side, "CONNECT");
        rig.until(side.other(), "CONNECT");
        rig.seconds(0.1);
        rig.assert_joined();
    }
    rig.modems.set_plugged(rig.now, A, false);
    rig.until(A, "NO CARRIER");
    rig.until(B, "NO CARRIER");
    rig.seconds(30.0);
    rig.modems.set_plugged(rig.now, A, true);
    let took = rig.until(A, "CONNECT");
    assert!((6.9..7.2).contains(&took), "{took}");
    rig.seconds(0.1);
    rig.assert_joined();
    rig.modems.drop_call(rig.now);
    rig.until(A, "NO CARRIER");
    rig.until(A, "CONNECT");
}

#[test]
fn two_that_both_originate_wait_for_ever() {
    let mut rig = Rig::leased(Family::Chipset);
    rig.at(A, "AT&L1E0");
    rig.at(B, "AT&L1E0");
    rig.seconds(120.0);
    assert_eq!((rig.said(A), rig.said(B)), (String::new(), String::new()));
}

#[test]
fn a_terminal_that_sends_while_it_trains_keeps_it_from_ever_coming_up() {
    let mut rig = set_up(Family::Courier);
    rig.modems.set_power(rig.now, A, true);
    rig.modems.set_power(rig.now, B, true);
    for _ in 0..30 {
        rig.seconds(2.0);
        rig.send(A, b"hello");
    }
    assert!(!rig.modems.is_connected(A));
    assert!(rig.modems.stats(A).aborted > 3);
    let took = rig.until(A, "CONNECT");
    assert!(took < 12.0, "{took}");
}

#[test]
fn with_s2_a_courier_takes_nothing_until_it_has_trained() {
    let mut rig = Rig::leased(Family::Courier);
    rig.at(A, "AT&L1&S2&H1E0&W");
    rig.at(B, "AT&L1&S2&H1E0&W");
    rig.seconds(4.0);
    assert!(!rig.modems.signals(A).cts);
    assert_eq!(rig.modems.handle_bytes(rig.now, A, b"too early"), 0);
    rig.until(A, "CONNECT");
    assert!(rig.modems.signals(A).cts);
    assert_eq!(rig.modems.stats(A).aborted, 0);
}

#[test]
fn the_leased_line_can_be_left_by_command() {
    let mut rig = Rig::leased(Family::MultiTech);
    rig.ok(A, "AT&L1");
    rig.ok(B, "AT&L2");
    // Half a minute, in which the setting can be undone.
    rig.seconds(20.0);
    rig.ok(A, "AT&L0");
    rig.seconds(60.0);
    assert!(!rig.modems.is_connected(B));
    rig.ok(A, "AT");
}

#[test]
fn on_a_bare_pair_one_dials_blindly_and_the_other_answers() {
    let mut rig = Rig::leased(Family::Chipset);
    rig.ok(A, "ATE0X4");
    rig.send(A, b"ATD\r");
    rig.until(A, "NO DIALTONE");
    rig.ok(A, "ATX1");
    rig.send(B, b"ATA\r");
    rig.send(A, b"ATD\r");
    rig.until(A, "CONNECT");
    rig.until(B, "CONNECT");
    rig.seconds(0.1);
    rig.assert_joined();
    // Nobody is there who would train again.
    rig.modems.set_plugged(rig.now, A, false);
    rig.until(A, "NO CARRIER");
    rig.until(B, "NO CARRIER");
    rig.modems.set_plugged(rig.now, A, true);
    rig.seconds(60.0);
    assert!(!rig.modems.is_connected(A));
}

#[test]
fn modems_that_were_set_up_come_back_while_a_link_goes_on_sending() {
    for family in [Family::Chipset, Family::Courier, Family::MultiTech] {
        let set_up = |role| ModemConfig {
            role,
            leased: true,
            ..ModemConfig::new(family)
        };
        let mut rig = Rig::with(
            [set_up(Role::Originate), set_up(Role::Answer)],
            Between::LeasedLine,
            wire("rate = 28800"),
        );
        rig.until(A, "CONNECT");
        rig.until(B, "CONNECT");
        for side in Side::BOTH {
            rig.modems.set_power(rig.now, side, false);
            rig.seconds(3.0);
            rig.modems.set_power(rig.now, side, true);
            let before = rig.modems.stats(side).connections;
            for _ in 0..150 {
                for side in Side::BOTH {
                    // What finds no room waits in a real port; here it is gone.
                    rig.modems
                        .handle_bytes(rig.now, side, b"\x00hello of a link\r\xff");
                }
                rig.seconds(0.3);
            }
            let stats = rig.modems.stats(side);
            assert_eq!(stats.connections, before + 1, "{family:?}");
            assert!(rig.modems.is_connected(A) && rig.modems.is_connected(B));
        }
    }
}
