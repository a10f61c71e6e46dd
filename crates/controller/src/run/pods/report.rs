//! Reads what a pod says of itself: one request that is answered with a line for each change.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::Builder;
use hyper_util::rt::TokioIo;
use tiphys_api::worker::{ADMIN_PORT, REPORT_PATH, Report};
use tiphys_base::Backoff;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::origin::{self, Origin};
use super::wake;
use crate::Context;
use crate::index::children::{Key, Owner};
use crate::wakes::Wakes;
use crate::workload::report_key;

/// Waits between attempts to reach a pod: a pod that has just got its address answers soon, one that
/// does not start may take for ever.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// How long the pod may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A pod that says nothing for so long is asked anew: its node may be gone.
const SILENCE: Duration = Duration::from_mins(10);

/// The buffer of a connection: there is one for each pod, and a line may be longer.
const BUFFER: usize = 4 * 1024;

/// The longest line.
const LONGEST_LINE: usize = 1024 * 1024;

/// The wait between two wakes of one object.
const WAKE_EVERY: Duration = Duration::from_secs(1);

/// The same, if only counts and times have changed.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// Reads the reports of one pod, until it is aborted.
pub(super) struct Reader {
    pub(super) context: Arc<Context>,
    pub(super) wakes: Wakes,
    pub(super) deployment: Key,
    /// What the pod names as its owner.
    pub(super) replica_set: Owner,
    pub(super) uid: String,
    pub(super) address: String,
}

/// When a wake is due.
#[derive(Debug, Default)]
struct Due {
    last: Option<Instant>,
    next: Option<Instant>,
}

impl Reader {
    pub(super) async fn run(self) {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        self.wait_for_ours(&mut backoff).await;
        loop {
            if self.session().await.is_some() {
                backoff.reset();
                self.keep(None);
                wake(&self.context, &self.wakes, &self.deployment).await;
            }
            sleep(backoff.wait()).await;
        }
    }

    /// Returns when the pod is known to be the Deployment's: a Deployment that was made anew is seen later
    /// than its pods may be.
    async fn wait_for_ours(&self, backoff: &mut Backoff) {
        let mut is_told = false;
        loop {
            match origin::of(&self.context, &self.deployment, &self.replica_set).await {
                Origin::Ours => break,
                Origin::Foreign if !is_told => {
                    is_told = true;
                    let Key {
                        namespace, name, ..
                    } = &self.deployment;
                    tracing::warn!(
                        namespace,
                        deployment = name,
                        podUID = self.uid,
                        "A pod that is not of this Deployment is not asked for its report"
                    );
                }
                Origin::Foreign | Origin::Unknown => {}
            }
            sleep(backoff.wait()).await;
        }
        backoff.reset();
    }

    /// Reads until the connection ends; `None` if the pod gave no answer, which its own state
    /// explains.
    async fn session(&self) -> Option<()> {
        let connecting = TcpStream::connect((self.address.as_str(), ADMIN_PORT));
        let stream = timeout(ANSWER_WITHIN, connecting).await.ok()?.ok()?;
        let mut builder = Builder::new();
        builder.read_buf_exact_size(Some(BUFFER));
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.ok()?;
        let child = self.context.children.get(&self.deployment)?;
        let key = report_key(child.owner.as_ref().map_or("", |owner| &owner.uid));
        let request = Request::get(REPORT_PATH)
            .header(http::header::HOST, "pod")
            .header(http::header::AUTHORIZATION, format!("Bearer {key}"))
            .body(Empty::<Bytes>::new())
            .ok()?;
        let exchange = async {
            let answer = timeout(ANSWER_WITHIN, sender.send_request(request))
                .await
                .ok()?
                .ok()?;
            if !answer.status().is_success() {
                return None;
            }
            self.read(answer.into_body()).await;
            Some(())
        };
        let mut exchange = std::pin::pin!(exchange);
        tokio::select! {
            biased;
            done = &mut exchange => done,
            // Whatever was still on its way can be read without the connection.
            _ = connection => exchange.await,
        }
    }

    async fn read(&self, mut body: Incoming) {
        let mut rest = BytesMut::new();
        let mut due = Due::default();
        let mut known: Option<Arc<Report>> = None;
        loop {
            let next = due.next;
            let frame = tokio::select! {
                frame = timeout(SILENCE, body.frame()) => frame,
                () = async { sleep_until(next.unwrap_or_else(Instant::now)).await }, if next.is_some() => {
                    due.woken(Instant::now());
                    wake(&self.context, &self.wakes, &self.deployment).await;
                    continue;
                }
            };
            let Ok(Some(Ok(frame))) = frame else { return };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            rest.extend_from_slice(&data);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = rest.split_to(end + 1);
                let Ok(report) = serde_json::from_slice::<Report>(&line) else {
                    return;
                };
                let every = match &known {
                    Some(known) if same_but_for_counts(known, &report) => COUNT_EVERY,
                    _ => WAKE_EVERY,
                };
                let report = Arc::new(report);
                known = Some(Arc::clone(&report));
                if !self.keep(Some(report)) {
                    return;
                }
                due.wants(every, Instant::now());
            }
            if rest.len() > LONGEST_LINE {
                return;
            }
        }
    }

    fn keep(&self, report: Option<Arc<Report>>) -> bool {
        self.context
            .pods
            .reported(&self.deployment, &self.uid, report)
    }
}

impl Due {
    fn wants(&mut self, every: Duration, now: Instant) {
        let at = self.last.map_or(now, |last| (last + every).max(now));
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    fn woken(&mut self, now: Instant) {
        self.last = Some(now);
        self.next = None;
    }
}

/// True if nothing has changed that a human would act on.
fn same_but_for_counts(one: &Report, other: &Report) -> bool {
    let plain = |report: &Report| {
        let mut report = report.clone();
        for part in &mut report.parts {
            part.done = 0;
            part.lag = 0;
            part.dead_lettered = part.dead_lettered.min(1);
            part.last_error = part.last_error.as_ref().map(|_| String::new());
            part.last_event_time = None;
        }
        report
    };
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use tiphys_api::worker::PartReport;

    use super::*;

    #[test]
    fn the_first_wake_is_at_once_and_the_next_one_waits() {
        let start = Instant::now();
        let mut due = Due::default();
        due.wants(COUNT_EVERY, start);
        assert_eq!(due.next, Some(start));
        due.woken(start);
        due.wants(COUNT_EVERY, start);
        assert_eq!(due.next, Some(start + COUNT_EVERY));
        due.wants(WAKE_EVERY, start);
        assert_eq!(due.next, Some(start + WAKE_EVERY));
        due.woken(start + WAKE_EVERY);
        assert_eq!(due.next, None);
    }

    #[test]
    fn counts_and_times_concern_nobody_at_once() {
        let report = |done, dead_lettered| Report {
            parts: vec![PartReport {
                done,
                dead_lettered,
                ..PartReport::default()
            }],
            ..Report::default()
        };
        assert!(same_but_for_counts(&report(1, 0), &report(2, 0)));
        assert!(same_but_for_counts(&report(1, 1), &report(1, 2)));
        assert!(!same_but_for_counts(&report(1, 0), &report(1, 1)));
    }
}
