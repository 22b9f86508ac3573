use super::*;
use crate::modem::wake::ATTENTION;

fn built_in() -> Vec<(&'static str, Profile)> {
    let parsed = Profile::BUILT_IN.iter().map(|&(name, text)| {
        let profile = toml::from_str(text);
        (
            name,
            profile.unwrap_or_else(|error| panic!("{name}: {error}")),
        )
    });
    parsed.collect()
}

fn commands(profile: &Profile, role: Option<Role>, has_dtr: bool) -> Vec<String> {
    let signals = PortSignals {
        carrier: None,
        has_dtr,
    };
    let settings = profile.settings_for(role, signals);
    settings.map(|setting| setting.command.line()).collect()
}

#[test]
fn every_built_in_profile_is_whole() {
    for (name, profile) in built_in() {
        assert!(!profile.description.is_empty(), "{name}");
        assert_eq!(
            profile.takes_commands,
            !profile.settings.is_empty(),
            "{name}"
        );
        let is_leased = profile.purpose == Use::Leased;
        assert_eq!(name.ends_with("-leased"), is_leased, "{name}");
        for setting in &profile.settings {
            assert!(!setting.reason.is_empty(), "{name}: {setting:?}");
            let length = setting.command.as_str().len();
            assert!(
                length <= profile.longest_command.get(),
                "{name}: {setting:?}"
            );
        }
    }
}

#[test]
fn the_escape_is_off_in_every_profile_or_needs_a_silence_that_no_link_leaves() {
    for (name, profile) in built_in().iter().filter(|(_, p)| p.takes_commands) {
        let needs_role = profile.needs_role();
        let roles = match needs_role {
            true => vec![Some(Role::Originate), Some(Role::Answer)],
            false => vec![None],
        };
        for role in roles {
            let with_dtr = commands(profile, role, true);
            assert!(with_dtr.contains(&"ATS2=255".to_owned()), "{name}");
            let without = commands(profile, role, false);
            let guarded = without.contains(&"ATS12=255".to_owned());
            let off = without.contains(&"ATS2=255".to_owned());
            // A call must end without DTR, too; a leased line has none to end.
            assert_eq!(
                (guarded, off),
                match profile.purpose {
                    Use::Dial => (true, false),
                    _ => (false, true),
                },
                "{name}"
            );
        }
    }
}

#[test]
fn what_wakes_a_modem_is_not_undone() {
    // A reset to what the factory set brings the echo back; so echo and results are set behind it.
    for (name, profile) in built_in().iter().filter(|(_, p)| p.takes_commands) {
        let commands = commands(profile, Some(Role::Answer), true);
        let after_reset = commands.iter().skip_while(|c| c.starts_with("AT&F"));
        let first: Vec<&str> = after_reset.take(3).map(|c| &c[2..]).collect();
        let at = ATTENTION;
        assert_eq!(format!("AT{}", first.concat()), at, "{name}");
    }
}

#[test]
fn the_ends_of_a_leased_line_differ_where_they_must() {
    let multitech = &built_in()
        .into_iter()
        .find(|(name, _)| *name == "multitech-leased")
        .unwrap()
        .1;
    assert!(multitech.needs_role());
    let last = |role| commands(multitech, Some(role), true).pop().unwrap();
    assert_eq!(last(Role::Originate), "AT&L1");
    assert_eq!(last(Role::Answer), "AT&L2");
    let courier = &built_in()
        .into_iter()
        .find(|(name, _)| *name == "courier-leased")
        .unwrap()
        .1;
    assert!(!courier.needs_role(), "it has a switch for that");
    assert!(courier.silent_until_carrier);
}

#[test]
fn what_is_wrong_in_a_file_is_said() {
    let good = "description = \"x\"\nfamily = \"x\"\nuse = \"dial\"\n";
    assert!(toml::from_str::<Profile>(good).is_ok());
    for (text, words) in [
        (
            "longest-command = 300",
            "300 characters, expected 10 to 255",
        ),
        ("longest-command = 9", "9 characters, expected 10 to 255"),
        ("carrier-time = 0", "0 s, expected 1 to 3600 seconds"),
        ("carrier-time = 3601", "expected 1 to 3600 seconds"),
        (
            "colour = 1",
            "unknown field `colour`, expected one of `description`",
        ),
        (
            "[[setting]]\ncommand = \"E0\\rATDT1\"\nreason = \"x\"",
            "expected letters, digits and signs",
        ),
        (
            "[[setting]]\ncommand = \"AT\"\nreason = \"x\"",
            "an empty command, expected",
        ),
        (
            "[[setting]]\ncommand = \"E0\"\nreason = \"x\"\nwhen = \"never\"",
            "unknown variant `never`",
        ),
    ] {
        let error = toml::from_str::<Profile>(&format!("{good}{text}\n")).unwrap_err();
        assert!(
            error.message().contains(words),
            "{text}: {}",
            error.message()
        );
    }
}

/// What the notes must say of a profile.
fn facts(name: &str, profile: &Profile) -> String {
    let mut out = format!("**`{name}`**: {}\n", profile.description);
    let source = |source: &Option<String>| source.clone().unwrap_or_else(|| "†".to_owned());
    if !profile.settings.is_empty() {
        out += "\n| command | when | why | read with | source |\n|---|---|---|---|---|\n";
    }
    for setting in &profile.settings {
        let read = setting
            .read
            .as_ref()
            .map_or_else(|| "–".to_owned(), |r| format!("`{}`", r.line()));
        out += &format!(
            "| `{}` | {}{} | {} | {read} | {} |\n",
            setting.command.line(),
            setting.when.word(),
            if setting.optional {
                ", may be refused"
            } else {
                ""
            },
            setting.reason,
            source(&setting.source),
        );
    }
    if !profile.switches.is_empty() {
        out += "\n| by hand | why | source |\n|---|---|---|\n";
    }
    for switch in &profile.switches {
        out += &format!(
            "| {} | {} | {} |\n",
            switch.set,
            switch.reason,
            source(&switch.source)
        );
    }
    out
}

#[test]
fn the_notes_say_what_the_profiles_do() {
    let notes = include_str!("../../../firmware-notes/modems.md");
    for (name, profile) in built_in() {
        let facts = facts(name, &profile);
        assert!(
            notes.contains(&facts),
            "firmware-notes/modems.md must have:\n\n{facts}"
        );
        assert!(
            notes.contains(&format!("\n## {}\n", profile.family)),
            "{}",
            profile.family
        );
    }
}
