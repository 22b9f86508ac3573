//! What goes wrong in a call.

use super::*;

fn call() -> Rig {
    let mut rig = Rig::new();
    rig.call();
    rig
}

#[test]
fn a_retrain_stops_data_for_seconds_and_loses_nothing_that_waits() {
    for blinks in [false, true] {
        let config = ModemConfig {
            retraining_drops_dcd: blinks,
            ..ModemConfig::new(Family::Chipset)
        };
        let mut rig = Rig::with(
            [config.clone(), config],
            Between::Exchange(Exchange::default()),
            wire("rate = 28800"),
        );
        rig.ok(A, "AT\\N0");
        rig.call();
        rig.modems.retrain(rig.now);
        rig.send(A, b"patience");
        rig.seconds(4.5);
        assert_eq!(rig.said(B), "");
        assert_eq!(rig.modems.signals(A).dcd, !blinks);
        rig.seconds(1.0);
        assert_eq!(rig.said(B), "patience");
        assert!(rig.modems.signals(A).dcd);
        assert_eq!(rig.said(A), "");
        let [a, b] = [A, B].map(|side| rig.modems.stats(side));
        assert_eq!((a.retrains, b.retrains, a.carrier_lost), (1, 1, 0));
        rig.assert_joined();
    }
}

#[test]
fn when_the_wire_gets_worse_or_better_they_train_again_and_take_another_rate() {
    let mut rig = Rig::with(
        [
            short_training(Family::Chipset),
            short_training(Family::Chipset),
        ],
        Between::Exchange(Exchange::default()),
        wire("rate = 28800\n[[change]]\nat = 30\nrate = 9600\n[[change]]\nat = 60\nrate = 33600"),
    );
    rig.ok(A, "AT\\N0");
    rig.call();
    for (at, rate) in [(32, 9600), (62, 33_600)] {
        let left = Instant::from_micros(at * 1_000_000).since(rig.now);
        rig.wait(left);
        let start = rig.now;
        rig.send(A, &vec![0x55; rate / 10 * 2]);
        while rig.heard[1].len() < rate / 10 * 2 {
            rig.wait(Duration::from_millis(5));
        }
        let took = rig.now.since(start).as_secs_f64();
        assert!((1.95..2.1).contains(&took), "{rate}: {took}");
        rig.said(B);
    }
    assert_eq!(rig.modems.stats(A).retrains, 2);
}

#[test]
fn a_carrier_that_is_lost_for_longer_than_s10_ends_the_call() {
    for (register, cut, ends) in [
        (14, 1.0, false),
        (14, 2.0, true),
        (50, 4.0, false),
        (255, 20.0, false),
    ] {
        let mut rig = Rig::with(
            [
                ModemConfig::new(Family::Chipset),
                ModemConfig::new(Family::Chipset),
            ],
            Between::Exchange(Exchange::default()),
            wire(&format!(
                "rate = 28800\n[[change]]\nat = 30\ncut = true\n[[change]]\nat = {}\ncut = false",
                30.0 + cut
            )),
        );
        rig.ok(B, &format!("ATS10={register}"));
        rig.ok(A, &format!("ATS10={register}"));
        rig.call();
        let left = Instant::from_micros(30_000_000).since(rig.now);
        rig.wait(left);
        rig.seconds(cut + 6.0);
        let said = [rig.said(A), rig.said(B)];
        match ends {
            true => assert_eq!(said, ["\r\nNO CARRIER\r\n"; 2]),
            false => {
                assert_eq!(said, [""; 2], "{register} {cut}");
                rig.assert_joined();
                assert_eq!(rig.modems.stats(A).retrains, 1);
            }
        }
    }
}

#[test]
fn a_cut_of_a_moment_costs_bytes_and_no_training() {
    let text = "rate = 28800\n[[change]]\nat = 30\ncut = true\n[[change]]\nat = 30.05\ncut = false";
    let config = ModemConfig::new(Family::Chipset);
    let mut rig = Rig::with(
        [config.clone(), config],
        Between::Exchange(Exchange::default()),
        wire(text),
    );
    rig.ok(A, "AT\\N0");
    rig.call();
    let left = Instant::from_micros(29_900_000).since(rig.now);
    rig.wait(left);
    rig.send(A, &[0x55; 600]);
    rig.seconds(1.0);
    let arrived = rig.heard[1].len();
    assert!((440..600).contains(&arrived), "{arrived}");
    assert_eq!(rig.modems.stats(A).retrains, 0);
}

#[test]
fn the_power_of_a_modem_ends_the_call_for_the_other_after_s10() {
    let mut rig = call();
    rig.modems.set_power(rig.now, B, false);
    let told = rig.until(A, "\r\nNO CARRIER\r\n");
    assert!((1.3..1.5).contains(&told), "{told}");
    let signals = rig.modems.signals(B);
    assert!(!signals.dsr && !signals.cts && !signals.dcd);
    assert_eq!(rig.at(B, "AT"), "");
    assert!(rig.modems.stats(B).unheard > 0);
    // Nobody answers.
    rig.ok(A, "ATS7=15");
    rig.send(A, b"ATDT1002\r");
    rig.until(A, "NO CARRIER");
    rig.modems.set_power(rig.now, B, true);
    rig.seconds(3.0);
    rig.call();
}

#[test]
fn a_pulled_line_ends_the_call_and_the_line_put_back_does_not_bring_it_back() {
    let mut rig = call();
    rig.modems.set_plugged(rig.now, A, false);
    for side in Side::BOTH {
        rig.until(side, "\r\nNO CARRIER\r\n");
    }
    rig.modems.set_plugged(rig.now, A, true);
    rig.seconds(10.0);
    assert!(!rig.modems.is_connected(A) && !rig.modems.is_connected(B));
    rig.call();
}

