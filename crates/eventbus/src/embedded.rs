//! A bus inside the process, for `tiphys run` without a server, for `simulate` and for tests.
//!
//! It behaves as a JetStream stream with memory storage does: the same order, duplicates window,
//! limits, redelivery and positions. It is gone with the process, and takes bounded memory: when that is
//! full of what consumers still need, whoever publishes waits.

mod consumer;
mod history;
mod log;
mod subscription;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::log::{Limits, Log};
use self::subscription::Consumers;
use crate::name::{given_key, stored_key};
use crate::settings::{Retention, StreamSettings};
use crate::{
    BoxError, Bucket, Bus, ConsumerReport, DeadLetter, DeadLetterFilter, DeadLetters, Durable,
    Error, EventBus, History, Letters, Look, MessageAck, Outgoing, Overview, Past, Position,
    PublishAck, Secrets, StartAt, State, StateEntry, StateStore, StoredMessage, StreamReport,
    Subject, Subscription, SubscriptionConfig, Until, Usage,
};

/// Largest payload: what NATS recommends as the most that a server should be set to.
const MAX_PAYLOAD: usize = 8 * 1024 * 1024;

/// Most dead letters that are kept; the oldest give way.
const MAX_DEAD_LETTERS: usize = 10_000;

/// Most bytes of them; the newest is kept whatever its size.
const MAX_DEAD_LETTER_BYTES: usize = 64 << 20;

/// Gives the time that messages are stored at.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A bus inside the process needs nothing to be reached.
#[derive(Debug, Clone, Default)]
pub struct Config;

/// No EventBus asks for one.
#[expect(
    clippy::unnecessary_wraps,
    reason = "every kind of bus has this signature"
)]
pub(crate) fn read(
    _config: &tiphys_api::BusConfig,
    _secrets: &mut dyn Secrets,
    _client: &str,
) -> Result<Option<(Config, Option<String>)>, BoxError> {
    Ok(None)
}

pub(crate) fn shown(_config: &Config) -> String {
    "embedded".to_owned()
}

/// An empty bus.
#[expect(clippy::unused_async, reason = "every kind of bus has this signature")]
pub(crate) async fn connect(_config: &Config) -> Result<EventBus, Error> {
    Ok(Embedded::new().into())
}

/// A bus inside the process. Clones are the same bus.
#[derive(Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Clock,
    core: Mutex<Core>,
    /// Messages are stored in the order of calls, also of those that wait for room.
    publishing: tokio::sync::Mutex<()>,
    states: Mutex<HashMap<Bucket, Arc<EmbeddedState>>>,
    dead_letters: Mutex<KeptLetters>,
    closed: CancellationToken,
}

/// What one lock guards: the messages and the positions in them.
struct Core {
    log: Log,
    consumers: Consumers,
    is_set_up: bool,
    /// Whoever reads it back waits for the next message.
    stored: Arc<Notify>,
}

#[derive(Default)]
struct KeptLetters {
    last: u64,
    bytes: usize,
    kept: VecDeque<(Position, DeadLetter)>,
}

impl KeptLetters {
    fn push(&mut self, letter: DeadLetter) {
        self.last += 1;
        self.bytes += letter.size();
        let position = Position::from_wire(self.last);
        self.kept.push_back((position, letter));
        while self.kept.len() > MAX_DEAD_LETTERS
            || self.bytes > MAX_DEAD_LETTER_BYTES && self.kept.len() > 1
        {
            self.remove(0);
        }
    }

    fn remove(&mut self, index: usize) -> bool {
        let removed = self.kept.remove(index);
        if let Some((_, letter)) = &removed {
            self.bytes -= letter.size();
        }
        removed.is_some()
    }
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
            stored: Arc::default(),
        };
        Self {
            inner: Arc::new(Inner {
                clock,
                core: Mutex::new(core),
                publishing: tokio::sync::Mutex::default(),
                states: Mutex::default(),
                dead_letters: Mutex::default(),
                closed: CancellationToken::new(),
            }),
        }
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
impl Bus for Embedded {
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
        let _turn = self.inner.publishing.lock().await;
        loop {
            let woken = {
                let now = (self.inner.clock)();
                let mut core = self.inner.core();
                let Core {
                    log,
                    consumers,
                    stored,
                    ..
                } = &mut *core;
                if consumers.have_room(log, &message, now) {
                    // Whoever looks takes its turn after this lock.
                    stored.notify_waiters();
                    return Ok(settled(consumers.append(log, message, now)));
                }
                // Made under the lock: nothing that happens from here on is missed.
                Arc::clone(consumers.room()).notified_owned()
            };
            tokio::select! {
                biased;
                () = self.inner.closed.cancelled() => return Err(Error::Closed),
                () = woken => {}
            }
        }
    }

    async fn last_message(&self, subject: &Subject) -> Result<Option<StoredMessage>, Error> {
        self.inner.check_open()?;
        let mut core = self.inner.core();
        core.log.expire((self.inner.clock)());
        Ok(core.log.last(subject))
    }

    async fn messages(
        &self,
        subject: &Subject,
        start: StartAt,
    ) -> Result<BoxStream<'static, Result<StoredMessage, Error>>, Error> {
        self.inner.check_open()?;
        let mut core = self.inner.core();
        core.log.expire((self.inner.clock)());
        let messages: Vec<_> = core.log.stored(subject, start).map(Ok).collect();
        Ok(stream::iter(messages).boxed())
    }

    async fn subscribe(&self, config: SubscriptionConfig) -> Result<Subscription, Error> {
        self.inner.check_open()?;
        Ok(subscription::open(&self.inner, config))
    }

    async fn unsubscribe(&self, durable: &Durable) -> Result<bool, Error> {
        self.inner.check_open()?;
        Ok(self.inner.core().consumers.remove(durable))
    }

    async fn consumer(&self, durable: &Durable) -> Result<Option<ConsumerReport>, Error> {
        self.inner.check_open()?;
        Ok(self.inner.core().consumers.report(durable))
    }

    fn max_payload(&self) -> usize {
        MAX_PAYLOAD
    }

    fn is_connected(&self) -> bool {
        !self.inner.closed.is_cancelled()
    }

    fn is_safe(&self) -> bool {
        self.inner.core().consumers.are_idle()
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.closed.cancel();
        Ok(())
    }
}

