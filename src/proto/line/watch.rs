//! Finds the words for a line that does not work.
//!
//! Noise is normal weather: only what lasts for some seconds, or what the far end itself says,
//! becomes a word to the technician.

use crate::proto::event::{LikelyCause, TableDifference, Trouble};
use crate::proto::signals::LineSignals;
use crate::proto::time::{Duration, Instant, earliest};

/// The far end is heard, but nothing is carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// One's own hello came back.
    Loop,
    /// Another version of the protocol.
    Version(u8),
    /// Other channels. The differences are known once the far end's table came.
    Tables(Vec<TableDifference>),
}

/// What is known of a line that is not up.
#[derive(Debug)]
pub(crate) struct Watch {
    signals: LineSignals,
    held_off_since: Option<Instant>,
    /// Since when the device has had no room.
    blocked_since: Option<Instant>,
    /// Since when the line is not what it should be.
    since: Instant,
    refusal: Option<(Instant, Refusal)>,
    last_byte: Option<Instant>,
    strays: Strays,
    /// Since when good frames come, and when the last one came.
    good: Option<(Instant, Instant)>,
}

/// Bytes since the last good frame.
#[derive(Clone, Copy, Debug, Default)]
struct Strays {
    count: u64,
    /// When the first of them came.
    since: Instant,
    first: u8,
    all_same: bool,
    any_top_bit: bool,
}

/// A silence this long is worth a word.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
/// Fewer stray bytes than this say nothing.
const FEW: u64 = 8;
/// A refusal holds this long after its last sign.
const REFUSAL_HOLDS: Duration = Duration::from_secs(6);
/// CTS may be off for a moment whenever the modem's buffer is full, and so may be the device.
const HELD_OFF: Duration = Duration::from_secs(2);

