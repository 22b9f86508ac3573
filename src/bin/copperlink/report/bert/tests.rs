use std::collections::BTreeMap;

use copperlink::linetest::{Tester, TesterConfig};
use copperlink::proto::time::{Duration, Instant};

use super::*;

/// A test over a wire on which one bit in `wrong` is turned over and one byte in `slip` lost, at 9600 bit/s.
fn report(seconds: u64, wrong: Option<u64>, slip: Option<u64>) -> BertReport {
    let rate = BitRate::new(9600).unwrap();
    let config = TesterConfig {
        rate,
        send: (Pattern::P2047, Polarity::Normal),
        expect: None,
        inject_every: wrong,
    };
    let mut sender = Tester::new(config, Instant::ZERO);
    let mut receiver = Tester::new(config, Instant::ZERO);
    let (mut now, mut sent) = (Instant::ZERO, 0);
    while receiver.counted() < seconds && now < Instant::ZERO + Duration::from_secs(2 * seconds) {
        let mut bytes = Vec::new();
        sender.poll_transmit(now, 100, &mut bytes);
        bytes.retain(|_| {
            sent += 1;
            slip.is_none_or(|slip| sent % slip != 0)
        });
        receiver.handle_bytes(now, &bytes);
        now = sender.poll_timeout().unwrap();
    }
    let facts = Facts {
        device: "/dev/tty<USB>&0".to_owned(),
        baud: rate,
        rate,
        flow: Flow::None,
        is_loop: false,
        sent_pattern: Pattern::P2047,
        sent_polarity: Polarity::Normal,
        injected_one_in: None,
        remarks: Vec::new(),
    };
    BertReport::new(facts, receiver.settled())
}

#[test]
fn a_clean_line_is_good_and_says_how_certain_that_is() {
    let report = report(30, None, None);
    let text = report.text();
    assert!(text.contains("the line is GOOD"), "{text}");
    assert!(text.contains("none: the rate is below"), "{text}");
    assert!(text.contains("G.723.1 at 5.3 kbit/s"), "{text}");
    assert!(!report.is_bad());
}

#[test]
fn errors_and_slips_are_told_apart_in_words() {
    let text = report(30, Some(1000), None).text();
    assert!(
        text.contains("USABLE") && text.contains("one in 1000"),
        "{text}"
    );
    assert!(text.contains("slips       none"), "{text}");
    let text = report(30, None, Some(5000)).text();
    assert!(text.contains("wrong bits  none"), "{text}");
    assert!(text.contains("bytes lost, 0 too many"), "{text}");
}

#[test]
fn a_line_without_a_pattern_fails_in_words() {
    let silent = report(0, None, None);
    assert!(silent.is_bad());
    assert!(silent.text().contains("none received"), "{}", silent.text());
}

/// The tags of a page, each closed as it should be.
fn tags(page: &str) -> BTreeMap<String, usize> {
    let (mut open, mut seen) = (Vec::new(), BTreeMap::new());
    let body = page.split_once("</style>").unwrap().1;
    for piece in body.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap_or_else(|| panic!("{piece}"));
        let name = tag.split([' ', '/']).find(|name| !name.is_empty()).unwrap();
        if tag.starts_with('/') {
            if let Some(last) = open.pop() {
                assert_eq!(name, last, "{piece}");
            }
            continue;
        }
        *seen.entry(name.to_owned()).or_default() += 1;
        if !tag.ends_with('/') {
            open.push(name.to_owned());
        }
    }
    assert_eq!(open, Vec::<String>::new());
    seen
}

#[test]
fn the_page_is_whole_and_fetches_nothing() {
    for report in [
        report(30, Some(500), Some(3000)),
        report(30, None, None),
        report(0, None, None),
    ] {
        let page = html::page(&report);
        let tags = tags(&page);
        assert!(tags["section"] >= 3);
        for outside in [
            "http:", "https:", "<link", "<script", "src=", "@import", "url(",
        ] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("/dev/tty&lt;USB&gt;&amp;0") && !page.contains("tty<USB>"));
        assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
    }
}

#[test]
fn the_pictures_have_a_bar_for_each_second() {
    let page = html::page(&report(30, Some(500), None));
    assert_eq!(
        page.matches(r#"<rect class="severe""#).count(),
        30,
        "2 in 1000"
    );
    let page = html::page(&report(30, None, None));
    assert_eq!(page.matches(r#"<rect class="free""#).count(), 30);
    assert!(!page.contains("Stretches without an error"));
}

#[test]
fn the_json_has_every_figure() {
    let json = serde_json::to_value(report(30, Some(1000), None)).unwrap();
    assert_eq!(json["verdict"]["grade"], "usable");
    assert_eq!(json["stats"]["pattern"], "2047");
    assert_eq!(json["facts"]["rate"], 9600);
    assert_eq!(json["stats"]["seconds"]["seconds"], 30);
    assert!(json["verdict"]["carries"]["voices"][0]["codec"].is_string());
}
