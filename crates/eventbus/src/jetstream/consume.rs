//! Consuming: one durable pull consumer, fetched in batches, that keeps the order of the stream
//! through lost connections, restarted servers and deleted consumers.
//!
//! JetStream numbers what it delivers to a consumer. A gap in these numbers is a delivery that got
//! lost with a connection; the server would offer it again after `ack_wait`, behind what came later.
//! So after each interruption the messages that were sent but did not arrive are given back at once,
//! before the next are asked for: the server offers them first.

mod consumer;

pub(super) use consumer::{report, starting_at};

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::Request;
use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::message::Message;
use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, stream};
use jiff::Timestamp;
use tiphys_base::Backoff;
use tokio::sync::watch;

use super::connect::{ANSWER_WITHIN, Connection, Link, timestamp, unavailable};
use super::stream::Keeper;
use super::tracker::{Tracker, Verdict};
use crate::bus::Acker;
use crate::{
    BoxError, Cause, Delivery, Error, Position, Subject, Subscription, SubscriptionConfig,
};

/// How many messages are asked for at a time: a round trip then costs little for each of them.
const BATCH: usize = 256;

/// How many bytes: what is asked for waits in memory until it is taken. One message has to fit, with its
/// headers.
pub(super) const BATCH_BYTES: usize = 8 << 20;

/// How long a request for messages stands, and how often the server shows that it does.
const REQUEST: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long to wait after failing to attach, at first and at most.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The acknowledgements of the protocol.
const ACK: Bytes = Bytes::from_static(b"+ACK");
const IN_PROGRESS: Bytes = Bytes::from_static(b"+WPI");

/// An open subscription, driven by whoever polls its deliveries.
struct Consumption {
    connection: Arc<Connection>,
    keeper: Arc<Keeper>,
    config: SubscriptionConfig,
    link: watch::Receiver<Link>,
    tracker: Arc<Mutex<Tracker>>,
    /// What the server sends; `None` while nothing is asked for.
    feed: Option<pull::Stream>,
    /// What arrived in order and was not handed out yet.
    arrived: VecDeque<Arrival>,
    /// The server's number of the next delivery.
    expected: u64,
    /// A gap was met and mended, and nothing arrived since: a second one is taken as it is.
    mended_gap: bool,
    stream: Option<consumer::KnownStream>,
    backoff: Backoff,
    /// How long to wait before attaching again.
    pause: Duration,
}

/// A message with what its acknowledgement subject says of it.
struct Arrival {
    message: Message,
    sequence: u64,
    attempt: u64,
    stored_at: Timestamp,
    pending: u64,
}

/// What ends a wait.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for a moment, and nearly all are messages"
)]
enum Wake {
    Closed,
    LinkChanged,
    Fed(Option<Result<Message, pull::MessagesError>>),
}

pub(super) async fn open(
    connection: Arc<Connection>,
    keeper: Arc<Keeper>,
    config: SubscriptionConfig,
) -> Result<Subscription, Error> {
    let mut consumption = Consumption {
        link: connection.link.clone(),
        connection,
        keeper,
        config,
        tracker: Arc::default(),
        feed: None,
        arrived: VecDeque::new(),
        expected: 0,
        mended_gap: false,
        stream: None,
        backoff: Backoff::new(PAUSE, LONGEST_PAUSE),
        pause: Duration::ZERO,
    };
    consumption.attach().await?;
    let deliveries = stream::unfold(consumption, |mut consumption| async move {
        let delivery = consumption.next().await?;
        Some((delivery, consumption))
    });
    Ok(Subscription {
        deliveries: deliveries.boxed(),
    })
}

impl Consumption {
    async fn next(&mut self) -> Option<Result<Delivery, Error>> {
        loop {
            if self.connection.closed.is_cancelled() {
                return None;
            }
            while let Some(arrival) = self.arrived.pop_front() {
                if let Some(delivery) = self.admit(arrival).await {
                    return Some(Ok(delivery));
                }
            }
            let Some(feed) = &mut self.feed else {
                match self.attach_after_pause().await? {
                    Ok(()) => continue,
                    Err(err) => return Some(Err(err)),
                }
            };
            let wake = tokio::select! {
                biased;
                () = self.connection.closed.cancelled() => Wake::Closed,
                _ = self.link.changed() => Wake::LinkChanged,
                message = feed.next() => Wake::Fed(message),
            };
            match wake {
                Wake::Closed => return None,
                Wake::LinkChanged | Wake::Fed(None) => self.detach(),
                Wake::Fed(Some(Ok(message))) => {
                    if !self.take(message) {
                        self.detach();
                    }
                }
                Wake::Fed(Some(Err(err))) => {
                    self.detach();
                    return Some(Err(self.failed(unavailable(err))));
                }
            }
        }
    }

