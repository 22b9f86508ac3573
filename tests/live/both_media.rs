//! Equipment that puts both media on one port.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::equipment::{Desk, Kind};
use crate::link::{Channel, Site, channel, wait_until};

const RATE: u32 = 115_200;
const VOICE: u32 = 0x0a0d_0001;
const CAMERA: u32 = 0x0a0d_0002;
/// From one packet of voice to the next; every fifth time there is a picture as well.
const TICK: Duration = Duration::from_millis(20);

/// An RTP packet of payload type 96, as either of the two streams has it.
fn packet(ssrc: u32, number: u32, timestamp: u32, marker: bool, payload: usize) -> Vec<u8> {
    let mut packet = vec![0x80, (u8::from(marker) << 7) | 96];
    packet.extend((number as u16).to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.resize(12 + payload, 0x5a);
    packet
}

/// What arrived of a stream.
fn of_stream(desk: &Desk, ssrc: u32) -> Vec<Vec<u8>> {
    let arrived = desk.arrived(Kind::Media).into_iter();
    let bytes = arrived.map(|datagram| datagram.bytes);
    bytes
        .filter(|bytes| bytes[8..12] == ssrc.to_be_bytes())
        .collect()
}

#[test]
fn both_media_of_one_port_arrive_and_the_status_names_them() {
    let site = Site::new();
    let desks = [Desk::new(), Desk::new()];
    let _line = site.line(&["--rate", &RATE.to_string()]);
    let ends = [("room-1", "line-a"), ("room-2", "line-b")];
    let mut desk = desks.iter();
    let ends = ends.map(|(name, device)| {
        let call = Channel {
            id: 1,
            class: "rtp",
            name: "call",
            rtcp: true,
            desk: desk.next().unwrap(),
        };
        site.run(name, device, RATE, &[call])
    });
    ends.iter().for_each(|end| end.wait_until_up());

    let (mut voice, mut camera) = (Vec::new(), Vec::new());
    for tick in 0..100 {
        voice.push(packet(VOICE, tick, 960 * tick, tick == 0, 30));
        desks[0].send(Kind::Media, voice.last().unwrap());
        if tick % 5 == 0 {
            for part in 0..2 {
                let number = tick / 5 * 2 + part;
                camera.push(packet(CAMERA, number, 1800 * tick, part == 1, 300));
                desks[0].send(Kind::Media, camera.last().unwrap());
            }
        }
        sleep(TICK);
    }
    desks[0].send(Kind::Rtcp, b"a report");
    wait_until("all pictures and the report", || {
        of_stream(&desks[1], CAMERA) == camera && desks[1].count(Kind::Rtcp) == 1
    });
    // On a busy machine some of the voice is late and dropped; what comes is right and in order.
    let heard = of_stream(&desks[1], VOICE);
    let mut sent = voice.iter();
    assert!(heard.iter().all(|packet| sent.any(|sent| sent == packet)));
    assert!(!heard.is_empty());

    let status = ends[0].status().unwrap();
    for (medium, ssrc) in [("audio", VOICE), ("video", CAMERA)] {
        let row = channel(&status, &format!("call/{medium}"));
        assert_eq!(
            (&row["class"], &row["medium"]),
            (&json!("rtp"), &json!(medium))
        );
        let streams = row["streams"].as_array().unwrap();
        let facts = |s: &Value| [&s["ssrc"], &s["medium"], &s["firm"]].map(Value::clone);
        let expected = [json!(ssrc), json!(medium), json!(true)];
        assert_eq!(streams.iter().map(facts).collect::<Vec<_>>(), [expected]);
        println!("{medium}: {}", streams[0]);
    }
    let screen = site.program.run(&["status", "room-1"]).out;
    for words in [
        "STREAMS on ports for both media",
        "call/audio  0a0d0001  audio",
        "call/video  0a0d0002  video",
    ] {
        assert!(screen.contains(words), "{words} is not in\n{screen}");
    }
}
