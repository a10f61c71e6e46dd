//! Events on their way to the bus: many at a time, but never two about one object or one name, each followed
//! by its record, and the position behind them all.
//!
//! What the bus does not take is offered again under the same id until it does; nothing new is
//! accepted meanwhile, so nothing is lost and nothing grows.

use std::collections::{HashMap, HashSet};
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tiphys_base::Backoff;
use tiphys_eventbus::{Error as BusError, Outgoing, PublishAck, State};
use tokio::time::Instant;

use super::object::{Name, Uid, Version};
use super::record::{Keys, KnownRecord, Position, Record};
use super::watermark::Watermark;
use crate::metrics::{InHandGuard, Outcome};
use crate::outlet::{Fault, Outlet};
use crate::pump::MAX_EVENTS;

/// Waits between attempts: an outage is noticed by the bus' own time-outs, so these may be short.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// Where the events of one event go.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) outlet: Outlet,
    pub(super) state: Arc<dyn State>,
    pub(super) keys: Keys,
}

/// Something to be published.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) outgoing: Outgoing,
    /// When the change was read.
    pub(super) received: Instant,
    /// It cannot be published, and goes to the dead letters.
    pub(super) fault: Option<Fault>,
    pub(super) books: InHandGuard,
}

/// Something to be recorded.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    Put(Record),
    Remove,
}

/// What a job is about.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) uid: Uid,
    /// `None`: nothing is published, so there is no order to keep.
    pub(super) name: Option<Name>,
}

/// Everything there is to do about one object at a time.
pub(super) struct Job {
    change: Option<u64>,
    about: About,
    message: Option<Message>,
    entry: Option<Entry>,
    retry: Option<Backoff>,
}

/// What ended.
pub(super) enum Done {
    Carried(Box<Job>),
    Failed(Box<Job>, BusError),
    Stored(Result<Position, BusError>),
}

/// Carries events to the bus.
pub(super) struct Publisher {
    target: Arc<Target>,
    in_flight: FuturesUnordered<BoxFuture<'static, Done>>,
    busy: HashSet<Uid>,
    /// A deletion that the bus did not take at first has to be there before the creation of the successor.
    busy_names: HashSet<Name>,
    failing: usize,
    watermark: Watermark,
    position: Position,
    is_storing: bool,
    tombstones: HashMap<Uid, Version>,
}

impl Publisher {
    pub(super) fn new(
        target: Arc<Target>,
        position: Position,
        tombstones: HashMap<Uid, Version>,
    ) -> Self {
        Self {
            target,
            in_flight: FuturesUnordered::new(),
            busy: HashSet::new(),
            busy_names: HashSet::new(),
            failing: 0,
            watermark: Watermark::default(),
            position,
            is_storing: false,
            tombstones,
        }
    }

    /// True if nothing is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// True if the bus takes what it is offered.
    pub(super) fn is_open(&self) -> bool {
        self.failing == 0 && self.busy.len() < MAX_EVENTS
    }

    /// True if something about this object may be offered.
    pub(super) fn has_room(&self, uid: &str, name: &Name) -> bool {
        self.is_open() && !self.busy.contains(uid) && !self.busy_names.contains(name)
    }

    /// There is nothing to publish up to here.
    pub(super) fn pass(&mut self, version: Version) {
        self.watermark.pass(version);
    }

    /// Begins a change; the position does not move past it before [`Self::carry`] has come to its end.
    pub(super) fn begin(&mut self, version: Option<Version>) -> u64 {
        self.watermark.begin(version)
    }