impl Watch {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            signals: LineSignals::CLOSED,
            held_off_since: None,
            blocked_since: None,
            since: now,
            refusal: None,
            last_byte: None,
            strays: Strays::default(),
            good: None,
        }
    }

    pub(crate) fn signals(&self) -> LineSignals {
        self.signals
    }

    pub(crate) fn on_signals(&mut self, now: Instant, signals: LineSignals) {
        if signals.open && !self.signals.open {
            self.restart(now);
            self.refusal = None;
            self.blocked_since = None;
        }
        self.held_off_since = match (signals.clear_to_send, self.held_off_since) {
            (Some(false), since) => since.or(Some(now)),
            _ => None,
        };
        self.signals = signals;
    }

    /// Takes whether the device below has room.
    pub(crate) fn on_room(&mut self, now: Instant, has_room: bool) {
        self.blocked_since = match has_room {
            true => None,
            false => self.blocked_since.or(Some(now)),
        };
    }

    /// Whether nothing can be sent: the device has no room, or the signals hold us off.
    pub(crate) fn is_held_off(&self) -> bool {
        let signals = self.signals;
        !signals.open
            || signals.carrier == Some(false)
            || signals.clear_to_send == Some(false)
            || self.blocked_since.is_some()
    }

    /// When being held off becomes worth a word, if that lies ahead.
    pub(crate) fn next_word(&self, now: Instant) -> Option<Instant> {
        let word =
            |since: Option<Instant>| since.map(|since| since + HELD_OFF).filter(|&at| at > now);
        earliest(word(self.held_off_since), word(self.blocked_since))
    }

    /// Takes bytes before they are known to be anything.
    pub(crate) fn on_bytes(&mut self, now: Instant, bytes: &[u8]) {
        let Some(&first) = bytes.first() else { return };
        self.last_byte = Some(now);
        let strays = &mut self.strays;
        if strays.count == 0 {
            *strays = Strays {
                count: 0,
                since: now,
                first,
                all_same: true,
                any_top_bit: false,
            };
        }
        strays.count += bytes.len() as u64;
        strays.all_same &= bytes.iter().all(|&byte| byte == strays.first);
        strays.any_top_bit |= bytes.iter().any(|byte| byte & 0x80 != 0);
    }

    /// A good frame of the far end: what came before it was noise.
    pub(crate) fn on_good_frame(&mut self, now: Instant) {
        self.strays = Strays::default();
        let goes_on = self.good.filter(|(_, last)| now.since(*last) < PATIENCE);
        self.good = Some((goes_on.map_or(now, |(since, _)| since), now));
    }

    /// The line stopped working, or was opened: patience begins anew.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.since = now;
        self.strays = Strays::default();
    }

    pub(crate) fn refuse(&mut self, now: Instant, refusal: Refusal) {
        self.refusal = Some((now, refusal));
    }

    pub(crate) fn accept(&mut self) {
        self.refusal = None;
    }

    pub(crate) fn refusal(&self, now: Instant) -> Option<&Refusal> {
        let (at, refusal) = self.refusal.as_ref()?;
        (now.since(*at) < REFUSAL_HOLDS).then_some(refusal)
    }

    /// What is wrong now. `is_up` says that frames are carried both ways, `hears` that the far
    /// end's frames arrive.
    pub(crate) fn trouble(
        &self,
        now: Instant,
        version: u8,
        is_up: bool,
        hears: bool,
    ) -> Option<Trouble> {
        if !self.signals.open {
            return Some(Trouble::DeviceAbsent);
        }
        if self.signals.carrier == Some(false) {
            return Some(Trouble::NoCarrier);
        }
        let lasting = |since: Option<Instant>| {
            let lasts = now.since(since?);
            (lasts >= HELD_OFF).then_some(lasts)
        };
        if let Some(lasts) = lasting(self.held_off_since) {
            return Some(Trouble::HeldOff { lasts });
        }
        if let Some(lasts) = lasting(self.blocked_since) {
            return Some(Trouble::Stalled { lasts });
        }
        match self.refusal(now) {
            Some(Refusal::Loop) => return Some(Trouble::Loop),
            Some(Refusal::Version(there)) => {
                return Some(Trouble::VersionDiffers {
                    here: version,
                    there: *there,
                });
            }
            Some(Refusal::Tables(differences)) if !differences.is_empty() => {
                return Some(Trouble::TablesDiffer {
                    differences: differences.clone(),
                });
            }
            Some(Refusal::Tables(_)) | None => {}
        }
        if is_up || now.since(self.since) < PATIENCE {
            return None;
        }
        if hears {
            // Who has just begun to call does not hear us yet.
            let since = self.good.map_or(self.since, |(since, _)| since);
            return (now.since(since) >= PATIENCE).then_some(Trouble::NotHeardThere);
        }
        let last = self
            .last_byte
            .map_or(self.since, |last| last.max(self.since));
        if self.strays.count >= FEW && now.since(last) < PATIENCE {
            // The first bytes may be the first half of a frame.
            let is_old = now.since(self.strays.since) >= PATIENCE;
            return is_old.then(|| Trouble::BytesButNoFrames {
                bytes: self.strays.count,
                cause: self.strays.cause(),
            });
        }
        Some(Trouble::NothingHeard {
            silence: now.since(last),
        })
    }
}

