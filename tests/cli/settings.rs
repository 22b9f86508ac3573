//! Settings files: good ones are explained, bad ones are refused with their place.

use super::support::{Program, run};

const ROOM_1: &str = include_str!("../../examples/settings/room-1.toml");

/// What `run` and `check` say of the first sample with one replacement.
fn refused(from: &str, to: &str) -> String {
    assert!(ROOM_1.contains(from), "{from}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("room.toml");
    std::fs::write(&file, ROOM_1.replacen(from, to, 1)).unwrap();
    let program = Program::new();
    let mut words = Vec::new();
    for command in ["run", "check"] {
        let said = program.run(&[command, file.to_str().unwrap()]);
        assert_eq!(said.code, Some(2), "{to}: {}", said.err);
        assert!(said.out.is_empty());
        let path = file.to_str().unwrap();
        words.push(said.err.replace(path, "room.toml"));
    }
    assert_eq!(words[0], words[1]);
    words.remove(0)
}

/// Line and column of `text` in the sample, as the program gives them.
fn place_of(text: &str) -> String {
    let at = ROOM_1.find(text).unwrap();
    let line = ROOM_1[..at].matches('\n').count() + 1;
    let column = at - ROOM_1[..at].rfind('\n').unwrap();
    format!("room.toml:{line}:{column}: ")
}

#[test]
fn each_error_has_its_place_and_says_what_was_expected() {
    for (from, to, place, words) in [
        (
            "baud = 38400",
            "baud = 12",
            "38400\n# What",
            "baud 12 bit/s is impossible; expected 50 to 20000000 bit/s",
        ),
        (
            "baud = 38400",
            "baud = \"fast\"",
            "38400\n# What",
            "`baud` has the wrong type: string \"fast\"; expected a whole number",
        ),
        (
            "baud = 38400",
            "bauds = 38400",
            "baud = 38400",
            "unknown key `bauds`; expected one of `device`, `baud`",
        ),
        (
            "baud = 38400",
            "rate = 57600\nbaud = 38400",
            "38400\n# What",
            "the line rate 57600 is higher than the port rate 38400",
        ),
        (
            "\"none\"",
            "\"rts\"",
            "\"none\"",
            "there is no flow control \"rts\"; expected \"none\", \"hardware\" or \"software\"",
        ),
        (
            "\"/tmp/line-a\"",
            "\"udp://host:1\"",
            "\"/tmp/line-a\"",
            "\"udp://host:1\" names no device",
        ),
        (
            "id = 2",
            "id = 1",
            "2\nname = \"video\"",
            "the channel id 1 is used twice (first used, line",
        ),
        (
            "class = \"video\"",
            "class = \"data\"",
            "\"video\"\nlisten",
            "the class \"data\" is not yet available in this version; expected \"audio\", \"video\", \"rtp\" or \"control\"",
        ),
        (
            "127.0.0.1:5006",
            "127.0.0.1:5005",
            "\"127.0.0.1:5006\"",
            "which is taken by channel 1 'audio' with its RTCP (127.0.0.1:5005)",
        ),
        (
            "127.0.0.1:5006",
            "127.0.0.1",
            "\"127.0.0.1:5006\"",
            "\"127.0.0.1\" is not an address with a port; expected numbers such as",
        ),
        (
            "127.0.0.1:6004",
            "127.0.0.1:5004",
            "\"127.0.0.1:6004\"",
            "would deliver to its own listening port 127.0.0.1:5004",
        ),
        (
            "127.0.0.1:6006",
            "127.0.0.1:65535",
            "\"127.0.0.1:6006\"",
            "expected a port from 1 to 65534",
        ),
        (
            "baud = 38400",
            "modem= \"courir\"\nbaud = 38400",
            "38400\n# What",
            "there is no modem profile \"courir\"; expected one of courier, ",
        ),
    ] {
        let said = refused(from, to);
        assert!(said.contains(words), "{to}: {said}");
        assert!(said.contains(&place_of(place)), "{to}: {place}: {said}");
        assert!(said.ends_with("nothing was opened\n"), "{said}");
    }
}

#[test]
fn several_errors_come_together() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("room.toml");
    let text = ROOM_1
        .replace("baud = 38400", "baud = 1")
        .replace("class = \"audio\"", "class = \"sound\"")
        .replace("id = 2", "id = 3");
    std::fs::write(&file, text).unwrap();
    let said = run(&["check", file.to_str().unwrap()]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("3 problems; nothing was opened"),
        "{}",
        said.err
    );

    let said = run(&["check", "--json", file.to_str().unwrap()]);
    assert_eq!(said.code, Some(2));
    let facts = said.json();
    assert_eq!(facts["good"], false);
    assert_eq!(facts["problems"].as_array().unwrap().len(), 3);
    assert!(facts["problems"][0]["line"].is_u64());
}

#[test]
fn what_is_no_settings_file_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f");
    std::fs::write(&file, [0xff, 0xfe, 0x00]).unwrap();
    for (path, words) in [
        (folder.path(), "it is a directory"),
        (&folder.path().join("none"), "there is no such file"),
        (&file, "it is no text"),
    ] {
        let said = run(&["run", path.to_str().unwrap()]);
        assert_eq!(said.code, Some(2));
        assert!(
            said.err.contains("cannot read the settings file"),
            "{}",
            said.err
        );
        assert!(said.err.contains(words), "{}", said.err);
    }
}

#[test]
fn the_samples_are_good_and_fit_each_other() {
    let mut tables = Vec::new();
    for room in ["room-1", "room-2"] {
        let path = format!("examples/settings/{room}.toml");
        let said = run(&["check", &path]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.out.contains(&format!("LINK {room}")), "{}", said.out);
        assert!(said.out.contains("this host only"), "{}", said.out);

        let facts = run(&["check", "--json", &path]).json();
        assert_eq!(facts["good"], true);
        let channels = facts["channels"].as_array().unwrap();
        let key = |c: &serde_json::Value| (c["id"].clone(), c["class"].clone(), c["rtcp"].clone());
        tables.push(channels.iter().map(key).collect::<Vec<_>>());
    }
    assert_eq!(tables[0], tables[1]);
}

#[test]
fn a_channel_that_awaits_key_frames_is_shown_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("room.toml");
    let text = ROOM_1.replacen("# await_key_frame = false", "await_key_frame = true", 1);
    std::fs::write(&file, text).unwrap();
    let said = run(&["check", file.to_str().unwrap()]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.out.contains("video, awaits key frames"),
        "{}",
        said.out
    );
    let said = run(&["check", "--json", file.to_str().unwrap()]);
    let facts: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let awaits = |i: usize| facts["channels"][i]["await_key_frame"].clone();
    assert_eq!((awaits(0), awaits(1)), (false.into(), true.into()));
}

#[test]
fn what_this_machine_does_not_have_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("room.toml");
    // An address for documentation (RFC 5737), which no host has.
    let text = ROOM_1
        .replace("/tmp/line-a", "/dev/no-such-port")
        .replace("127.0.0.1:5006", "192.0.2.1:5006");
    std::fs::write(&file, text).unwrap();
    let taken = std::net::UdpSocket::bind("127.0.0.1:5010");
    let said = run(&["check", file.to_str().unwrap()]);
    assert_eq!(said.code, Some(0));
    for words in [
        "/dev/no-such-port is not there now; `run` waits for it",
        "192.0.2.1 is not an address of this host",
        "127.0.0.1:5010 is in use now",
    ] {
        assert!(said.out.contains(words), "{}", said.out);
    }
    drop(taken);
}
