//! Each thing that can be wrong in a settings file, with its words and its place.

use std::time::Duration;

use copperlink::proto::config::Class;

use super::*;

const GOOD: &str = r#"[link]
name = "room-1"

[[line]]
device = "/dev/ttyUSB0"
baud = 115200
rate = 33600
flow = "hardware"

[[channel]]
id = 1
name = "audio"
class = "audio"
listen = "127.0.0.1:5004"
deliver = "127.0.0.1:6004"
rtcp = true

[[channel]]
id = 2
name = "video"
class = "video"
listen = "127.0.0.1:5006"
deliver = "auto"
"#;

/// As of a file in the folder of the tests.
fn parse(text: &str) -> Result<LinkSetup, Vec<Problem>> {
    super::parse(text, Path::new(""))
}

/// The problems of the good text after one replacement, as plain lines.
fn words_after(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from:?} is not in the good text");
    words_of(&GOOD.replacen(from, to, 1))
}

fn words_of(text: &str) -> String {
    match parse(text) {
        Ok(_) => String::new(),
        Err(problems) => {
            assert!(!problems.is_empty(), "no setup and no problem");
            let path = "f".to_owned();
            let text = text.to_owned();
            SettingsError::Wrong {
                path,
                text,
                problems,
            }
            .to_string()
        }
    }
}

#[test]
fn a_good_file_becomes_a_setup() {
    use copperlink::shell::{Deliver, Flow};

    let setup = parse(GOOD).unwrap();
    assert_eq!(setup.config.name, "room-1");
    assert_eq!(setup.config.lines[0].name, "ttyUSB0");
    assert_eq!(setup.config.lines[0].rate.bits_per_second(), 33_600);
    assert!(setup.config.lines[0].is_rate_known);
    assert!(!setup.config.lines[0].avoid_xon_xoff);
    assert_eq!(setup.lines[0].baud, 115_200);
    assert_eq!(setup.lines[0].flow, Flow::Hardware);
    assert_eq!(setup.config.channels.len(), 2);
    assert_eq!(setup.ports.len(), 3);
    assert_eq!(setup.ports[1].listen.port(), 5005);
    assert_eq!(
        setup.ports[1].deliver,
        Deliver::To("127.0.0.1:6005".parse().unwrap())
    );
    assert_eq!(setup.ports[2].deliver, Deliver::Auto);
    assert!(setup.status_socket.is_some());
    assert!(setup.config.validate().is_ok());
}

#[test]
fn defaults_and_options() {
    let text = GOOD
        .replace("rate = 33600\nflow = \"hardware\"", "flow = \"software\"")
        .replace("\"room-1\"", "\"room-1\"\nstatus = false")
        .replace(
            "rtcp = true",
            "deadline_ms = 90\nqueue_bytes = 2048\nqueue_datagrams = 7",
        );
    let setup = parse(&text).unwrap();
    assert_eq!(setup.config.lines[0].rate.bits_per_second(), 115_200);
    assert!(
        !setup.config.lines[0].is_rate_known,
        "left out, it is measured"
    );
    assert!(setup.config.lines[0].avoid_xon_xoff);
    assert!(setup.status_socket.is_none());
    let audio = &setup.config.channels[0];
    assert_eq!(audio.deadline.as_millis(), 90);
    assert_eq!(audio.queue_bytes, 2048);
    assert_eq!(audio.queue_datagrams, 7);
    assert_eq!(setup.ports.len(), 2);
}

