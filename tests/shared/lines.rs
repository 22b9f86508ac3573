//! The named lines of `tests/scenarios`, for everybody who wants to run something over each.

use std::fs;
use std::path::{Path, PathBuf};

use copperlink::sim::Scenario;

/// A line of that folder.
pub(crate) struct NamedLine {
    pub(crate) name: String,
    pub(crate) scenario: Scenario,
}

/// All of them, by name.
///
/// # Panics
/// With the file and what is wrong in it.
pub(crate) fn all() -> Vec<NamedLine> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = fs::read_dir(&folder).expect("the folder of the named lines");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> NamedLine {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    let name = file.file_stem().and_then(|name| name.to_str());
    NamedLine {
        name: name.expect("a name in plain letters").to_owned(),
        scenario: toml::from_str(&text).unwrap_or_else(|error| panic!("{file:?}: {error}")),
    }
}
