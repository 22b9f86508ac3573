//! The modem of a line: which profile, and how its call comes about.

use std::path::Path;
use std::time::Duration;

use toml::Spanned;

use copperlink::modem::{DialString, Plan, Profile, Redial, Role, Use, Way};
use copperlink::shell::ModemSetup;

use super::problem::SettingsError;
use super::raw::RawLine;
use super::resolve::Words;
use crate::profiles::{self, ProfileError};

/// Whether a line has a modem, as far as it could be understood.
pub(super) type Understood = Option<Option<ModemSetup>>;

impl Words<'_> {
    /// The modem of a line; `folder` is where the settings file lies.
    pub(super) fn modem(&mut self, raw: &RawLine, folder: &Path) -> Understood {
        let name = raw.modem.as_ref().filter(|name| name.get_ref() != "none");
        let Some(name) = name else {
            self.refuse_keys(raw, &["dial", "answer", "role", "redial", "hang_up_after"], || {
                "expected `modem = \"…\"` beside it, or nothing: without a modem the line is direct".to_owned()
            });
            return Some(None);
        };
        let profile = self.profile(name, folder)?;
        match profile.purpose {
            Use::Dial => self.dialled(raw, name, profile).map(Some),
            Use::Leased => self.leased(raw, name, profile).map(Some),
            Use::Direct => {
                self.refuse_keys(
                    raw,
                    &["dial", "answer", "role", "redial", "hang_up_after"],
                    || {
                        format!(
                            "expected nothing of it with the profile {:?}: the line is direct",
                            name.get_ref()
                        )
                    },
                );
                Some(None)
            }
        }
    }

    fn profile(&mut self, name: &Spanned<String>, folder: &Path) -> Option<Profile> {
        match profiles::find(name.get_ref(), folder) {
            Ok(profile) => Some(profile),
            Err(ProfileError::Unknown(expected)) => {
                let what = format!("there is no modem profile {:?}", name.get_ref());
                self.refuse(name, what, expected)
            }
            Err(ProfileError::File(error @ SettingsError::Unreadable { .. })) => self.refuse(
                name,
                error.to_string(),
                "expected a profile, or a file with one",
            ),
            Err(ProfileError::File(error)) => {
                let words = error.to_string();
                let first = words.lines().next().unwrap_or_default();
                let (what, expected) = first
                    .rsplit_once("; ")
                    .unwrap_or((first, "expected another value"));
                self.refuse(name, format!("the profile is wrong: {what}"), expected)
            }
        }
    }

    fn dialled(
        &mut self,
        raw: &RawLine,
        name: &Spanned<String>,
        profile: Profile,
    ) -> Option<ModemSetup> {
        self.refuse_keys(raw, &["role"], || {
            "expected no `role`: who dials originates".to_owned()
        });
        let rings = raw.answer.as_ref().map(|answer| self.rings(answer));
        let number = raw.dial.as_ref().map(|number| self.number_to_dial(number));
        let way = match (number, rings, &raw.answer) {
            (Some(_), Some(_), Some(answer)) => {
                let what = "one end dials and the other answers, not both at one end";
                return self.refuse(answer, what, "expected `dial` or `answer`");
            }
            (Some(number), ..) => Way::Dial(number?),
            (None, Some(rings), _) => Way::Answer { rings: rings? },
            (None, None, _) => {
                let what = format!(
                    "the profile {:?} is for a telephone line, and nobody calls",
                    name.get_ref()
                );
                let expected =
                    "expected `dial = \"number\"`, or `answer = true` at the end that is called";
                return self.refuse(name, what, expected);
            }
        };
        let redial = self.redial(raw, &way)?;
        Some(ModemSetup {
            profile,
            way,
            role: None,
            redial,
            dead_after: self.dead_after(raw)?,
            believes_rate: raw.rate.is_none(),
        })
    }

    fn leased(
        &mut self,
        raw: &RawLine,
        name: &Spanned<String>,
        profile: Profile,
    ) -> Option<ModemSetup> {
        self.refuse_keys(raw, &["dial", "answer", "redial"], || {
            format!(
                "expected no such key with the profile {:?}: on a leased line nobody dials",
                name.get_ref()
            )
        });
        let role = match (&raw.role, profile.needs_role()) {
            (Some(role), true) => Some(self.role(role)?),
            (None, false) => None,
            (None, true) => {
                let what = format!(
                    "the profile {:?} must know which end this is",
                    name.get_ref()
                );
                let expected =
                    "expected `role = \"originate\"` at one end, `role = \"answer\"` at the other";
                return self.refuse(name, what, expected);
            }
            (Some(role), false) => {
                let what = format!("the profile {:?} sets no role", name.get_ref());
                let expected =
                    "expected no `role`: the modem has it from its switches or its memory";
                return self.refuse(role, what, expected);
            }
        };
        Some(ModemSetup {
            profile,
            way: Way::Leased,
            role,
            redial: Redial::FREE,
            dead_after: self.dead_after(raw)?,
            believes_rate: raw.rate.is_none(),
        })
    }

    fn number_to_dial(&mut self, raw: &Spanned<String>) -> Option<DialString> {
        match raw.get_ref().parse() {
            Ok(number) => Some(number),
            Err(error) => self.refuse(
                raw,
                format!("{:?} is no number: {error}", raw.get_ref()),
                "expected digits, and * # , ; W @ ! P T R as modems know them",
            ),
        }
    }

    fn rings(&mut self, raw: &Spanned<toml::Value>) -> Option<u8> {
        let rings = match raw.get_ref() {
            toml::Value::Boolean(true) => Some(1),
            toml::Value::Integer(rings @ 1..=20) => u8::try_from(*rings).ok(),
            _ => None,
        };
        rings.or_else(|| {
            self.refuse(
                raw,
                format!("`answer` cannot be {}", raw.get_ref()),
                "expected true, or the rings to wait for, 1 to 20",
            )
        })
    }

    fn role(&mut self, raw: &Spanned<String>) -> Option<Role> {
        match raw.get_ref().as_str() {
            "originate" => Some(Role::Originate),
            "answer" => Some(Role::Answer),
            other => self.refuse(
                raw,
                format!("there is no role {other:?}"),
                "expected \"originate\" or \"answer\"",
            ),
        }
    }

    fn redial(&mut self, raw: &RawLine, way: &Way) -> Option<Redial> {
        match (way, &raw.redial) {
            (Way::Dial(_), None) => Some(Redial::DEFAULT),
            (Way::Dial(_), Some(redial)) => {
                let attempts = self.number(redial, 0..=1000, "a `redial` of", " calls")?;
                Some(Redial {
                    attempts: u32::try_from(attempts)
                        .ok()
                        .filter(|attempts| *attempts > 0),
                    ..Redial::DEFAULT
                })
            }
            (_, None) => Some(Redial::FREE),
            (_, Some(redial)) => self.refuse(
                redial,
                "this end does not dial",
                "expected `redial` at the end that dials",
            ),
        }
    }

    fn dead_after(&mut self, raw: &RawLine) -> Option<Duration> {
        match &raw.hang_up_after {
            None => Some(Plan::DEAD_AFTER),
            Some(seconds) => {
                let seconds = self.number(seconds, 10..=86_400, "`hang_up_after`", " s")?;
                Some(Duration::from_secs(seconds))
            }
        }
    }

    fn refuse_keys(&mut self, raw: &RawLine, keys: &[&str], expected: impl Fn() -> String) {
        let all = [
            ("dial", raw.dial.as_ref().map(Spanned::span)),
            ("answer", raw.answer.as_ref().map(Spanned::span)),
            ("role", raw.role.as_ref().map(Spanned::span)),
            ("redial", raw.redial.as_ref().map(Spanned::span)),
            (
                "hang_up_after",
                raw.hang_up_after.as_ref().map(Spanned::span),
            ),
        ];
        for (key, place) in all {
            if let Some(place) = place.filter(|_| keys.contains(&key)) {
                let place = Spanned::new(place, ());
                let what = format!("`{key}` has no meaning here");
                self.refuse::<(), _>(&place, what, expected());
            }
        }
    }
}
