//! A modem behind a terminal server with signals: DTR and DCD are used.

use tokio::net::TcpListener;

use super::super::fake_server::{FakeServer, Manner};
use super::super::{Device, Flow};
use super::*;

const DTR_ON: &[u8] = &[5, 8];
const DTR_OFF: &[u8] = &[5, 9];
/// What a server tells of the port: carrier, and clear to send.
const CARRIER: &[u8] = &[0x90];
const NO_CARRIER: &[u8] = &[0x10];

const DIAL: &str = "description = \"x\"\nfamily = \"x\"\nuse = \"dial\"\n\
    [[setting]]\ncommand = \"&D2\"\nreason = \"hang up\"\nwhen = \"dtr\"\n";
const LEASED: &str =
    "description = \"x\"\nfamily = \"x\"\nuse = \"leased\"\ntakes-commands = false\n";

/// A line to a server that has told its signals.
async fn open(profile: &str, way: Way, signals: &[u8]) -> (ModemLine, FakeServer) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut setup = LineSetup::new(Device::Rfc2217(address), 38_400, Flow::None);
    setup.modem = Some(ModemSetup {
        profile: toml::from_str(profile).unwrap(),
        way,
        role: None,
        redial: Redial::DEFAULT,
        dead_after: Plan::DEAD_AFTER,
        believes_rate: true,
    });
    let mut opening = tokio::spawn(ModemLine::open(setup));
    let mut server = FakeServer::accept(&listener, Manner::Good).await;
    let line = tokio::select! {
        line = &mut opening => line.unwrap(),
        () = server.until_closed() => panic!("the connection was closed"),
    };
    server.tell(107, signals).await;
    (line.unwrap(), server)
}

/// Takes events until one of that kind.
async fn until(line: &mut ModemLine, is_it: impl Fn(&Event) -> bool) -> Event {
    let waiting = async {
        loop {
            let event = line.next().await.unwrap();
            if is_it(&event) {
                return event;
            }
        }
    };
    timeout(Duration::from_secs(20), waiting)
        .await
        .expect("it came")
}

async fn answer(server: &mut FakeServer, line: &str, with: &str) {
    let line = format!("{line}\r");
    assert_eq!(server.read_exactly(line.len()).await, line.as_bytes());
    server.send(format!("\r\n{with}\r\n").as_bytes()).await;
}

#[tokio::test]
async fn dtr_resets_and_hangs_up_and_dcd_ends_a_call() {
    let number = Way::Dial("12".parse().unwrap());
    let (mut line, mut server) = open(DIAL, number, NO_CARRIER).await;
    let modem = tokio::spawn(async move {
        server.until_order(DTR_OFF).await;
        server.until_order(DTR_ON).await;
        answer(&mut server, "ATE0Q0V1", "OK").await;
        answer(&mut server, "AT&D2", "OK").await;
        answer(&mut server, "ATDT12", "CONNECT 9600").await;
        server.tell(107, CARRIER).await;
        server
    });
    let connected = until(&mut line, |event| matches!(event, Event::Connected(_))).await;
    let Event::Connected(connection) = connected else {
        unreachable!("it was waited for")
    };
    assert_eq!(connection.line_rate, Some(9600));
    let mut server = modem.await.unwrap();
    let ended = tokio::spawn(async move {
        server.until_order(DTR_OFF).await;
        server.until_order(DTR_ON).await;
    });
    line.hang_up().await;
    ended.await.unwrap();
}

#[tokio::test]
async fn a_leased_line_whose_carrier_is_on_is_used_at_once_and_without_a_word() {
    let (mut line, mut server) = open(LEASED, Way::Leased, CARRIER).await;
    until(&mut line, |event| matches!(event, Event::Connected(_))).await;
    line.hang_up().await;
    let said = timeout(Duration::from_secs(1), server.read_exactly(1)).await;
    assert!(said.is_err(), "{said:?}");
}
