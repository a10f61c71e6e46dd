//! A report that is followed: a line at once, another one after each change, and one now and then to
//! show that the connection stands.

use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use futures::stream::unfold;
use tokio::sync::watch;
use tokio::time::timeout;

/// The longest silence.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// What a follower has received last is not kept: whoever reads slowly misses lines, and gets the
/// newest one next.
pub(super) fn lines(mut latest: watch::Receiver<Bytes>) -> impl Stream<Item = Bytes> + Send {
    latest.mark_changed();
    unfold(latest, |mut latest| async move {
        if let Ok(Err(_)) = timeout(HEARTBEAT, latest.changed()).await {
            return None;
        }
        let line = latest.borrow_and_update().clone();
        Some((line, latest))
    })
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, StreamExt as _};

    use super::*;

    #[tokio::test]
    async fn a_slow_reader_gets_the_newest_line_only() {
        let (report, latest) = watch::channel(Bytes::from_static(b"1\n"));
        let mut lines = Box::pin(lines(latest));
        let mut next = async || lines.next().now_or_never().flatten();
        assert_eq!(next().await.unwrap(), "1\n");
        assert!(next().await.is_none());
        report.send_replace(Bytes::from_static(b"2\n"));
        report.send_replace(Bytes::from_static(b"3\n"));
        assert_eq!(next().await.unwrap(), "3\n");
        assert!(next().await.is_none());
    }
}
