//! What a link costs while it has nothing to do. `cargo bench --bench live` has the exact figures.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::equipment::Desk;
use crate::link::{Channel, Site};
use crate::usage::Usage;

#[test]
fn an_idle_link_leaves_the_processor_alone() {
    let (site, desks) = (Site::new(), [Desk::new(), Desk::new()]);
    let _line = site.line(&["--rate", "921600"]);
    let channel = |i: usize| Channel {
        id: 1,
        class: "video",
        name: "video",
        rtcp: false,
        desk: &desks[i],
    };
    let mut ends = [
        site.run("room-1", "line-a", 921_600, &[channel(0)]),
        site.run("room-2", "line-b", 921_600, &[channel(1)]),
    ];
    ends.iter().for_each(|end| end.wait_until_up());
    sleep(Duration::from_millis(500));
    for end in &mut ends {
        let pid = end.process().id();
        let Some(before) = Usage::of(pid) else {
            println!("not measured: this system does not tell what a process uses");
            return;
        };
        let started = Instant::now();
        sleep(Duration::from_secs(3));
        let now = Usage::of(pid).unwrap();
        let took = started.elapsed().as_secs_f64();
        let share = (now.cpu - before.cpu).as_secs_f64() / took;
        let wakeups = (now.wakeups - before.wakeups) as f64 / took;
        println!(
            "idle: {:.3} % of a core, {wakeups:.1} wake-ups/s, {} KiB, at most {} KiB",
            share * 100.0,
            now.resident,
            now.most_resident
        );
        assert!(share < 0.05, "{share}");
        assert!(wakeups < 200.0, "{wakeups}");
        assert!(now.resident <= now.most_resident && now.most_resident < 64 << 10);
    }
}
