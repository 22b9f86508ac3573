//! The simulated line behind two pseudo terminals.

use std::fs;
use std::path::Path;

use super::support::{Program, run};

#[test]
fn it_names_two_ports_first_and_ends_when_told() {
    let mut line = Program::new().start(&["simulate", "--json"]);
    for end in ["A ", "B "] {
        let said = line.line();
        let path = said.strip_prefix(end).unwrap_or_else(|| panic!("{said}"));
        assert!(Path::new(path).exists(), "{path}");
    }
    let said = line.terminate();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.json()["a_to_b"]["taken"], 0);
}

#[test]
fn stable_names_lead_to_the_ports_and_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let name = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (a, b) = (name("line-a"), name("line-b"));
    // What a killed run leaves behind.
    std::os::unix::fs::symlink("/dev/pts/no-such-port", &a).unwrap();
    let program = Program::new();
    let mut line = program.start(&["simulate", "--link-a", &a, "--link-b", &b]);
    let ports = [line.line(), line.line()];
    assert_eq!(
        ports[0],
        format!("A {}", fs::read_link(&a).unwrap().display())
    );
    assert_eq!(
        ports[1],
        format!("B {}", fs::read_link(&b).unwrap().display())
    );

    let second = program.run(&["simulate", "--link-a", &a, "--seconds", "1"]);
    assert_eq!(second.code, Some(2));
    assert!(
        second.err.contains("another simulation may be using it"),
        "{}",
        second.err
    );

    assert_eq!(line.terminate().code, Some(0));
    assert!(fs::symlink_metadata(&a).is_err());
    assert!(fs::symlink_metadata(&b).is_err());
}

#[test]
fn a_file_is_not_replaced() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let said = run(&["simulate", "--link-a", path, "--seconds", "1"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("Choose another name"), "{}", said.err);
    assert!(file.path().exists());
}

#[test]
fn bytes_cross_the_line_and_are_counted() {
    use std::io::{Read, Write};
    let mut line = Program::new().start(&["simulate", "--json"]);
    let mut open = |end: &str| {
        let said = line.line();
        let path = said.strip_prefix(end).unwrap();
        fs::File::options()
            .read(true)
            .write(true)
            .open(path)
            .unwrap()
    };
    let (mut a, mut b) = (open("A "), open("B "));
    let bytes: Vec<u8> = (0..=255).collect();
    a.write_all(&bytes).unwrap();
    let mut arrived = vec![0; bytes.len()];
    b.read_exact(&mut arrived).unwrap();
    assert_eq!(arrived, bytes);
    let facts = line.terminate().json();
    assert_eq!(facts["a_to_b"]["arrived"], 256);
    assert_eq!(facts["a_to_b"]["wrong_bytes"], 0);
    assert_eq!(facts["b_to_a"]["taken"], 0);
}

#[test]
fn ports_of_different_speed_garble() {
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    use std::io::{Read, Write};
    let mut line = Program::new().start(&["simulate", "--json"]);
    let mut open = |end: &str, baud: u32| {
        let said = line.line();
        let path = said.strip_prefix(end).unwrap();
        let file = fs::File::options()
            .read(true)
            .write(true)
            .open(path)
            .unwrap();
        let mut termios = tcgetattr(&file).unwrap();
        termios.set_speed(baud).unwrap();
        tcsetattr(&file, OptionalActions::Now, &termios).unwrap();
        file
    };
    let (mut a, mut b) = (open("A ", 9600), open("B ", 19_200));
    // The simulator looks every now and then; what is sent until then may pass unharmed.
    let sent = [0x55; 64];
    let garbled = (0..50).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        a.write_all(&sent).unwrap();
        let mut arrived = [0; 32];
        b.read_exact(&mut arrived).unwrap();
        arrived != sent[..32]
    });
    assert!(garbled);
    line.terminate();
}

#[test]
fn an_end_can_hear_itself() {
    use std::io::{Read, Write};
    let mut line = Program::new().start(&["simulate", "--loopback", "b", "--json"]);
    line.line();
    let said = line.line();
    let path = said.strip_prefix("B ").unwrap();
    let mut b = fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    b.write_all(b"hello").unwrap();
    let mut arrived = [0; 5];
    b.read_exact(&mut arrived).unwrap();
    assert_eq!(&arrived, b"hello");
    line.terminate();
}