#[test]
fn a_cut_one_way_is_lost_by_the_one_that_hears_nothing_and_told_to_the_other() {
    let text = "rate = 28800\n[[change]]\nat = 30\ndirection = \"a-to-b\"\ncut = true";
    let config = ModemConfig::new(Family::Chipset);
    let mut rig = Rig::with(
        [config.clone(), config],
        Between::Exchange(Exchange::default()),
        wire(text),
    );
    rig.call();
    let left = Instant::from_micros(30_000_000).since(rig.now);
    rig.wait(left);
    let b = rig.until(B, "NO CARRIER");
    assert!((1.3..1.5).contains(&b), "{b}");
    let a = rig.until(A, "NO CARRIER");
    assert!(a < 0.6, "{a}");
}

#[test]
fn the_exchange_may_drop_the_call() {
    let mut rig = call();
    rig.modems.drop_call(rig.now);
    rig.until(A, "NO CARRIER");
    rig.until(B, "NO CARRIER");
    rig.call();
}

#[test]
fn a_scenario_does_all_of_that_by_itself() {
    let mut scenario = wire(
        "rate = 28800\n[[change]]\nat = 30\nmodems = \"retrain\"\n\
         [[change]]\nat = 40\nmodem_b = \"off\"\n[[change]]\nat = 50\nmodem_b = \"on\"\n\
         [[change]]\nat = 100\nmodems = \"hang-up\"\n[[change]]\nat = 110\nmodem_a = \"pulled\"\n\
         [[change]]\nat = 120\nmodem_a = \"plugged-in\"\n",
    );
    scenario.add_modem_change(Duration::from_secs(130), ModemChange::Power(A, false));
    let config = ModemConfig::new(Family::Chipset);
    let mut rig = Rig::with(
        [config.clone(), config],
        Between::Exchange(Exchange::default()),
        scenario,
    );
    let to = |rig: &mut Rig, at: u64| {
        let left = Instant::from_micros(at * 1_000_000).since(rig.now);
        rig.wait(left);
    };
    rig.call();
    to(&mut rig, 39);
    assert_eq!(rig.modems.stats(A).retrains, 1);
    to(&mut rig, 42);
    assert_eq!(rig.said(A), "\r\nNO CARRIER\r\n");
    to(&mut rig, 60);
    rig.call();
    to(&mut rig, 102);
    assert_eq!(rig.said(A), "\r\nNO CARRIER\r\n");
    to(&mut rig, 111);
    rig.send(A, b"ATDT1002\r");
    to(&mut rig, 118);
    assert!(rig.said(A).contains("NO DIALTONE"));
    to(&mut rig, 131);
    assert!(!rig.modems.signals(A).dsr);
}

#[test]
fn dtr_does_what_d_says() {
    for (setting, ends, ok) in [
        ("&D0", false, false),
        ("&D1", false, true),
        ("&D2", true, false),
        ("&D3", true, false),
    ] {
        let mut rig = Rig::new();
        rig.ok(A, &format!("AT{setting}S7=99"));
        rig.call();
        // Too short to count.
        rig.modems.handle_signals(rig.now, A, false, true);
        rig.wait(Duration::from_millis(40));
        rig.modems.handle_signals(rig.now, A, true, true);
        rig.seconds(1.0);
        assert_eq!(rig.said(A), "", "{setting}");
        rig.modems.handle_signals(rig.now, A, false, true);
        rig.seconds(1.0);
        let said = rig.said(A);
        assert_eq!(said.contains("NO CARRIER"), ends, "{setting}: {said:?}");
        assert_eq!(said.contains("OK"), ok, "{setting}: {said:?}");
        assert_eq!(rig.said(B).contains("NO CARRIER"), ends, "{setting}");
        rig.modems.handle_signals(rig.now, A, true, true);
        if ends {
            let kept = rig.at(A, "ATS7?").contains("099");
            assert_eq!(kept, setting == "&D2");
        }
    }
}

#[test]
fn c0_says_carrier_always_and_a_courier_with_b0_takes_the_lines_rate_at_its_port() {
    let mut rig = Rig::new();
    rig.ok(A, "AT&C0");
    assert!(rig.modems.signals(A).dcd && !rig.modems.signals(B).dcd);

    let mut rig = Rig::family(Family::Courier);
    rig.modems
        .handle_speed(rig.now, A, BitRate::new(115_200).unwrap());
    rig.ok(A, "AT&B0");
    rig.call();
    rig.send(B, b"not what is heard");
    rig.seconds(1.0);
    assert_ne!(rig.said(A), "not what is heard");
    rig.modems
        .handle_speed(rig.now, A, BitRate::new(28_800).unwrap());
    rig.seconds(0.1);
    rig.said(A);
    rig.send(B, b"what is heard");
    rig.seconds(1.0);
    assert_eq!(rig.said(A), "what is heard");
}

#[test]
fn any_bytes_from_terminals_do_no_harm() {
    let mut rng = crate::sim::Rng::new(3);
    let mut rig = Rig::new();
    for _ in 0..300 {
        let mut bytes = vec![0; 40];
        rng.fill(&mut bytes);
        bytes.extend(b"\rAT");
        let side = if rng.chance(0.5) { A } else { B };
        let taken = rig.modems.handle_bytes(rig.now, side, &bytes);
        assert!(taken <= bytes.len());
        rig.wait(Duration::from_millis(rng.between(1, 2000)));
    }
}