#[test]
fn each_wrong_value_is_named_with_its_place() {
    let cases = [
        (
            "baud = 115200",
            "baud = 49",
            "f:6:8: baud 49 bit/s is impossible; expected 50 to 20000000 bit/s",
        ),
        (
            "baud = 115200",
            "baud = 20000001",
            "f:6:8: baud 20000001 bit/s is impossible",
        ),
        (
            "baud = 115200",
            "baud = 19200",
            "f:7:8: the line rate 33600 is higher than the port rate 19200 (the baud, line 6)",
        ),
        (
            "rate = 33600",
            "rate = -1",
            "f:7:8: rate -1 bit/s is impossible",
        ),
        (
            "\"hardware\"",
            "\"both\"",
            "f:8:8: there is no flow control \"both\"; expected \"none\", \"hardware\" or \"software\"",
        ),
        (
            "flow = ",
            "modem = \"courier\"\nflow = ",
            "f:8:9: the profile \"courier\" is for a telephone line, and nobody calls",
        ),
        (
            "id = 2",
            "id = 1",
            "f:19:6: the channel id 1 is used twice (first used, line 11)",
        ),
        (
            "id = 2",
            "id = 0",
            "f:19:6: the channel id 0 is impossible; expected 1 to 255",
        ),
        (
            "id = 2",
            "id = 256",
            "f:19:6: the channel id 256 is impossible",
        ),
        (
            "class = \"video\"",
            "class = \"data\"",
            "f:21:9: the class \"data\" is not yet available in this version",
        ),
        (
            "class = \"video\"",
            "class = \"film\"",
            "f:21:9: there is no class \"film\"; expected \"audio\", \"video\", \"rtp\" or \"control\"",
        ),
        (
            "127.0.0.1:5006",
            "localhost:5006",
            "f:22:10: \"localhost:5006\" is not an address with a port; expected numbers such as",
        ),
        (
            "127.0.0.1:5006",
            "127.0.0.1:0",
            "f:22:10: listen has port 0",
        ),
        (
            "127.0.0.1:5006",
            "127.0.0.1:5004",
            "f:22:10: channel 2 'video' would listen on 127.0.0.1:5004, which is taken by channel 1 'audio' (127.0.0.1:5004) (taken here, line 14)",
        ),
        (
            "127.0.0.1:5006",
            "127.0.0.1:5005",
            "which is taken by channel 1 'audio' with its RTCP (127.0.0.1:5005)",
        ),
        (
            "127.0.0.1:5006",
            "0.0.0.0:5005",
            "f:22:10: channel 2 'video' would listen on 0.0.0.0:5005",
        ),
        (
            "127.0.0.1:5006",
            "[::]:5005",
            "f:22:10: channel 2 'video' would listen on [::]:5005",
        ),
        (
            "127.0.0.1:5004",
            "127.0.0.1:65535",
            "f:14:10: with rtcp = true the port after 65535 is used too; expected a port from 1 to 65534",
        ),
        (
            "127.0.0.1:6004",
            "127.0.0.1:65535",
            "f:15:11: with rtcp = true",
        ),
        (
            "127.0.0.1:6004",
            "127.0.0.1:5004",
            "f:15:11: channel 1 'audio' would deliver to its own listening port 127.0.0.1:5004 (it listens, line 14)",
        ),
        (
            "127.0.0.1:6004",
            "127.0.0.1:5003",
            "would deliver to its own listening port",
        ),
        (
            "127.0.0.1:6004",
            "0.0.0.0:6004",
            "f:15:11: nothing can be sent to 0.0.0.0",
        ),
        (
            "127.0.0.1:6004",
            "[::1]:6004",
            "f:15:11: nothing can be sent from 127.0.0.1:5004 to [::1]:6004",
        ),
        ("\"auto\"", "\"anyone\"", "or \"auto\""),
        ("\"room-1\"", "\"\"", "f:2:8: the name is empty"),
        (
            "\"audio\"\nclass",
            "\"a name that is much longer than it may be\"\nclass",
            "f:12:8: the name has 41 bytes, which is too long; expected a name of 1 to 32 bytes",
        ),
        (
            "rtcp = true",
            "deadline_ms = 0",
            "f:16:15: the deadline 0 ms is impossible; expected 10 to 60000 ms",
        ),
        (
            "rtcp = true",
            "queue_bytes = 0",
            "f:16:15: a queue of 0 bytes is impossible",
        ),
        (
            "rtcp = true",
            "rtcp = 1",
            "f:16:8: `rtcp` has the wrong type: integer `1`; expected true or false",
        ),
        (
            "id = 2",
            "idd = 2",
            "f:19:1: unknown key `idd`; expected one of `id`, `name`",
        ),
        (
            "[link]",
            "[lnk]",
            "f:1:2: unknown key `lnk`; expected [link], [status], [[line]] or [[channel]]",
        ),
        ("name = \"room-1\"", "", "f:1:1: the key `name` is missing"),
        ("id = 2", "id = = 2", "f:19:6: "),
        ("id = 2", "id = 2\nid = 3", "f:20:1: duplicate key"),
    ];
    for (from, to, expected) in cases {
        let words = words_after(from, to);
        assert!(words.contains(expected), "{to}: {words}");
    }
}

