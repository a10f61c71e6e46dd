//! Open subscriptions of the embedded bus: who waits for messages and is woken when there are some.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::consumer::{Consumer, Turn};
use super::log::{Appended, Log};
use super::{Core, Inner};
use crate::bus::Acker;
use crate::{
    Cause, ConsumerLook, ConsumerReport, Delivery, Durable, Error, MessageAck, Outgoing, Position,
    Subscription, SubscriptionConfig,
};

/// All durable consumers.
#[derive(Default)]
pub(super) struct Consumers {
    slots: HashMap<Durable, Slot>,
    /// There may be room for another message.
    room: Arc<Notify>,
}

struct Slot {
    consumer: Consumer,
    wake: Arc<Notify>,
    /// How many subscriptions are open.
    open: usize,
}

struct OpenSubscription {
    inner: Arc<Inner>,
    durable: Durable,
    wake: Arc<Notify>,
}

#[derive(Debug)]
struct EmbeddedAcker {
    inner: Weak<Inner>,
    durable: Durable,
    sequence: u64,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inner")
    }
}

impl Consumers {
    /// Whether nothing is left to be delivered to anyone or acknowledged by anyone.
    pub(super) fn are_idle(&self) -> bool {
        self.slots.values().all(|slot| slot.consumer.is_idle())
    }

    /// Wakes whoever waits to publish.
    pub(super) fn room(&self) -> &Arc<Notify> {
        &self.room
    }

    /// Whether there is room for a message. What no consumer needs any more gives way for it.
    pub(super) fn have_room(&mut self, log: &mut Log, message: &Outgoing, now: Timestamp) -> bool {
        let slots = &self.slots;
        let has_room = log.has_room(message, now, |entry| {
            slots.values().any(|slot| slot.consumer.needs(entry))
        });
        self.forget_dropped(log);
        has_room
    }

    /// Stores a message and wakes who waits for it.
    pub(super) fn append(
        &mut self,
        log: &mut Log,
        message: Outgoing,
        now: Timestamp,
    ) -> Result<MessageAck, Error> {
        let (subject, id) = (message.subject.clone(), message.id.clone());
        let appended = log.append(message, now);
        self.forget_dropped(log);
        match appended {
            Appended::Duplicate(sequence) => Ok(MessageAck {
                position: Position::from_wire(sequence),
                duplicate: true,
            }),
            Appended::Stored(sequence) => {
                for slot in self.slots.values_mut() {
                    if slot.consumer.stored(&subject) {
                        slot.wake.notify_one();
                    }
                }
                Ok(MessageAck {
                    position: Position::from_wire(sequence),
                    duplicate: false,
                })
            }
            Appended::Full => Err(Error::Publish {
                subject,
                id,
                source: Cause::Full("the stream is full and set to discard: 1".into()),
            }),
        }
    }

    fn forget_dropped(&mut self, log: &mut Log) {
        for message in log.take_dropped() {
            for slot in self.slots.values_mut() {
                slot.consumer.dropped(&message);
            }
            self.room.notify_waiters();
        }
    }

    /// How far all are.
    pub(super) fn look(&self) -> Vec<ConsumerLook> {
        let looks = self.slots.iter().map(|(durable, slot)| {
            let (in_hand, repeated) = slot.consumer.in_hand();
            ConsumerLook {
                durable: durable.clone(),
                delivered: slot.consumer.delivered(),
                reached: Position::of_number(slot.consumer.reached()),
                done: Position::of_number(slot.consumer.done()),
                lag: slot.consumer.pending(),
                in_hand,
                repeated,
            }
        });
        looks.collect()
    }

    /// What a consumer asks for.
    pub(super) fn report(&self, durable: &Durable) -> Option<ConsumerReport> {
        let slot = self.slots.get(durable)?;
        Some(ConsumerReport {
            subjects: slot.consumer.subjects().to_vec(),
            is_listening: slot.open > 0,
        })
    }

    /// Deletes a consumer. One that is in use is made again at once, as on a server.
    pub(super) fn remove(&mut self, durable: &Durable) -> bool {
        match self.slots.entry(durable.clone()) {
            Entry::Vacant(_) => false,
            Entry::Occupied(slot) if slot.get().open == 0 => {
                slot.remove();
                self.room.notify_waiters();
                true
            }
            Entry::Occupied(mut slot) => {
                slot.get_mut().consumer.begin_again(Instant::now());
                slot.get().wake.notify_one();
                true
            }
        }
    }
}