    /// `None` if the bus was closed.
    async fn attach_after_pause(&mut self) -> Option<Result<(), Error>> {
        let closed = self.connection.closed.clone();
        let pause = self.pause;
        let attached = async {
            tokio::time::sleep(pause).await;
            let is_up = self.link.wait_for(|link| link.is_up).await.is_ok();
            if is_up {
                self.attach().await
            } else {
                Err(Error::Closed)
            }
        };
        tokio::select! {
            biased;
            () = closed.cancelled() => None,
            result = attached => Some(result),
        }
    }

    /// Finds or makes the consumer, has what got lost sent again, and asks for messages.
    async fn attach(&mut self) -> Result<(), Error> {
        self.pause = self.backoff.wait();
        self.link.mark_unchanged();
        let consumer = match self.consumer().await {
            Ok(consumer) => consumer,
            Err(err) => {
                if err.is_missing() {
                    self.keeper.restore().await;
                    self.stream = None;
                    return Err(self.failed(Cause::Unavailable(Cause::from(err).into())));
                }
                return Err(self.failed(err.into()));
            }
        };
        self.reclaim(&consumer).await;
        self.expected = consumer.cached_info().delivered.consumer_sequence + 1;
        let batch = self.config.max_in_flight.clamp(1, BATCH);
        let feed = consumer
            .stream()
            .max_messages_per_batch(batch)
            .max_bytes_per_batch(BATCH_BYTES.max(self.connection.max_payload() * 2))
            .expires(REQUEST)
            .heartbeat(HEARTBEAT)
            .messages()
            .await
            .map_err(|err| self.failed(unavailable(err)))?;
        self.feed = Some(feed);
        self.backoff.reset();
        self.pause = Duration::ZERO;
        Ok(())
    }

    /// Gives back what was delivered but is in nobody's hands: lost with a connection, left by an
    /// earlier process, or acknowledged to a server that was killed and forgot. The server numbers
    /// messages over all subjects; it ignores what was not delivered to this consumer.
    async fn reclaim(&mut self, consumer: &PullConsumer) {
        let info = consumer.cached_info();
        let (newest, delivery) = (
            info.delivered.stream_sequence,
            info.delivered.consumer_sequence,
        );
        let floor = info.ack_floor.stream_sequence;
        let floor = floor.max(newest.saturating_sub(consumer::MAX_RECLAIMED));
        let mut lost = {
            let mut tracker = locked(&self.tracker);
            tracker.begin(info.ack_floor.stream_sequence);
            tracker.not_held(floor + 1..=newest)
        };
        if info.num_ack_pending == 0 {
            return;
        }
        let Some(final_one) = lost.pop() else {
            return;
        };
        let client = &self.connection.client;
        for sequence in lost {
            let subject = consumer::ack_subject(&self.config.durable, sequence, delivery);
            if client.publish(subject, consumer::GIVE_BACK).await.is_err() {
                return;
            }
        }
        // The answer to the last one says that the server has seen all.
        let subject = consumer::ack_subject(&self.config.durable, final_one, delivery);
        let request = Request::new()
            .payload(consumer::GIVE_BACK)
            .timeout(Some(consumer::RECLAIM_WITHIN));
        if let Err(error) = client.send_request(subject, request).await {
            tracing::debug!(%error, "What was delivered before will come after its ack wait");
        }
    }

    /// Stops asking, and keeps what has arrived in order.
    fn detach(&mut self) {
        let Some(mut feed) = self.feed.take() else {
            return;
        };
        let mut errors = 0;
        while let Some(Some(item)) = feed.next().now_or_never() {
            match item {
                Ok(message) => {
                    if !self.take(message) {
                        break;
                    }
                }
                Err(_) if errors < 3 => errors += 1,
                Err(_) => break,
            }
        }
    }

