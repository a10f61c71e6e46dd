//! Prepares deliveries on all cores, a chunk on each, in stream order.
//!
//! Programs run here, so this is bounded: a chunk waits for a thread, and an event whose programs need
//! more than a part of their memory waits until they may have the whole. Meanwhile heartbeats are sent for
//! the deliveries, whether anybody asks for the next chunk or not.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use std::vec::IntoIter;

use futures::stream::BoxStream;
use futures::{StreamExt, future, stream};
use tiphys_api::message::with_causes;
use tiphys_eventbus::{Delivery, Subscription};
use tiphys_lang::Memory;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

use super::budget::{CHUNK, CHUNKS, Part, Permit};
use crate::engine::{self, Arrived, Compiled, HEARTBEAT};
use crate::trigger::Trigger;

/// How long a chunk has a thread before it asks for one again: programs may take a second for each
/// event. Those that follow are prepared one by one then, so that each goes on as soon as it is ready.
const TURN: Duration = Duration::from_millis(100);

/// A delivery that is not settled.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) delivery: Delivery,
    _permit: Permit,
}

/// A delivery, and what was made of it.
pub(super) type Prepared = (Arc<InFlight>, Arrived);

/// Deliveries, prepared, in stream order.
pub(super) type Deliveries = BoxStream<'static, Result<Vec<Prepared>, JoinError>>;

/// Prepares the deliveries of one trigger.
#[derive(Clone)]
struct Preparation {
    sensor: Arc<Compiled>,
    trigger: Arc<Trigger>,
    part: Part,
    /// How many deliveries a chunk has.
    size: Arc<AtomicUsize>,
}

/// A chunk on its way.
struct Chunk {
    done: Vec<Prepared>,
    left: IntoIter<Arc<InFlight>>,
    /// Its programs need all of their memory.
    large: Option<Arc<InFlight>>,
}

/// The chunks that are being prepared, or are and nobody has taken yet.
#[derive(Debug, Default)]
struct Waiting {
    chunks: HashMap<u64, Vec<Weak<InFlight>>>,
    next: u64,
}

impl Chunk {
    fn is_done(&self) -> bool {
        self.large.is_none() && self.left.as_slice().is_empty()
    }
}

/// Sends heartbeats for all that wait, until it is dropped.
struct Heartbeats {
    waiting: Arc<Mutex<Waiting>>,
    _task: JoinSet<()>,
}

impl Heartbeats {
    fn of(waiting: Arc<Mutex<Waiting>>) -> Self {
        let mut task = JoinSet::new();
        task.spawn(show_heartbeats(Arc::clone(&waiting)));
        Self {
            waiting,
            _task: task,
        }
    }

    /// A chunk does not wait any more.
    fn leave(&self, number: u64) {
        locked(&self.waiting).chunks.remove(&number);
    }
}

/// What a subscription delivers, prepared for a trigger within its part of the budget.
pub(super) fn prepared(
    subscription: Subscription,
    sensor: &Arc<Compiled>,
    trigger: &Arc<Trigger>,
    part: &Part,
) -> Deliveries {
    let in_flight = part.in_flight.clone();
    let deliveries = subscription.deliveries.filter_map(|delivery| {
        future::ready(
            delivery
                .map_err(|error| {
                    tracing::warn!(
                        error = with_causes(&error),
                        "NATS connection lost, reconnecting..."
                    );
                })
                .ok(),
        )
    });
    let deliveries = deliveries.then(move |delivery| {
        let in_flight = in_flight.clone();
        async move {
            let permit = in_flight.permit_for(delivery.payload.len()).await;
            Arc::new(InFlight {
                delivery,
                _permit: permit,
            })
        }
    });
    let preparation = Preparation {
        sensor: Arc::clone(sensor),
        trigger: Arc::clone(trigger),
        part: part.clone(),
        // It doubles with each chunk that ends in its turn.
        size: Arc::new(AtomicUsize::new(1)),
    };
    let size = Arc::clone(&preparation.size);
    let waiting = Arc::new(Mutex::new(Waiting::default()));
    let heartbeats = Heartbeats::of(Arc::clone(&waiting));
    let pieces = deliveries.ready_chunks(CHUNK).flat_map(move |deliveries| {
        let pieces = deliveries.chunks(size.load(Ordering::Relaxed).max(1));
        let pieces: Vec<_> = pieces.map(<[_]>::to_vec).collect();
        stream::iter(pieces)
    });
    let chunks = pieces.map(move |deliveries| {
        let number = locked(&waiting).enter(&deliveries);
        let prepared = preparation.clone().chunk(deliveries);
        async move { (number, prepared.await) }
    });
    Box::pin(chunks.buffered(CHUNKS).map(move |(number, prepared)| {
        heartbeats.leave(number);
        prepared
    }))
}