#[test]
fn a_second_line_is_refused_for_now() {
    let second = "[[line]]\ndevice = \"/dev/ttyS7\"\nbaud = 9600\n\n[[channel]]";
    let words = words_of(&GOOD.replacen("[[channel]]", second, 1));
    assert!(
        words.contains("several lines for one link are not yet available"),
        "{words}"
    );
}

#[test]
fn a_control_channel_has_no_deadline() {
    let text = GOOD.replace(
        "class = \"video\"",
        "class = \"control\"\ndeadline_ms = 100",
    );
    assert!(words_of(&text).contains("a control channel has no deadline"));
}

#[test]
fn only_video_can_wait_for_a_key_frame() {
    let video = |value| {
        words_after(
            "\"video\"\nlisten",
            &format!("\"video\"\nawait_key_frame = {value}\nlisten"),
        )
    };
    assert_eq!(
        (video("true"), video("false")),
        (String::new(), String::new())
    );
    let text = GOOD.replace(
        "\"video\"\nlisten",
        "\"video\"\nawait_key_frame = true\nlisten",
    );
    let setup = parse(&text).unwrap();
    let awaits = setup.config.channels.iter().map(|c| c.await_key_frame);
    assert_eq!(awaits.collect::<Vec<_>>(), [false, true]);
    let words = words_after("rtcp = true", "await_key_frame = true");
    let expected = "f:16:19: `await_key_frame` is for video: nothing else has key frames; \
                    expected no `await_key_frame` here";
    assert!(words.contains(expected), "{words}");
    let words = video("1");
    assert!(
        words.contains("`await_key_frame` has the wrong type: integer `1`; expected true or false"),
        "{words}"
    );
}

#[test]
fn limits_are_met_from_both_sides() {
    assert_eq!(words_after("baud = 115200\nrate = 33600", "baud = 50"), "");
    assert_eq!(words_after("baud = 115200", "baud = 20000000"), "");
    assert_eq!(words_after("id = 2", "id = 255"), "");
    assert_eq!(words_after("rate = 33600", "rate = 115200"), "");
    assert_eq!(words_after("127.0.0.1:5006", "127.0.0.1:65535"), "");
    assert_eq!(words_after("127.0.0.1:5006", "127.0.0.2:5004"), "");
    let longest = "n".repeat(32);
    assert_eq!(words_after("room-1", &longest), "");
    let control = |count| with_channels(count, "control");
    assert_eq!(parse(&control(31)).map(|_| ()), Ok(()));
    let words = words_of(&control(32));
    assert!(words.contains("one too many; expected at most 31 flows"));
    // Both media are a flow each.
    assert_eq!(parse(&with_channels(15, "rtp")).map(|_| ()), Ok(()));
    let words = words_of(&with_channels(16, "rtp"));
    assert!(words.contains("one too many; expected at most 31 flows"));
}

#[test]
fn a_channel_for_both_media_is_taken_with_its_limits() {
    assert_eq!(words_after("class = \"video\"", "class = \"rtp\""), "");
    let limits = "class = \"rtp\"\ndeadline_ms = 900\nqueue_datagrams = 2";
    let setup = parse(&GOOD.replace("class = \"video\"", limits)).unwrap();
    let channel = &setup.config.channels[1];
    assert_eq!(channel.class, Class::Rtp);
    assert_eq!(channel.deadline, Duration::from_millis(900));
    assert_eq!(channel.queue_datagrams, 2);
    let words = words_after("class = \"video\"", "class = \"rtp\"\nqueue_datagrams = 1");
    assert!(words.contains("a queue of 1 datagrams is impossible; expected 2 to 65536"));
}