    /// Queues a message; false if deliveries before it are missing.
    fn take(&mut self, message: Message) -> bool {
        let Ok(info) = message.info() else {
            tracing::warn!(subject = %message.subject, "This message did not come from the stream");
            return true;
        };
        let is_next = info.consumer_sequence == self.expected;
        if !is_next && !std::mem::replace(&mut self.mended_gap, true) {
            return false;
        }
        self.mended_gap &= !is_next;
        self.expected = info.consumer_sequence + 1;
        let (sequence, pending) = (info.stream_sequence, info.pending);
        let attempt = u64::try_from(info.delivered).unwrap_or(1);
        let stored_at = timestamp(info.published);
        self.arrived.push_back(Arrival {
            message,
            sequence,
            attempt,
            stored_at,
            pending,
        });
        true
    }

    /// Makes a delivery of a message, unless it is known to be done or in hand.
    async fn admit(&mut self, arrival: Arrival) -> Option<Delivery> {
        let Arrival {
            message,
            sequence,
            attempt,
            stored_at,
            pending,
        } = arrival;
        let message: async_nats::Message = message.into();
        let subject = Subject::from_wire(&message.subject);
        let acker = JetStreamAcker {
            connection: self.connection.clone(),
            reply: message.reply?,
            sequence,
            stored_at,
            tracker: self.tracker.clone(),
            is_confirmed: AtomicBool::new(false),
        };
        let verdict = locked(&self.tracker).arrived(sequence, stored_at, attempt);
        let is_wanted = self
            .config
            .subjects
            .iter()
            .any(|wanted| wanted.matches(&subject));
        match verdict {
            Verdict::Deliver if is_wanted => {
                let delivery = Delivery {
                    subject,
                    payload: message.payload,
                    replay: None,
                    position: Position::from_wire(sequence),
                    attempt,
                    stored_at,
                    pending,
                    acker: Box::new(acker),
                };
                Some(delivery.opened())
            }
            Verdict::InHand => None,
            Verdict::Deliver | Verdict::Settled => {
                if let Err(error) = acker.ack().await {
                    tracing::debug!(sequence, %error, "Could not acknowledge what is done");
                }
                None
            }
        }
    }

    fn failed(&self, source: Cause) -> Error {
        Error::Consumer {
            durable: self.config.durable.clone(),
            source,
        }
    }
}

fn locked(tracker: &Mutex<Tracker>) -> MutexGuard<'_, Tracker> {
    tracker.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Acknowledges one message.
struct JetStreamAcker {
    connection: Arc<Connection>,
    reply: async_nats::Subject,
    sequence: u64,
    stored_at: Timestamp,
    tracker: Arc<Mutex<Tracker>>,
    /// The server has confirmed the acknowledgement: there is nothing left to send.
    is_confirmed: AtomicBool,
}

impl std::fmt::Debug for JetStreamAcker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JetStreamAcker")
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

impl JetStreamAcker {
    async fn send(&self, answer: Bytes) -> Result<(), Error> {
        let sent = self
            .connection
            .client
            .publish(self.reply.clone(), answer)
            .await;
        sent.map_err(|err| self.failed(err.into()))
    }

    fn settle(&self) {
        locked(&self.tracker).settle(self.sequence, self.stored_at);
    }

    fn failed(&self, err: BoxError) -> Error {
        Error::Acknowledge {
            position: Position::from_wire(self.sequence),
            source: Cause::Unavailable(err),
        }
    }
}

#[async_trait]
impl Acker for JetStreamAcker {
    async fn ack(&self) -> Result<(), Error> {
        if self.is_confirmed.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.settle();
        self.send(ACK).await
    }

    async fn ack_confirmed(&self) -> Result<(), Error> {
        // Each has an answer of its own: that to one says nothing about another, which may have gone to
        // a leader that lost its office in between.
        let request = Request::new().payload(ACK).timeout(Some(ANSWER_WITHIN));
        let lost = self.connection.lost();
        let answer = tokio::select! {
            biased;
            answer = self.connection.client.send_request(self.reply.clone(), request) => {
                answer.map_err(BoxError::from)
            }
            () = lost => Err("the connection was lost".into()),
        };
        match answer {
            Ok(_) => {
                self.settle();
                self.is_confirmed.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(err) => {
                // Whoever asked for certainty will not go on with it: it has to come again.
                locked(&self.tracker).negative_acknowledge(self.sequence);
                Err(self.failed(err))
            }
        }
    }

    async fn retry_after(&self, delay: Duration) -> Result<(), Error> {
        locked(&self.tracker).negative_acknowledge(self.sequence);
        self.send(format!("-NAK {{\"delay\":{}}}", delay.as_nanos()).into())
            .await
    }

    async fn in_progress(&self) -> Result<(), Error> {
        self.send(IN_PROGRESS).await
    }
}
