//! A terminal server of the tests: what speaks RFC 2217 at the other end, well or badly.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::rfc2217::codec::{self, Decoder, Item, Verb};

/// What it does when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shell) enum Manner {
    /// All that it should.
    Good,
    /// It sets this speed, whatever is asked.
    FixedBaud(u32),
    /// It gives no control of the port.
    NoComPort,
    /// It carries seven bits.
    NotBinary,
    /// It agrees to everything and answers nothing.
    Mute,
    /// It is a raw port, and sends back what comes.
    RawEcho,
    /// It is a raw port that says nothing.
    RawSilent,
}

/// A server with one connection.
pub(in crate::shell) struct FakeServer {
    stream: TcpStream,
    manner: Manner,
    decoder: Decoder,
    data: Vec<u8>,
    orders: Vec<Vec<u8>>,
}

impl FakeServer {
    /// Waits for a connection.
    pub(in crate::shell) async fn accept(listener: &TcpListener, manner: Manner) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let mut server = Self {
            stream,
            manner,
            decoder: Decoder::default(),
            data: Vec::new(),
            orders: Vec::new(),
        };
        if !matches!(manner, Manner::RawEcho | Manner::RawSilent) {
            // Real ones offer to echo, and write a banner.
            server.say(Verb::Will, 1).await;
            server.send(b"\r\nport 3\r\n").await;
        }
        server
    }

    /// Talks until there are `length` bytes of data.
    pub(in crate::shell) async fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        while self.data.len() < length {
            assert!(self.step().await, "the connection was closed");
        }
        self.data.drain(..length).collect()
    }

    /// Talks until that order has come.
    pub(in crate::shell) async fn until_order(&mut self, order: &[u8]) {
        let time = Duration::from_secs(10);
        while !self.orders.iter().any(|it| it == order) {
            let step = timeout(time, self.step()).await;
            assert!(step.expect("the order came"), "the connection was closed");
        }
        self.orders.clear();
    }

    /// Talks until the connection ends.
    pub(in crate::shell) async fn until_closed(&mut self) {
        while self.step().await {}
    }

    /// Sends data.
    pub(in crate::shell) async fn send(&mut self, data: &[u8]) {
        let mut bytes = Vec::new();
        codec::escape(data, &mut bytes);
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// Sends a word of option 44.
    pub(in crate::shell) async fn tell(&mut self, what: u8, value: &[u8]) {
        let mut bytes = Vec::new();
        codec::subnegotiation(44, &[&[what], value].concat(), &mut bytes);
        self.stream.write_all(&bytes).await.unwrap();
    }

    pub(in crate::shell::line) async fn say(&mut self, verb: Verb, option: u8) {
        let mut bytes = Vec::new();
        codec::option(verb, option, &mut bytes);
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn step(&mut self) -> bool {
        let mut buffer = [0; 97];
        let Ok(length @ 1..) = self.stream.read(&mut buffer).await else {
            return false;
        };
        let mut bytes = &buffer[..length];
        match self.manner {
            Manner::RawEcho => return self.stream.write_all(bytes).await.is_ok(),
            Manner::RawSilent => return true,
            _ => {}
        }
        while !bytes.is_empty() {
            match self.decoder.next(&mut bytes, &mut self.data) {
                Some(Item::Option(verb, option)) => self.on_option(verb, option).await,
                Some(Item::Subnegotiation(44, order)) => self.on_order(order).await,
                Some(Item::Subnegotiation(..)) | None => {}
            }
        }
        true
    }

    async fn on_option(&mut self, verb: Verb, option: u8) {
        let agrees = match option {
            0 => self.manner != Manner::NotBinary,
            3 => true,
            44 => self.manner != Manner::NoComPort,
            _ => false,
        };
        match (verb, agrees) {
            (Verb::Will, true) => self.say(Verb::Do, option).await,
            (Verb::Will, false) => self.say(Verb::Dont, option).await,
            (Verb::Do, true) => self.say(Verb::Will, option).await,
            (Verb::Do, false) => self.say(Verb::Wont, option).await,
            (Verb::Wont | Verb::Dont, _) => {}
        }
    }

    async fn on_order(&mut self, order: Vec<u8>) {
        let value = match (self.manner, order[0]) {
            (Manner::Mute, _) => None,
            (_, 0) => Some(b"fake".to_vec()),
            (Manner::FixedBaud(baud), 1) => Some(baud.to_be_bytes().to_vec()),
            (_, 1..=5 | 12) => Some(order[1..].to_vec()),
            _ => None,
        };
        if let Some(value) = value {
            self.tell(100 + order[0], &value).await;
        }
        self.orders.push(order);
    }
}
