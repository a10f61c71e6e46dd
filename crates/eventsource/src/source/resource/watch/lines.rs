//! The lines of an open watch.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{AsyncBufRead, AsyncBufReadExt as _};
use tokio::time::Instant;

use super::answer::Line;
use crate::source::resource::error::Error;

/// The longest line that is read: several times what etcd stores of one object.
const MAX_LINE: usize = 16 * 1024 * 1024;

/// How long an open watch may say nothing once it has shown that it sends bookmarks, which come
/// about once a minute: then the connection is dead.
const BOOKMARKS_WITHIN: Duration = Duration::from_secs(150);

/// How much later than asked for a server may close a watch.
const GRACE: Duration = Duration::from_secs(30);

/// The lines of an open watch.
pub(in super::super) struct Lines {
    target: Arc<str>,
    reader: Pin<Box<dyn AsyncBufRead + Send>>,
    buffer: BytesMut,
    /// How much of the buffer has no line end in it.
    searched: usize,
    ends_at: Instant,
    heard_at: Instant,
    sends_bookmarks: bool,
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl Lines {
    pub(super) fn new(
        target: Arc<str>,
        reader: Pin<Box<dyn AsyncBufRead + Send>>,
        duration: Duration,
    ) -> Self {
        let now = Instant::now();
        Self {
            target,
            reader,
            buffer: BytesMut::new(),
            searched: 0,
            ends_at: now + duration + GRACE,
            heard_at: now,
            sends_bookmarks: false,
        }
    }

    /// The next line; `None` if the server has closed the watch.
    ///
    /// # Cancellation
    /// What was read stays for the next call.
    pub(in super::super) async fn next(&mut self) -> Result<Option<Line>, Error> {
        loop {
            if let Some(line) = self.buffered() {
                self.heard_at = Instant::now();
                if line.trim_ascii().is_empty() {
                    continue;
                }
                let line = Line::read(&line).map_err(|source| Error::Malformed {
                    target: self.target.clone(),
                    source,
                })?;
                self.sends_bookmarks |= matches!(line, Line::Bookmark { .. });
                return Ok(Some(line));
            }
            if self.buffer.len() > MAX_LINE {
                return Err(Error::TooLong {
                    target: self.target.clone(),
                    limit: MAX_LINE,
                });
            }
            let read = self.reader.fill_buf().await;
            let chunk = read.map_err(|source| Error::Broken {
                target: self.target.clone(),
                source,
            })?;
            let length = chunk.len();
            if length == 0 {
                return Ok(None);
            }
            self.buffer.extend_from_slice(chunk);
            self.reader.as_mut().consume(length);
        }
    }

    /// When the connection counts as dead, unless a line comes.
    pub(in super::super) fn deadline(&self) -> Instant {
        if self.sends_bookmarks {
            self.ends_at.min(self.heard_at + BOOKMARKS_WITHIN)
        } else {
            self.ends_at
        }
    }

    /// Nobody has listened: silence until now says nothing.
    pub(in super::super) fn reset_deadline(&mut self) {
        self.heard_at = Instant::now();
    }

    fn buffered(&mut self) -> Option<Bytes> {
        if let Some(at) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
            let line = self.buffer.split_to(self.searched + at + 1);
            self.searched = 0;
            return Some(line.freeze());
        }
        self.searched = self.buffer.len();
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::io::{AsyncReadExt as _, BufReader, Cursor};

    use super::{Line, Lines};

    #[tokio::test]
    async fn lines_are_put_together_from_pieces() {
        let first = r#"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"1"}}}"#;
        let pieces = Cursor::new(first[..20].to_owned())
            .chain(Cursor::new(format!("{}\n\n", &first[20..])))
            .chain(Cursor::new(
                first.replace("ADDED", "DELETED") + "\n{\"type\"",
            ));
        let reader = Box::pin(BufReader::with_capacity(7, pieces));
        let mut lines = Lines::new("pods".into(), reader, Duration::from_secs(1));
        assert!(
            matches!(lines.next().await.unwrap(), Some(Line::Added(object)) if object.raw == first[25..first.len() - 1])
        );
        assert!(matches!(
            lines.next().await.unwrap(),
            Some(Line::Deleted(_))
        ));
        // The rest of a broken connection is no line.
        assert!(lines.next().await.unwrap().is_none());
    }
}
