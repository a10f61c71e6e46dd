//! Reads records, hands them on, and commits how far they are done.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tiphys_clients::kafka::{Change, Consumer, Error};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::Kafka;
use super::decode::{Arrived, Decoder, Missed, as_they_came};
use super::offsets::{Offsets, Taken};
use super::pace::Pace;
use super::settings::Settings;
use crate::context::SourceContext;
use crate::cursor::Cursor;
use crate::error::{Reason, SourceError};
use crate::incoming::Verdict;
use crate::pump::{InHand, Permit};
use crate::status::{Condition, chain};

/// How often offsets are committed.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// How long that may take: it is tried again.
const COMMIT_WITHIN: Duration = Duration::from_secs(2);

/// With fewer records than these ready, more are read.
const FEW: usize = 128;

/// While the bus takes nothing, the group hears so often that this member is well.
const KEEP_UP: Duration = Duration::from_secs(1);

/// How long partitions that go to another member may wait for what is in hand: the next one publishes it
/// again, under the same id.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// How long brokers may take to hear that this member leaves.
const CLOSE_WITHIN: Duration = Duration::from_millis(800);

/// What is being read, and what was.
pub(super) struct Work<'a> {
    source: &'a Kafka,
    context: &'a SourceContext,
    consumer: Consumer,
    keeper: Keeper,
    offsets: Offsets,
    /// Makes JSON of bodies in Avro.
    decoder: Option<Arc<Decoder>>,
    reading: Option<Reading>,
    /// What was read and not handed on yet.
    ready: VecDeque<Arrived>,
    in_hand: InHand<Taken>,
    pace: Pace,
    leaving: Option<Leaving>,
    /// When the group has to hear from this member although too much is ready.
    keep_up_at: Option<Instant>,
}

/// The next records.
type Reading = BoxFuture<'static, Result<Vec<Arrived>, Missed>>;

/// Where it is kept how far a partition is done.
pub(super) enum Keeper {
    /// With the group.
    Group,
    /// On the bus.
    Cursor(Cursor),
}

/// Partitions that go to another member.
struct Leaving {
    partitions: Vec<i32>,
    deadline: Instant,
    /// Lets them go when it is dropped.
    _done: oneshot::Sender<()>,
}

/// How far a partition is done, on the bus.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Position {
    topic: String,
    partition: i32,
    /// The next one.
    pub(super) offset: i64,
}

impl Keeper {
    /// Keeps that everything before these offsets is done.
    async fn store(
        &self,
        due: &[(i32, i64)],
        consumer: &Consumer,
        settings: &Settings,
    ) -> Result<(), SourceError> {
        match self {
            Self::Group => {
                let committed = consumer.commit(due).await;
                committed.map_err(|error| settings.failed(act(settings), error))
            }
            Self::Cursor(cursor) => {
                for (partition, offset) in due {
                    let position = serde_json::to_vec(&Position {
                        topic: settings.topic.clone(),
                        partition: *partition,
                        offset: *offset,
                    });
                    // Texts and numbers can always be written.
                    cursor.store(position.unwrap_or_default().into()).await?;
                }
                Ok(())
            }
        }
    }
}

fn act(settings: &Settings) -> String {
    format!("commit offsets of the topic {}", settings.topic)
}

impl Position {
    /// What was stored last.
    pub(super) async fn load(cursor: &Cursor) -> Result<Option<Self>, SourceError> {
        let stored = cursor.load().await?;
        // What another kind of the same name has left says nothing.
        Ok(stored.and_then(|stored| serde_json::from_slice(&stored).ok()))
    }

    pub(super) fn is_of(&self, topic: &str, partition: i32) -> bool {
        self.topic == topic && self.partition == partition
    }
}