impl Strays {
    fn cause(self) -> LikelyCause {
        if self.all_same {
            LikelyCause::StuckByte(self.first)
        } else if self.any_top_bit {
            LikelyCause::Speed
        } else {
            LikelyCause::SevenBits
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    fn open() -> Watch {
        let mut watch = Watch::new(at(0));
        watch.on_signals(at(0), LineSignals::OPEN);
        watch
    }

    fn trouble(watch: &Watch, ms: u64) -> Option<Trouble> {
        watch.trouble(at(ms), 1, false, false)
    }

    #[test]
    fn silence_gets_a_word_after_three_seconds_and_not_before() {
        let watch = open();
        assert_eq!(trouble(&watch, 2999), None);
        assert_eq!(
            trouble(&watch, 3000),
            Some(Trouble::NothingHeard { silence: PATIENCE })
        );
        assert_eq!(watch.trouble(at(3000), 1, true, true), None);
    }

    #[test]
    fn stray_bytes_say_what_they_look_like() {
        for (bytes, cause) in [
            ([1u8, 2, 3, 4, 5, 6, 7, 0x80], LikelyCause::Speed),
            ([1, 2, 3, 4, 5, 6, 7, 8], LikelyCause::SevenBits),
            ([0x55; 8], LikelyCause::StuckByte(0x55)),
        ] {
            let mut watch = open();
            watch.on_bytes(at(1), &bytes[..7]);
            assert!(matches!(
                trouble(&watch, 3000),
                Some(Trouble::NothingHeard { .. })
            ));
            watch.on_bytes(at(1000), &bytes[7..]);
            assert_eq!(
                trouble(&watch, 3001),
                Some(Trouble::BytesButNoFrames { bytes: 8, cause })
            );
            watch.on_good_frame(at(3002));
            assert!(matches!(
                trouble(&watch, 3003),
                Some(Trouble::NothingHeard { .. })
            ));
        }
    }

    #[test]
    fn a_far_end_that_begins_to_call_after_a_while_is_no_alarm() {
        let mut watch = open();
        // The first half of a hello, and then the whole.
        watch.on_bytes(at(60_000), &[0, 0x80, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(trouble(&watch, 60_000), None);
        watch.on_good_frame(at(60_010));
        assert_eq!(watch.trouble(at(60_010), 1, false, true), None);
        watch.on_good_frame(at(62_000));
        assert_eq!(
            watch.trouble(at(63_010), 1, false, true),
            Some(Trouble::NotHeardThere)
        );
    }

    #[test]
    fn what_the_far_end_says_comes_at_once_and_fades() {
        let mut watch = open();
        watch.refuse(at(10), Refusal::Loop);
        assert_eq!(trouble(&watch, 10), Some(Trouble::Loop));
        assert_eq!(trouble(&watch, 6009), Some(Trouble::Loop));
        assert!(matches!(
            trouble(&watch, 6010),
            Some(Trouble::NothingHeard { .. })
        ));
        watch.refuse(at(7000), Refusal::Version(9));
        assert_eq!(
            trouble(&watch, 7000),
            Some(Trouble::VersionDiffers { here: 1, there: 9 })
        );
        watch.accept();
        assert!(watch.refusal(at(7000)).is_none());
    }

    #[test]
    fn the_device_and_its_signals_come_first() {
        let mut watch = Watch::new(at(0));
        assert_eq!(trouble(&watch, 0), Some(Trouble::DeviceAbsent));
        watch.on_signals(
            at(0),
            LineSignals {
                carrier: Some(false),
                ..LineSignals::OPEN
            },
        );
        assert_eq!(trouble(&watch, 0), Some(Trouble::NoCarrier));
        let held = LineSignals {
            clear_to_send: Some(false),
            ..LineSignals::OPEN
        };
        watch.on_signals(at(10), held);
        watch.on_signals(at(1000), held);
        assert_eq!(watch.trouble(at(2009), 1, true, true), None);
        assert_eq!(
            watch.trouble(at(2010), 1, true, true),
            Some(Trouble::HeldOff {
                lasts: Duration::from_secs(2)
            })
        );
    }

    #[test]
    fn a_device_that_takes_nothing_gets_a_word_after_a_moment() {
        let mut watch = open();
        let up = |watch: &Watch, ms| watch.trouble(at(ms), 1, true, true);
        watch.on_room(at(500), false);
        watch.on_room(at(1000), false);
        assert!(watch.is_held_off());
        assert_eq!(watch.next_word(at(1000)), Some(at(2500)));
        assert_eq!(up(&watch, 2499), None);
        let lasts = Duration::from_secs(3);
        assert_eq!(up(&watch, 3500), Some(Trouble::Stalled { lasts }));
        assert_eq!(watch.next_word(at(2500)), None);
        watch.on_room(at(3500), true);
        assert!(!watch.is_held_off());
        assert_eq!(up(&watch, 3500), None);
        // What was known of the old device does not hold for one that was opened again.
        watch.on_room(at(4000), false);
        watch.on_signals(at(5000), LineSignals::CLOSED);
        watch.on_signals(at(6000), LineSignals::OPEN);
        assert_eq!(up(&watch, 8999), None);
    }
}
