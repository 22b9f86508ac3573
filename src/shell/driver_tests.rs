//! Whole links, around a stand-in for the protocol: pseudo terminals, loopback sockets, real time.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::super::line::fake_server::{FakeServer, Manner};
use super::super::line::pty::Master;
use super::super::{
    Deliver, Device, DeviceState, Flow, Instruments, LineSetup, Link, LinkHandle, LinkSetup,
    OpenError, PortSetup, RunError, Snapshot, random_session, status,
};
use crate::proto::config::{
    ChannelConfig, ChannelId, Class, LineConfig, LinkConfig, Port, ResumePoint,
};
use crate::proto::stats::Stats;
use crate::proto::time::BitRate;

const PORT: Port = Port::media(ChannelId(1));

/// A link with one line and one control channel.
fn setup(device: Device) -> LinkSetup {
    LinkSetup {
        config: LinkConfig {
            name: "room".to_owned(),
            session: random_session(),
            lines: vec![LineConfig::new("east", BitRate::new(38_400).unwrap())],
            channels: vec![ChannelConfig::new(1, "control", Class::Control)],
            resume: None,
        },
        lines: vec![LineSetup::new(device, 38_400, Flow::None)],
        ports: vec![PortSetup {
            port: PORT,
            listen: "127.0.0.1:0".parse().unwrap(),
            deliver: Deliver::Auto,
        }],
        status_socket: None,
        state_file: None,
        instruments: Instruments::default(),
    }
}

fn serial(path: &Path) -> LinkSetup {
    setup(Device::Serial(path.to_owned()))
}

/// A link that runs, and equipment at its port.
struct Running {
    handle: LinkHandle,
    task: JoinHandle<Result<Stats, RunError>>,
    listen: SocketAddr,
    equipment: UdpSocket,
}

impl Running {
    async fn start(setup: LinkSetup) -> Self {
        let (link, handle) = Link::open(setup).await.unwrap();
        let task = tokio::spawn(link.run());
        let listen = handle.snapshot().await.unwrap().ports[0].listen;
        let equipment = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        equipment.connect(listen).await.unwrap();
        Self {
            handle,
            task,
            listen,
            equipment,
        }
    }

    async fn snapshot(&self) -> Snapshot {
        self.handle.snapshot().await.unwrap()
    }