fn with_channels(count: u16, class: &str) -> String {
    let mut text = GOOD.split("[[channel]]").next().unwrap().to_owned();
    for i in 1..=count {
        text += &format!(
            "[[channel]]\nid = {i}\nname = \"c{i}\"\nclass = \"{class}\"\n\
             listen = \"127.0.0.1:{}\"\ndeliver = \"auto\"\n",
            5000 + i
        );
    }
    text
}

#[test]
fn all_problems_of_a_file_are_reported_together_and_in_order() {
    let text = GOOD
        .replace("room-1", "")
        .replace("baud = 115200", "baud = 1")
        .replace("class = \"audio\"", "class = \"aduio\"")
        .replace("id = 2", "id = 1\ncolour = 3");
    let words = words_of(&text);
    let places: Vec<&str> = words.lines().map(|l| &l[..4]).collect();
    assert_eq!(places, ["f:2:", "f:6:", "f:13", "f:19", "f:20", "5 pr"]);
}

#[test]
fn an_empty_file_says_what_is_missing() {
    let words = words_of("");
    for header in ["[link]", "[[line]]", "[[channel]]"] {
        assert!(words.contains(&format!("there is no {header} in the file")));
    }
}

#[test]
fn the_same_device_cannot_be_two_lines() {
    let text = GOOD.replace(
        "[[line]]",
        "[[line]]\ndevice = \"/dev/ttyUSB0\"\nbaud = 9600\n\n[[line]]",
    );
    assert!(words_of(&text).contains("the device /dev/ttyUSB0 is used twice"));
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let error = load(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("it is a directory"), "{error}");
    let error = load(&folder.path().join("no")).unwrap_err().to_string();
    assert!(error.ends_with("there is no such file"), "{error}");
    let file = folder.path().join("f");
    std::fs::write(&file, b"ab\xff").unwrap();
    let error = load(&file).unwrap_err().to_string();
    assert!(
        error.ends_with("it is no text: byte 3 is not UTF-8"),
        "{error}"
    );
    std::fs::write(&file, vec![b'#'; 2 << 20]).unwrap();
    let error = load(&file).unwrap_err().to_string();
    assert!(error.contains("larger than"), "{error}");
}

#[test]
fn a_drawing_shows_the_line_of_the_file() {
    let text = GOOD.replace("baud = 115200", "baud = 1");
    let problems = parse(&text).unwrap_err();
    let path = "room.toml".to_owned();
    let error = SettingsError::Wrong {
        path,
        text,
        problems,
    };
    let drawn = error.drawn(false);
    assert!(drawn.contains("room.toml:6:8"), "{drawn}");
    assert!(drawn.contains("baud = 1"), "{drawn}");
    assert!(!drawn.contains('\u{1b}'), "{drawn}");
}

/// The good text with a modem.
fn with_modem(keys: &str) -> String {
    GOOD.replacen("rate = 33600", keys, 1)
}

#[test]
fn a_modem_calls_answers_or_is_on_a_leased_line() {
    use copperlink::modem::{Redial, Role, Use, Way};

    let modem = |keys: &str| {
        let setup = parse(&with_modem(keys)).unwrap();
        setup.lines[0].clone()
    };
    assert_eq!(modem("modem = \"none\"").modem, None);
    assert_eq!(modem("modem = \"direct\"").modem, None);
    let line = modem("modem = \"courier\"\ndial = \"0,123 456\"\nredial = 3\nhang_up_after = 30");
    let dialled = line.modem.unwrap();
    assert_eq!(dialled.way, Way::Dial("0,123456".parse().unwrap()));
    assert_eq!(dialled.redial.attempts, Some(3));
    assert_eq!(dialled.dead_after, Duration::from_secs(30));
    assert!(dialled.believes_rate && line.hang_up);
    let dialled = modem("modem = \"courier\"\ndial = \"1\"\nredial = 0\nrate = 33600")
        .modem
        .unwrap();
    assert_eq!(dialled.redial.attempts, None);
    assert!(!dialled.believes_rate, "the settings have a rate");
    let answers = modem("modem = \"multitech\"\nanswer = 2").modem.unwrap();
    assert_eq!(
        (answers.way, answers.redial),
        (Way::Answer { rings: 2 }, Redial::FREE)
    );
    let leased = modem("modem = \"multitech-leased\"\nrole = \"answer\"");
    assert!(!leased.hang_up, "a restart leaves the pair connected");
    let leased = leased.modem.unwrap();
    assert_eq!((leased.role, leased.way), (Some(Role::Answer), Way::Leased));
    assert_eq!(leased.profile.purpose, Use::Leased);
    assert_eq!(
        modem("modem = \"courier-leased\"").modem.unwrap().role,
        None
    );
}

