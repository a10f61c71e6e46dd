//! A bus inside the process, for `tiphys run` without a server, for `simulate` and for tests.
//!
//! It behaves as a JetStream stream with memory storage does: the same order, duplicates window,
//! limits, redelivery and positions. It is gone with the process, and takes bounded memory.

mod consumer;
mod log;
mod subscription;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use self::log::{Limits, Log};
use self::subscription::Consumers;
use crate::name::{given_key, stored_key};
use crate::settings::{Retention, StreamSettings};
use crate::{
    Bucket, DeadLetter, DeadLetterFilter, Durable, Error, EventBus, MessageAck, Outgoing,
    PublishAck, State, StateEntry, StoredMessage, StreamReport, Subject, Subscription,
    SubscriptionConfig,
};

/// Largest payload: what NATS recommends as the most that a server should be set to.
const MAX_PAYLOAD: usize = 8 * 1024 * 1024;

/// Most dead letters that are kept; the oldest give way.
const MAX_DEAD_LETTERS: usize = 10_000;

/// Tells the time that messages are stored at.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A bus inside the process. Clones are the same bus.
#[derive(Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Clock,
    core: Mutex<Core>,
    states: Mutex<HashMap<Bucket, Arc<EmbeddedState>>>,
    dead_letters: Mutex<DeadLetters>,
    closed: CancellationToken,
}

/// What one lock guards: the messages and the positions in them.
struct Core {
    log: Log,
    consumers: Consumers,
    is_set_up: bool,
}

#[derive(Default)]
struct DeadLetters {
    last: u64,
    kept: VecDeque<(u64, DeadLetter)>,
}

impl Embedded {
    /// An empty bus that goes by the system's clock.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(Timestamp::now))
    }

    /// An empty bus that goes by `clock`. Redelivery goes by tokio's.
    pub fn with_clock(clock: Clock) -> Self {
        let core = Core {
            log: Log::new(Limits::of(&StreamSettings::argo())),
            consumers: Consumers::default(),
            is_set_up: false,
        };
        Self {
            inner: Arc::new(Inner {
                clock,
                core: Mutex::new(core),
                states: Mutex::default(),
                dead_letters: Mutex::default(),
                closed: CancellationToken::new(),
            }),
        }
    }
}

impl Embedded {
    /// Whether every consumer has had, and has acknowledged, everything that it wants.
    pub fn is_idle(&self) -> bool {
        self.inner.core().consumers.are_idle()
    }
}

impl Default for Embedded {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Embedded")
    }
}

impl Inner {
    fn core(&self) -> MutexGuard<'_, Core> {
        locked(&self.core)
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.closed.is_cancelled() {
            Err(Error::Closed)
        } else {
            Ok(())
        }
    }
}

/// Locks; nothing that holds one of these locks leaves the value half changed when it panics.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn check_size(subject: &Subject, size: usize) -> Result<(), Error> {
    if size <= MAX_PAYLOAD {
        return Ok(());
    }
    Err(Error::TooLarge {
        subject: subject.clone(),
        size,
        limit: MAX_PAYLOAD,
    })
}

fn settled(result: Result<MessageAck, Error>) -> PublishAck {
    PublishAck(Box::pin(std::future::ready(result)))
}

#[async_trait]
impl EventBus for Embedded {
    async fn ensure_stream(&self, settings: Option<&str>) -> Result<StreamReport, Error> {
        self.inner.check_open()?;
        let wanted = settings.map(StreamSettings::parse).transpose()?;
        let mut core = self.inner.core();
        let created = !std::mem::replace(&mut core.is_set_up, true);
        let mut report = StreamReport {
            created,
            ..StreamReport::default()
        };
        let Some(wanted) = wanted else {
            return Ok(report);
        };
        if wanted
            .retention
            .is_some_and(|retention| retention != Retention::Limits)
        {
            let why = "the embedded bus keeps messages by limits only";
            report
                .refused
                .push(("retention".to_owned(), why.to_owned()));
        }
        let changed = core.log.set_limits(&wanted, (self.inner.clock)());
        if !created {
            report.changed = changed.into_iter().map(ToOwned::to_owned).collect();
        }
        Ok(report)
    }

