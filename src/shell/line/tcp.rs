//! A line behind a terminal server: a raw TCP connection.
//!
//! Promises that bytes leave at once, that little waits in the kernel, and that a far side which
//! vanished without a word is noticed within some ten seconds. Assumes that the terminal server
//! is set to raw bytes (no Telnet), and to the line's speed; one that speaks Telnet is for
//! [`served_port`](super::served_port), which connects here too. Leaves connecting again to the line task.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

use super::problem::Problem;

/// Connects to `host:port`, trying each address of the host. `device` is its name for words.
///
/// # Errors
/// Why there is no connection.
pub(super) async fn connect(device: &str, address: &str) -> Result<TcpStream, Problem> {
    let device = device.to_owned();
    let addresses = match lookup_host(address).await {
        Ok(addresses) => addresses,
        Err(source) => return Err(Problem::NameNotFound { device, source }),
    };
    let mut source = io::ErrorKind::NotFound.into();
    for address in addresses {
        match timeout(CONNECT_TIME, connect_to(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => source = error,
            Err(_elapsed) => source = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(Problem::NotConnected { device, source })
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_nodelay(true)?;
    socket.set_keepalive(true)?;
    // Bytes that wait in the kernel can no longer be overtaken.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    notice_silence(&socket)?;
    socket.connect(address).await
}

/// Ends the connection when the far side acknowledges nothing for a while.
#[cfg(target_os = "linux")]
fn notice_silence(socket: &TcpSocket) -> io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_tcp_keepidle(socket, PROBE_AFTER)?;
    sockopt::set_tcp_keepintvl(socket, PROBE_AGAIN)?;
    sockopt::set_tcp_keepcnt(socket, PROBES)?;
    let most = PROBE_AFTER + PROBE_AGAIN * PROBES;
    let most = u32::try_from(most.as_millis()).unwrap_or(u32::MAX);
    Ok(sockopt::set_tcp_user_timeout(socket, most)?)
}

/// Elsewhere the system's own, longer times apply.
#[cfg(not(target_os = "linux"))]
fn notice_silence(_socket: &TcpSocket) -> io::Result<()> {
    Ok(())
}

#[cfg(target_os = "linux")]
const PROBE_AFTER: Duration = Duration::from_secs(4);
#[cfg(target_os = "linux")]
const PROBE_AGAIN: Duration = Duration::from_secs(2);
#[cfg(target_os = "linux")]
const PROBES: u32 = 3;
const CONNECT_TIME: Duration = Duration::from_secs(5);
const SEND_BUFFER: u32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn connects_and_sends_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stream = connect(&format!("tcp://{address}"), &address)
            .await
            .unwrap();
        assert!(stream.nodelay().unwrap());
    }

    #[tokio::test]
    async fn nobody_there_is_said_in_words() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let words = connect(&format!("tcp://{address}"), &address)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            words.contains(&format!("tcp://{address} does not answer")),
            "{words}"
        );
    }
}