#[test]
fn what_a_modem_lacks_or_cannot_have_is_said() {
    for (keys, words) in [
        (
            "modem = \"curier\"",
            "f:7:9: there is no modem profile \"curier\"; expected one of courier, ",
        ),
        (
            "modem = \"courier\"",
            "f:7:9: the profile \"courier\" is for a telephone line, and nobody calls; expected `dial",
        ),
        (
            "modem = \"courier\"\ndial = \"12\"\nanswer = true",
            "f:9:10: one end dials and the other answers",
        ),
        (
            "modem = \"courier\"\ndial = \"12x\"",
            "f:8:8: \"12x\" is no number: 'x' cannot be dialled; expected digits",
        ),
        (
            "modem = \"courier\"\ndial = \"+49\"",
            "write the digits of the international prefix",
        ),
        (
            "modem = \"courier\"\nanswer = false",
            "f:8:10: `answer` cannot be false; expected true, or the rings to wait for, 1 to 20",
        ),
        ("modem = \"courier\"\nanswer = 21", "`answer` cannot be 21"),
        (
            "modem = \"courier\"\nanswer = true\nredial = 3",
            "f:9:10: this end does not dial",
        ),
        (
            "modem = \"courier\"\ndial = \"1\"\nredial = -1",
            "a `redial` of -1 calls is impossible; expected 0 to 1000 calls",
        ),
        (
            "modem = \"courier\"\ndial = \"1\"\nhang_up_after = 5",
            "`hang_up_after` 5 s is impossible; expected 10 to 86400 s",
        ),
        (
            "modem = \"courier\"\ndial = \"1\"\nrole = \"answer\"",
            "f:9:8: `role` has no meaning here; expected no `role`: who dials originates",
        ),
        (
            "modem = \"multitech-leased\"",
            "f:7:9: the profile \"multitech-leased\" must know which end this is; expected `role = ",
        ),
        (
            "modem = \"multitech-leased\"\nrole = \"both\"",
            "f:8:8: there is no role \"both\"",
        ),
        (
            "modem = \"courier-leased\"\nrole = \"answer\"",
            "f:8:8: the profile \"courier-leased\" sets no role",
        ),
        (
            "modem = \"courier-leased\"\ndial = \"1\"",
            "f:8:8: `dial` has no meaning here; expected no such key with the profile",
        ),
        (
            "dial = \"1\"",
            "f:7:8: `dial` has no meaning here; expected `modem = \"…\"` beside it",
        ),
        (
            "modem = \"no-such.toml\"",
            "f:7:9: cannot read the profile file no-such.toml: there is no such file",
        ),
    ] {
        let said = words_of(&with_modem(keys));
        assert!(said.contains(words), "{keys}: {said}");
    }
}

#[test]
fn a_profile_of_ones_own_lies_next_to_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("own.toml");
    let text = with_modem("modem = \"own.toml\"\ndial = \"1\"");
    let good = "description = \"mine\"\nfamily = \"mine\"\nuse = \"dial\"\n";
    std::fs::write(&profile, good).unwrap();
    let setup = super::parse(&text, folder.path()).unwrap();
    let modem = setup.lines[0].modem.as_ref().unwrap();
    assert_eq!(modem.profile.description, "mine");

    std::fs::write(&profile, format!("{good}colour = 1\n")).unwrap();
    let problems = super::parse(&text, folder.path()).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    let (what, expected) = (&problems[0].what, &problems[0].expected);
    assert!(
        what.contains("own.toml:4:1: unknown key `colour`"),
        "{what}"
    );
    assert!(expected.contains("`description`"), "{expected}");
}

