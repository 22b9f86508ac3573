//! Calls over the exchange.

use super::*;

#[test]
fn by_hand_ring_answer_connect_talk_escape_hang_up() {
    let mut rig = Rig::new();
    rig.ok(A, "ATE0");
    rig.ok(B, "ATE0");
    rig.send(A, b"ATDT1002\r");
    // A dial tone, four digits, the first ring.
    let rings = rig.until(B, "\r\nRING\r\n");
    assert!((1.5..4.0).contains(&rings), "{rings}");
    assert!(rig.modems.signals(B).ri && !rig.modems.signals(A).ri);
    let again = rig.until(B, "\r\nRING\r\n");
    assert!((5.9..6.1).contains(&again), "{again}");
    rig.seconds(2.5);
    assert!(!rig.modems.signals(B).ri);
    rig.send(B, b"ATA\r");
    let trains = rig.until(B, "\r\nCONNECT 28800\r\n");
    assert!((6.9..7.2).contains(&trains), "{trains}");
    rig.until(A, "\r\nCONNECT 28800\r\n");
    assert!(rig.modems.signals(A).dcd && rig.modems.signals(B).dcd);
    rig.seconds(0.1);
    rig.assert_joined();

    rig.seconds(1.0);
    rig.send(A, b"+++");
    let escaped = rig.until(A, "\r\nOK\r\n");
    assert!((0.9..1.1).contains(&escaped), "{escaped}");
    assert_eq!(rig.said(B), "+++");
    // Commands do not reach the other one, and O goes back.
    rig.ok(A, "AT");
    assert_eq!(rig.said(B), "");
    rig.send(B, b"meanwhile");
    rig.seconds(1.0);
    assert!(
        rig.at(A, "ATO")
            .starts_with("\r\nCONNECT 28800\r\nmeanwhile")
    );
    rig.assert_joined();
    rig.seconds(1.0);
    rig.send(A, b"+++");
    rig.until(A, "OK");
    rig.send(A, b"ATH\r");
    let told = rig.until(B, "\r\nNO CARRIER\r\n");
    assert!(told < 1.0, "{told}");
    assert!(!rig.modems.signals(B).dcd);
    rig.seconds(1.0);
    assert_eq!(rig.said(A), "\r\n\r\nOK\r\n");
    rig.call();
}

#[test]
fn s0_answers_after_so_many_rings() {
    for rings in [1, 2, 4] {
        let mut rig = Rig::new();
        rig.ok(B, &format!("ATE0S0={rings}"));
        rig.send(A, b"ATDT1002\r");
        for _ in 0..rings {
            rig.until(B, "RING");
        }
        let answered = rig.until(B, "CONNECT");
        assert!((6.9..7.2).contains(&answered), "{rings}: {answered}");
        assert!(!rig.said(B).contains("RING"));
        assert_eq!(rig.modems.stats(B).rings, rings);
    }
}

#[test]
fn nothing_is_said_and_nothing_taken_while_it_trains() {
    let mut rig = Rig::new();
    rig.ok(B, "ATE0S0=1");
    rig.ok(A, "ATE0");
    rig.send(A, b"ATDT1002\r\n");
    rig.until(B, "RING\r\n");
    rig.seconds(6.5);
    assert_eq!((rig.said(A), rig.said(B)), (String::new(), String::new()));
    assert!(!rig.modems.signals(A).dcd);
    rig.until(A, "CONNECT");
}