    /// Hands a message to the bus, in the order of the calls.
    pub(super) fn offer(
        &self,
        message: &Message,
    ) -> BoxFuture<'static, Result<PublishAck, BusError>> {
        let bus = self.target.outlet.bus.clone();
        let outgoing = message.outgoing.clone();
        Box::pin(async move { bus.events.publish(outgoing).await })
    }

    /// Waits in the background for what was offered, and writes the record after it.
    pub(super) fn carry(
        &mut self,
        change: u64,
        about: About,
        message: Option<(Message, Option<Result<PublishAck, BusError>>)>,
        entry: Option<Entry>,
    ) {
        if message.is_none() && entry.is_none() {
            self.watermark.settle(change);
            return;
        }
        let (message, offered) =
            message.map_or((None, None), |(message, offered)| (Some(message), offered));
        let job = Job {
            change: Some(change),
            about,
            message,
            entry,
            retry: None,
        };
        self.push(job, offered);
    }

    fn push(&mut self, job: Job, offered: Option<Result<PublishAck, BusError>>) {
        self.busy.insert(job.about.uid.clone());
        self.busy_names.extend(job.about.name.clone());
        let target = self.target.clone();
        self.in_flight
            .push(Box::pin(run(target, Box::new(job), offered)));
    }

    /// The next thing that ended; never, if nothing is on its way.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub(super) async fn done(&mut self) -> Option<Done> {
        self.in_flight.next().await
    }

    /// Takes note of what ended.
    pub(super) fn on_done(&mut self, done: Done) -> Option<Uid> {
        match done {
            Done::Carried(job) => return self.carried(*job),
            Done::Failed(mut job, error) => {
                self.target.failed(&job, &error);
                if job.retry.is_none() {
                    self.failing += 1;
                }
                let wait = job
                    .retry
                    .get_or_insert_with(|| Backoff::new(RETRY.0, RETRY.1))
                    .wait();
                let target = self.target.clone();
                self.in_flight.push(Box::pin(async move {
                    tokio::time::sleep(wait).await;
                    run(target, job, None).await
                }));
            }
            Done::Stored(stored) => {
                self.is_storing = false;
                match stored {
                    Ok(position) => self.stored(position),
                    Err(error) => {
                        let error: &dyn StdError = &error;
                        tracing::debug!(error, "Could not store the position");
                    }
                }
            }
        }
        None
    }

    /// Takes note of a job that is done; the object that is forgotten with it.
    fn carried(&mut self, job: Job) -> Option<Uid> {
        let About { uid, name } = job.about;
        self.busy.remove(&uid);
        if let Some(name) = name {
            self.busy_names.remove(&name);
        }
        if job.retry.is_some() {
            self.failing -= 1;
        }
        if let Some(change) = job.change {
            self.watermark.settle(change);
        }
        match job.entry {
            Some(Entry::Put(Record::Gone(version))) => {
                self.tombstones.insert(uid, version);
                None
            }
            Some(Entry::Put(Record::Known(_))) => {
                self.tombstones.remove(&uid);
                None
            }
            Some(Entry::Remove) => Some(uid),
            None => None,
        }
    }

    fn stored(&mut self, position: Position) {
        self.position = position;
        let Some(published) = self.position.resource_version.clone() else {
            return;
        };
        // A deletion before the position is not reported again: its tombstone is not needed.
        let free = MAX_EVENTS.saturating_sub(self.busy.len());
        let tombstones: Vec<Uid> = self
            .tombstones
            .iter()
            .filter(|(uid, version)| !version.is_after(&published) && !self.busy.contains(*uid))
            .map(|(uid, _)| uid.clone())
            .take(free)
            .collect();
        for uid in tombstones {
            self.tombstones.remove(&uid);
            let job = Job {
                change: None,
                about: About { uid, name: None },
                message: None,
                entry: Some(Entry::Remove),
                retry: None,
            };
            self.push(job, None);
        }
    }

    /// Stores the position, if it has moved and no other one is being stored.
    pub(super) fn store_position(&mut self) {
        if self.is_storing {
            return;
        }
        if let Some(position) = self.moved() {
            self.is_storing = true;
            let target = self.target.clone();
            self.in_flight.push(Box::pin(async move {
                Done::Stored(target.store(&position).await.map(|()| position))
            }));
        }
    }

    /// The position if it has moved since it was stored.
    pub(super) fn moved(&self) -> Option<Position> {
        let published = self
            .watermark
            .version()
            .filter(|published| self.position.resource_version.as_ref() != Some(published))?;
        Some(Position {
            resource_version: Some(published.clone()),
            ..self.position.clone()
        })
    }
}

