//! Both ends of a link as two programs, over a simulated line.

use std::fs;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use super::support::{Program, Said};

/// A sample settings file with other devices and with ports that are free now.
fn settings(sample: &str, device: &str, listen: u16) -> String {
    let text = fs::read_to_string(format!("examples/settings/{sample}.toml")).unwrap();
    let (head, _) = text.split_once("[[channel]]").unwrap();
    let head = head
        .replace("/tmp/line-a", device)
        .replace("/tmp/line-b", device);
    head + &format!(
        "[[channel]]\nid = 3\nname = \"control\"\nclass = \"control\"\n\
         listen = \"127.0.0.1:{listen}\"\ndeliver = \"auto\"\n"
    )
}

fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

/// Asks until the answer is as it should be. Patient: only the order of things is looked at.
fn wait_for(program: &Program, args: &[&str], good: impl Fn(&Said) -> bool) -> Said {
    let start = Instant::now();
    loop {
        let said = program.run(args);
        if good(&said) {
            return said;
        }
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{args:?}: {}{}",
            said.out,
            said.err
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn two_ends_find_each_other_and_carry_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (a, b) = (path("line-a"), path("line-b"));
    let program = Program::new();
    let mut line = program.start(&["simulate", "--link-a", &a, "--link-b", &b]);
    line.line();
    line.line();

    let listen = [free_port(), free_port()];
    let files = [path("room-1.toml"), path("room-2.toml")];
    fs::write(&files[0], settings("room-1", &a, listen[0])).unwrap();
    fs::write(&files[1], settings("room-2", &b, listen[1])).unwrap();
    let one = program.start(&["run", &files[0]]);
    wait_for(&program, &["status"], |said| {
        said.out.contains("room-1: process")
    });

    // The name is taken, and so is the port.
    let second = program.run(&["run", &files[0]]);
    assert_eq!(second.code, Some(2));
    assert!(second.err.contains("already running"), "{}", second.err);

    let two = program.start(&["run", &files[1]]);
    for room in ["room-1", "room-2"] {
        let said = wait_for(&program, &["status", room], |said| {
            said.out.contains(": up\n")
        });
        assert_eq!(said.code, Some(0));
        assert!(said.out.contains("flow none, open"), "{}", said.out);
        for words in [
            "  noise there  clean: no byte wrong; no frames lost; frames to ",
            "  noise here   clean: no byte wrong; no frames lost\n",
        ] {
            assert!(said.out.contains(words), "{}", said.out);
        }
    }
    let said = program.run(&["status"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("room-1, room-2"), "{}", said.err);
    let said = program.run(&["status", "room-3"]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("no link 'room-3' is running"),
        "{}",
        said.err
    );

    // Whoever has sent gets what the far end sends.
    let equipment = UdpSocket::bind("127.0.0.1:0").unwrap();
    let far = UdpSocket::bind("127.0.0.1:0").unwrap();
    far.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    far.send_to(b"first", ("127.0.0.1", listen[1])).unwrap();
    wait_for(&program, &["status", "room-1", "--json"], |said| {
        said.json()["stats"]["channels"][0]["received"]["delivered"] == 1
    });
    equipment
        .send_to(b"second", ("127.0.0.1", listen[0]))
        .unwrap();
    let mut buffer = [0; 100];
    let (length, from) = far.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"second");
    assert_eq!(from.port(), listen[1]);

    for end in [one, two] {
        let said = end.terminate();
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.err.contains("connected with"), "{}", said.err);
        assert!(!said.err.contains('\u{1b}'), "{}", said.err);
    }
    assert_eq!(program.run(&["status"]).code, Some(2));
    line.terminate();
}

#[test]
fn a_device_that_is_not_there_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("room.toml");
    fs::write(&file, settings("room-1", "/dev/no-such-port", free_port())).unwrap();
    let program = Program::new();
    let link = program.start(&["run", file.to_str().unwrap()]);
    // The status socket answers before the line's task has tried its device.
    let said = wait_for(&program, &["status"], |said| {
        said.out
            .contains("/dev/no-such-port is not there; waiting for it")
    });
    assert!(said.out.contains("copperlink ports"), "{}", said.out);
    let said = link.terminate();
    assert_eq!(said.code, Some(0));
    assert!(
        said.err.contains("/dev/no-such-port is not there"),
        "{}",
        said.err
    );
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("room.toml");
    fs::write(&file, settings("room-1", "/dev/no-such-port", port)).unwrap();
    let said = Program::new().run(&["run", file.to_str().unwrap()]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains(&format!("127.0.0.1:{port} is in use")),
        "{}",
        said.err
    );
}
