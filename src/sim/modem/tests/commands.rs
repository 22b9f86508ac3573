//! Commands, one modem alone.

use super::*;

#[test]
fn at_is_echoed_and_answered_and_both_can_be_switched_off() {
    let mut rig = Rig::new();
    assert_eq!(rig.at(A, "AT"), "AT\r\r\nOK\r\n");
    assert_eq!(rig.at(A, "ate0"), "ate0\r\r\nOK\r\n");
    assert_eq!(rig.at(A, "AT"), "\r\nOK\r\n");
    assert_eq!(rig.at(A, "ATV0"), "0\r");
    assert_eq!(rig.at(A, "ATV1Q1"), "");
    assert_eq!(rig.at(A, "AT"), "");
    assert_eq!(rig.at(A, "ATQ0E1"), "\r\nOK\r\n");
    assert_eq!(rig.said(B), "");
}

#[test]
fn an_unknown_command_is_an_error_and_what_stood_before_it_is_done() {
    let mut rig = Rig::new();
    assert!(rig.at(A, "ATE0&J7V0").ends_with("\r\nERROR\r\n"));
    assert_eq!(rig.at(A, "AT"), "\r\nOK\r\n");
    assert_eq!(rig.at(A, "ATE7"), "\r\nERROR\r\n");
    assert_eq!(rig.at(A, "ATS200=1"), "\r\nERROR\r\n");
    assert_eq!(rig.at(A, "ATS0=256"), "\r\nERROR\r\n");
    let long = format!("AT{}", "M".repeat(100));
    assert_eq!(rig.at(A, &long), "\r\nERROR\r\n");
    assert!(rig.modems.stats(A).errors >= 4);
}

#[test]
fn each_family_has_commands_that_the_others_do_not_have() {
    let good = |family, line: &str| {
        let mut rig = Rig::family(family);
        rig.at(A, line).ends_with("\r\nOK\r\n")
    };
    for (family, lines) in [
        (
            Family::Chipset,
            ["AT\\N3", "ATW2", "AT+MS=11,1,2400,28800", "AT&K3", "AT&L2"],
        ),
        (
            Family::MultiTech,
            ["AT&Q5", "AT&L2", "AT\\N0", "AT&K3", "ATW2"],
        ),
        (
            Family::Courier,
            ["AT&M4", "AT&A3", "AT&H1&R2", "AT&N14", "AT&B1"],
        ),
    ] {
        for line in lines {
            assert!(good(family, line), "{family:?} {line}");
        }
    }
    for (family, line) in [
        (Family::Courier, "AT\\N3"),
        (Family::Courier, "ATW2"),
        (Family::Courier, "AT&L2"),
        (Family::Courier, "AT+MS?"),
        (Family::Chipset, "AT&M4"),
        (Family::Chipset, "AT&A3"),
        (Family::MultiTech, "AT&B1"),
    ] {
        assert!(!good(family, line), "{family:?} {line}");
    }
}

#[test]
fn registers_are_read_back() {
    let mut rig = Rig::new();
    rig.ok(A, "ATE0");
    assert_eq!(rig.at(A, "ATS7?"), "\r\n060\r\n\r\nOK\r\n");
    rig.ok(A, "ATS7=90S0=2");
    assert_eq!(rig.at(A, "ATS7?S0?"), "\r\n090\r\n\r\n002\r\n\r\nOK\r\n");
    let all = rig.at(A, "AT&V");
    for word in [
        "E0 L2 M1 Q0 V1 X4",
        "S00:002",
        "S07:090",
        "S12:050",
        "+MS=11,1,300,33600",
    ] {
        assert!(all.contains(word), "{word}: {all}");
    }
}

