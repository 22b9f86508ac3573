//! One end of the call: a link, and the equipment that is pointed at its ports.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use copperlink::proto::config::{LineConfig, LinkConfig, Port};
use copperlink::proto::stats::Stats;
use copperlink::shell::{
    self, Deliver, Device, Flow, LineSetup, Link, LinkHandle, LinkSetup, OpenError, PortSetup,
    RunError,
};

use super::ChannelPlan;
use crate::outcome::Failure;

/// One end.
#[derive(Debug)]
pub(crate) struct Site {
    /// The running link.
    pub(crate) handle: LinkHandle,
    /// Ends with the link.
    pub(crate) task: JoinHandle<Result<Stats, RunError>>,
    /// One for each port of the plan, in its order.
    pub(crate) equipment: Vec<Equipment>,
}

/// One UDP port of conference equipment.
#[derive(Debug)]
pub(crate) struct Equipment {
    /// Its socket.
    pub(crate) socket: Arc<UdpSocket>,
    /// The port of the link that it is pointed at.
    pub(crate) link_port: SocketAddr,
}

impl Site {
    /// Opens the link on a serial port, set to the line's rate, and starts it.
    ///
    /// # Errors
    /// When a socket or the link cannot be opened.
    pub(crate) async fn open(
        name: &str,
        device: &Path,
        line: &LineConfig,
        plans: &[ChannelPlan],
    ) -> Result<Self, Failure> {
        let mut attempt = 0;
        loop {
            let (setup, equipment) = prepare(name, device, line, plans).await?;
            attempt += 1;
            match Link::open(setup).await {
                Ok((link, handle)) => {
                    return Ok(Self {
                        handle,
                        task: tokio::spawn(link.run()),
                        equipment,
                    });
                }
                // Another program was given the same free port in between.
                Err(OpenError::AddressInUse { .. }) if attempt < ATTEMPTS => {}
                Err(error) => return Err(Failure::cannot_run(error)),
            }
        }
    }
}

async fn prepare(
    name: &str,
    device: &Path,
    line: &LineConfig,
    plans: &[ChannelPlan],
) -> Result<(LinkSetup, Vec<Equipment>), Failure> {
    let mut equipment = Vec::new();
    let mut ports = Vec::new();
    // All are held until all are chosen, so that they differ.
    let mut held = Vec::new();
    for (port, _) in plans.iter().flat_map(|plan| &plan.ports) {
        let (socket, deliver) = free_port().await?;
        let (link_socket, listen) = free_port().await?;
        held.push(link_socket);
        ports.push(port_setup(*port, listen, deliver));
        equipment.push(Equipment {
            socket: Arc::new(socket),
            link_port: listen,
        });
    }
    let setup = LinkSetup {
        config: LinkConfig {
            name: name.to_owned(),
            session: shell::random_session(),
            lines: vec![line.clone()],
            channels: plans.iter().map(|plan| plan.config.clone()).collect(),
            resume: None,
        },
        lines: vec![LineSetup::new(
            Device::Serial(device.to_path_buf()),
            line.rate.bits_per_second(),
            match line.avoid_xon_xoff {
                true => Flow::Software,
                false => Flow::None,
            },
        )],
        ports,
        // Nobody asks it, and so two demonstrations are not in each other's way.
        status_socket: None,
        state_file: None,
        instruments: shell::Instruments::default(),
    };
    Ok((setup, equipment))
}

fn port_setup(port: Port, listen: SocketAddr, deliver: SocketAddr) -> PortSetup {
    PortSetup {
        port,
        listen,
        deliver: Deliver::To(deliver),
    }
}

async fn free_port() -> Result<(UdpSocket, SocketAddr), Failure> {
    let bind = async {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr()?;
        Ok((socket, address))
    };
    bind.await.map_err(|error: std::io::Error| {
        Failure::CannotRun(format!("no UDP port can be had on 127.0.0.1: {error}"))
    })
}

/// How often free ports are chosen again.
const ATTEMPTS: u32 = 5;
