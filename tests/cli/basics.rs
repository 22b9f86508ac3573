//! Help, ports, status, and how the program fails.

use super::support::{COMMANDS, Program, run};

#[test]
fn help_names_every_command() {
    let said = run(&["--help"]);
    assert_eq!(said.code, Some(0));
    for command in COMMANDS {
        assert!(
            said.out.contains(&format!("\n  {command} ")),
            "{}",
            said.out
        );
        let said = run(&[command, "--help"]);
        assert_eq!(said.code, Some(0));
        assert!(said.out.contains("Usage: copperlink"));
    }
}

#[test]
fn wrong_usage_is_exit_2() {
    for args in [
        &[][..],
        &["rnu"],
        &["run"],
        &["ports", "--jsno"],
        &["simulate", "--rate", "49"],
        &["simulate", "--ber", "1.5"],
        &["simulate", "--burst", "20,5"],
        &["simulate", "--cut", "1"],
        &["demo", "--seconds", "0"],
        &["ports", "--log", "copperlink=loud"],
    ] {
        let said = run(args);
        assert_eq!(said.code, Some(2), "{args:?}");
        assert!(said.out.is_empty());
        assert!(!said.err.is_empty());
    }
}

#[test]
fn ports_are_json() {
    let said = run(&["ports", "--json"]);
    assert_eq!(said.code, Some(0));
    assert!(said.json().is_array());
    assert_eq!(run(&["ports"]).code, Some(0));
}

#[test]
fn the_watch_of_the_ports_is_one_object_a_line_and_ends_when_told() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let there = run(&["ports", "--json"]).json();
    let program = Program::new();
    let mut watch = program
        .command(&["ports", "--watch", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut words = String::new();
    let mut err = BufReader::new(watch.stderr.take().unwrap());
    err.read_line(&mut words).unwrap();
    assert!(words.contains("waiting for ports"), "{words}");
    let pid = rustix::process::Pid::from_child(&watch);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = watch.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let out = String::from_utf8(output.stdout).unwrap();
    let told: Vec<serde_json::Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(told.len(), there.as_array().unwrap().len());
    for (told, there) in told.iter().zip(there.as_array().unwrap()) {
        assert_eq!(told["change"], "there");
        assert_eq!(told["port"]["path"], there["path"]);
    }
}

#[test]
fn status_without_a_link_says_so() {
    for args in [
        &["status"][..],
        &["status", "room-1"],
        &["status", "--json"],
    ] {
        let said = run(args);
        assert_eq!(said.code, Some(2));
        assert!(said.out.is_empty());
        assert!(said.err.contains("no link is running here"), "{}", said.err);
        assert!(said.err.contains("copperlink run FILE"), "{}", said.err);
    }
}

#[test]
fn a_variable_that_is_not_understood_is_said() {
    let mut command = Program::new().command(&["ports"]);
    let output = command.env("RUST_LOG", "copperlink=loud").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("RUST_LOG is not understood"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::Stdio;
    let program = Program::new();
    let mut command = program.command(&["check", "examples/settings/room-1.toml"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(output.stderr.is_empty());
}

#[test]
fn nothing_is_coloured_where_nobody_looks() {
    let settings = tempfile::NamedTempFile::new().unwrap();
    let path = settings.path().to_str().unwrap();
    for args in [&["check", path][..], &["--help"], &["status"]] {
        let said = run(args);
        assert!(!said.out.contains('\u{1b}'));
        assert!(!said.err.contains('\u{1b}'));
    }
}
