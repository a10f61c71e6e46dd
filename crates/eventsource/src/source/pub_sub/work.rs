//! Receives messages, hands them on, and acknowledges what is done.
//!
//! What goes wrong meanwhile ends nothing: what is in hand is still to be acknowledged when Pub/Sub can be
//! reached again. Google ends a stream after some time, however well it is: another one follows at once.

use std::collections::VecDeque;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use tiphys_base::Backoff;
use tiphys_clients::grpc::pubsub::{
    Flow, Messages, PubsubMessage, ReceivedMessage, StreamingPullResponse,
};
use tiphys_clients::grpc::{Error, Kind};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::PubSub;
use super::server::Server;
use super::stream::{Listening, said};
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::incoming::Verdict;
use crate::pump::{InHand, MAX_EVENTS, Permit};
use crate::status::{Condition, chain};

/// How long a message may stay without a verdict.
pub(super) const HOLD_LIMIT: Duration = Duration::from_mins(10);

/// How long a message is kept from others at a time: so long nobody else gets what a pod had when it was killed.
const LEASE: Duration = Duration::from_secs(30);

/// How often messages in hand are kept for longer: two attempts may fail.
const EXTENDED_AGAIN: Duration = Duration::from_secs(10);

/// How many bytes may be here without an acknowledgement: as much as may be on its way to the bus.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// How many messages are acknowledged by a call: less than half of what a request may hold, 512 KiB of names of
/// some 200 bytes.
const BATCH: usize = 1000;

/// How often a stream is pinged, and how long the answer may take, if pings are answered at all.
const PING_EVERY: Duration = Duration::from_secs(10);
const PONG_WITHIN: Duration = Duration::from_secs(15);

/// How long a stream on which nothing comes counts as refused by nobody: a refusal comes at once.
const AGREED_AFTER: Duration = Duration::from_secs(2);

/// A stream that has lasted for so long was well: another one follows at once.
const HEALTHY_AFTER: Duration = Duration::from_mins(1);

/// Waits before Pub/Sub is asked again when it could not be.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// A message in hand.
struct Held {
    ack_id: String,
    since: Instant,
}

/// A message that may not be handed on yet.
struct Waiting {
    held: Held,
    message: PubsubMessage,
}

/// Why a stream has ended.
enum Ended {
    Failed(Error),
    Closed,
    Silent,
}

/// A call that has ended.
enum Done {
    Opened(Result<Messages, SourceError>),
    Acknowledged {
        ack_ids: Vec<String>,
        result: Result<Vec<String>, SourceError>,
    },
    Extended(Result<(), SourceError>),
}

/// What is to be acknowledged.
struct Acknowledgements {
    ack_ids: VecDeque<String>,
    is_under_way: bool,
    /// Nothing is acknowledged before.
    begin_at: Instant,
    /// Nothing can be acknowledged now: what would be received would come again and again.
    is_stuck: bool,
}

