//! Completions and manual pages are made of the program's own commands.

use super::support::{COMMANDS, run};

#[test]
fn completions_of_each_shell_name_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let said = run(&["completions", shell]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        for command in COMMANDS {
            assert!(said.out.contains(command), "{shell}: {command}");
        }
        assert!(said.out.contains("copperlink"));
    }
    assert_eq!(run(&["completions", "csh"]).code, Some(2));
}

#[test]
fn the_manual_page_names_every_command_and_option() {
    let said = run(&["man"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains(".TH copperlink 1"), "{}", said.out);
    for command in COMMANDS {
        let reference = format!("copperlink\\-{command}(1)");
        assert!(said.out.contains(&reference), "{reference}: {}", said.out);
    }
    assert!(said.out.contains("journal"));
}

#[test]
fn a_directory_gets_a_page_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("man1");
    let said = run(&["man", dir.to_str().unwrap()]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let page = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    assert!(page("copperlink.1").contains("SUBCOMMANDS"));
    for command in COMMANDS {
        let text = page(&format!("copperlink-{command}.1"));
        assert!(text.contains(".SH DESCRIPTION"), "{command}: {text}");
    }
    assert!(page("copperlink-simulate.1").contains("\\-\\-ber"));
    let listed = said.out.lines().count();
    assert_eq!(listed, std::fs::read_dir(&dir).unwrap().count());
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let said = run(&["man", "/proc/no-such"]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("/proc/no-such cannot be written"),
        "{}",
        said.err
    );
}