fn locked(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Waiting {
    fn enter(&mut self, deliveries: &[Arc<InFlight>]) -> u64 {
        let number = self.next;
        self.next += 1;
        let deliveries = deliveries.iter().map(Arc::downgrade).collect();
        self.chunks.insert(number, deliveries);
        number
    }
}

async fn show_heartbeats(waiting: Arc<Mutex<Waiting>>) {
    let mut ticks = interval(HEARTBEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let deliveries: Vec<_> = {
            let waiting = locked(&waiting);
            let deliveries = waiting.chunks.values().flatten();
            deliveries.filter_map(Weak::upgrade).collect()
        };
        for in_flight in deliveries {
            // What cannot be sent now is sent the next time.
            if in_flight.delivery.in_progress().await.is_err() {
                break;
            }
        }
    }
}

impl Preparation {
    async fn chunk(self, deliveries: Vec<Arc<InFlight>>) -> Result<Vec<Prepared>, JoinError> {
        let mut chunk = Chunk {
            done: Vec::with_capacity(deliveries.len()),
            left: deliveries.into_iter(),
            large: None,
        };
        loop {
            let memory = match &chunk.large {
                Some(_) => Some(self.part.memory.permit().await),
                None => None,
            };
            let program = self.part.programs.permit().await;
            let preparation = self.clone();
            // The permits are held for as long as the thread runs, whoever waits for it.
            let prepare = move || {
                let _program = program;
                preparation.go_on(chunk, memory)
            };
            chunk = tokio::task::spawn_blocking(prepare).await?;
            if chunk.is_done() {
                let size = self.size.load(Ordering::Relaxed).saturating_mul(2);
                self.size.store(size.min(CHUNK), Ordering::Relaxed);
                return Ok(chunk.done);
            }
            self.size.store(1, Ordering::Relaxed);
        }
    }

    /// Goes on until all is done, the next one needs more memory, or it is the turn of others.
    fn go_on(&self, mut chunk: Chunk, memory: Option<Permit>) -> Chunk {
        let start = Instant::now();
        if let Some(large) = chunk.large.take() {
            if let Some(arrived) = self.prepare(&large, &Memory::whole()) {
                chunk.done.push((large, arrived));
            }
            drop(memory);
        }
        while start.elapsed() < TURN
            && let Some(delivery) = chunk.left.next()
        {
            let Some(arrived) = self.prepare(&delivery, &Memory::part()) else {
                chunk.large = Some(delivery);
                break;
            };
            chunk.done.push((delivery, arrived));
        }
        chunk
    }

    fn prepare(&self, in_flight: &InFlight, memory: &Memory) -> Option<Arrived> {
        let delivery = &in_flight.delivery;
        let message = engine::Message {
            payload: &delivery.payload,
            sequence: delivery.position.to_wire(),
            stored_at: delivery.stored_at,
            replay: delivery.replay.as_ref(),
        };
        engine::prepare(
            message,
            &self.sensor.dependencies,
            self.trigger.dependencies(),
            memory,
        )
    }
}
