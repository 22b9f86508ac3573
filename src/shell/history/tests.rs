//! The history of a link of which every second is known.

use crate::proto::config::{ChannelConfig, Class, LineConfig, LinkConfig, SessionId};
use crate::proto::time::{BitRate, Duration};

use super::series::{MINUTES_KEPT, SECONDS_KEPT};
use super::*;

/// A link with one line that is up, and what it counts.
fn stats(bytes_received: u64, bytes_repaired: u64) -> Stats {
    let config = LinkConfig {
        name: "room".to_owned(),
        session: SessionId(1),
        lines: vec![LineConfig::new("east", BitRate::new(38_400).unwrap())],
        channels: vec![ChannelConfig::new(1, "control", Class::Control)],
        resume: None,
    };
    let session = crate::proto::Session::new(config, Instant::ZERO).unwrap();
    let mut stats = session.stats();
    let line = &mut stats.lines[0];
    line.state = LineState::Up;
    line.bytes_received = bytes_received;
    line.incoming.bytes_repaired = bytes_repaired;
    line.rtt_us = Some(9000);
    stats.channels[0].received.delivered_bytes = bytes_received / 2;
    stats.channels[0].sent.queued_bytes = 50;
    stats
}

fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

#[test]
fn a_second_is_due_once_and_after_its_end() {
    let mut history = History::new(1, at(0));
    assert!(!history.is_due(at(999)));
    assert!(history.is_due(at(1000)));
    history.record(at(1000), &stats(0, 0));
    assert!(!history.is_due(at(1999)));
}

#[test]
fn what_was_counted_before_a_silence_belongs_to_its_first_second() {
    let mut history = History::new(1, at(0));
    history.record(at(1002), &stats(100, 0));
    history.record(at(2001), &stats(400, 1));
    history.record(at(6500), &stats(1000, 1));
    let seconds = history.seconds();
    assert_eq!((seconds.period_s, seconds.until_s), (1, 6));
    let line = &seconds.lines[0];
    assert_eq!(line.bytes_received, [100, 300, 600, 0, 0, 0]);
    assert_eq!(line.bytes_repaired, [0, 1, 0, 0, 0, 0]);
    assert_eq!(line.errored, [0, 1, 0, 0, 0, 0]);
    assert_eq!(line.rtt_us, [9000; 6]);
    assert_eq!(seconds.link.bytes_in, [50, 150, 300, 0, 0, 0]);
    assert_eq!(seconds.link.queued_bytes, [50; 6]);
    let in_service = history.in_service()[0];
    assert_eq!((in_service.seconds, in_service.errored), (5, 1));
}

#[test]
fn a_minute_is_the_sum_of_its_seconds() {
    let mut history = History::new(1, at(0));
    let mut minutes = Vec::new();
    for second in 1..=125 {
        let stats = stats(second * 10, second / 50);
        history.record_telling(at(second * 1000), &stats, &mut |minute| {
            minutes.push(minute);
        });
    }
    let series = history.minutes();
    assert_eq!((series.period_s, series.until_s), (60, 120));
    assert_eq!(series.lines[0].bytes_received, [600, 600]);
    assert_eq!(series.lines[0].errored, [1, 1]);
    assert_eq!(minutes.len(), 2);
    assert_eq!(minutes[1].period.bytes_received, 600);
    assert_eq!(minutes[1].link.queued_bytes, 50);
}

#[test]
fn a_year_of_silence_takes_no_more_room_than_a_day() {
    let mut history = History::new(1, at(0));
    history.record(at(1000), &stats(1, 0));
    let year = 365 * 24 * 3600;
    history.record(at(year * 1000), &stats(1, 0));
    assert_eq!(history.seconds().lines[0].errored.len(), SECONDS_KEPT);
    assert_eq!(history.minutes().lines[0].errored.len(), MINUTES_KEPT);
    assert_eq!(history.in_service()[0].seconds, year - 1);
}