#[test]
fn what_is_written_comes_back_with_z_and_with_the_power_and_f_is_the_factory() {
    let mut rig = Rig::new();
    rig.ok(A, "ATE0S7=33&W");
    rig.ok(A, "ATS7=44");
    rig.ok(A, "ATZ");
    assert!(rig.at(A, "ATS7?").contains("033"));
    rig.ok(A, "AT&F");
    assert!(rig.at(A, "ATS7?").contains("060"));
    rig.modems.set_power(rig.now, A, false);
    rig.seconds(1.0);
    rig.modems.set_power(rig.now, A, true);
    rig.seconds(2.0);
    assert_eq!(rig.at(A, "ATS7?"), "\r\n033\r\n\r\nOK\r\n");
}

#[test]
fn a_slash_repeats_the_last_line() {
    let mut rig = Rig::new();
    rig.ok(A, "ATE0S7?");
    rig.said(A);
    rig.send(A, b"A/");
    rig.seconds(1.0);
    assert_eq!(rig.said(A), "\r\n060\r\n\r\nOK\r\n");
}

#[test]
fn ms_is_told_what_it_was_told() {
    let mut rig = Rig::new();
    rig.ok(A, "ATE0+MS=11,0,4800,16800");
    assert_eq!(
        rig.at(A, "AT+MS?"),
        "\r\n+MS: 11,1,4800,16800\r\n\r\nOK\r\n"
    );
    assert!(rig.at(A, "AT+MS=?").contains("+MS: (0-3,9-11)"));
    rig.ok(A, "AT+MS=V32B");
    assert!(rig.at(A, "AT+MS?").contains("10,1,300,14400"));
    for wrong in [
        "AT+MS=99",
        "AT+MS=11,2",
        "AT+MS=11,1,9600,2400",
        "AT+MS=11,1,a,b",
    ] {
        assert!(rig.at(A, wrong).contains("ERROR"), "{wrong}");
    }
}

#[test]
fn the_port_takes_the_terminals_speed_and_a_port_of_one_speed_garbles() {
    let mut rig = Rig::new();
    for speed in [1200, 9600, 57_600, 115_200] {
        let speed = BitRate::new(speed).unwrap();
        rig.modems.handle_speed(rig.now, A, speed);
        rig.ok(A, "AT");
    }
    let fixed = ModemConfig {
        port_rate: BitRate::new(57_600),
        ..ModemConfig::new(Family::Chipset)
    };
    let mut rig = Rig::with(
        [fixed.clone(), fixed],
        Between::LeasedLine,
        wire("rate = 28800"),
    );
    rig.modems
        .handle_speed(rig.now, A, BitRate::new(115_200).unwrap());
    assert!(!rig.at(A, "AT").contains("OK"));
    rig.modems
        .handle_speed(rig.now, A, BitRate::new(57_600).unwrap());
    rig.at(A, "AT");
    rig.ok(A, "AT");
}

#[test]
fn what_comes_before_the_answer_is_not_heard() {
    let mut rig = Rig::new();
    rig.ok(A, "ATE0");
    rig.send(A, b"ATS7=11\rATS7=22\r");
    rig.seconds(1.0);
    assert_eq!(rig.said(A), "\r\nOK\r\n");
    assert!(rig.at(A, "ATS7?").contains("011"));
}

#[test]
fn a_modem_that_is_told_to_be_silent_a_dead_one_and_one_in_data_mode_do_not_answer() {
    for start in [Start::Silent, Start::Off, Start::StuckInData] {
        let config = ModemConfig {
            start,
            ..ModemConfig::new(Family::Chipset)
        };
        let mut rig = Rig::with(
            [config, ModemConfig::new(Family::Chipset)],
            Between::Exchange(Exchange::default()),
            wire("rate = 28800"),
        );
        assert_eq!(rig.at(A, "AT"), "", "{start:?}");
        match start {
            Start::Silent => {
                rig.at(A, "ATQ0V1");
                assert_eq!(rig.at(A, "AT"), "\r\nOK\r\n");
            }
            Start::StuckInData => {
                rig.seconds(1.5);
                rig.send(A, b"+++");
                rig.seconds(1.5);
                assert_eq!(rig.said(A), "\r\nOK\r\n");
                rig.ok(A, "ATH");
                rig.ok(A, "AT");
            }
            _ => assert!(!rig.modems.signals(A).dsr),
        }
    }
}
