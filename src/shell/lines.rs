//! Lines of text from a socket, of bounded length.

use std::io::{self, ErrorKind};

use tokio::io::{AsyncRead, AsyncReadExt};

/// Reads line by line. A line that is too long is an error, so that nobody fills the memory.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    most: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines of at most so many bytes.
    pub(super) fn new(reader: R, most: usize) -> Self {
        Self::behind(Vec::new(), reader, most)
    }

    /// The same, when some bytes were read already.
    pub(super) fn behind(buffer: Vec<u8>, reader: R, most: usize) -> Self {
        Self {
            reader,
            buffer,
            most,
        }
    }

    /// The next line; `None` at the end, also in the midst of a line. Can be dropped at any time.
    pub(super) async fn next(&mut self) -> io::Result<Option<String>> {
        let mut looked_at = 0;
        loop {
            let news = &self.buffer[looked_at..];
            if let Some(end) = news.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=looked_at + end).collect();
                let line = String::from_utf8_lossy(&line);
                return Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()));
            }
            looked_at = self.buffer.len();
            if looked_at > self.most {
                return Err(ErrorKind::InvalidData.into());
            }
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// The reader, and what was read behind the last line.
    pub(super) fn into_parts(self) -> (R, Vec<u8>) {
        (self.reader, self.buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_told_apart_and_a_long_one_is_refused() {
        let mut lines = Lines::new(&b"one\r\ntwo\n\nrest"[..], 8);
        for line in ["one", "two", ""] {
            assert_eq!(lines.next().await.unwrap().as_deref(), Some(line));
        }
        assert_eq!(lines.next().await.unwrap(), None);
        let long = [b'x'; 100];
        assert!(Lines::new(&long[..], 8).next().await.is_err());
    }
}