#[test]
fn a_byte_from_the_terminal_while_it_trains_makes_it_give_up() {
    for key_aborts in [true, false] {
        let config = ModemConfig {
            key_aborts,
            ..ModemConfig::new(Family::Courier)
        };
        let mut rig = Rig::with(
            [config.clone(), config],
            Between::Exchange(Exchange::default()),
            wire("rate = 28800"),
        );
        rig.ok(B, "ATE0S0=1");
        rig.ok(A, "ATE0");
        // A line feed right behind belongs to the command.
        rig.send(A, b"ATDT1002\r\n");
        rig.until(B, "RING\r\n");
        rig.seconds(3.0);
        rig.said(A);
        rig.send(A, b"x");
        rig.seconds(0.5);
        match key_aborts {
            true => {
                assert_eq!(rig.said(A), "\r\nNO CARRIER\r\n");
                assert_eq!(rig.modems.stats(A).aborted, 1);
                // The other one whistles on for S7.
                let gave_up = rig.until(B, "NO CARRIER");
                assert!((50.0..61.0).contains(&gave_up), "{gave_up}");
                rig.call();
            }
            false => {
                rig.until(A, "CONNECT");
                rig.until(B, "CONNECT");
            }
        }
    }
}

#[test]
fn what_a_caller_hears_of_numbers_that_lead_elsewhere() {
    for (number, progress, words, seconds) in [
        ("1003", 4, "\r\nBUSY\r\n", 2.0..6.0),
        ("1003", 3, "\r\nBUSY\r\n", 2.0..6.0),
        ("1003", 2, "\r\nNO CARRIER\r\n", 60.0..66.0),
        ("1001", 4, "\r\nBUSY\r\n", 2.0..6.0),
        ("1004", 4, "\r\nNO CARRIER\r\n", 60.0..66.0),
        ("1004@", 4, "\r\nNO ANSWER\r\n", 60.0..66.0),
        ("1005", 4, "\r\nNO CARRIER\r\n", 60.0..66.0),
        ("555", 4, "\r\nNO CARRIER\r\n", 60.0..66.0),
    ] {
        let mut rig = Rig::new();
        rig.ok(A, &format!("ATE0X{progress}"));
        rig.send(A, format!("ATDT{number}\r").as_bytes());
        let took = rig.until(A, words);
        assert!(seconds.contains(&took), "{number}: {took}");
        assert_eq!(rig.said(B), "", "{number}");
        rig.ok(A, "AT");
    }
    let mut rig = Rig::family(Family::Courier);
    rig.ok(A, "ATE0X4");
    rig.send(A, b"ATDT1005\r");
    rig.until(A, "\r\nVOICE\r\n");
    rig.ok(A, "AT");
    rig.send(A, b"ATDT1002\r");
    rig.until(A, "\r\nRINGING\r\n");
}

#[test]
fn s7_is_how_long_it_waits() {
    let mut rig = Rig::new();
    rig.ok(A, "ATE0S7=10");
    rig.send(A, b"ATDT1004\r");
    let took = rig.until(A, "NO CARRIER");
    assert!((11.0..13.0).contains(&took), "{took}");
    rig.send(A, b"ATA\r");
    let took = rig.until(A, "NO CARRIER");
    assert!((9.9..10.1).contains(&took), "{took}");
}

#[test]
fn a_modem_that_is_in_a_call_off_the_hook_or_dialling_is_busy() {
    let mut rig = Rig::new();
    rig.ok(A, "ATE0");
    rig.ok(B, "ATH1");
    rig.send(A, b"ATDT1002\r");
    rig.until(A, "BUSY");
    rig.ok(B, "ATH0");
    // Both call each other at once.
    rig.send(A, b"ATDT1002\r");
    rig.send(B, b"ATDT1001\r");
    rig.until(A, "BUSY");
    rig.until(B, "BUSY");
}

#[test]
fn without_a_dial_tone_it_says_so_or_dials_blindly() {
    let exchange = Exchange {
        dial_tone: false,
        ..Exchange::default()
    };
    for family in [Family::Chipset, Family::Courier] {
        let configs = [ModemConfig::new(family), ModemConfig::new(family)];
        let between = Between::Exchange(exchange.clone());
        let mut rig = Rig::with(configs, between, wire("rate = 28800"));
        let words = match family {
            Family::Courier => "NO DIAL TONE",
            _ => "NO DIALTONE",
        };
        rig.ok(A, "ATE0X4S7=20");
        rig.send(A, b"ATDT1002\r");
        rig.until(A, words);
        rig.ok(A, "ATX3");
        rig.send(A, b"ATDT1002\r");
        rig.until(A, "NO CARRIER");
        rig.send(A, b"ATDT9W1002\r");
        rig.until(A, words);
    }
    // A pulled line has none either.
    let mut rig = Rig::new();
    rig.modems.set_plugged(rig.now, A, false);
    rig.send(A, b"ATDT1002\r");
    rig.until(A, "NO DIALTONE");
}

