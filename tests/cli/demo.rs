//! A whole call on one machine.

use super::support::{Program, run};

#[test]
fn what_is_no_recording_is_said() {
    for (file, words) in [
        (
            "Cargo.toml",
            "Cargo.toml cannot be played: it is no pcap file",
        ),
        (
            "no-such.pcap",
            "no-such.pcap cannot be played: cannot read it",
        ),
    ] {
        let said = run(&["demo", "--media", file]);
        assert_eq!(said.code, Some(2));
        assert!(said.err.contains(words), "{}", said.err);
    }
}

#[test]
fn a_call_is_counted_and_judged() {
    let said = run(&["demo", "--seconds", "5", "--json"]);
    let facts = said.json();
    assert_eq!(facts["rate_bps"], 38_400);
    assert_eq!(facts["interrupted"], false);
    let flows = facts["flows"].as_array().unwrap();
    assert_eq!(flows.len(), 6);
    for flow in flows {
        assert_eq!(flow["damaged"], 0, "{flow}");
        assert!(flow["delivered"].as_u64() > Some(0), "{flow}");
        if flow["class"] == "control" {
            assert_eq!(flow["lost"], 0, "{flow}");
            assert_eq!(flow["repeated"], 0, "{flow}");
            assert_eq!(flow["out_of_order"], 0, "{flow}");
        }
        assert!(
            flow["wire_bytes_per_datagram"].as_f64() > Some(1.0),
            "{flow}"
        );
    }
    for way in facts["ways"].as_array().unwrap() {
        assert_eq!(way["line"]["wrong_bytes"], 0, "{way}");
        assert_eq!(way["bytes_repaired"], 0, "{way}");
        assert!(way["frames"].as_u64() > Some(0), "{way}");
    }
    // A machine that is busy may be late with audio; the exit code says what the facts say.
    let failures = facts["failures"].as_array().unwrap();
    assert_eq!(facts["grade"] == "failed", !failures.is_empty(), "{facts}");
    let code = i32::from(!failures.is_empty());
    assert_eq!(said.code, Some(code), "{}", said.out);
}

#[test]
fn a_recording_can_be_played_over_a_bad_line() {
    let file = "tests/media/gst_h263-16k-qcif_opus-6k-20ms.pcap";
    let said = run(&["demo", "--seconds", "3", "--ber", "1e-5", "--media", file]);
    for words in ["audio 5004", "audio 5004/rtcp", "video 5006", "control"] {
        assert!(said.out.contains(words), "{}{}", said.out, said.err);
    }
    assert!(!said.out.contains("wrong bytes"), "{}", said.out);
}

#[test]
fn a_noisy_line_says_what_was_wrong_and_what_was_repaired() {
    let args = ["demo", "--seconds", "8", "--rate", "19200", "--ber", "1e-3"];
    let facts = run(&[&args[..], &["--json"]].concat()).json();
    for way in facts["ways"].as_array().unwrap() {
        let wrong = way["line"]["wrong_bytes"].as_u64().unwrap();
        let repaired = way["bytes_repaired"].as_u64().unwrap();
        assert!(wrong > 0 && repaired > 0 && repaired <= wrong, "{way}");
        let words = way["worst"]["words"].as_str().unwrap();
        assert!(words.contains(" wrong, "), "{words}");
        assert!(words.contains("parity"), "{words}");
    }
}

#[test]
fn a_line_that_carries_nothing_is_said() {
    let said = run(&["demo", "--ber", "0.5", "--seconds", "2"]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.err
            .contains("the link was not up within 10 s. End A: "),
        "{}",
        said.err
    );
    assert!(said.err.contains("--ber"), "{}", said.err);
}

#[test]
fn an_interrupted_call_shows_what_it_has() {
    let program = Program::new();
    let mut demo = program.start(&["demo", "--seconds", "600", "--json"]);
    // The first word of how it goes: the link is up, and something is under way.
    assert!(demo.error_line().contains("audio"));
    let said = demo.terminate();
    let facts = said.json();
    assert_eq!(facts["interrupted"], true);
    assert!(facts["seconds"].as_f64() < Some(600.0));
    assert_eq!(facts["flows"].as_array().unwrap().len(), 6);
}
