//! A far end of another version of the protocol: nothing is carried, but the technicians can talk.

use super::far_end::{HERE, LINE, THERE, hello, service};
use crate::proto::event::{Event, TextId};
use crate::proto::framing::check::Seal;
use crate::proto::framing::decoder::{Decoder, Verdict};
use crate::proto::framing::header::{self, FrameKind, Service};
use crate::proto::session::Session;
use crate::proto::stats::LineState;
use crate::proto::talk::frames::{Heard, Piece};
use crate::proto::time::{Duration, Instant};

/// The service frames that a session sends until a time.
fn said(session: &mut Session, from: Instant) -> Vec<(Service, Vec<u8>)> {
    let mut wire = Vec::new();
    for ms in 0..500 {
        let now = from + Duration::from_millis(ms);
        session.handle_timeout(now);
        session.poll_transmit(now, LINE, 4096, &mut wire);
    }
    let mut said = Vec::new();
    Decoder::default().feed(&wire, &mut |found| {
        let mut rest = found.body;
        let kind = header::read(&mut rest).map(|header| header.kind);
        let open = |kind: FrameKind| Seal::SERVICE.open(kind.check(), 0, found.body);
        match kind {
            Some(kind @ FrameKind::Service(service)) if open(kind).is_some() => {
                said.push((service, found.body[1..found.body.len() - 4].to_vec()));
                Verdict::Express
            }
            _ => Verdict::Bad,
        }
    });
    said
}

#[test]
fn technicians_of_two_versions_can_talk_about_it() {
    let mut session = super::far_end::receiver();
    let later = Instant::ZERO + Duration::from_secs(10);
    let mut other = Vec::new();
    Decoder::default().feed(&hello(THERE, 0), &mut |found| {
        other = found.body[1..found.body.len() - 4].to_vec();
        Verdict::Express
    });
    // What stands behind version and session may be anything.
    other[0] = 9;
    other.truncate(7);
    session.handle_bytes(later, LINE, &service(Service::Hello, &other));
    assert_eq!(session.stats().lines[0].state, LineState::Refused);
    let piece = Piece {
        run: THERE,
        number: 4,
        first: true,
        last: true,
        bytes: "which version?".as_bytes(),
    };
    let mut content = Vec::new();
    piece.write(&mut content);
    content[0] = 9;
    session.handle_bytes(later, LINE, &service(Service::Text, &content));
    session.handle_text(later, "1 here").expect("there is room");
    let said = said(&mut session, later);
    let heard = said.iter().find(|(service, _)| *service == Service::Heard);
    let heard = Heard::read(&heard.expect("an answer").1).expect("is one");
    assert_eq!((heard.by, heard.run, heard.number), (HERE, THERE, 4));
    let text = said.iter().find(|(service, _)| *service == Service::Text);
    let number = Piece::read(&text.expect("a text").1)
        .expect("is one")
        .number;
    let mut content = Vec::new();
    let heard = Heard {
        by: THERE,
        run: HERE,
        number,
    };
    heard.write(&mut content);
    session.handle_bytes(later, LINE, &service(Service::Heard, &content));
    let events: Vec<Event> = std::iter::from_fn(|| session.poll_event()).collect();
    let is_shown =
        |event: &&Event| matches!(event, Event::Text { text, .. } if text == "which version?");
    assert_eq!(events.iter().filter(is_shown).count(), 1);
    assert!(events.contains(&Event::TextDelivered { id: TextId(0) }));
}
