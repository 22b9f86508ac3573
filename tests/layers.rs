//! Arrows point one way: `bin -> shell -> proto`, `bin -> sim -> proto`; nothing points out of
//! `proto`. `linetest` is for the program and the shell, and takes from `proto` no more than its
//! time. The pure folders know no clock, no randomness and no I/O.

use std::fs;
use std::path::{Path, PathBuf};

/// A folder of `src`, and what its code (not its tests) must not name.
const RULES: &[(&str, &[&str])] = &[
    (
        "proto",
        &[
            "crate::sim",
            "crate::shell",
            "crate::modem",
            "crate::linetest",
        ],
    ),
    ("sim", &["crate::shell", "crate::modem", "crate::linetest"]),
    (
        "linetest",
        &[
            "crate::sim",
            "crate::shell",
            "crate::modem",
            "proto::session",
            "proto::line",
            "proto::framing",
            "proto::channel",
        ],
    ),
    ("shell", &["crate::sim"]),
];

/// What makes a folder impure.
const IMPURE: &[&str] = &[
    "std::time::Instant",
    "SystemTime",
    "std::net",
    "std::fs",
    "std::io",
    "std::thread",
    "std::process",
    "std::env",
    "tokio",
    "serialport",
    "rustix",
    "getrandom",
    "unsafe ",
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the sources") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The lines of code in front of the tests of a file, with their numbers; comments left out.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).expect("readable");
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "mod tests {")
        .map(|(number, line)| {
            (
                number + 1,
                line.split("//").next().unwrap_or_default().to_owned(),
            )
        })
        .collect()
}

fn offences(folder: &str, forbidden: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(folder);
    let mut found = Vec::new();
    files(&root, &mut found);
    assert!(!found.is_empty(), "no sources in {folder}");
    let mut offences = Vec::new();
    for path in found {
        for (number, line) in code(&path) {
            for word in forbidden.iter().filter(|word| line.contains(**word)) {
                offences.push(format!("{}:{number}: {word}", path.display()));
            }
        }
    }
    offences
}

#[test]
fn arrows_point_one_way() {
    for (folder, forbidden) in RULES {
        assert_eq!(offences(folder, forbidden), Vec::<String>::new());
    }
}

#[test]
fn the_pure_folders_know_no_clock_and_no_io() {
    for folder in ["proto", "sim", "linetest"] {
        assert_eq!(offences(folder, IMPURE), Vec::<String>::new());
    }
}

#[test]
fn a_forbidden_word_is_found() {
    assert!(
        !offences("shell", &["tokio"]).is_empty(),
        "the search finds nothing at all"
    );
}
