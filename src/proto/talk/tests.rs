use super::*;

fn at(ms: u64) -> Instant {
    Instant::from_micros(ms * 1000)
}

const TAKES: Duration = Duration::from_millis(100);

/// Two ends, and a path between them that loses nothing unless it is told to.
fn pass(from: &mut OrderWire, to: &mut OrderWire, now: Instant, most: usize) -> Taken {
    let piece = from.piece(most).expect("a piece");
    let taken = to.on_piece(now, piece);
    from.on_sent(now, TAKES);
    taken
}

fn answer(from: &mut OrderWire, to: &mut OrderWire) -> Option<TextId> {
    to.on_heard(from.take_answer().expect("an answer"))
}

fn ends() -> [OrderWire; 2] {
    [1, 2].map(|run| OrderWire::new(SessionId(run)))
}

#[test]
fn a_text_comes_whole_from_its_pieces_and_is_marked() {
    let [mut a, mut b] = ends();
    let id = a.accept("안녕하세요, room 2").unwrap();
    for _ in 0..2 {
        assert_eq!(pass(&mut a, &mut b, at(0), 8), Taken::Nothing);
        assert_eq!(answer(&mut b, &mut a), None);
    }
    let text = Taken::Message("안녕하세요, room 2".into());
    assert_eq!(pass(&mut a, &mut b, at(0), 8), text);
    assert_eq!(answer(&mut b, &mut a), Some(id));
    assert_eq!(a.due(), None);
}

#[test]
fn what_comes_twice_is_answered_and_not_shown() {
    let [mut a, mut b] = ends();
    let id = a.accept("hello").unwrap();
    pass(&mut a, &mut b, at(0), 99);
    b.take_answer();
    assert_eq!(a.due_now(at(1500)), None, "it may still be on its way");
    assert_eq!(a.due_now(at(2000)), Some(Due::Piece));
    assert_eq!(pass(&mut a, &mut b, at(2000), 99), Taken::Nothing);
    assert_eq!(answer(&mut b, &mut a), Some(id));
    assert_eq!((a.stats().repeats, b.stats().twice), (1, 1));
}

#[test]
fn a_message_begins_again_when_the_far_end_was_restarted_in_its_midst() {
    let [mut a, mut b] = ends();
    let id = a.accept("0123456789").unwrap();
    pass(&mut a, &mut b, at(0), 4);
    answer(&mut b, &mut a);
    let mut again = OrderWire::new(SessionId(3));
    assert_eq!(pass(&mut a, &mut again, at(500), 4), Taken::Nothing);
    answer(&mut again, &mut a);
    for _ in 0..2 {
        assert_eq!(pass(&mut a, &mut again, at(1000), 4), Taken::Nothing);
        assert_eq!(answer(&mut again, &mut a), None);
    }
    let text = Taken::Message("0123456789".into());
    assert_eq!(pass(&mut a, &mut again, at(2000), 4), text);
    assert_eq!(answer(&mut again, &mut a), Some(id));
}

#[test]
fn ones_own_voice_is_not_shown_and_not_answered() {
    let [mut a, _] = ends();
    a.accept("hello").unwrap();
    let mut echo = OrderWire::new(SessionId(1));
    echo.accept("hello").unwrap();
    let piece = echo.piece(99).unwrap();
    assert_eq!(a.on_piece(at(0), piece), Taken::OwnVoice);
    assert_eq!(a.take_answer(), None);
    let piece = a.piece(99).unwrap();
    let heard = Heard {
        by: SessionId(1),
        run: SessionId(1),
        number: piece.number,
    };
    assert_eq!(a.on_heard(heard), None);
}

#[test]
fn a_flood_is_refused_and_counted_and_what_was_accepted_stays() {
    let [mut a, mut b] = ends();
    let accepted = (0..1000).filter(|i| a.accept(&format!("text {i}")).is_ok());
    let accepted = accepted.count() as u64;
    assert!((32..=64).contains(&accepted), "{accepted}");
    let stats = a.stats();
    assert_eq!((stats.accepted, stats.refused), (accepted, 1000 - accepted));
    for i in 0..accepted {
        let text = Taken::Message(format!("text {i}"));
        assert_eq!(pass(&mut a, &mut b, at(i), 240), text);
        assert_eq!(answer(&mut b, &mut a), Some(TextId(i)));
    }
}

#[test]
fn a_long_text_becomes_messages_of_whole_words_or_letters() {
    let [mut a, mut b] = ends();
    let words = "wire ".repeat(200);
    let letters = "선".repeat(400);
    for (text, count) in [(words.trim(), 3), (&letters, 3)] {
        let id = a.accept(text).unwrap();
        let (mut shown, mut delivered) = (Vec::new(), None);
        while delivered.is_none() {
            if let Taken::Message(message) = pass(&mut a, &mut b, at(0), 240) {
                shown.push(message);
            }
            delivered = answer(&mut b, &mut a);
        }
        assert_eq!((delivered, shown.len()), (Some(id), count));
        assert_eq!(shown.concat(), text);
    }
    let too_long = "x".repeat(MAX_TEXT + 1);
    assert!(matches!(a.accept(&too_long), Err(Refused::TooLarge { .. })));
    assert_eq!(a.accept(" \r\n "), Err(Refused::Empty));
}

#[test]
fn line_ends_become_spaces() {
    assert_eq!(one_line("a\r\nb\tc\n\n d "), "a b c d");
}
