//! Profiles: what a family of modems needs, as data.
//!
//! Those that come with copperlink are in `profiles/`, a file each, and a technician can write another
//! one: the files have the same form. `firmware-notes/modems.md` has a section for each, with the same
//! settings. Reading TOML is left to the caller: [`Profile`] is `Deserialize`, and all rules that a file
//! can break are broken while it is read, so there is nothing to check afterwards.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

use crate::proto::time::Duration;

use super::command::{Command, Dialling};
use super::plan::PortSignals;

/// What a modem needs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Profile {
    /// The modem and what it is used for, in words.
    pub description: String,
    /// The family: profiles of one family share a section of the notes.
    pub family: String,
    /// What for.
    #[serde(rename = "use")]
    pub purpose: Use,
    /// Whether the modem takes commands. One in dumb mode does not: then there are no settings.
    #[serde(default = "yes")]
    pub takes_commands: bool,
    /// A byte that is sent before the carrier is there ends the training.
    #[serde(default)]
    pub silent_until_carrier: bool,
    /// The longest command, characters behind `AT`.
    #[serde(default = "Length::default")]
    pub longest_command: Length,
    /// Tone or pulse, where the number does not say it.
    #[serde(default)]
    pub dialling: Dialling,
    /// How long the modems may take to come together, from the last digit or from power-up on, s.
    #[serde(default = "Seconds::default")]
    pub carrier_time: Seconds,
    /// Numbers that the family has for results (`V0`), each with the word.
    #[serde(default)]
    pub numbers: BTreeMap<String, String>,
    /// What makes the modem keep its settings without power.
    pub store: Option<Command>,
    /// What is to be set up, in this order.
    #[serde(default, rename = "setting")]
    pub settings: Vec<Setting>,
    /// What is set by hand on the modem.
    #[serde(default, rename = "switch")]
    pub switches: Vec<Switch>,
}

/// What a profile is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// A telephone line: one end dials.
    Dial,
    /// A pair that is always there.
    Leased,
    /// No modem to be asked: a cable, or base-band sets.
    Direct,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Setting {
    /// The command, with or without `AT`.
    pub command: Command,
    /// What it is for.
    pub reason: String,
    /// The document it rests on. Without one it is general knowledge, to be checked against the
    /// manual of the modem.
    pub source: Option<String>,
    /// When it is wanted; always, if not said.
    #[serde(default)]
    pub when: When,
    /// The modem may refuse it.
    #[serde(default)]
    pub optional: bool,
    /// The command that shows it: a register (`S13?`), a parameter (`+MS?`), or a page (`&V`, `I4`).
    pub read: Option<Command>,
}

/// When a setting is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Always.
    #[default]
    Always,
    /// At the end of a leased line that originates.
    Originate,
    /// At the end of a leased line that answers.
    Answer,
    /// On a port that has DTR.
    Dtr,
    /// On a port without DTR.
    NoDtr,
}

impl When {
    /// In words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Originate => "originate",
            Self::Answer => "answer",
            Self::Dtr => "with DTR",
            Self::NoDtr => "without DTR",
        }
    }
}

/// Which end of a leased line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It begins the training.
    Originate,
    /// It waits for the other.
    Answer,
}

/// Something that is set by hand on the modem.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// What to set.
    pub set: String,
    /// What it is for.
    pub reason: String,
    /// The document it rests on.
    pub source: Option<String>,
}

impl Profile {
    /// The texts of the profiles that come with copperlink, by name.
    pub const BUILT_IN: &[(&str, &str)] = BUILT_IN;

    /// Whether the two ends of the line need different settings.
    pub fn needs_role(&self) -> bool {
        let by_role = |setting: &Setting| matches!(setting.when, When::Originate | When::Answer);
        self.settings.iter().any(by_role)
    }

    /// The settings for that end, on a port with those signals.
    pub fn settings_for(
        &self,
        role: Option<Role>,
        signals: PortSignals,
    ) -> impl Iterator<Item = &Setting> {
        self.settings
            .iter()
            .filter(move |setting| match setting.when {
                When::Always => true,
                When::Originate => role == Some(Role::Originate),
                When::Answer => role == Some(Role::Answer),
                When::Dtr => signals.has_dtr,
                When::NoDtr => !signals.has_dtr,
            })
    }
}

const fn yes() -> bool {
    true
}

/// Characters in a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct Length(u8);

impl Length {
    /// The number.
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

impl Default for Length {
    /// What the oldest take.
    fn default() -> Self {
        Self(36)
    }
}

impl TryFrom<i64> for Length {
    type Error = ProfileError;

    fn try_from(number: i64) -> Result<Self, ProfileError> {
        match u8::try_from(number) {
            Ok(length @ 10..) => Ok(Self(length)),
            _ => Err(ProfileError::Length { number }),
        }
    }
}

/// A time in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct Seconds(u16);

impl Seconds {
    /// The time.
    pub const fn get(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

impl Default for Seconds {
    fn default() -> Self {
        Self(60)
    }
}

impl TryFrom<i64> for Seconds {
    type Error = ProfileError;

    fn try_from(number: i64) -> Result<Self, ProfileError> {
        match u16::try_from(number) {
            Ok(seconds @ 1..=3600) => Ok(Self(seconds)),
            _ => Err(ProfileError::Seconds { number }),
        }
    }
}

/// A number that no profile can have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// Of a command line.
    #[error("{number} characters, expected 10 to 255")]
    Length {
        /// The number.
        number: i64,
    },
    /// Of a time.
    #[error("{number} s, expected 1 to 3600 seconds")]
    Seconds {
        /// The number.
        number: i64,
    },
}

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("profiles/", $name, ".toml")))),*]
    };
}

/// By family, the dialled one of each first.
const BUILT_IN: &[(&str, &str)] = built_in![
    "courier",
    "courier-leased",
    "multitech",
    "multitech-leased",
    "westermo-td",
    "westermo-td-leased",
    "hayes",
    "hayes-leased",
    "rockwell",
    "zyxel",
    "generic",
    "generic-leased",
    "dumb-leased",
    "direct",
];

#[cfg(test)]
mod tests;
