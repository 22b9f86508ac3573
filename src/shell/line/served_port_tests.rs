//! A port behind a server of our own, in all its manners.

use std::future::poll_fn;

use tokio::net::TcpListener;
use tokio::time::Instant;

use super::super::fake_server::{FakeServer, Manner};
use super::super::rfc2217::codec::Verb;
use super::super::{Device, Flow};
use super::*;

/// Opens the port of a server with such a manner.
async fn open(manner: Manner) -> (Result<(ServedPort, Vec<String>), Problem>, FakeServer) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let device = Device::Rfc2217(address.clone());
    let setup = LineSetup::new(device, 38_400, Flow::None);
    let mut opening = tokio::spawn(async move { ServedPort::open(&address, &setup).await });
    let mut server = FakeServer::accept(&listener, manner).await;
    let opened = tokio::select! {
        opened = &mut opening => opened,
        () = server.until_closed() => opening.await,
    };
    (opened.unwrap(), server)
}

async fn open_good() -> (ServedPort, FakeServer) {
    let (port, server) = open(Manner::Good).await;
    let (port, remarks) = port.map_err(|problem| problem.to_string()).unwrap();
    assert_eq!(remarks, Vec::<String>::new());
    (port, server)
}

async fn problem(manner: Manner) -> String {
    let (port, _server) = open(manner).await;
    port.err().expect("it is not open").to_string()
}

async fn read(port: &mut ServedPort, length: usize) -> Vec<u8> {
    let mut received = Vec::new();
    while received.len() < length {
        let mut buffer = [0; 100];
        let read = poll_fn(|cx| port.poll_read(cx, &mut buffer));
        let read = timeout(Duration::from_secs(5), read).await;
        if let Moved::In(length) = read.expect("bytes came").unwrap() {
            received.extend_from_slice(&buffer[..length]);
        }
    }
    received
}

#[tokio::test]
async fn every_byte_value_passes_both_ways_and_the_banner_does_not() {
    let (mut port, mut server) = open_good().await;
    let all: Vec<u8> = (0..=255).rev().cycle().take(2048).collect();
    server.send(&all).await;
    assert_eq!(read(&mut port, all.len()).await, all);

    let expected = all.clone();
    let reading = tokio::spawn(async move { server.read_exactly(2048).await });
    let mut rest = &all[..];
    while !rest.is_empty() {
        let written = poll_fn(|cx| port.poll_write(cx, rest)).await.unwrap();
        rest = &rest[written..];
    }
    poll_fn(|cx| port.poll_flush(cx)).await.unwrap();
    assert_eq!(reading.await.unwrap(), expected);
}

#[tokio::test]
async fn signals_of_the_server_are_known_when_they_change() {
    let (mut port, mut server) = open_good().await;
    server.tell(107, &[0x90]).await;
    server.send(b"x").await;
    let mut buffer = [0; 8];
    let first = poll_fn(|cx| port.poll_read(cx, &mut buffer)).await.unwrap();
    // Bytes that came with it are not lost.
    assert!(matches!(first, Moved::Signals));
    assert!(port.modem_lines().unwrap().carrier);
    assert_eq!(read(&mut port, 1).await, b"x");
    server.tell(106, &[0x08]).await;
    server.tell(107, &[0x00]).await;
    let next = poll_fn(|cx| port.poll_read(cx, &mut buffer)).await.unwrap();
    assert!(matches!(next, Moved::Signals));
    assert!(!port.modem_lines().unwrap().carrier);
    assert_eq!(port.errors().framing, 1);
}

#[tokio::test]
async fn dtr_is_switched_at_the_server() {
    let (mut port, mut server) = open_good().await;
    for (on, value) in [(false, 9), (true, 8)] {
        port.set_dtr(on).unwrap();
        poll_fn(|cx| port.poll_flush(cx)).await.unwrap();
        server.until_order(&[5, value]).await;
    }
}

#[tokio::test]
async fn nothing_is_sent_while_the_server_wants_nothing() {
    let (mut port, mut server) = open_good().await;
    server.tell(108, &[]).await;
    let mut buffer = [0; 8];
    poll_fn(|cx| port.poll_read(cx, &mut buffer)).await.unwrap();
    let held = poll_fn(|cx| port.poll_write(cx, b"later"));
    assert!(timeout(Duration::from_millis(50), held).await.is_err());
    server.tell(109, &[]).await;
    poll_fn(|cx| port.poll_read(cx, &mut buffer)).await.unwrap();
    assert_eq!(
        poll_fn(|cx| port.poll_write(cx, b"later")).await.unwrap(),
        5
    );
    assert_eq!(server.read_exactly(5).await, b"later");
}

#[tokio::test]
async fn a_server_that_takes_nothing_holds_one_chunk_and_no_more() {
    let (mut port, _server) = open_good().await;
    let mut taken = 0;
    let chunk = [0xff; 512];
    loop {
        let write = poll_fn(|cx| port.poll_write(cx, &chunk));
        match timeout(Duration::from_millis(300), write).await {
            Ok(length) => taken += length.unwrap(),
            Err(_full) => break,
        }
    }
    assert!(taken > 0 && port.output.len() <= 2 * MOST_AT_ONCE);
}

#[tokio::test]
async fn a_speed_that_the_server_refuses_is_named() {
    let (port, _server) = open(Manner::FixedBaud(9600)).await;
    let (_port, remarks) = port.map_err(|problem| problem.to_string()).unwrap();
    let words = remarks.join("");
    assert!(
        words.starts_with("rfc2217://127.0.0.1:")
            && words.contains("refused 38400 bit/s; its port has 9600"),
        "{words}"
    );
}

#[tokio::test]
async fn a_server_that_answers_nothing_is_used_and_said_so() {
    let since = Instant::now();
    let (port, mut server) = open(Manner::Mute).await;
    let (mut port, remarks) = port.map_err(|problem| problem.to_string()).unwrap();
    assert!(since.elapsed() < DIALOGUE_TIME * 2);
    let words = remarks.join("");
    assert!(words.contains("does not say whether it set"), "{words}");
    server.send(b"x").await;
    assert_eq!(read(&mut port, 1).await, b"x");
}

#[tokio::test]
async fn a_server_that_speaks_something_else_is_named_with_what_to_use() {
    for manner in [Manner::RawEcho, Manner::RawSilent, Manner::NoComPort] {
        let words = problem(manner).await;
        assert!(
            words.contains("does not speak RFC 2217") && words.contains("use tcp://127.0.0.1:"),
            "{manner:?}: {words}"
        );
    }
    let words = problem(Manner::NotBinary).await;
    assert!(words.contains("does not carry all byte values"), "{words}");
}

#[tokio::test]
async fn a_server_that_ends_the_option_or_the_connection_is_noticed() {
    for ends_option in [true, false] {
        let (mut port, mut server) = open_good().await;
        if ends_option {
            server.say(Verb::Dont, 44).await;
        }
        let mut buffer = [0; 8];
        let read = poll_fn(|cx| port.poll_read(cx, &mut buffer));
        if !ends_option {
            drop(server);
        }
        let read = timeout(Duration::from_secs(5), read).await.expect("told");
        assert!(read.is_err());
    }
}