#[async_trait]
impl History for Embedded {
    async fn read(
        &self,
        start: StartAt,
        until: Until,
    ) -> Result<BoxStream<'static, Result<Past, Error>>, Error> {
        self.inner.check_open()?;
        Ok(history::read(&self.inner, start, until))
    }
}

#[async_trait]
impl Overview for Embedded {
    async fn look(&self) -> Result<Look, Error> {
        self.inner.check_open()?;
        let mut counts: BTreeMap<Letters, u64> = BTreeMap::new();
        for (_, letter) in &locked(&self.inner.dead_letters).kept {
            let of = Letters {
                namespace: letter.namespace.clone(),
                sensor: letter.sensor.clone(),
                trigger: letter.trigger.clone(),
            };
            *counts.entry(of).or_default() += 1;
        }
        let core = self.inner.core();
        Ok(Look {
            published: core.log.next() - 1,
            stored: core.log.len() as u64,
            consumers: core.consumers.look(),
            dead_letters: counts.into_iter().collect(),
        })
    }
}

#[async_trait]
impl StateStore for Embedded {
    async fn open(&self, bucket: &Bucket) -> Result<Arc<dyn State>, Error> {
        self.inner.check_open()?;
        Ok(locked(&self.inner.states)
            .entry(bucket.clone())
            .or_default()
            .clone())
    }
}

#[async_trait]
impl DeadLetters for Embedded {
    async fn store(&self, letter: DeadLetter) -> Result<(), Error> {
        self.inner.check_open()?;
        locked(&self.inner.dead_letters).push(letter);
        Ok(())
    }

    async fn list(&self, filter: &DeadLetterFilter) -> Result<Vec<(Position, DeadLetter)>, Error> {
        self.inner.check_open()?;
        let letters = locked(&self.inner.dead_letters);
        let wanted = letters.kept.iter().filter(|(position, letter)| {
            filter.after.is_none_or(|after| *position > after) && filter.wants(letter)
        });
        Ok(wanted.take(filter.page()).cloned().collect())
    }

    async fn remove(&self, position: Position) -> Result<bool, Error> {
        self.inner.check_open()?;
        let mut letters = locked(&self.inner.dead_letters);
        let found = letters
            .kept
            .binary_search_by_key(&position, |(position, _)| *position);
        Ok(found.is_ok_and(|index| letters.remove(index)))
    }

    async fn usage(&self) -> Result<Usage, Error> {
        self.inner.check_open()?;
        let letters = locked(&self.inner.dead_letters);
        Ok(Usage {
            letters: letters.kept.len() as u64,
            max_letters: MAX_DEAD_LETTERS as u64,
            bytes: letters.bytes as u64,
            max_bytes: MAX_DEAD_LETTER_BYTES as u64,
            newest: Some(Position::from_wire(letters.last)).filter(|_| letters.last > 0),
        })
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
            position: Position::from_wire(sequence),
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

    async fn create(&self, key: &str, value: Bytes) -> Result<Bytes, Error> {
        check_size(&Subject::from_wire(key), value.len())?;
        let mut entries = locked(&self.entries);
        Ok(entries.1.entry(stored_key(key)?).or_insert(value).clone())
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// It grew without bounds while a trigger was slower than its events.
    #[tokio::test]
    async fn whoever_publishes_waits_for_room_and_nothing_that_somebody_waits_for_gives_way() {
        let bus = Embedded::new();
        let payload = Bytes::from(vec![b'x'; 8_000_000]);
        let publish = async |number: usize| {
            let message = Outgoing {
                subject: Subject::event("s", "e"),
                id: number.to_string(),
                payload: payload.clone(),
            };
            bus.publish(message).await.unwrap().await.unwrap().position
        };
        // Nobody waits for the first ones.
        for number in 1..=40 {
            assert_eq!(publish(number).await, Position::from_wire(number as u64));
        }
        let config = SubscriptionConfig {
            durable: Durable::trigger("n", "s", "t"),
            subjects: vec![Subject::event("s", "e")],
            start: StartAt::First,
            ack_wait: Duration::from_hours(1),
            max_in_flight: 1,
        };
        let mut subscription = bus.subscribe(config).await.unwrap();
        let mut waiting = Box::pin(publish(41));
        assert!(futures::poll!(&mut waiting).is_pending());
        let first = subscription.deliveries.next().await.unwrap().unwrap();
        assert_eq!(first.position, Position::from_wire(8), "of 256 MiB");
        assert!(futures::poll!(&mut waiting).is_pending(), "it is in flight");
        first.ack().await.unwrap();
        assert_eq!(waiting.await, Position::from_wire(41));

        let mut waiting = Box::pin(bus.publish(Outgoing {
            subject: Subject::event("s", "e"),
            id: "42".to_owned(),
            payload: payload.clone(),
        }));
        assert!(futures::poll!(&mut waiting).is_pending());
        bus.close().await.unwrap();
        assert!(matches!(waiting.await, Err(Error::Closed)));
    }
}