    /// Waits until the snapshot is as wanted.
    async fn until(&self, wanted: impl Fn(&Snapshot) -> bool) -> Snapshot {
        for _ in 0..500 {
            let snapshot = self.snapshot().await;
            if wanted(&snapshot) {
                return snapshot;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("never came: {:#?}", self.snapshot().await);
    }

    async fn until_open(&self) {
        self.until(|now| now.devices[0].state == DeviceState::Open)
            .await;
    }

    async fn receive(&self) -> Vec<u8> {
        let mut buffer = vec![0; 2048];
        let received = timeout(Duration::from_secs(5), self.equipment.recv(&mut buffer));
        let length = received.await.expect("no datagram came").unwrap();
        buffer.truncate(length);
        buffer
    }

    /// Stops the link; says how long that took.
    async fn stop(self) -> (Stats, Duration) {
        let since = Instant::now();
        self.handle.stop();
        let stats = self.task.await.unwrap().unwrap();
        assert!(self.handle.snapshot().await.is_none());
        (stats, since.elapsed())
    }
}

fn frame(channel: u8, bytes: &[u8]) -> Vec<u8> {
    [&[channel, 0, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

#[tokio::test]
async fn datagrams_pass_from_equipment_to_line_and_back() {
    let master = Master::open().unwrap();
    let link = Running::start(serial(master.path())).await;
    link.until_open().await;

    link.equipment.send(b"ping").await.unwrap();
    assert_eq!(master.read_exactly(7).await, frame(1, b"ping"));
    // The equipment's socket is connected: it takes only what the listening socket sends.
    master.write_all(&frame(1, b"pong")).await;
    assert_eq!(link.receive().await, b"pong");

    let snapshot = link.snapshot().await;
    let port = &snapshot.ports[0];
    assert_eq!(port.last_sender, link.equipment.local_addr().ok());
    assert_eq!(snapshot.pid, std::process::id());
    assert!(
        snapshot.events[0].ends_with("is open"),
        "{:?}",
        snapshot.events
    );
    assert!(snapshot.events[1].ends_with("east: the line is up"));

    // The goodbye leaves before the end.
    let (_, took) = link.stop().await;
    assert_eq!(master.read_exactly(3).await, frame(0, b""));
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn stopping_is_quick_when_the_device_takes_nothing() {
    let master = Master::open().unwrap();
    let link = Running::start(serial(master.path())).await;
    link.until_open().await;
    for _ in 0..40 {
        link.equipment.send(&[7; 1400]).await.unwrap();
    }
    sleep(Duration::from_millis(200)).await;
    let before = link.snapshot().await.stats.sessions;
    sleep(Duration::from_millis(400)).await;
    // What is due must not become a busy loop while there is no room.
    let timeouts = link.snapshot().await.stats.sessions - before;
    assert!((1..=30).contains(&timeouts), "{timeouts} in 0.4 s");
    let (_, took) = link.stop().await;
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn a_device_that_comes_later_and_goes_is_used_whenever_it_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let device = dir.path().join("ttyUSB0");
    let link = Running::start(serial(&device)).await;
    let missing = |now: &Snapshot| {
        let device = &now.devices[0];
        let words = device.problem.as_deref().unwrap_or_default();
        device.state == DeviceState::Waiting && words.contains("is not there; waiting")
    };
    link.until(missing).await;

    for round in 0..2 {
        let master = Master::open().unwrap();
        symlink(master.path(), &device).unwrap();
        link.until_open().await;
        master.write_all(&frame(1, b"nobody")).await;
        link.equipment.send(&[round]).await.unwrap();
        assert_eq!(master.read_exactly(4).await, frame(1, &[round]));
        std::fs::remove_file(&device).unwrap();
        drop(master);
        link.until(missing).await;
    }
    // Each problem was spoken of once, not at each try.
    let events = link.snapshot().await.events;
    let said = |words: &str| events.iter().filter(|event| event.contains(words)).count();
    assert_eq!(said("is not there"), 1, "{events:#?}");
    assert_eq!(said("is gone"), 1, "{events:#?}");
    assert_eq!(said("the line is down"), 2, "{events:#?}");
    link.stop().await;
}

#[tokio::test]
async fn a_device_in_use_is_waited_for() {
    let master = Master::open().unwrap();
    let first = Running::start(serial(master.path())).await;
    first.until_open().await;
    let second = Running::start(serial(master.path())).await;
    second
        .until(|now| {
            let problem = now.devices[0].problem.as_deref().unwrap_or_default();
            problem.contains("is in use by")
        })
        .await;
    first.stop().await;
    second.until_open().await;
    second.stop().await;
}

#[tokio::test]
async fn a_tcp_line_connects_and_connects_again() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap().to_string();
    let link = Running::start(setup(Device::Tcp(address))).await;
    for _ in 0..2 {
        let (mut line, _) = server.accept().await.unwrap();
        link.until_open().await;
        link.equipment.send(b"ping").await.unwrap();
        let mut received = [0; 7];
        line.read_exact(&mut received).await.unwrap();
        assert_eq!(received[..], frame(1, b"ping"));
        line.write_all(&frame(1, b"pong")).await.unwrap();
        assert_eq!(link.receive().await, b"pong");
        drop(line);
        link.until(|now| now.devices[0].state == DeviceState::Waiting)
            .await;
    }
    link.stop().await;
}

#[tokio::test]
async fn a_port_of_a_terminal_server_is_set_up_again_when_the_server_was_restarted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut setup = setup(Device::Rfc2217(address));
    setup.lines[0].hang_up = true;
    let link = Running::start(setup).await;
    let mut stopped = None;
    for round in 0..2 {
        let mut server = FakeServer::accept(&listener, Manner::Good).await;
        server.until_order(&[1, 0, 0, 0x96, 0]).await;
        link.equipment.send(b"\xff\xff").await.unwrap();
        assert_eq!(server.read_exactly(5).await, frame(1, b"\xff\xff"));
        server.send(&frame(1, b"p\xff")).await;
        assert_eq!(link.receive().await, b"p\xff");
        // DSR and DCD; then DCD alone goes.
        server.tell(107, &[0xa0]).await;
        let carrier = |on: bool| move |now: &Snapshot| now.devices[0].carrier == Some(on);
        link.until(carrier(true)).await;
        server.tell(107, &[0x20]).await;
        let off = link.until(carrier(false)).await;
        assert!(off.devices[0].signals.unwrap().data_set_ready);
        if round == 0 {
            drop(server);
            link.until(|now| now.devices[0].state == DeviceState::Waiting)
                .await;
        } else {
            stopped = Some(server);
        }
    }
    // The settings want the modem to hang up at the end.
    let mut server = stopped.unwrap();
    let (_, ()) = tokio::join!(link.stop(), server.until_order(&[5, 9]));
}

#[tokio::test]
async fn a_flood_of_datagrams_does_not_delay_the_line() {
    let master = Master::open().unwrap();
    let link = Running::start(serial(master.path())).await;
    link.until_open().await;
    link.equipment.send(b"hello").await.unwrap();
    master.read_exactly(8).await;

    let listen = link.listen;
    let flood = tokio::spawn(async move {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        loop {
            for _ in 0..64 {
                // A full buffer is what a flood is about.
                let _ = socket.try_send_to(&[9; 200], listen);
            }
            tokio::task::yield_now().await;
        }
    });
    sleep(Duration::from_millis(100)).await;
    let since = Instant::now();
    for _ in 0..20 {
        master.write_all(&frame(1, b"urgent")).await;
    }
    // The replies go to the flood's socket; that they were taken shows in the events at the end.
    master.write_all(&frame(0, b"")).await;
    link.until(|now| {
        now.events
            .iter()
            .any(|e| e.ends_with("the far end was stopped"))
    })
    .await;
    let took = since.elapsed();
    flood.abort();
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(link.stop().await.1 < Duration::from_secs(1));
}

#[tokio::test]
async fn an_idle_link_sleeps() {
    let master = Master::open().unwrap();
    let link = Running::start(serial(master.path())).await;
    link.until_open().await;
    let switches = || {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        status
            .lines()
            .filter_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
            .filter_map(|count| count.trim().parse::<u64>().ok())
            .sum::<u64>()
    };
    let before = switches();
    sleep(Duration::from_millis(500)).await;
    let wakes = switches() - before;
    assert!(wakes < 20, "woke {wakes} times in half a second");
    link.stop().await;
}

#[tokio::test]
async fn the_status_socket_answers_while_the_link_runs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/room.sock");
    let with_socket = || LinkSetup {
        status_socket: Some(path.clone()),
        ..serial(&dir.path().join("missing"))
    };
    let link = Running::start(with_socket()).await;
    for _ in 0..3 {
        let document = status::query(&path).await.unwrap();
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document["pid"], std::process::id());
        assert_eq!(document["stats"]["name"], "room");
        assert_eq!(document["devices"][0]["state"], "waiting");
        assert_eq!(document["ports"][0]["kind"], "media");
    }
    let refused = Link::open(with_socket()).await;
    assert!(matches!(refused, Err(OpenError::AlreadyRunning { .. })));
    assert!(path.exists(), "the socket of the running link stays");
    link.stop().await;
    assert!(!path.exists());
    assert!(status::query(&path).await.is_err());
}

#[tokio::test]
async fn a_reader_that_says_nothing_does_not_hold_up_the_link() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/room.sock");
    let master = Master::open().unwrap();
    let link = Running::start(LinkSetup {
        status_socket: Some(path.clone()),
        ..serial(master.path())
    })
    .await;
    let _silent = tokio::net::UnixStream::connect(&path).await.unwrap();
    link.until_open().await;
    link.equipment.send(b"ping").await.unwrap();
    assert_eq!(master.read_exactly(7).await, frame(1, b"ping"));
    status::query(&path).await.unwrap();
    link.stop().await;
}

#[tokio::test]
async fn what_was_delivered_is_remembered_for_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let state_file: Option<PathBuf> = Some(dir.path().join("state"));
    for run in 1..=2 {
        let master = Master::open().unwrap();
        let link = Running::start(LinkSetup {
            state_file: state_file.clone(),
            ..serial(master.path())
        })
        .await;
        link.until_open().await;
        link.equipment.send(b"here I am").await.unwrap();
        master.read_exactly(12).await;
        master.write_all(&frame(1, b"message")).await;
        assert_eq!(link.receive().await, b"message");
        // Killed, not stopped.
        link.task.abort();
        assert!(link.task.await.unwrap_err().is_cancelled());

        let path = state_file.as_deref().unwrap();
        let state = super::super::state::StateFile::open(path).unwrap();
        let delivered = state
            .resume_point()
            .map(|point: &ResumePoint| &point.delivered);
        assert_eq!(delivered, Some(&vec![(ChannelId(1), run)]));
    }
}

#[tokio::test]
async fn a_setup_that_does_not_fit_together_is_refused() {
    let mut two = serial(Path::new("/dev/null"));
    two.lines.push(two.lines[0].clone());
    let words = Link::open(two).await.unwrap_err().to_string();
    assert!(
        words.contains("1 lines are configured, but 2 devices"),
        "{words}"
    );

    let mut none = serial(Path::new("/dev/null"));
    none.config.lines.clear();
    none.lines.clear();
    assert!(matches!(Link::open(none).await, Err(OpenError::Config(_))));
}