    async fn publish(&self, message: Outgoing) -> Result<PublishAck, Error> {
        self.inner.check_open()?;
        check_size(&message.subject, message.payload.len())?;
        let now = (self.inner.clock)();
        let mut core = self.inner.core();
        let Core { log, consumers, .. } = &mut *core;
        Ok(settled(consumers.append(log, message, now)))
    }

    async fn last_message(&self, subject: &Subject) -> Result<Option<StoredMessage>, Error> {
        self.inner.check_open()?;
        let mut core = self.inner.core();
        core.log.expire((self.inner.clock)());
        Ok(core.log.last(subject))
    }

    async fn subscribe(&self, config: SubscriptionConfig) -> Result<Subscription, Error> {
        self.inner.check_open()?;
        Ok(subscription::open(&self.inner, config))
    }

    async fn unsubscribe(&self, durable: &Durable) -> Result<bool, Error> {
        self.inner.check_open()?;
        Ok(self.inner.core().consumers.remove(durable))
    }

    async fn state(&self, bucket: &Bucket) -> Result<Arc<dyn State>, Error> {
        self.inner.check_open()?;
        Ok(locked(&self.inner.states)
            .entry(bucket.clone())
            .or_default()
            .clone())
    }

    async fn dead_letter(&self, dead_letter: DeadLetter) -> Result<(), Error> {
        self.inner.check_open()?;
        let mut dead_letters = locked(&self.inner.dead_letters);
        dead_letters.last += 1;
        let sequence = dead_letters.last;
        dead_letters.kept.push_back((sequence, dead_letter));
        if dead_letters.kept.len() > MAX_DEAD_LETTERS {
            dead_letters.kept.pop_front();
        }
        Ok(())
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
    ) -> Result<Vec<(u64, DeadLetter)>, Error> {
        self.inner.check_open()?;
        let dead_letters = locked(&self.inner.dead_letters);
        let wanted = dead_letters.kept.iter().filter(|(sequence, dead_letter)| {
            *sequence > filter.after && filter.wants(dead_letter)
        });
        Ok(wanted.take(filter.page()).cloned().collect())
    }

    async fn remove_dead_letter(&self, sequence: u64) -> Result<bool, Error> {
        self.inner.check_open()?;
        let mut dead_letters = locked(&self.inner.dead_letters);
        let found = dead_letters
            .kept
            .binary_search_by_key(&sequence, |(sequence, _)| *sequence);
        Ok(found.is_ok_and(|index| dead_letters.kept.remove(index).is_some()))
    }

    fn max_payload(&self) -> usize {
        MAX_PAYLOAD
    }

    fn is_connected(&self) -> bool {
        !self.inner.closed.is_cancelled()
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.closed.cancel();
        Ok(())
    }
}

/// A bucket of state: stored keys with their values.
#[derive(Debug, Default)]
struct EmbeddedState {
    entries: Mutex<(u64, BTreeMap<String, Bytes>)>,
}

impl EmbeddedState {
    fn write(&self, key: &str, value: Option<Bytes>) -> Result<PublishAck, Error> {
        let key = stored_key(key)?;
        let mut entries = locked(&self.entries);
        entries.0 += 1;
        let sequence = entries.0;
        match value {
            Some(value) => entries.1.insert(key, value),
            None => entries.1.remove(&key),
        };
        Ok(settled(Ok(MessageAck {
            sequence,
            duplicate: false,
        })))
    }
}

#[async_trait]
impl State for EmbeddedState {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        let key = stored_key(key)?;
        Ok(locked(&self.entries).1.get(&key).cloned())
    }

    async fn put(&self, key: &str, value: Bytes) -> Result<PublishAck, Error> {
        check_size(&Subject::from_wire(key), value.len())?;
        self.write(key, Some(value))
    }

    async fn delete(&self, key: &str) -> Result<PublishAck, Error> {
        self.write(key, None)
    }

    async fn entries(&self) -> Result<Vec<StateEntry>, Error> {
        let entries = locked(&self.entries);
        let entries = entries.1.iter();
        Ok(entries
            .map(|(key, value)| StateEntry {
                key: given_key(key),
                value: value.clone(),
            })
            .collect())
    }
}
