//! One call by hand, in words, facts and exit codes.

use super::scripted_modems::{Manner, Modems, NUMBER};
use super::support::{Program, Said, run};

/// A modem of which nothing is known, dialled at a port without signals.
fn dial(modems: &Modems, more: &[&str]) -> Said {
    let mut args = vec!["dial", modems.path(0), "--modem", "generic"];
    args.extend(more);
    run(&args)
}

#[test]
fn a_call_tells_its_rate_and_protocol_and_is_ended() {
    let modems = Modems::new(Manner::Good);
    let program = Program::new();
    let called = [
        "dial",
        modems.path(1),
        "--modem",
        "generic",
        "--answer",
        "2",
        "--json",
    ];
    let called = program.start(&called);
    let said = dial(&modems, &["--number", NUMBER]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    let words = "connected at 28800 bit/s, V.42, no compression";
    assert!(said.out.starts_with(words), "{}", said.out);
    assert!(
        said.out.contains("the modem said: CARRIER 28800"),
        "{}",
        said.out
    );
    for step in [
        "> ATE0Q0V1",
        "< OK",
        "> AT&C1",
        "dialling 200",
        "> ATDT200",
        "< CONNECT 115200",
    ] {
        assert!(said.err.contains(step), "{step}: {}", said.err);
    }
    // Without DTR it is hung up by the escape, which the profile has left possible.
    assert!(
        said.err.contains("> ATS12=255") || modems.said_to(0).contains(&"ATS12=255".to_owned())
    );
    assert_eq!(modems.said_to(0).last().unwrap(), "ATH");

    let answered = called.wait();
    assert_eq!(answered.code, Some(0), "{}", answered.err);
    let facts = answered.json();
    assert_eq!(facts["connected"], true);
    assert_eq!(facts["connection"]["line_rate"], 28_800);
    assert_eq!(facts["connection"]["port_rate"], 115_200);
    assert_eq!(facts["connection"]["error_control"], "v42");
    assert_eq!(facts["calls"], 1);
    assert!(
        answered.err.contains("a call comes in, ring 1"),
        "{}",
        answered.err
    );
}

#[test]
fn a_line_that_fails_is_exit_1() {
    for (number, what, words) in [
        ("7", "busy", "not connected: the far end is busy."),
        (
            "8",
            "no-carrier",
            "not connected: no carrier: the modems did not come together.",
        ),
    ] {
        let modems = Modems::new(Manner::Good);
        let said = dial(&modems, &["--number", number]);
        assert_eq!(said.code, Some(1), "{}", said.err);
        assert!(said.out.starts_with(words), "{}", said.out);
        let facts = dial(&modems, &["--number", number, "--json"]).json();
        assert_eq!(facts["failure"]["what"], what);
        assert_eq!(facts["connected"], false);
    }
}

#[test]
fn a_modem_that_cannot_be_used_is_exit_2() {
    let ends = [
        (
            Manner::Silent,
            "the modem does not answer. Check that it is on",
        ),
        (
            Manner::Garbage,
            "what the modem answers at 115200 bit/s cannot be read. Set `baud`",
        ),
        (Manner::EchoOnly, "comes back, but no result"),
    ]
    .map(|(manner, words)| {
        std::thread::spawn(move || {
            let modems = Modems::new(manner);
            let said = dial(&modems, &["--number", "1"]);
            assert_eq!(said.code, Some(2), "{}", said.err);
            assert!(said.out.is_empty(), "{}", said.out);
            assert!(said.err.contains(words), "{}", said.err);
            let device = format!("copperlink: {}: ", modems.path(0));
            assert!(said.err.contains(&device), "{}", said.err);
        })
    });
    for end in ends {
        end.join().unwrap();
    }
}

#[test]
fn what_cannot_begin_is_said_before_anything_is_opened() {
    let no_device = [
        "dial",
        "/dev/no-such-port",
        "--modem",
        "courier",
        "--number",
        "1",
    ];
    for (args, words) in [
        (
            &no_device[..],
            "copperlink: /dev/no-such-port is not there. `copperlink ports`",
        ),
        (
            &["dial", "/dev/x", "--modem", "curier", "--number", "1"],
            "there is no modem profile 'curier': expected one of courier, ",
        ),
        (
            &["dial", "/dev/x", "--modem", "courier"],
            "nobody calls. Add --number NUMBER",
        ),
        (
            &[
                "dial",
                "/dev/x",
                "--modem",
                "courier-leased",
                "--number",
                "1",
            ],
            "on a leased line nobody dials",
        ),
        (
            &["dial", "/dev/x", "--modem", "multitech-leased"],
            "must know which end this is. Add --role originate",
        ),
        (
            &["dial", "/dev/x", "--modem", "direct"],
            "there is no modem to be asked",
        ),
        (
            &["dial", "/dev/x", "--modem", "courier", "--number", "12\r34"],
            "cannot be dialled",
        ),
        (
            &["dial", "/dev/x", "--modem", "no-such.toml", "--number", "1"],
            "cannot read the profile file no-such.toml: there is no such file",
        ),
    ] {
        let said = run(args);
        assert_eq!(said.code, Some(2), "{args:?}");
        assert!(said.out.is_empty(), "{}", said.out);
        assert!(said.err.contains(words), "{args:?}: {}", said.err);
    }
}

#[test]
fn settings_are_read_back_and_each_that_differs_is_named() {
    let modems = Modems::new(Manner::Good);
    let said = dial(&modems, &["--read"]);
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    let row = |name: &str| {
        let row = said
            .out
            .lines()
            .find(|row| row.trim_start().starts_with(name));
        row.unwrap_or_else(|| panic!("{name}: {}", said.out))
    };
    assert!(row("AT&C1 ").contains("DIFFERS: &C0"), "{}", said.out);
    assert!(row("ATS7=60 ").contains("DIFFERS: 050"), "{}", said.out);
    assert!(row("AT&K3 ").contains("the same"), "{}", said.out);
    assert!(
        said.out.contains("The modem does not show: AT&F, ATX4"),
        "{}",
        said.out
    );
    assert!(said.out.contains("4 settings differ"), "{}", said.out);
    // Nothing was set but the form of the answers.
    let set = modems.said_to(0);
    assert!(
        set.iter()
            .all(|line| line == "ATE0Q0V1" || line.ends_with(['?', 'V'])),
        "{set:?}"
    );

    // As a link sets it up it is right.
    let call = dial(&modems, &["--number", "7"]);
    assert_eq!(call.code, Some(1), "{}", call.err);
    let said = dial(&modems, &["--read", "--json"]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    let facts = said.json();
    assert_eq!(facts["differ"], 0);
    let settings = facts["settings"].as_array().unwrap();
    let dtr = settings
        .iter()
        .find(|setting| setting["command"] == "AT&D2");
    assert_eq!(dtr.unwrap()["is"], "same");
}

#[test]
fn check_reads_the_modem_of_a_settings_file() {
    let modems = Modems::new(Manner::Good);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("room.toml");
    let text = include_str!("../../examples/settings/room-1.toml");
    let device = format!(
        "\"{}\"\nmodem = \"generic\"\ndial = \"0,123\"",
        modems.path(0)
    );
    std::fs::write(&file, text.replacen("\"/tmp/line-a\"", &device, 1)).unwrap();
    let file = file.to_str().unwrap();
    let said = run(&["check", file]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let words = "An unknown modem on a telephone line; dials 0,123, 10 times at most";
    assert!(said.out.contains(words), "{}", said.out);
    let said = run(&["check", file, "--modem"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.out.contains("DIFFERS: &C0"), "{}", said.out);
    let facts = run(&["check", file, "--modem", "--json"]).json();
    assert_eq!(facts["modems"][0]["differ"], 4);
}