/// Does what is left to do of a job.
async fn run(
    target: Arc<Target>,
    mut job: Box<Job>,
    offered: Option<Result<PublishAck, BusError>>,
) -> Done {
    if let Some(message) = &job.message {
        let published = target.publish(message, offered).await;
        match (published, job.message.take()) {
            (Ok(outcome), Some(message)) => message.books.settle(outcome),
            (Ok(_), None) => {}
            (Err(error), message) => {
                job.message = message;
                return Done::Failed(job, error);
            }
        }
    }
    if let Some(entry) = &job.entry
        && let Err(error) = target.record(&job.about.uid, entry).await
    {
        return Done::Failed(job, error);
    }
    Done::Carried(job)
}

impl Target {
    /// Publishes a message, or puts it with the dead letters if it can never be published.
    async fn publish(
        &self,
        message: &Message,
        offered: Option<Result<PublishAck, BusError>>,
    ) -> Result<Outcome, BusError> {
        let outlet = &self.outlet;
        if let Some(fault) = &message.fault {
            outlet.dead_letter(&message.outgoing, fault).await?;
            return Ok(Outcome::DeadLettered);
        }
        let offered = match offered {
            Some(offered) => offered,
            None => outlet.bus.events.publish(message.outgoing.clone()).await,
        };
        let stored = match offered {
            Ok(ack) => ack.await,
            Err(error) => Err(error),
        };
        match stored {
            Ok(_) => {
                outlet.published(&message.outgoing.id, message.received);
                Ok(Outcome::Published)
            }
            Err(error @ BusError::TooLarge { .. }) => {
                let fault = Fault::too_large(error.to_string());
                outlet.dead_letter(&message.outgoing, &fault).await?;
                Ok(Outcome::DeadLettered)
            }
            Err(error) => Err(error),
        }
    }

    async fn record(&self, uid: &str, entry: &Entry) -> Result<(), BusError> {
        let key = self.keys.object(uid);
        let written = match entry {
            Entry::Put(record) => self.put(&key, record).await,
            Entry::Remove => match self.state.delete(&key).await {
                Ok(ack) => ack.await.map(drop),
                Err(error) => Err(error),
            },
        };
        match written {
            Err(error @ BusError::KeyTooLong { .. }) => {
                let error: &dyn StdError = &error;
                tracing::warn!(uid, error, "Could not keep a record of an object");
                Ok(())
            }
            written => written,
        }
    }

    async fn put(&self, key: &str, record: &Record) -> Result<(), BusError> {
        match self.put_bytes(key, record.encode()).await {
            // Without its body it still says what was published; only a later deletion that nobody sees
            // cannot be published with its last state.
            Err(BusError::TooLarge { .. }) => match record {
                Record::Known(known) => {
                    let known = KnownRecord {
                        body: None,
                        ..known.clone()
                    };
                    self.put_bytes(key, Record::Known(known).encode()).await
                }
                Record::Gone(_) => Ok(()),
            },
            written => written,
        }
    }

    async fn put_bytes(&self, key: &str, value: Bytes) -> Result<(), BusError> {
        self.state.put(key, value).await?.await.map(drop)
    }

    /// Stores the position and waits until it is.
    pub(super) async fn store(&self, position: &Position) -> Result<(), BusError> {
        let position = Position {
            stored_at: Some(self.outlet.clock.now()),
            ..position.clone()
        };
        self.put_bytes(&self.keys.position(), position.encode())
            .await
    }

    /// Reports that something will be tried again.
    fn failed(&self, job: &Job, error: &BusError) {
        if let Some(message) = &job.message {
            self.outlet.publish_failed(&message.outgoing.id, error);
            return;
        }
        let event = &self.outlet.event;
        let error: &dyn StdError = error;
        tracing::debug!(
            namespace = %event.namespace,
            eventSourceName = %event.source,
            eventName = %event.name,
            error,
            "Could not record what was published"
        );
    }
}
