//! Listens to a bucket: what MinIO says is handed on, and what it said to nobody is looked for.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use reqwest::Response;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::Minio;
use super::api::{Api, Listed, Page};
use super::progress::{ObjectState, Progress};
use super::record::{line, notification};
use crate::context::SourceContext;
use crate::cursor::Cursor;
use crate::error::{Reason, SourceError};
use crate::incoming::{Incoming, Verdict};
use crate::pump::InHand;
use crate::status::{Condition, chain};

/// A connection on which nothing has come for so long is lost.
const SILENT: Duration = Duration::from_secs(30);

/// How often it is kept up to where the bucket has been told of.
const KEEP: Duration = Duration::from_secs(5);

/// How long what was handed on is waited for at the end.
const FINISH_WITHIN: Duration = Duration::from_secs(3);

/// How many bytes may wait to be handed on: as much as may be on its way to the bus.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// What a notification takes beside its payload.
const AROUND: usize = 512;

/// While more wait to be handed on, the list of objects is not read on.
const MOST_WAITING: usize = 1_000;

/// How exact the time in an answer's head is.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// What is to be told, or was handed on.
#[derive(Debug, Clone)]
struct Told {
    object: Option<ObjectState>,
    time: Timestamp,
}

/// One connection.
pub(super) struct Work<'a> {
    source: &'a Minio,
    context: &'a SourceContext,
    api: &'a Api<'a>,
    cursor: Cursor,
    progress: Progress,
    kept: Bytes,
    /// What time the server had, and when.
    server: (Timestamp, Instant),
    response: Response,
    arrived: BytesMut,
    heard: Instant,
    ready: VecDeque<(Incoming, Told)>,
    bytes: usize,
    in_hand: InHand<Told>,
    listing: Option<BoxFuture<'a, Result<Page, SourceError>>>,
}

impl<'a> Work<'a> {
    /// Begins to listen, and then to look for what was missed.
    pub(super) async fn open(
        source: &'a Minio,
        context: &'a SourceContext,
        api: &'a Api<'a>,
    ) -> Result<Self, SourceError> {
        let cursor = context.cursor().await?;
        let kept = cursor.load().await?;
        let (response, now) = api.listen().await?;
        let (progress, is_first) = match &kept {
            Some(kept) => {
                let read = serde_json::from_slice(kept);
                let read = read.map_err(|error| {
                    SourceError::new(Reason::State, "read the cursor").because(error)
                })?;
                (read, false)
            }
            // The server's time is one of whole seconds: what is there already is not told.
            None => (Progress::begin(later(now, SECOND)), true),
        };
        let mut work = Self {
            source,
            context,
            api,
            cursor,
            progress,
            kept: kept.unwrap_or_default(),
            server: (now, Instant::now()),
            response,
            arrived: BytesMut::new(),
            heard: Instant::now(),
            ready: VecDeque::new(),
            bytes: 0,
            in_hand: context.publisher().in_hand(),
            listing: None,
        };
        if is_first {
            work.keep().await?;
        } else if source.hears_of_created() {
            work.listing = Some(work.page(None));
        }
        Ok(work)
    }

    /// Runs until the context's `shutdown`, or until the connection is lost.
    pub(super) async fn run(mut self) -> Result<(), SourceError> {
        self.context.condition(Condition::Working);
        let mut keep = interval(KEEP);
        keep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = loop {
            let may_list = self.ready.len() < MOST_WAITING;
            tokio::select! {
                biased;
                () = self.context.shutdown().cancelled() => break Ok(()),
                settled = self.in_hand.settled() => self.settled(settled),
                permit = self.context.publisher().permit(), if !self.ready.is_empty() => {
                    if let Some((incoming, told)) = self.ready.pop_front() {
                        self.bytes -= incoming.size() + AROUND;
                        self.in_hand.hand_on(permit, incoming, told);
                    }
                }
                page = next(&mut self.listing), if may_list => {
                    self.listing = None;
                    if let Err(error) = self.looked(page) {
                        break Err(error);
                    }
                }
                said = timeout_at(self.heard + SILENT, self.response.chunk()) => {
                    let said = said.unwrap_or_else(|_| Ok(None));
                    if let Err(error) = self.heard(said) {
                        break Err(error);
                    }
                }
                _ = keep.tick() => self.keep_quietly().await,
            }
        };
        self.finish().await;
        ended
    }