impl<'a> Work<'a> {
    pub(super) fn new(
        source: &'a Kafka,
        context: &'a SourceContext,
        consumer: Consumer,
        keeper: Keeper,
    ) -> Self {
        Self {
            source,
            context,
            consumer,
            keeper,
            offsets: Offsets::default(),
            decoder: source.settings.decoder(context).map(Arc::new),
            reading: None,
            ready: VecDeque::new(),
            in_hand: context.publisher().in_hand(),
            pace: Pace::new(source.limit),
            leaving: None,
            keep_up_at: None,
        }
    }

    /// A partition is read from this offset on.
    pub(super) fn begin(&mut self, partition: i32, offset: i64) {
        self.offsets.assigned(partition);
        self.offsets.begins(partition, offset);
    }

    /// Receives until the context's `shutdown`, and leaves the group.
    pub(super) async fn run(
        mut self,
        changes: Option<mpsc::Receiver<Change>>,
    ) -> Result<(), SourceError> {
        let received = self.receive(changes).await;
        self.reading = None;
        self.leaving = None;
        let ended = match received {
            Ok(()) => self.finish().await,
            Err(error) => Err(error),
        };
        // Who is not heard is missed later.
        drop(self.consumer.close(CLOSE_WITHIN).await);
        ended
    }

