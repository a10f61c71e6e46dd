//! Queues that hide a message from others while somebody works on it: it is deleted after the bus has its
//! event, stays hidden while it waits for the bus, and comes back otherwise.
//!
//! What goes wrong meanwhile ends nothing: what is in hand is still to be deleted when the queue can be
//! reached again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use tiphys_base::Backoff;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout_at};

use super::broker::Appetite;
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::incoming::{Incoming, Verdict};
use crate::pump::{InHand, MAX_EVENTS, Permit};
use crate::status::{Condition, chain};

/// How long a message may stay without a verdict.
pub(super) const HOLD_LIMIT: Duration = Duration::from_mins(10);

/// How long a message is hidden at a time: so long nobody else gets what a pod had when it was killed.
pub(super) const HIDDEN_FOR: Duration = Duration::from_secs(30);

/// How often messages in hand are hidden for longer: two attempts may fail.
const HIDDEN_AGAIN: Duration = Duration::from_secs(10);

/// How many calls of a kind are under way side by side.
const SIDE_BY_SIDE: usize = 10;

/// How long the calls that receive may take at the end, so that what they bring goes back at once.
const QUIET_WITHIN: Duration = Duration::from_secs(1);

/// Waits before a queue that could not be asked is asked again.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// A queue.
#[async_trait]
pub(super) trait Queue: Send + Sync {
    /// What a message is known by while it is hidden.
    type Handle: Send + Sync;

    /// How many messages go into a call.
    const BATCH: usize;

    /// Receives up to so many messages, and hides them for [`HIDDEN_FOR`]. Unless it `waits`, an empty queue is
    /// one.
    async fn receive(
        &self,
        most: usize,
        waits: bool,
    ) -> Result<Vec<Received<Self::Handle>>, SourceError>;

    /// Deletes messages. Which of them have to be deleted again.
    async fn delete(
        &self,
        handles: Handles<Self::Handle>,
    ) -> Result<Handles<Self::Handle>, SourceError>;

    /// Hides messages for so long from now on.
    async fn hide(&self, handles: Handles<Self::Handle>, time: Duration)
    -> Result<(), SourceError>;

    /// How long an empty queue is not asked again.
    fn pause(&self) -> Duration {
        Duration::ZERO
    }
}

/// What messages are known by.
pub(super) type Handles<H> = Vec<Arc<H>>;

/// A message.
pub(super) struct Received<H> {
    pub(super) handle: H,
    /// How large it is, in bytes.
    pub(super) size: usize,
    /// Its event; or why it is left in the queue, for the queue's own dead letters.
    pub(super) event: Result<Incoming, String>,
}

/// A message in hand.
struct Held<H> {
    handle: Arc<H>,
    since: Instant,
}

/// A call that has ended.
enum Done<H> {
    Received {
        asked: usize,
        permits: Vec<Permit>,
        result: Result<Vec<Received<H>>, SourceError>,
    },
    Deleted {
        handles: Handles<H>,
        result: Result<Handles<H>, SourceError>,
    },
    Hidden(Result<(), SourceError>),
}

/// The messages of a queue, on their way.
pub(super) struct Work<'a, Q: Queue> {
    queue: &'a Q,
    context: &'a SourceContext,
    in_hand: InHand<Held<Q::Handle>>,
    appetite: Appetite,
    calls: FuturesUnordered<BoxFuture<'a, Done<Q::Handle>>>,
    /// How many calls receive, and how many may.
    receiving: usize,
    receivers: usize,
    /// How many calls delete.
    deleting: usize,
    to_delete: VecDeque<Arc<Q::Handle>>,
    /// The queue deletes nothing now: what it would send would come again and again.
    is_stuck: bool,
    /// The queue has been asked and has answered since it was opened or last failed.
    is_known: bool,
    retry: Backoff,
    /// It is not asked before, as it could not be.
    asked_at: Instant,
    /// It is not asked for messages before, as it was empty.
    received_at: Instant,
    is_ending: bool,
}

impl<'a, Q: Queue> Work<'a, Q> {
    pub(super) fn new(queue: &'a Q, context: &'a SourceContext) -> Self {
        Self {
            queue,
            context,
            in_hand: context.publisher().in_hand(),
            appetite: Appetite::new(MAX_EVENTS),
            calls: FuturesUnordered::new(),
            receiving: 0,
            receivers: 1,
            deleting: 0,
            to_delete: VecDeque::new(),
            is_stuck: false,
            is_known: false,
            retry: Backoff::new(RETRY.0, RETRY.1),
            asked_at: Instant::now(),
            received_at: Instant::now(),
            is_ending: false,
        }
    }

    /// Runs until the context's `shutdown`.
    pub(super) async fn run(mut self) {
        let mut again = interval(HIDDEN_AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = Instant::now();
            if self.asked_at <= now {
                self.delete();
            }
            let waits = self.asked_at > now || self.received_at > now;
            let may_receive = !waits && !self.is_stuck && self.receiving < self.receivers();
            tokio::select! {
                biased;
                () = self.context.shutdown().cancelled() => break,
                settled = self.in_hand.settled() => self.settle(settled),
                Some(done) = self.calls.next() => self.done(done),
                _ = again.tick() => self.hide_again(),
                permit = self.context.publisher().permit(), if may_receive => self.receive(permit),
                () = sleep_until(self.asked_at), if self.asked_at > now => {}
                () = sleep_until(self.received_at), if self.received_at > now => {}
            }
        }
        self.finish().await;
    }

    /// Large messages are received by fewer calls.
    fn receivers(&self) -> usize {
        let fitting = self.appetite.messages(1) / Q::BATCH;
        self.receivers.min(fitting).max(1)
    }