    fn page(&self, token: Option<String>) -> BoxFuture<'a, Result<Page, SourceError>> {
        let api = self.api;
        async move { api.list(token).await }.boxed()
    }

    /// What has come; nothing, if the connection is lost.
    fn heard(&mut self, said: Result<Option<Bytes>, reqwest::Error>) -> Result<(), SourceError> {
        let act = || format!("listen to bucket {}", self.source.bucket);
        let said = said.map_err(|error| {
            SourceError::new(Reason::Disconnected, act()).because(error.without_url())
        })?;
        let said = said.ok_or_else(|| {
            let why = if self.heard.elapsed() < SILENT {
                "the server has ended it".to_owned()
            } else {
                format!("nothing has come for {} s", SILENT.as_secs())
            };
            SourceError::new(Reason::Disconnected, act()).because(why)
        })?;
        self.heard = Instant::now();
        self.arrived.extend_from_slice(&said);
        let malformed = |error| SourceError::new(Reason::Malformed, act()).because(error);
        loop {
            let line = match line(&mut self.arrived) {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(error) => {
                    // A list shows what was created, and nothing else.
                    let time = self.server_time();
                    let begun = std::mem::take(&mut self.arrived).freeze();
                    let incoming = Incoming::unreadable(begun, error.to_string());
                    self.push(incoming, Told { object: None, time });
                    return Err(malformed(error));
                }
            };
            let Some(said) = notification(&line).map_err(malformed)? else {
                continue;
            };
            let time = said.time.unwrap_or_else(|| self.server_time());
            let object = said.created.clone();
            self.push(self.source.incoming(&said), Told { object, time });
        }
        if self.bytes > MAX_BYTES {
            // What was created is found when this is begun again.
            let why = "the bus takes nothing, and more than 8 MiB wait for it";
            return Err(SourceError::new(Reason::Publish, act()).because(why));
        }
        Ok(())
    }

    /// A part of the list has come. Whoever may not list may still listen.
    fn looked(&mut self, page: Result<Page, SourceError>) -> Result<(), SourceError> {
        match page {
            Ok(page) => self.listed(page),
            Err(error) if error.reason() == Reason::Forbidden => {
                self.context.condition(Condition::Impaired {
                    reason: error.reason(),
                    message: chain(&error),
                    hint: error.hint().to_owned(),
                });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn listed(&mut self, page: Page) {
        for listed in page.objects {
            let Listed {
                object, modified, ..
            } = &listed;
            if self.source.is_watched(&object.key) && self.progress.is_missed(object, *modified) {
                let told = Told {
                    object: Some(object.clone()),
                    time: *modified,
                };
                self.push(self.source.missed(&listed), told);
            }
        }
        self.listing = page.next.map(|token| self.page(Some(token)));
    }

    fn push(&mut self, incoming: Incoming, told: Told) {
        self.progress.arrived(told.time);
        self.bytes += incoming.size() + AROUND;
        self.ready.push_back((incoming, told));
    }

    fn settled(&mut self, (told, verdict): (Told, Verdict)) {
        match verdict {
            Verdict::Stored | Verdict::Filtered | Verdict::DeadLettered => {
                self.progress.told(told.object, told.time);
            }
            // It is found when this is begun again, if it was created.
            Verdict::GivenBack(_) => {}
        }
    }

    /// Keeps up to where the bucket has been told of. Nobody waits for it: it only saves looking.
    async fn keep_quietly(&mut self) {
        if let Err(error) = self.keep().await {
            self.context.failed(&chain(&error));
        }
    }

    async fn keep(&mut self) -> Result<(), SourceError> {
        // Until the list is read to its end, what is behind may still be missing.
        if self.listing.is_none() {
            self.progress.reached(self.server_time());
        }
        // It is data, and can always be written.
        let now: Bytes = serde_json::to_vec(&self.progress)
            .unwrap_or_default()
            .into();
        if now != self.kept {
            self.cursor.store(now.clone()).await?;
            self.kept = now;
        }
        Ok(())
    }

    fn server_time(&self) -> Timestamp {
        let (time, then) = self.server;
        let since = SignedDuration::try_from(then.elapsed()).unwrap_or_default();
        later(time, since)
    }

    /// Hands on what can be handed on at once, and keeps what became of it.
    async fn finish(mut self) {
        while !self.ready.is_empty()
            && let Some(permit) = self.context.publisher().permit().now_or_never()
            && let Some((incoming, told)) = self.ready.pop_front()
        {
            self.in_hand.hand_on(permit, incoming, told);
        }
        let deadline = Instant::now() + FINISH_WITHIN;
        while !self.in_hand.is_empty()
            && let Ok(settled) = timeout_at(deadline, self.in_hand.settled()).await
        {
            self.settled(settled);
        }
        self.keep_quietly().await;
    }
}

/// A server may say any time.
fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(time)
}

async fn next<T>(future: &mut Option<BoxFuture<'_, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
