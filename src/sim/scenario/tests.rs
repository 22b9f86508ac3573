use super::*;

fn read(text: &str) -> Result<Scenario, toml::de::Error> {
    toml::from_str(&format!("description = \"x\"\nrate = 9600\n{text}"))
}

fn at(seconds: f64) -> Instant {
    Instant::ZERO + secs(seconds)
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[test]
fn what_is_not_said_is_a_perfect_line() {
    let scenario = read("").unwrap();
    for side in Side::BOTH {
        let conditions = scenario.conditions(side, at(1e6));
        assert_eq!(conditions, Conditions::clean(BitRate::new(9600).unwrap()));
    }
    let [a, b] = scenario.models(7);
    assert_eq!(a, LineModelConfig::clean(a.rate).with_seed(7));
    assert_ne!(a.seed, b.seed);
    assert_eq!(scenario.last_change(), Duration::ZERO);
}

#[test]
fn each_key_means_what_it_says() {
    let scenario = read(
        "delay_ms = 12.5\nbuffer = 100\nber = 1e-4\nlost = 2e-4\ninserted = 3e-4\nidle = 4\n\
         bursts = { mean_burst_ms = 20, mean_gap_s = 5, ber = 0.3 }\neats_xon_xoff = true\n\
         [[change]]\nat = 5\ndirection = \"b-to-a\"\nbursts = false\nber = 0\n\
         [[change]]\nat = 2.5\ndirection = \"a-to-b\"\ncut = true\nloops_back = true\n\
         [[change]]\nat = 7\nrate = 2400\ncut = false\neats_xon_xoff = false\nloops_back = false\n",
    )
    .unwrap();
    assert_eq!(scenario.delay, Duration::from_micros(12_500));
    assert_eq!(scenario.buffer, 100);
    let noise = Noise {
        bit_error_rate: 1e-4,
        bursts: Some(Bursts {
            mean_burst: Duration::from_millis(20),
            mean_gap: Duration::from_secs(5),
            bit_error_rate: 0.3,
        }),
        lost_byte_rate: 2e-4,
        inserted_byte_rate: 3e-4,
        idle_byte_rate: 4.0,
    };
    let start = scenario.conditions(Side::A, at(0.0));
    assert_eq!((start.noise, start.fault), (noise, Fault::EatsXonXoff));
    assert_eq!((start.cut, start.wiring), (false, Wiring::Straight));

    // The order in the file does not matter, and the directions are kept apart.
    let a = scenario.conditions(Side::A, at(2.5));
    assert_eq!((a.cut, a.wiring, a.noise), (true, Wiring::Loop, noise));
    assert_eq!(scenario.conditions(Side::B, at(4.9)), start);
    let b = scenario.conditions(Side::B, at(5.0));
    assert_eq!((b.noise.bursts, b.noise.bit_error_rate), (None, 0.0));
    assert_eq!(b.noise.lost_byte_rate, 2e-4);
    assert_eq!(scenario.conditions(Side::A, at(5.0)), a);

    let end = scenario.conditions(Side::A, at(7.0));
    assert_eq!(end.rate.bits_per_second(), 2400);
    assert_eq!((end.cut, end.wiring), (false, Wiring::Straight));
    assert_eq!((end.noise, end.fault), (noise, Fault::None));
    let mut times = Vec::new();
    let mut now = at(0.0);
    while let Some(next) = scenario.next_change(now) {
        times.push(next);
        now = next;
    }
    assert_eq!(times, [at(2.5), at(5.0), at(7.0)]);
    assert_eq!(scenario.last_change(), secs(7.0));
}

#[test]
fn what_no_line_can_have_is_refused_in_words_at_its_place() {
    for (text, place, words) in [
        ("ber = 1.5", "1.5", "expected a probability from 0 to 1"),
        ("ber = -0.1", "-0.1", "expected a probability from 0 to 1"),
        ("lost = nan", "nan", "expected a probability from 0 to 1"),
        ("inserted = inf", "inf", "expected a probability"),
        ("ber = \"low\"", "\"low\"", "expected a probability"),
        ("idle = -1", "-1", "expected 0 to 100000 bytes a second"),
        ("delay_ms = 1e9", "1e9", "expected 0 to 60000 milliseconds"),
        ("buffer = 0", "0", "a whole number of 1 to 1048576 bytes"),
        ("buffer = 1.5", "1.5", "a whole number of 1 to 1048576"),
        ("cut = 1", "1", "expected a boolean"),
        ("bursts = true", "true", "or false for none"),
        ("bursts = 3", "3", "or false for none"),
        ("baud = 1", "baud", "unknown field `baud`, expected one of"),
        (
            "bursts = { mean_burst_ms = 1, mean_gap_s = 1, ber = 7 }",
            "7",
            "expected a probability",
        ),
        (
            "bursts = { mean_burst_ms = 1, mean_gap_s = 1, bear = 7 }",
            "bear",
            "unknown field `bear`",
        ),
        (
            "[[change]]\nat = 1\nrate = 10",
            "10",
            "a whole number of 50 to 20000000 bit/s",
        ),
        (
            "[[change]]\nat = 1\nrate = 99999999999",
            "99999999999",
            "20000000 bit/s",
        ),
        ("[[change]]\nat = -1", "-1", "expected 0 to 86400 seconds"),
        ("[[change]]\ncut = true", "[[change]]", "missing field `at`"),
        (
            "[[change]]\nat = 1\ndelay_ms = 5",
            "delay_ms",
            "unknown field `delay_ms`",
        ),
        (
            "[[change]]\nat = 1\ndirection = \"up\"",
            "\"up\"",
            "expected one of `both`, `a-to-b`, `b-to-a`",
        ),
    ] {
        let error = read(text).expect_err(text);
        assert!(error.message().contains(words), "{text}: {error}");
        let whole = format!("description = \"x\"\nrate = 9600\n{text}");
        let span = error.span().expect("a place");
        assert_eq!(&whole[span], place, "{text}: {error}");
    }
    let error = toml::from_str::<Scenario>("description = \"x\"").expect_err("no rate");
    assert!(error.message().contains("missing field `rate`"));
}

#[test]
fn what_is_fixed_stays_and_the_rest_goes_on_changing() {
    let text = "ber = 1e-5\n[[change]]\nat = 1\nber = 1e-3\nrate = 4800\n\
                [[change]]\nat = 2\nber = 0\n";
    let mut scenario = read(text).unwrap();
    scenario.fix(Weather {
        bit_error_rate: Some(0.5),
        ..Weather::default()
    });
    for seconds in [0.0, 1.0, 2.0] {
        let conditions = scenario.conditions(Side::B, at(seconds));
        assert_eq!(conditions.noise, Noise::bit_errors(0.5));
        let rate = if seconds < 1.0 { 9600 } else { 4800 };
        assert_eq!(conditions.rate.bits_per_second(), rate);
    }
    assert_eq!(scenario.last_change(), secs(1.0), "nothing is left of it");
}

#[test]
fn cuts_that_overlap_are_one() {
    let mut scenario = read("cut = true\n[[change]]\nat = 9\ncut = true\n").unwrap();
    let cut = |from: f64, to: f64| secs(from)..secs(to);
    let cuts = [cut(1.0, 3.0), cut(2.0, 4.0), cut(6.0, 7.0), cut(8.0, 8.0)];
    scenario.set_cuts(Directions::Both, &cuts);
    for tenth in 0..100 {
        let time = f64::from(tenth) / 10.0;
        let expected = (1.0..4.0).contains(&time) || (6.0..7.0).contains(&time);
        for side in Side::BOTH {
            assert_eq!(scenario.conditions(side, at(time)).cut, expected, "{time}");
        }
    }
}

#[test]
fn a_loop_back_outlasts_cuts() {
    let mut scenario = read("").unwrap();
    scenario.set_cuts(Directions::From(Side::B), &[secs(1.0)..secs(2.0)]);
    scenario.loop_back(Side::B);
    for (time, cut) in [(0.0, false), (1.5, true), (3.0, false)] {
        let [a, b] = Side::BOTH.map(|side| scenario.conditions(side, at(time)));
        assert_eq!((a.cut, b.cut, b.wiring), (true, cut, Wiring::Loop));
    }
}

#[test]
fn a_change_does_not_begin_the_noise_again_that_it_leaves_as_it_is() {
    let noisy = read("ber = 1e-2\n[[change]]\nat = 1\nrate = 9599\n").unwrap();
    let [config, _] = noisy.models(3);
    let (mut changed, mut left) = (LineModel::new(config.clone()), LineModel::new(config));
    let sent = vec![0u8; 4000];
    for model in [&mut changed, &mut left] {
        model.handle_bytes(at(0.0), &sent);
    }
    noisy
        .conditions(Side::A, at(1.0))
        .apply(at(1.0), &mut changed);
    let mut arrived = [Vec::new(), Vec::new()];
    changed.poll_bytes(at(60.0), &mut arrived[0]);
    left.poll_bytes(at(60.0), &mut arrived[1]);
    assert_eq!(arrived[0], arrived[1]);
    assert!(arrived[0] != sent);
}

#[test]
fn what_happens_to_modems_is_kept_apart_and_counted() {
    let scenario = read(
        "[[change]]\nat = 5\nmodems = \"retrain\"\nmodem_b = \"off\"\n\
         [[change]]\nat = 3\nmodem_a = \"pulled\"\ncut = true\n\
         [[change]]\nat = 9\nmodem_a = \"plugged-in\"\nmodem_b = \"on\"\nmodems = \"hang-up\"\n",
    )
    .unwrap();
    let between = |from, to| -> Vec<ModemChange> {
        let changes = scenario.modem_changes(at(from), at(to));
        changes.collect()
    };
    assert_eq!(
        between(3.0, 5.0),
        [
            ModemChange::Plugged(Side::A, false),
            ModemChange::Retrain,
            ModemChange::Power(Side::B, false)
        ]
    );
    assert_eq!(between(5.1, 8.9), []);
    assert_eq!(
        between(9.0, 9.0),
        [
            ModemChange::HangUp,
            ModemChange::Plugged(Side::A, true),
            ModemChange::Power(Side::B, true)
        ]
    );
    assert!(scenario.needs_modems() && !read("cut = true").unwrap().needs_modems());
    assert_eq!((scenario.changes(), scenario.last_change()), (7, secs(9.0)));
    assert_eq!(scenario.next_change(at(3.0)), Some(at(5.0)));
    assert!(scenario.conditions(Side::A, at(4.0)).cut);
    assert!(read("[[change]]\nat = 5\nmodem_a = \"broken\"\n").is_err());
    assert!(read("modem_a = \"off\"\n").is_err());
}