#[test]
fn pulses_and_pauses_take_their_time_and_a_semicolon_comes_back() {
    let time = |number: &str| {
        let mut rig = Rig::new();
        rig.ok(A, "ATE0");
        rig.send(A, format!("ATD{number}\r").as_bytes());
        rig.until(B, "RING")
    };
    let tone = time("T1002");
    let pulse = time("P1002");
    assert!((tone + 4.9..tone + 5.0).contains(&pulse), "{tone} {pulse}");
    let pause = time("T,,1002");
    assert!((tone + 3.9..tone + 4.1).contains(&pause), "{tone} {pause}");
    let mut rig = Rig::new();
    rig.ok(A, "ATE0");
    rig.send(A, b"ATDT10;\r");
    rig.until(A, "OK");
    rig.ok(A, "ATH");
    // A number in pieces.
    rig.send(A, b"ATDT10;\r");
    rig.until(A, "OK");
    rig.send(A, b"ATDT02\r");
    rig.until(B, "RING");
    rig.send(A, b"\r");
    rig.until(A, "NO CARRIER");
    assert!(rig.at(A, "ATDT1&2").contains("ERROR"));
}

#[test]
fn the_last_and_a_stored_number_are_dialled_again() {
    let mut rig = Rig::new();
    rig.ok(A, "ATE0S7=5");
    rig.ok(A, "AT&Z=1003");
    rig.send(A, b"ATDS=0\r");
    rig.until(A, "BUSY");
    rig.send(A, b"ATDL\r");
    rig.until(A, "BUSY");
}

#[test]
fn the_rate_is_what_wire_and_modems_have_in_common() {
    let mut rig = Rig::new();
    rig.ok(B, "ATS0=1+MS=11,0,2400,16800");
    rig.send(A, b"ATDT1002\r");
    rig.until(A, "CONNECT 16800");
    let mut rig = Rig::new();
    rig.ok(B, "ATS0=1+MS=11,0,31200,33600");
    rig.send(A, b"ATDT1002\r");
    rig.until(A, "NO CARRIER");
    rig.until(B, "NO CARRIER");
    let mut rig = Rig::new();
    rig.ok(B, "ATS0=1\\N0");
    rig.ok(A, "AT\\N4");
    rig.send(A, b"ATDT1002\r");
    rig.until(A, "NO CARRIER");
}

#[test]
fn the_words_of_a_connection_follow_the_settings() {
    for (family, setup, words) in [
        (Family::Chipset, "ATW0", "\r\nCONNECT 115200\r\n"),
        (
            Family::Chipset,
            "ATW1",
            "\r\nCARRIER 28800\r\n\r\nPROTOCOL: LAP-M\r\n",
        ),
        (
            Family::Chipset,
            "ATW2\\V1\\N0",
            "\r\nCONNECT 28800/NONE\r\n",
        ),
        (Family::Chipset, "ATX0", "\r\nCONNECT\r\n"),
        (
            Family::Courier,
            "AT&A3",
            "\r\nCONNECT 28800/ARQ/V34/LAPM/V42BIS\r\n",
        ),
        (Family::Courier, "AT&M0&A3", "\r\nCONNECT 28800/V34\r\n"),
        (
            Family::MultiTech,
            "AT",
            "\r\nCONNECT 28800 LAPM COMPRESSED\r\n",
        ),
        (Family::Courier, "ATV0", "107\r"),
    ] {
        let mut rig = Rig::family(family);
        rig.ok(B, "ATS0=1");
        rig.at(A, &format!("{setup}E0"));
        rig.send(A, b"ATDT1002\r");
        rig.until(A, words);
    }
}
