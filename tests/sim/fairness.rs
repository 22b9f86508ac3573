//! A flood on one port harms only its own channel.

use std::time::Duration;

use bytes::Bytes;
use copperlink::proto::config::Port;
use copperlink::proto::time::Instant;
use copperlink::sim::{Noise, Side, Source};

use crate::common::{AUDIO, CONTROL, VIDEO, call, seconds, world};

/// Two thousand small datagrams a second, all different; RTP or not.
struct Flood {
    due: Instant,
    count: u32,
    rtp: bool,
}

impl Source for Flood {
    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.due)
    }

    fn poll_datagram(&mut self, now: Instant) -> Option<Bytes> {
        if now < self.due {
            return None;
        }
        self.due += Duration::from_micros(500);
        self.count += 1;
        let mut datagram = vec![if self.rtp { 0x80 } else { 0 }, 96];
        datagram.extend((self.count as u16).to_be_bytes());
        // Each a picture of its own, and a source of its own now and then.
        datagram.extend((self.count * 3000).to_be_bytes());
        datagram.extend((self.count / 100).to_be_bytes());
        datagram.extend(self.count.to_be_bytes());
        Some(datagram.into())
    }
}

#[test]
fn a_flood_on_one_port_harms_only_its_own_channel() {
    let rtcp = Port::rtcp(VIDEO.channel);
    for (port, rtp) in [
        (VIDEO, true),
        (VIDEO, false),
        (CONTROL, false),
        (rtcp, false),
        (AUDIO, true),
    ] {
        let mut world = world(38_400, Noise::NONE, 1);
        let mut call = call(5000, seconds(60.0), 1);
        // Beside what the equipment on that port sends, from the tenth second on.
        let mut flood = Flood {
            due: seconds(10.0),
            count: 0,
            rtp,
        };
        while let Some(due) = flood.poll_timeout().filter(|&due| due < seconds(40.0)) {
            call.run_until(&mut world, due);
            while let Some(datagram) = flood.poll_datagram(due) {
                // What the channel does not hold is refused, or thrown out later; both are counted.
                let _ = world.send(Side::A, port, datagram);
            }
        }
        call.run_until(&mut world, seconds(90.0));
        let [audio, video, control] =
            [AUDIO, VIDEO, CONTROL].map(|port| call.tally(Side::A, port).expect("a stream"));
        println!(
            "flood on {}{}: audio lost {} p99 {:?}; video {} of {}; control {} of {}, p99 {:?}",
            if port == rtcp { "RTCP of " } else { "" },
            port.channel,
            audio.lost,
            audio.delay(0.99),
            video.delivered,
            video.offered,
            control.delivered,
            control.offered,
            control.delay(0.99),
        );
        if port != AUDIO {
            assert_eq!(audio.delivered, audio.offered);
            assert!(
                audio.delay(0.99) < Duration::from_millis(35),
                "{:?}",
                audio.delay(0.99)
            );
        }
        if port != CONTROL {
            assert_eq!(control.delivered, control.offered);
            assert!(
                control.delay(0.99) < Duration::from_secs(8),
                "{:?}",
                control.delay(0.99)
            );
        }
        if port != VIDEO {
            assert!(
                video.delivered * 3 > video.offered,
                "{} of {}",
                video.delivered,
                video.offered
            );
        }
        // The other direction notices nothing.
        let back = call.tally(Side::B, AUDIO).expect("a stream");
        assert_eq!((back.delivered, back.wrong), (back.offered, 0));
        assert!(
            back.delay(0.99) < Duration::from_millis(35),
            "{:?}",
            back.delay(0.99)
        );
        let drops = world.session(Side::A).expect("runs").stats();
        let sent = drops
            .channels
            .iter()
            .find(|c| c.id == port.channel && c.rtcp == (port == rtcp));
        let sent = sent.expect("is there").sent;
        let counted = sent.sent + sent.dropped_queue_full + sent.dropped_late + sent.queued;
        assert!(counted >= 60_000, "every datagram has a counter: {sent:?}");
    }
}
