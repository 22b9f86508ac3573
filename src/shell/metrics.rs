//! The counters for Prometheus, over HTTP on an address of this host.
//!
//! Promises: whoever asks for `/metrics` gets the figures of [`Snapshot`](super::Snapshot) at that
//! moment in Prometheus' text format; a reader that is slow, silent or hostile holds up nothing:
//! at most [`MOST_READERS`] connections at once, each for [`READER_TIME`] at most, and not more
//! than some fifty new ones a second. Nobody is asked who he is: the address decides who can read.
//! Assumes nothing of the readers. Leaves the names to [`names`](self::names).

mod names;
mod text;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::error::OpenError;
use super::link::LinkHandle;

/// The address of a link's metrics, taken.
#[derive(Debug)]
pub(super) struct MetricsServer {
    listener: TcpListener,
}

impl MetricsServer {
    /// Takes the address.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(super) async fn bind(address: SocketAddr) -> Result<Self, OpenError> {
        match TcpListener::bind(address).await {
            Ok(listener) => Ok(Self { listener }),
            Err(source) => Err(OpenError::Metrics { address, source }),
        }
    }

    /// Answers until the link has ended. Dropping this ends all connections.
    pub(super) async fn serve(self, link: LinkHandle) {
        let mut readers = JoinSet::new();
        loop {
            // While all places are taken, who comes next waits in the kernel.
            while readers.len() >= MOST_READERS {
                readers.join_next().await;
            }
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        readers.spawn(answer(stream, link.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(
                            "metrics: no connection can be taken: {error}; trying again"
                        );
                        sleep(PAUSE_AFTER_ERROR).await;
                    }
                },
                // Their places are free again.
                Some(_) = readers.join_next() => continue,
            }
            // A flood of readers must not take the processor from the link.
            sleep(PAUSE_BETWEEN_READERS).await;
        }
    }
}

async fn answer(stream: TcpStream, link: LinkHandle) {
    let service = service_fn(|request| respond(request, &link));
    let connection = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(READER_TIME)
        .max_buf_size(MOST_BUFFERED)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(READER_TIME, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("a reader of the metrics went away: {error}"),
        Err(_elapsed) => tracing::debug!("a reader of the metrics was too slow"),
    }
}

async fn respond(
    request: Request<Incoming>,
    link: &LinkHandle,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != "/metrics" {
        let words = "The counters of this link are at /metrics.\n";
        return Ok(response(StatusCode::NOT_FOUND, words.into()));
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refused = response(StatusCode::METHOD_NOT_ALLOWED, "Only GET.\n".into());
        let allowed = HeaderValue::from_static("GET, HEAD");
        refused.headers_mut().insert(ALLOW, allowed);
        return Ok(refused);
    }
    let Some(snapshot) = link.snapshot().await else {
        let words = "The link is stopping.\n";
        return Ok(response(StatusCode::SERVICE_UNAVAILABLE, words.into()));
    };
    Ok(match text::of(snapshot) {
        Ok(text) => response(StatusCode::OK, text),
        Err(error) => {
            tracing::warn!("the metrics cannot be written: {error}");
            response(StatusCode::INTERNAL_SERVER_ERROR, String::new())
        }
    })
}

fn response(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(match status {
        StatusCode::OK => "text/plain; version=0.0.4; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    });
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Prometheus needs one; another one for somebody who tries, and some who are slow.
const MOST_READERS: usize = 4;
/// Prometheus' own limit is 10 s.
const READER_TIME: Duration = Duration::from_secs(5);
/// What a request may have, and what is read of one at once.
const MOST_BUFFERED: usize = 8192;
const PAUSE_BETWEEN_READERS: Duration = Duration::from_millis(20);
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(200);