#[test]
fn the_signals_of_a_port_are_the_settings_to_use_or_not() {
    use copperlink::shell::{CarrierRule, Device};

    let line = |device: &str, more: &str| {
        let text = GOOD.replacen("/dev/ttyUSB0", device, 1);
        text.replacen("rate = 33600", more, 1)
    };
    let setup = parse(GOOD).unwrap();
    let plain = &setup.lines[0];
    assert_eq!(plain.carrier, CarrierRule::Auto);
    assert!(!plain.hang_up && plain.low_latency);
    for (word, rule) in [
        ("true", CarrierRule::Always),
        ("false", CarrierRule::Never),
        ("\"auto\"", CarrierRule::Auto),
    ] {
        let more = format!("carrier = {word}\nhang_up = true");
        let setup = parse(&line("rfc2217://box:4001", &more)).unwrap();
        assert_eq!(setup.lines[0].device, Device::Rfc2217("box:4001".into()));
        assert_eq!(setup.lines[0].carrier, rule);
        assert!(setup.lines[0].hang_up);
    }
    let setup = parse(&line("/dev/ttyS0", "low_latency = false")).unwrap();
    assert!(!setup.lines[0].low_latency);

    for (device, more, words) in [
        ("/dev/ttyS0", "carrier = 1", "f:7:11: `carrier` cannot be 1"),
        (
            "/dev/ttyS0",
            "carrier = \"on\"",
            "expected true, false or \"auto\"",
        ),
        (
            "/dev/ttyS0",
            "hang_up = \"yes\"",
            "`hang_up` has the wrong type",
        ),
        (
            "tcp://box:1",
            "carrier = true",
            "a raw TCP connection has no carrier signal",
        ),
        ("tcp://box:1", "hang_up = true", "has no DTR"),
        (
            "rfc2217://box:1",
            "low_latency = true",
            "`low_latency` is for an adapter at this host",
        ),
        ("rfc2217://box", "", "names no device"),
    ] {
        let said = words_of(&line(device, more));
        assert!(said.contains(words), "{device} {more}: {said}");
    }
    // To say that what is not there is not used is no fault.
    parse(&line("tcp://box:1", "carrier = false\nhang_up = false")).unwrap();
}

#[test]
fn metrics_and_history_are_off_until_asked_for() {
    let setup = parse(GOOD).unwrap();
    assert_eq!(setup.instruments, copperlink::shell::Instruments::default());

    let asked = format!(
        "{GOOD}\n[status]\nmetrics = \"127.0.0.1:9464\"\nhistory = \"/var/log/room-1.csv\"\n"
    );
    let instruments = parse(&asked).unwrap().instruments;
    assert_eq!(instruments.metrics, "127.0.0.1:9464".parse().ok());
    let history = instruments.history_file.unwrap();
    assert_eq!(history.to_str(), Some("/var/log/room-1.csv"));
}

#[test]
fn what_is_wrong_in_the_status_table_is_said_with_its_place() {
    for (text, words) in [
        (
            "metrics = \"9464\"",
            "f:26:11: \"9464\" is not an address with a port",
        ),
        ("metrics = \"127.0.0.1:0\"", "metrics has port 0"),
        ("metrics = 9464", "`metrics` has the wrong type"),
        ("history = \"\"", "`history` names no file; expected a path"),
        (
            "metric = \"127.0.0.1:9464\"",
            "unknown key `metric`; expected `metrics` or `history`",
        ),
    ] {
        let said = words_of(&format!("{GOOD}\n[status]\n{text}\n"));
        assert!(said.contains(words), "{text}: {said}");
    }
    let said = words_of(&format!("{GOOD}\n[[status]]\n"));
    assert!(
        said.contains("expected a table that begins with [status]"),
        "{said}"
    );
}