pub(super) fn open(inner: &Arc<Inner>, config: SubscriptionConfig) -> Subscription {
    let mut core = inner.core();
    let Core { log, consumers, .. } = &mut *core;
    log.expire((inner.clock)());
    consumers.forget_dropped(log);
    // It may want less than before.
    consumers.room.notify_waiters();
    let slot = match consumers.slots.entry(config.durable.clone()) {
        Entry::Occupied(slot) => {
            let slot = slot.into_mut();
            slot.consumer.update(&config, log);
            if slot.open == 0 {
                // Whoever listened before is gone, and what it did not settle is in nobody's hands.
                slot.consumer.deliver_again(Instant::now());
            }
            slot
        }
        Entry::Vacant(slot) => slot.insert(Slot {
            consumer: Consumer::new(&config, log),
            wake: Arc::default(),
            open: 0,
        }),
    };
    slot.open += 1;
    slot.wake.notify_one();
    let open = OpenSubscription {
        inner: inner.clone(),
        durable: config.durable,
        wake: slot.wake.clone(),
    };
    drop(core);
    let deliveries = stream::unfold(open, |open| async move {
        let delivery = open.next().await?;
        Some((Ok(delivery), open))
    });
    Subscription {
        deliveries: deliveries.boxed(),
    }
}

impl OpenSubscription {
    async fn next(&self) -> Option<Delivery> {
        loop {
            // Taken before looking, so that what happens in between is not missed.
            let woken = self.wake.notified();
            if self.inner.closed.is_cancelled() {
                return None;
            }
            let due = match self.look() {
                Ok(delivery) => return Some(delivery),
                Err(due) => due,
            };
            tokio::select! {
                biased;
                () = self.inner.closed.cancelled() => return None,
                () = woken => {}
                () = at(due) => {}
            }
        }
    }

    /// The next delivery, or when to look again.
    fn look(&self) -> Result<Delivery, Option<Instant>> {
        let mut core = self.inner.core();
        let Core { log, consumers, .. } = &mut *core;
        log.expire((self.inner.clock)());
        consumers.forget_dropped(log);
        let Some(slot) = consumers.slots.get_mut(&self.durable) else {
            return Err(None);
        };
        match slot.consumer.turn(log, Instant::now()) {
            Turn::Wait(due) => Err(due),
            Turn::Deliver { sequence, attempt } => {
                if slot.open > 1 {
                    slot.wake.notify_one();
                }
                let message = log.get(sequence).ok_or(None)?;
                let delivery = Delivery {
                    subject: message.subject.clone(),
                    payload: message.payload.clone(),
                    replay: None,
                    position: Position::from_wire(sequence),
                    attempt,
                    stored_at: message.stored_at,
                    pending: slot.consumer.pending(),
                    acker: Box::new(EmbeddedAcker {
                        inner: Arc::downgrade(&self.inner),
                        durable: self.durable.clone(),
                        sequence,
                    }),
                };
                Ok(delivery.opened())
            }
        }
    }
}

impl Drop for OpenSubscription {
    fn drop(&mut self) {
        if let Some(slot) = self.inner.core().consumers.slots.get_mut(&self.durable) {
            slot.open -= 1;
        }
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

impl EmbeddedAcker {
    fn change(&self, change: impl FnOnce(&mut Consumer, u64)) -> Result<(), Error> {
        let inner = self.inner.upgrade().ok_or(Error::Closed)?;
        inner.check_open()?;
        let mut core = inner.core();
        if let Some(slot) = core.consumers.slots.get_mut(&self.durable) {
            change(&mut slot.consumer, self.sequence);
            slot.wake.notify_one();
        }
        core.consumers.room.notify_waiters();
        Ok(())
    }
}

#[async_trait]
impl Acker for EmbeddedAcker {
    async fn ack(&self) -> Result<(), Error> {
        self.change(Consumer::settle)
    }

    async fn ack_confirmed(&self) -> Result<(), Error> {
        self.change(Consumer::settle)
    }

    async fn retry_after(&self, delay: Duration) -> Result<(), Error> {
        self.change(|consumer, sequence| consumer.postpone(sequence, Instant::now() + delay))
    }

    async fn in_progress(&self) -> Result<(), Error> {
        self.change(|consumer, sequence| {
            let due = Instant::now() + consumer.ack_wait();
            consumer.postpone(sequence, due);
        })
    }
}
