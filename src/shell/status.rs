//! Asking a running link how it is, and for more: a Unix socket per link.
//!
//! Whoever connects says in a line what it wants:
//!
//! ```text
//! status   one JSON document, the Snapshot; then the connection is closed
//! talk     the order wire, both ways: see talk.rs
//! capture  the bytes of a line: see capture.rs
//! ```
//!
//! Promises that at most one link of a name runs per directory, that the
//! file a killed run left behind is in nobody's way, that there are not many readers at a time, and that
//! a slow one holds nothing up. Leaves the contents to the driver.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::geteuid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::error::{OpenError, StatusError};
use super::lines::Lines;
use super::link::LinkHandle;
use super::{capture, talk};

/// Where the sockets are: `COPPERLINK_RUN_DIR`, else `copperlink` in the user's runtime
/// directory, else `/run/copperlink` for root, else a directory of the user's in `/tmp`.
pub fn run_dir() -> PathBuf {
    let from_environment = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(dir) = from_environment("COPPERLINK_RUN_DIR") {
        return dir.into();
    }
    if let Some(dir) = from_environment("XDG_RUNTIME_DIR") {
        return Path::new(&dir).join("copperlink");
    }
    let user = geteuid();
    if user.is_root() {
        return "/run/copperlink".into();
    }
    format!("/tmp/copperlink-{}", user.as_raw()).into()
}

/// The socket of the link `name` in [`run_dir`].
pub fn socket_path(name: &str) -> PathBuf {
    run_dir().join(file_name(name))
}

/// The names of the links that run, sorted: those whose sockets in [`run_dir`] answer.
pub fn list() -> Vec<String> {
    list_in(&run_dir())
}

/// Asks the link behind the socket at `path` and returns its JSON document.
///
/// # Errors
/// When nobody answers there, or not in time.
pub async fn query(path: impl AsRef<Path>) -> Result<String, StatusError> {
    let path = path.as_ref();
    let answer = async {
        let mut stream = UnixStream::connect(path).await?;
        stream.write_all(b"status\n").await?;
        let mut document = String::new();
        stream
            .take(LARGEST_DOCUMENT)
            .read_to_string(&mut document)
            .await?;
        Ok(document)
    };
    let no_answer = || StatusError::NoAnswer {
        path: path.to_path_buf(),
        seconds: ANSWER_TIME.as_secs(),
    };
    match timeout(ANSWER_TIME, answer).await {
        Ok(Ok(document)) if document.is_empty() => Err(no_answer()),
        Ok(Ok(document)) => Ok(document),
        Ok(Err(error)) => Err(status_error(path, error)),
        Err(_elapsed) => Err(no_answer()),
    }
}

/// Connects to the link behind the socket at `path`, and says what is wanted.
pub(super) async fn ask(path: &Path, request: &str) -> Result<UnixStream, StatusError> {
    let asking = async {
        let mut stream = UnixStream::connect(path).await?;
        stream.write_all(request.as_bytes()).await?;
        stream.write_all(b"\n").await?;
        Ok(stream)
    };
    match timeout(ANSWER_TIME, asking).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(status_error(path, error)),
        Err(_elapsed) => Err(StatusError::NoAnswer {
            path: path.to_path_buf(),
            seconds: ANSWER_TIME.as_secs(),
        }),
    }
}

fn status_error(path: &Path, source: io::Error) -> StatusError {
    let path = path.to_path_buf();
    match source.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => StatusError::NotRunning { path },
        ErrorKind::PermissionDenied => StatusError::Denied { path },
        _ => StatusError::Io { path, source },
    }
}

/// The socket of a link that is open. Its file goes when this is dropped.
#[derive(Debug)]
pub(super) struct StatusSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl StatusSocket {
    /// Makes the socket at `path` for the link `name`, in place of one that nobody answers.
    ///
    /// # Errors
    /// When a link of that name runs already, or the socket cannot be made.
    pub(super) async fn bind(path: &Path, name: &str) -> Result<Self, OpenError> {
        if let Some(dir) = path.parent() {
            make_private(dir)?;
        }
        let fails = |source| OpenError::StatusSocket {
            path: path.to_path_buf(),
            source,
        };
        match UnixStream::connect(path).await {
            Ok(running) => {
                return Err(OpenError::AlreadyRunning {
                    name: name.to_owned(),
                    pid: running.peer_cred().ok().and_then(|peer| peer.pid()),
                });
            }
            // A killed run left its socket behind. Any other file is not ours to remove.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                let metadata = fs::symlink_metadata(path).map_err(fails)?;
                if !metadata.file_type().is_socket() {
                    return Err(fails(ErrorKind::AlreadyExists.into()));
                }
                fs::remove_file(path).map_err(fails)?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(fails(error)),
        }
        Ok(Self {
            listener: UnixListener::bind(path).map_err(fails)?,
            path: path.to_path_buf(),
        })
    }

    /// Answers whoever connects, until the link has ended.
    pub(super) async fn serve(self, link: LinkHandle) {
        let mut readers = JoinSet::new();
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    while readers.try_join_next().is_some() {}
                    if readers.len() < MOST_READERS {
                        readers.spawn(serve(stream, link.clone()));
                    } else {
                        tracing::warn!("too many ask this link at a time; one is turned away");
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        "the status socket cannot take a connection: {error}; trying again"
                    );
                    sleep(PAUSE_AFTER_ERROR).await;
                }
            }
        }
    }
}

impl Drop for StatusSocket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!("{} could not be removed: {error}", self.path.display());
        }
    }
}

