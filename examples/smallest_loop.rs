//! The smallest loop around the core: two ends in one program, a wire that is a `Vec<u8>`, and a
//! clock that is a number. One control message goes each way.
//!
//! ```text
//!   cargo run --no-default-features --example smallest_loop
//! ```
//!
//! `src/shell/driver.rs` does the same with a device, sockets and the machine's clock.

use std::error::Error;

use bytes::Bytes;
use copperlink::proto::config::{
    ChannelConfig, ChannelId, Class, LineConfig, LineId, LinkConfig, Port, SessionId,
};
use copperlink::proto::time::{BitRate, Instant, earliest};
use copperlink::proto::{LineSignals, Session};

const WIRE: LineId = LineId(0);
const CONTROL: Port = Port::media(ChannelId(1));

fn main() -> Result<(), Box<dyn Error>> {
    let mut now = Instant::ZERO;
    let mut ends = [end("room-1", 101, now)?, end("room-2", 202, now)?];

    // Lines count as closed until somebody says that their device is open.
    for end in &mut ends {
        end.handle_signals(now, WIRE, LineSignals::OPEN);
    }
    // Control may be handed in at any time: it waits for the line.
    ends[0].handle_datagram(now, CONTROL, Bytes::from_static(b"camera 2, please"))?;
    ends[1].handle_datagram(now, CONTROL, Bytes::from_static(b"the lamp is off"))?;

    let mut arrived = 0;
    while arrived < 2 {
        let mut quiet = true;
        for (here, there) in [(0, 1), (1, 0)] {
            let session = &mut ends[here];
            // In: what is due. More calls than needed do no harm.
            session.handle_timeout(now);

            // Out, always in this order: bytes for the line, few at a time,
            let mut wire = Vec::new();
            session.poll_transmit(now, WIRE, 256, &mut wire);
            // what the equipment is to get,
            while let Some((_, datagram)) = session.poll_datagram() {
                println!(
                    "{now:?} end {here} got {:?}",
                    datagram.escape_ascii().to_string()
                );
                arrived += 1;
            }
            // and what the technician wants to know.
            while let Some(event) = session.poll_event() {
                println!("{now:?} end {here}: {event:?}");
            }

            // In, at the other end: any bytes, in pieces of any size.
            quiet &= wire.is_empty();
            ends[there].handle_bytes(now, WIRE, &wire);
        }
        if quiet {
            // Last: sleep until the earlier deadline of the two. Here sleeping costs nothing.
            let next = earliest(ends[0].poll_timeout(), ends[1].poll_timeout());
            now = next
                .map(|(at, _why)| at.max(now))
                .ok_or("nothing left to do")?;
        }
    }
    Ok(())
}

fn end(name: &str, session: u32, now: Instant) -> Result<Session, Box<dyn Error>> {
    let rate = BitRate::new(9600).ok_or("no rate of a line")?;
    let config = LinkConfig {
        name: name.to_owned(),
        session: SessionId(session), // a random number in a real program
        lines: vec![LineConfig::new("wire", rate)],
        channels: vec![ChannelConfig::new(1, "control", Class::Control)],
        resume: None,
    };
    Ok(Session::new(config, now)?)
}
