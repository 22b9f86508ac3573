//! A whole call on one machine.

use super::support::run;

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