/// Serves one who connected.
async fn serve(stream: UnixStream, link: LinkHandle) {
    let mut lines = Lines::new(stream, LONGEST_REQUEST);
    let request = match timeout(REQUEST_TIME, lines.next()).await {
        Ok(Ok(Some(request))) => request,
        // Who only looks whether somebody is here says nothing.
        Ok(Ok(None)) => return,
        Ok(Err(error)) => {
            tracing::debug!("who asked went away: {error}");
            return;
        }
        Err(_elapsed) => {
            tracing::debug!("who connected asked for nothing");
            return;
        }
    };
    let (stream, behind) = lines.into_parts();
    let (word, rest) = request.split_once(' ').unwrap_or((&request, ""));
    match word {
        "status" => {
            if let Some(document) = document(&link).await {
                answer(stream, &document).await;
            }
        }
        "talk" => talk::serve(stream, behind, &link).await,
        "capture" => capture::serve(stream, behind, rest.to_owned(), &link).await,
        _ => tracing::debug!("somebody asked for something that this link does not know"),
    }
}

async fn document(link: &LinkHandle) -> Option<String> {
    let snapshot = link.snapshot().await?;
    match serde_json::to_string(&snapshot) {
        Ok(document) => Some(document),
        Err(error) => {
            tracing::warn!("the status cannot be written as JSON: {error}");
            Some(String::new())
        }
    }
}

async fn answer(mut stream: UnixStream, document: &str) {
    match timeout(WRITE_TIME, stream.write_all(document.as_bytes())).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("a status reader went away: {error}"),
        Err(_elapsed) => tracing::debug!("a status reader was too slow"),
    }
}

/// Makes sure that `dir` is there. One in a directory of everybody's must be the user's alone:
/// otherwise others could put a socket in place of ours.
fn make_private(dir: &Path) -> Result<(), OpenError> {
    let fails = |source| OpenError::RunDir {
        path: dir.to_path_buf(),
        source,
    };
    match DirBuilder::new().recursive(true).mode(0o700).create(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(fails(error)),
    }
    let metadata = fs::metadata(dir).map_err(fails)?;
    let ours = metadata.uid() == geteuid().as_raw();
    if !ours || metadata.mode() & 0o022 != 0 {
        return Err(OpenError::RunDirNotPrivate {
            path: dir.to_path_buf(),
        });
    }
    Ok(())
}

fn list_in(dir: &Path) -> Vec<String> {
    // No directory: no link has ever run.
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = link_name(entry.file_name().to_str()?)?;
            std::os::unix::net::UnixStream::connect(entry.path()).ok()?;
            Some(name)
        })
        .collect();
    names.sort();
    names
}

/// A link's name as a file name: everything but letters, digits, `-` and `_` as `%xx`.
fn file_name(name: &str) -> String {
    let mut file = String::with_capacity(name.len() + SUFFIX.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            file.push(char::from(byte));
        } else {
            file.push_str(&format!("%{byte:02x}"));
        }
    }
    file + SUFFIX
}

/// The name behind a file name; `None` when it is not one of [`file_name`].
fn link_name(file: &str) -> Option<String> {
    let mut rest = file.strip_suffix(SUFFIX)?.bytes();
    let mut name = Vec::with_capacity(file.len());
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            name.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            name.push(byte);
        }
    }
    String::from_utf8(name).ok()
}

const SUFFIX: &str = ".sock";
/// A link answers in milliseconds; one that is being stopped does not answer at all.
const ANSWER_TIME: Duration = Duration::from_secs(2);
const REQUEST_TIME: Duration = Duration::from_secs(1);
const LONGEST_REQUEST: usize = 256;
/// Who ask at a time.
const MOST_READERS: usize = 32;
const WRITE_TIME: Duration = Duration::from_secs(1);
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(200);
/// Bounds what is read from a socket that is not a link's.
const LARGEST_DOCUMENT: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_way_through_a_file_name() {
        for name in ["room-1", "", ".", "../etc", "Zürich 2", "a%2fb", "x/y"] {
            let file = file_name(name);
            assert!(!file.contains('/'), "{file}");
            assert_eq!(link_name(&file).as_deref(), Some(name));
        }
        assert_eq!(link_name("notes.txt"), None);
        assert_eq!(link_name("%f.sock"), None);
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run").join(file_name("room"));
        let first = StatusSocket::bind(&path, "room").await.unwrap();
        let error = StatusSocket::bind(&path, "room").await.unwrap_err();
        let words = error.to_string();
        assert!(words.contains("already running"), "{words}");
        let pid = std::process::id().to_string();
        assert!(
            cfg!(not(target_os = "linux")) || words.contains(&pid),
            "{words}"
        );
        drop(first);
        assert!(!path.exists());

        // What a killed run leaves: a file without a listener.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        assert_eq!(list_in(path.parent().unwrap()), Vec::<String>::new());
        let _second = StatusSocket::bind(&path, "room").await.unwrap();
        assert_eq!(list_in(path.parent().unwrap()), ["room"]);
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("room.sock");
        fs::write(&path, "notes").unwrap();
        assert!(StatusSocket::bind(&path, "room").await.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "notes");
    }

    #[tokio::test]
    async fn a_directory_open_to_others_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = StatusSocket::bind(&dir.path().join("room.sock"), "room").await;
        assert!(matches!(error, Err(OpenError::RunDirNotPrivate { .. })));
    }

    #[tokio::test]
    async fn a_link_that_does_not_run_is_said_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let error = query(dir.path().join("room.sock")).await.unwrap_err();
        assert!(matches!(error, StatusError::NotRunning { .. }));
    }
}
