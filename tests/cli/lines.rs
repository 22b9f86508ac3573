//! Lines by name, and lines of the user's own.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::support::{Program, Running, run};

/// A file of the user's own, in a folder that goes with it.
struct OwnLine {
    folder: tempfile::TempDir,
}

impl OwnLine {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("own.toml"), text).unwrap();
        Self { folder }
    }

    fn path(&self) -> String {
        let path = self.folder.path().join("own.toml");
        path.to_str().unwrap().to_owned()
    }
}

/// The next of the two ports that a simulation names.
fn open(line: &mut Running) -> File {
    let said = line.line();
    let path = said.split_once(' ').unwrap().1;
    let port = File::options().read(true).write(true).open(path);
    port.unwrap_or_else(|error| panic!("{said}: {error}"))
}

#[test]
fn the_list_has_every_named_line_with_its_words() {
    let files = fs::read_dir("tests/scenarios").unwrap();
    let files: BTreeSet<String> = files
        .map(|file| {
            let path = file.unwrap().path();
            path.file_stem().unwrap().to_str().unwrap().to_owned()
        })
        .collect();
    let facts = run(&["simulate", "--list", "--json"]).json();
    let lines = facts.as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let names: BTreeSet<String> = lines.iter().map(|line| text(&line["name"])).collect();
    assert_eq!(names, files);

    let said = run(&["simulate", "--list"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    for line in lines {
        let row = said
            .out
            .lines()
            .find(|row| row.split_whitespace().next() == line["name"].as_str());
        let row = row.unwrap_or_else(|| panic!("{line}: {}", said.out));
        assert!(row.contains(&text(&line["description"])), "{row}");
        assert!(row.contains(&line["rate_bps"][0].to_string()), "{row}");
    }
}

#[test]
fn a_wrong_name_is_answered_with_the_nearest_first() {
    for command in ["simulate", "demo"] {
        for (wrong, nearest) in [
            ("impuls-noise", "impulse-noise, "),
            ("cutlong", "cut-long, "),
            ("cleen", "clean, "),
        ] {
            let said = run(&[command, "--line", wrong]);
            assert_eq!(said.code, Some(2));
            assert!(said.out.is_empty(), "{}", said.out);
            let words = format!("there is no line '{wrong}'; there are: {nearest}");
            assert!(said.err.contains(&words), "{}", said.err);
            assert!(said.err.contains("simulate --list"), "{}", said.err);
        }
    }
}

#[test]
fn a_broken_file_is_refused_with_its_place() {
    let good = "description = \"mine\"\nrate = 9600\n";
    for (text, place, words) in [
        (
            format!("{good}beer = 1e-4\n"),
            "3:1",
            "unknown key `beer`; expected one of `description`, `rate`",
        ),
        (
            format!("{good}ber = 1.5\n"),
            "3:7",
            "`ber` cannot be this: floating point `1.5`; expected a probability from 0 to 1",
        ),
        (
            format!("{good}\n[[change]]\nat = \"soon\"\n"),
            "5:6",
            "`at` has the wrong type: string \"soon\"; expected 0 to 86400 seconds",
        ),
        (
            format!("{good}[[change]]\nat = 1\ncut = 1\n"),
            "5:7",
            "`cut` has the wrong type: integer `1`; expected true or false",
        ),
        (
            format!(
                "{good}[[change]]\nat = 1\nbursts = {{ mean_burst_ms = 5, mean_gap_s = 5, ber = 2 }}\n"
            ),
            "5:53",
            "`ber` cannot be this: integer `2`; expected a probability",
        ),
        (
            format!("{good}[[change]]\ncut = true\n"),
            "3:1",
            "the key `at` is missing; expected at = …",
        ),
        (
            "description = \"mine\"\n".to_owned(),
            "1:1",
            "the key `rate` is missing; expected rate = …",
        ),
        (
            format!("{good}ber 1e-4\n"),
            "3:5",
            "expected TOML: key = value",
        ),
    ] {
        let own = OwnLine::new(&text);
        for command in ["simulate", "demo"] {
            let said = run(&[command, "--line", &own.path()]);
            assert_eq!(said.code, Some(2), "{text}");
            assert!(said.out.is_empty(), "{}", said.out);
            let expected = format!("own.toml:{place}: ");
            assert!(said.err.contains(&expected), "{text}: {}", said.err);
            assert!(said.err.contains(words), "{text}: {}", said.err);
        }
    }
    let said = run(&["simulate", "--line", "no-such.toml"]);
    assert_eq!(said.code, Some(2));
    let words = "cannot read the line file no-such.toml: there is no such file";
    assert!(said.err.contains(words), "{}", said.err);
}

#[test]
fn a_file_of_ones_own_is_the_line_and_options_count_in_its_place() {
    let own = OwnLine::new("description = \"mine\"\nrate = 38400\nber = 1\n");
    for (options, byte, wrong_bits) in [(&[][..], 0xff, 8), (&["--ber", "0"], 0, 0)] {
        let path = own.path();
        let mut args = vec!["simulate", "--json", "--line", &path];
        args.extend(options);
        let mut line = Program::new().start(&args);
        let (mut a, mut b) = (open(&mut line), open(&mut line));
        a.write_all(&[0]).unwrap();
        let mut arrived = [0x55];
        b.read_exact(&mut arrived).unwrap();
        assert_eq!(arrived, [byte]);
        let facts = line.terminate().json();
        assert_eq!(facts["a_to_b"]["wrong_bits"], wrong_bits);
    }
}

#[test]
fn what_happens_to_a_line_happens_at_its_time() {
    let own = OwnLine::new(
        "description = \"mine\"\nrate = 38400\ncut = true\nloops_back = true\n\
         [[change]]\nat = 3\ncut = false\n",
    );
    let mut line = Program::new().start(&["simulate", "--json", "--line", &own.path()]);
    let (mut a, _b) = (open(&mut line), open(&mut line));
    let mut to_a = a.try_clone().unwrap();
    let began = Instant::now();
    let writer = std::thread::spawn(move || {
        // One byte now, which is lost, and one when the line is joined for certain.
        a.write_all(b"x").unwrap();
        std::thread::sleep(Duration::from_secs(6));
        a.write_all(b"y").unwrap();
    });
    let mut arrived = [0];
    to_a.read_exact(&mut arrived).unwrap();
    assert_eq!(&arrived, b"y");
    assert!(began.elapsed() >= Duration::from_secs(3));
    writer.join().unwrap();
    let facts = line.terminate().json();
    assert_eq!(facts["a_to_b"]["cut_off"], 1);
    assert_eq!(facts["a_to_b"]["arrived"], 1);
}

#[test]
fn an_option_takes_the_place_of_what_the_line_would_do_later() {
    let own = OwnLine::new(
        "description = \"mine\"\nrate = 9600\ncut = true\n[[change]]\nat = 0\nlost = 1\n",
    );
    let path = own.path();
    let args = [
        "simulate", "--line", &path, "--lost", "0", "--cut", "9000,1",
    ];
    let mut line = Program::new().start(&args);
    let (mut a, mut b) = (open(&mut line), open(&mut line));
    a.write_all(b"hello").unwrap();
    let mut arrived = [0; 5];
    b.read_exact(&mut arrived).unwrap();
    assert_eq!(&arrived, b"hello");
    line.terminate();
}

#[test]
fn a_call_can_be_held_over_a_named_line() {
    let said = run(&[
        "demo",
        "--line",
        "eats-xon-xoff",
        "--seconds",
        "3",
        "--json",
    ]);
    let facts = said.json();
    assert_eq!(facts["line"], "eats-xon-xoff");
    assert_eq!(facts["rate_bps"], 28_800);
    for flow in facts["flows"].as_array().unwrap() {
        assert_eq!(flow["damaged"], 0, "{flow}");
        if flow["class"] == "control" {
            assert_eq!(flow["lost"], 0, "{flow}");
        }
    }
}