    /// Receives as many messages as may be handed on.
    fn receive(&mut self, permit: Permit) {
        let most = Q::BATCH.min(self.appetite.messages(1));
        let mut permits = vec![permit];
        while permits.len() < most
            && let Some(permit) = self.context.publisher().permit().now_or_never()
        {
            permits.push(permit);
        }
        self.receiving += 1;
        let (queue, waits) = (self.queue, self.is_known);
        let call = async move {
            let asked = permits.len();
            let result = queue.receive(asked, waits).await;
            Done::Received {
                asked,
                permits,
                result,
            }
        };
        self.calls.push(call.boxed());
    }

    /// Deletes what is to be deleted: in full batches, or when no other is under way.
    fn delete(&mut self) {
        while self.to_delete.len() >= Q::BATCH && self.deleting < SIDE_BY_SIDE
            || !self.to_delete.is_empty() && self.deleting == 0
        {
            let count = self.to_delete.len().min(Q::BATCH);
            let handles: Handles<Q::Handle> = self.to_delete.drain(..count).collect();
            self.deleting += 1;
            let queue = self.queue;
            let call = async move {
                let result = queue.delete(handles.clone()).await;
                Done::Deleted { handles, result }
            };
            self.calls.push(call.boxed());
        }
    }

    /// Hides messages for longer, or shows them to all at once.
    fn hide(&mut self, handles: &[Arc<Q::Handle>], time: Duration) {
        for batch in handles.chunks(Q::BATCH) {
            let (queue, batch) = (self.queue, batch.to_vec());
            let call = async move { Done::Hidden(queue.hide(batch, time).await) };
            self.calls.push(call.boxed());
        }
    }

    fn hide_again(&mut self) {
        let now = Instant::now();
        let in_hand = self.in_hand.upstreams();
        let waiting = in_hand.filter(|held| now.duration_since(held.since) >= HIDDEN_AGAIN);
        let handles: Handles<Q::Handle> = waiting.map(|held| held.handle.clone()).collect();
        self.hide(&handles, HIDDEN_FOR);
    }

    fn settle(&mut self, first: (Held<Q::Handle>, Verdict)) {
        let mut given_back = Vec::new();
        let mut next = Some(first);
        while let Some((held, verdict)) = next {
            match verdict {
                Verdict::Stored | Verdict::Filtered | Verdict::DeadLettered => {
                    self.to_delete.push_back(held.handle);
                }
                Verdict::GivenBack(_) => given_back.push(held.handle),
            }
            next = self.in_hand.settled().now_or_never();
        }
        self.hide(&given_back, Duration::ZERO);
    }

    fn done(&mut self, done: Done<Q::Handle>) {
        match done {
            Done::Received {
                asked,
                permits,
                result,
            } => {
                self.receiving -= 1;
                match result {
                    Ok(messages) => self.received(asked, permits, messages),
                    Err(error) => self.failed(&error),
                }
            }
            Done::Deleted { handles, result } => {
                self.deleting -= 1;
                self.is_stuck = result.is_err();
                match result {
                    Ok(left) if left.is_empty() => {}
                    Ok(left) => {
                        self.to_delete.extend(left);
                        self.asked_at = Instant::now() + RETRY.0;
                    }
                    Err(error) => {
                        self.to_delete.extend(handles);
                        self.failed(&error);
                    }
                }
            }
            Done::Hidden(Ok(())) => {}
            // It comes again, and is known by its id then.
            Done::Hidden(Err(error)) => {
                tracing::debug!(error = chain(&error), "Messages may come again");
            }
        }
    }

    fn received(&mut self, asked: usize, permits: Vec<Permit>, messages: Vec<Received<Q::Handle>>) {
        if !self.is_stuck {
            self.retry.reset();
            if !self.is_known {
                self.context.condition(Condition::Working);
            }
            self.is_known = true;
        }
        match messages.len() {
            0 => {
                self.receivers = 1;
                self.received_at = Instant::now() + self.queue.pause();
            }
            count if count == asked => self.receivers = SIDE_BY_SIDE.min(self.receivers + 1),
            _ => {}
        }
        if self.is_ending {
            let handles = messages.into_iter().map(|message| message.handle.into());
            let handles: Handles<Q::Handle> = handles.collect();
            return self.hide(&handles, Duration::ZERO);
        }
        for (message, permit) in messages.into_iter().zip(permits) {
            self.appetite.saw(message.size);
            match message.event {
                Ok(event) => {
                    let held = Held {
                        handle: message.handle.into(),
                        since: Instant::now(),
                    };
                    self.in_hand.hand_on(permit, event, held);
                }
                Err(why) => self.context.refused(&why),
            }
        }
    }

    fn failed(&mut self, error: &SourceError) {
        let wait = self.retry.wait();
        self.asked_at = Instant::now() + wait;
        self.is_known = false;
        self.receivers = 1;
        self.context.tried_again(error, wait);
    }

    /// Receives no more, and tells the queue what becomes of the rest.
    async fn finish(mut self) {
        self.is_ending = true;
        let patience = Instant::now() + QUIET_WITHIN;
        while self.receiving > 0 {
            match timeout_at(patience, self.next()).await {
                Ok(()) => {}
                Err(_) => break,
            }
        }
        // What still waits for messages is left alone: what it brings comes again.
        while !self.in_hand.is_empty()
            || !self.to_delete.is_empty()
            || self.calls.len() > self.receiving
        {
            self.next().await;
        }
    }

    /// What is next at the end.
    async fn next(&mut self) {
        self.delete();
        tokio::select! {
            biased;
            settled = self.in_hand.settled() => self.settle(settled),
            Some(done) = self.calls.next() => match done {
                // It is not tried again: what is not deleted comes again, and is known by its id then.
                Done::Deleted { .. } => self.deleting -= 1,
                done => self.done(done),
            },
        }
    }
}