/// The messages of a subscription, on their way.
pub(super) struct Work<'a> {
    source: &'a PubSub,
    server: &'a Server<'a>,
    context: &'a SourceContext,
    in_hand: InHand<Held>,
    ready: VecDeque<Waiting>,
    ready_bytes: usize,
    stream: Option<Listening>,
    is_opening: bool,
    /// No stream is opened before.
    open_at: Instant,
    done: Acknowledgements,
    /// The server answers pings: not all that speak as Google's do.
    answers: bool,
    retry: Backoff,
    calls: FuturesUnordered<BoxFuture<'a, Done>>,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        source: &'a PubSub,
        server: &'a Server<'a>,
        context: &'a SourceContext,
    ) -> Self {
        Self {
            source,
            server,
            context,
            in_hand: context.publisher().in_hand(),
            ready: VecDeque::new(),
            ready_bytes: 0,
            stream: None,
            is_opening: false,
            open_at: Instant::now(),
            done: Acknowledgements {
                ack_ids: VecDeque::new(),
                is_under_way: false,
                begin_at: Instant::now(),
                is_stuck: false,
            },
            answers: false,
            retry: Backoff::new(RETRY.0, RETRY.1),
            calls: FuturesUnordered::new(),
        }
    }

    /// Receives until the context's `shutdown`.
    ///
    /// # Errors
    /// If the subscription is there no more.
    pub(super) async fn run(mut self) -> Result<(), SourceError> {
        let every = |period| {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let (mut extend, mut ping) = (every(EXTENDED_AGAIN), every(PING_EVERY));
        loop {
            self.begin();
            let may_read = self.may_read();
            let may_hand_on = !self.ready.is_empty() && !self.done.is_stuck;
            let (waits, change_at) = (self.waits(), self.change_at(may_read));
            tokio::select! {
                biased;
                () = self.context.shutdown().cancelled() => break,
                settled = self.in_hand.settled() => self.settle(settled),
                Some(done) = self.calls.next() => self.ended(done),
                _ = extend.tick() => self.extend(),
                permit = self.context.publisher().permit(), if may_hand_on => self.hand_on(permit),
                _ = ping.tick(), if may_read => self.ping(),
                said = said(&mut self.stream), if may_read => self.said(said).await?,
                () = until(change_at) => self.changed().await?,
                () = until(waits) => {}
            }
        }
        self.finish().await;
        Ok(())
    }

    /// Begins what may be done now: opens a stream, acknowledges.
    fn begin(&mut self) {
        let (now, server) = (Instant::now(), self.server);
        if self.stream.is_none() && !self.is_opening && self.open_at <= now {
            self.is_opening = true;
            let flow = Flow {
                lease: LEASE,
                messages: MAX_EVENTS,
                bytes: MAX_BYTES,
                client: self.context.pod().to_owned(),
            };
            let call = async move { Done::Opened(server.pull(&flow).await) };
            self.calls.push(call.boxed());
        }
        let is_due = self.done.begin_at <= now && !self.done.is_under_way;
        if is_due && !self.done.ack_ids.is_empty() {
            self.done.is_under_way = true;
            let count = self.done.ack_ids.len().min(BATCH);
            let ack_ids: Vec<String> = self.done.ack_ids.drain(..count).collect();
            let call = async move {
                let result = server.acknowledge(&ack_ids).await;
                Done::Acknowledged { ack_ids, result }
            };
            self.calls.push(call.boxed());
        }
    }

    /// When something may begin that may not yet.
    fn waits(&self) -> Option<Instant> {
        let now = Instant::now();
        let is_later = |at: Instant| (at > now).then_some(at);
        let open = self.stream.is_none() && !self.is_opening;
        let acknowledge = !self.done.ack_ids.is_empty() && !self.done.is_under_way;
        let open = open.then_some(self.open_at).and_then(is_later);
        let acknowledge = acknowledge.then_some(self.done.begin_at).and_then(is_later);
        open.into_iter().chain(acknowledge).min()
    }

    /// The server keeps to the window, too; not all that speak as Google's do.
    fn may_read(&self) -> bool {
        !self.done.is_stuck && self.ready.len() < MAX_EVENTS && self.ready_bytes < MAX_BYTES
    }

    /// When the stream becomes one that nobody has refused, or one that is silent.
    fn change_at(&self, may_read: bool) -> Option<Instant> {
        let stream = self.stream.as_ref()?;
        if !self.answers {
            return (!stream.is_agreed).then(|| stream.since + AGREED_AFTER);
        }
        // An answer that nobody reads is none.
        let pinged = stream.pinged.filter(|_| may_read)?;
        Some(pinged + PONG_WITHIN)
    }

    async fn changed(&mut self) -> Result<(), SourceError> {
        if self.answers {
            return self.broken(Ended::Silent).await;
        }
        self.agreed();
        Ok(())
    }

    fn agreed(&mut self) {
        if let Some(stream) = &mut self.stream
            && !stream.is_agreed
        {
            stream.is_agreed = true;
            if !self.done.is_stuck {
                self.context.condition(Condition::Working);
            }
        }
    }

    fn ping(&mut self) {
        if let Some(stream) = &mut self.stream
            && stream.messages.ping()
            && stream.pinged.is_none()
        {
            stream.pinged = Some(Instant::now());
        }
    }

    async fn said(
        &mut self,
        said: Result<Option<StreamingPullResponse>, Error>,
    ) -> Result<(), SourceError> {
        let response = match said {
            Ok(Some(response)) => response,
            Ok(None) => return self.broken(Ended::Closed).await,
            Err(error) => return self.broken(Ended::Failed(error)).await,
        };
        self.agreed();
        if let Some(stream) = &mut self.stream {
            stream.pinged = None;
        }
        self.answers |= response.received_messages.is_empty();
        let since = Instant::now();
        for received in response.received_messages {
            let ReceivedMessage { ack_id, message } = received;
            let message = message.unwrap_or_default();
            self.ready_bytes += size(&message);
            let held = Held { ack_id, since };
            self.ready.push_back(Waiting { held, message });
        }
        Ok(())
    }

    /// The stream has ended: another one is opened, unless its subscription is gone.
    async fn broken(&mut self, ended: Ended) -> Result<(), SourceError> {
        let Some(stream) = self.stream.take() else {
            return Ok(());
        };
        let act = "receive from";
        let of_stream = |why: &str| {
            let act = format!("{act} {}", self.server.names.subscription);
            SourceError::new(Reason::Unreachable, act).because(why)
        };
        let failed = match &ended {
            Ended::Failed(error) => self.server.failed(act, error).await,
            Ended::Closed => of_stream("the server has ended the stream"),
            Ended::Silent => of_stream("the server does not answer"),
        };
        if let Ended::Failed(error) = ended
            && error.kind() == Kind::NotFound
        {
            return Err(failed);
        }
        if stream.since.elapsed() > HEALTHY_AFTER {
            tracing::debug!(error = chain(&failed), "A stream of Pub/Sub has ended");
            self.retry.reset();
            self.open_at = Instant::now();
        } else {
            self.open_at = self.failed(&failed);
        }
        Ok(())
    }

    /// Says that something has failed. When it is tried again.
    fn failed(&mut self, error: &SourceError) -> Instant {
        let wait = self.retry.wait();
        self.context.tried_again(error, wait);
        Instant::now() + wait
    }

    fn hand_on(&mut self, permit: Permit) {
        let Some(Waiting { held, message }) = self.ready.pop_front() else {
            return;
        };
        self.ready_bytes -= size(&message);
        let event = self
            .source
            .incoming(&self.server.names.subscription, &message);
        self.in_hand.hand_on(permit, event, held);
    }

    fn settle(&mut self, first: (Held, Verdict)) {
        let mut given_back = Vec::new();
        let mut next = Some(first);
        while let Some((held, verdict)) = next {
            match verdict {
                Verdict::Stored | Verdict::Filtered | Verdict::DeadLettered => {
                    self.done.ack_ids.push_back(held.ack_id);
                }
                Verdict::GivenBack(_) => given_back.push(held.ack_id),
            }
            next = self.in_hand.settled().now_or_never();
        }
        self.keep(&given_back, Duration::ZERO);
    }

    /// Keeps messages from all others for so long; without a time, all may get them at once.
    fn keep(&mut self, ack_ids: &[String], time: Duration) {
        let server = self.server;
        for batch in ack_ids.chunks(BATCH) {
            let batch = batch.to_vec();
            let call = async move { Done::Extended(server.extend(&batch, time).await) };
            self.calls.push(call.boxed());
        }
    }

    fn extend(&mut self) {
        let now = Instant::now();
        let age = |held: &Held| now.duration_since(held.since);
        let is_over = |waiting: &Waiting| age(&waiting.held) >= HOLD_LIMIT;
        let (over, ready) = self.ready.drain(..).partition::<VecDeque<_>, _>(is_over);
        self.ready = ready;
        self.give_back(over);
        let ready = self.ready.iter().map(|waiting| &waiting.held);
        let held = self.in_hand.upstreams().chain(ready);
        let held = held.filter(|held| age(held) >= EXTENDED_AGAIN);
        let held = held.map(|held| &held.ack_id).chain(&self.done.ack_ids);
        let held: Vec<String> = held.cloned().collect();
        self.keep(&held, LEASE);
    }

    /// Gives back what was never handed on.
    fn give_back(&mut self, waiting: VecDeque<Waiting>) {
        let mut ack_ids = Vec::with_capacity(waiting.len());
        for Waiting { held, message } in waiting {
            self.ready_bytes -= size(&message);
            ack_ids.push(held.ack_id);
        }
        self.keep(&ack_ids, Duration::ZERO);
    }

    fn ended(&mut self, done: Done) {
        match done {
            Done::Opened(opened) => {
                self.is_opening = false;
                match opened {
                    Ok(messages) => self.stream = Some(Listening::new(messages)),
                    Err(error) => self.open_at = self.failed(&error),
                }
            }
            Done::Acknowledged { ack_ids, result } => {
                self.done.is_under_way = false;
                self.acknowledged(ack_ids, result);
            }
            Done::Extended(Ok(())) => {}
            // It comes again, and is known by its id then.
            Done::Extended(Err(error)) => {
                tracing::debug!(error = chain(&error), "Messages may come again");
            }
        }
    }

    fn acknowledged(&mut self, ack_ids: Vec<String>, result: Result<Vec<String>, SourceError>) {
        let left = match result {
            Ok(left) => {
                if std::mem::take(&mut self.done.is_stuck) {
                    self.retry.reset();
                    if self.stream.as_ref().is_some_and(|stream| stream.is_agreed) {
                        self.context.condition(Condition::Working);
                    }
                }
                if !left.is_empty() {
                    self.done.begin_at = Instant::now() + RETRY.0;
                }
                left
            }
            // There is nothing left to acknowledge: the stream says so, too.
            Err(error) if error.reason() == Reason::NotFound => Vec::new(),
            Err(error) => {
                self.done.is_stuck = true;
                self.done.begin_at = self.failed(&error);
                ack_ids
            }
        };
        for ack_id in left.into_iter().rev() {
            self.done.ack_ids.push_front(ack_id);
        }
    }

    /// Receives no more, and tells Pub/Sub what becomes of the rest.
    async fn finish(mut self) {
        // What has come already goes back at once.
        while let Some(Ok(Some(response))) = said(&mut self.stream).now_or_never() {
            let received = response.received_messages.into_iter();
            let ack_ids: Vec<String> = received.map(|received| received.ack_id).collect();
            self.keep(&ack_ids, Duration::ZERO);
        }
        self.stream = None;
        let waiting = std::mem::take(&mut self.ready);
        self.give_back(waiting);
        self.is_opening = true;
        while !self.in_hand.is_empty() || !self.done.ack_ids.is_empty() || !self.calls.is_empty() {
            // There is no time to wait.
            self.done.begin_at = Instant::now();
            self.begin();
            tokio::select! {
                biased;
                settled = self.in_hand.settled() => self.settle(settled),
                Some(done) = self.calls.next() => match done {
                    // It is not tried again: what is not acknowledged comes again, and is known by its id then.
                    Done::Acknowledged { .. } => self.done.is_under_way = false,
                    Done::Opened(_) | Done::Extended(_) => {}
                },
            }
        }
    }
}

/// How much of the window it takes.
fn size(message: &PubsubMessage) -> usize {
    let attributes = message.attributes.iter();
    let attributes = attributes.map(|(name, value)| name.len() + value.len());
    message.data.len() + attributes.sum::<usize>()
}

/// Waits until then; for ever, if there is no such moment.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