    async fn receive(
        &mut self,
        mut changes: Option<mpsc::Receiver<Change>>,
    ) -> Result<(), SourceError> {
        let (context, publisher) = (self.context, self.context.publisher());
        let consumer = self.consumer.clone();
        let mut lost = std::pin::pin!(consumer.lost());
        let mut commit = interval(COMMIT_EVERY);
        commit.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.read_on();
            let pace = self.pace.wait(Instant::now());
            let deadline = self.leaving.as_ref().map(|leaving| leaving.deadline);
            let said = async {
                if let Some(moment) = pace {
                    sleep_until(moment).await;
                }
                publisher.permit().await
            };
            tokio::select! {
                biased;
                () = context.shutdown().cancelled() => return Ok(()),
                error = &mut lost => return Err(self.failed(error)),
                settled = self.in_hand.settled() => self.settle(settled).await,
                () = until(deadline) => self.leave().await,
                change = changed(&mut changes), if self.leaving.is_none() => {
                    self.change(change).await?;
                }
                _ = commit.tick() => self.commit().await,
                read = read(&mut self.reading) => {
                    self.reading = None;
                    self.keep_up_at = None;
                    self.ready.extend(read.map_err(|missed| self.missed(missed))?);
                }
                permit = said, if !self.ready.is_empty() => self.hand_on(permit),
                () = until(self.keep_up_at) => {
                    self.keep_up_at = None;
                    self.reading = Some(self.look(false));
                }
            }
        }
    }

    /// Looks for more before there is nothing left.
    fn read_on(&mut self) {
        if self.reading.is_some() {
            return;
        }
        if self.ready.len() < FEW {
            self.keep_up_at = None;
            self.reading = Some(self.look(true));
        } else if self.keep_up_at.is_none() {
            self.keep_up_at = Some(Instant::now() + KEEP_UP);
        }
    }

    fn look(&self, is_waiting: bool) -> Reading {
        let next = self.consumer.next(is_waiting);
        let decoder = self.decoder.clone();
        let look = async move {
            let records = next.await.map_err(Missed::Brokers)?;
            match decoder {
                Some(decoder) => decoder.decode(records).await.map_err(Missed::Registry),
                None => Ok(as_they_came(records)),
            }
        };
        look.boxed()
    }

    fn hand_on(&mut self, permit: Permit) {
        let Some(Arrived { record, fault }) = self.ready.pop_front() else {
            return;
        };
        // Its partition may have gone meanwhile.
        let Some(taken) = self.offsets.take(record.partition, record.offset) else {
            return;
        };
        let event = self.context.event();
        let incoming = self
            .source
            .incoming(&event.source, &event.name, &record, fault);
        self.pace.count(Instant::now());
        self.in_hand.hand_on(permit, incoming, taken);
    }

    async fn settle(&mut self, first: (Taken, Verdict)) {
        let mut next = Some(first);
        while let Some((taken, verdict)) = next {
            self.offsets.settled(taken, verdict);
            next = self.in_hand.settled().now_or_never();
        }
        let is_quiet = |leaving: &Leaving| self.offsets.are_quiet(&leaving.partitions);
        if self.leaving.as_ref().is_some_and(is_quiet) {
            self.leave().await;
        }
    }

    async fn change(&mut self, change: Change) -> Result<(), SourceError> {
        match change {
            Change::Assigned(partitions) => {
                for partition in &partitions {
                    self.offsets.assigned(*partition);
                }
                let starts = self.consumer.starts(&partitions).await;
                for (partition, offset) in starts.map_err(|error| self.failed(error))? {
                    self.offsets.begins(partition, offset);
                }
                // Whatever comes now is read, whoever reads it.
                self.commit().await;
                self.context.condition(Condition::Working);
            }
            Change::Revoked { partitions, done } => {
                self.ready
                    .retain(|arrived| !partitions.contains(&arrived.record.partition));
                let is_quiet = self.offsets.are_quiet(&partitions);
                self.leaving = Some(Leaving {
                    partitions,
                    deadline: Instant::now() + LEAVE_WITHIN,
                    _done: done,
                });
                if is_quiet {
                    self.leave().await;
                }
            }
            Change::Lost(partitions) => self.forget(&partitions),
        }
        Ok(())
    }

    /// Lets partitions go, when what is in hand of them is done or has taken too long.
    async fn leave(&mut self) {
        self.commit().await;
        if let Some(leaving) = self.leaving.take() {
            self.forget(&leaving.partitions);
        }
    }

    fn forget(&mut self, partitions: &[i32]) {
        self.ready
            .retain(|arrived| !partitions.contains(&arrived.record.partition));
        for partition in partitions {
            self.offsets.revoked(*partition);
        }
    }

    /// Takes no more, and commits what gets its verdict.
    async fn finish(&mut self) -> Result<(), SourceError> {
        while !self.in_hand.is_empty() {
            let (taken, verdict) = self.in_hand.settled().await;
            self.offsets.settled(taken, verdict);
        }
        self.commit().await;
        Ok(())
    }

    /// Commits what is due. What fails is tried again, unless the group has moved on.
    async fn commit(&mut self) {
        let due = self.offsets.due();
        if due.is_empty() {
            return;
        }
        let settings = &self.source.settings;
        let storing = self.keeper.store(&due, &self.consumer, settings);
        let committed = timeout(COMMIT_WITHIN, storing).await.unwrap_or_else(|_| {
            let why = format!("no answer in {} s", COMMIT_WITHIN.as_secs());
            Err(SourceError::new(Reason::Unreachable, act(settings)).because(why))
        });
        match committed {
            Ok(()) => self.offsets.committed(&due),
            Err(error) => self.context.failed(&chain(&error)),
        }
    }

    fn missed(&self, missed: Missed) -> SourceError {
        match missed {
            Missed::Brokers(error) => self.failed(error),
            Missed::Registry(error) => self.source.settings.without_schema(error),
        }
    }

    fn failed(&self, error: Error) -> SourceError {
        let act = format!("read the topic {}", self.source.settings.topic);
        self.source.settings.failed(act, error)
    }
}

/// Waits until then; for ever, if there is no such moment.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn read(reading: &mut Option<Reading>) -> Result<Vec<Arrived>, Missed> {
    match reading {
        Some(reading) => reading.await,
        None => std::future::pending().await,
    }
}

/// The next change; never, if there is no group, or its consumer has ended.
async fn changed(changes: &mut Option<mpsc::Receiver<Change>>) -> Change {
    if let Some(changes) = changes
        && let Some(change) = changes.recv().await
    {
        return change;
    }
    std::future::pending().await
}
