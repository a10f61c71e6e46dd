//! Carries what sources hand on to the bus: once for all kinds.
//!
//! Expression, id, envelope and size are decided at once, in the order of arrival; then many messages are
//! on their way at a time. What the bus does not confirm is published again under the same id until it
//! is, all of it in the order of arrival, and nothing new is accepted meanwhile. A source hears what
//! became of each event ([`Verdict`]) in the order of arrival for what has the same ordering key, and
//! only then acknowledges it upstream.

mod handle;
mod order;
#[cfg(test)]
mod tests;
mod window;

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tiphys_base::Backoff;
use tiphys_eventbus::{Error as BusError, Outgoing, PublishAck};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

pub(crate) use self::handle::{InHand, Publisher};
pub(crate) use self::window::MAX_EVENTS;
#[cfg(feature = "kafka")]
pub(crate) use self::window::Permit;

use self::handle::Arrival;
use self::order::Order;
use self::window::Window;
use crate::envelope::fit;
use crate::id::event_id;
use crate::incoming::{GiveBack, Payload, Verdict};
use crate::outlet::{Fault, FilterResult, Outlet};

/// Waits between attempts: an outage is noticed by the bus' own time-outs, so these may be short.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// Carries the events of one event.
pub(crate) struct Pump {
    outlet: Outlet,
    hold_limit: Option<Duration>,
    window: std::sync::Arc<Window>,
    arrivals: mpsc::Receiver<Arrival>,
    next: u64,
    /// What has no verdict yet, or one that may not be told yet.
    held: HashMap<u64, Arrival>,
    order: Order,
    /// What is to be handed to the bus, in the order of arrival.
    queue: BTreeMap<u64, Job>,
    /// What is being handed to it.
    handing: Option<BoxFuture<'static, Handed>>,
    /// What the bus is to confirm.
    in_flight: FuturesUnordered<BoxFuture<'static, Confirmed>>,
    /// What is published again at `retry_at`, all of it.
    failed: BTreeMap<u64, Job>,
    retry: Backoff,
    retry_at: Option<Instant>,
}

/// A message on its way.
struct Job {
    message: Outgoing,
    /// It goes to the dead letters instead.
    fault: Option<Fault>,
    received: Instant,
    /// When it is given back.
    deadline: Option<Instant>,
}

struct Handed {
    number: u64,
    job: Job,
    answer: Answer<PublishAck>,
}

struct Confirmed {
    number: u64,
    job: Job,
    answer: Answer<()>,
}

/// What the bus says; nothing, if it took longer than the event may be held.
type Answer<T> = Option<Result<T, BusError>>;

/// Everything that can happen.
enum Wake {
    Arrived(Box<Arrival>),
    Handed(Handed),
    Confirmed(Confirmed),
    Retry,
    Expired,
}

impl Pump {
    /// A pump, and the end of it that sources hand events to. What is handed on and not confirmed within
    /// `hold_limit` is given back.
    pub(crate) fn new(outlet: Outlet, hold_limit: Option<Duration>) -> (Self, Publisher) {
        // As many as there are permits: handing on never waits.
        let (sender, arrivals) = mpsc::channel(MAX_EVENTS);
        let window = Window::new();
        let publisher = Publisher {
            arrivals: sender,
            window: window.clone(),
            metrics: outlet.metrics.clone(),
            hold_limit,
        };
        let pump = Self {
            outlet,
            hold_limit,
            window,
            arrivals,
            next: 0,
            held: HashMap::new(),
            order: Order::default(),
            queue: BTreeMap::new(),
            handing: None,
            in_flight: FuturesUnordered::new(),
            failed: BTreeMap::new(),
            retry: Backoff::new(RETRY.0, RETRY.1),
            retry_at: None,
        };
        (pump, publisher)
    }

    /// Carries on for ever.
    ///
    /// # Cancellation
    /// Nothing is lost: run or drain it again.
    pub(crate) async fn run(&mut self) -> Infallible {
        loop {
            let wake = self.wake().await;
            self.on(wake);
        }
    }

    /// Accepts no more, carries what it has for at most `limit`, and gives back the rest.
    pub(crate) async fn drain(mut self, limit: Duration) {
        self.arrivals.close();
        while let Ok(arrival) = self.arrivals.try_recv() {
            self.arrived(arrival);
        }
        let deadline = Instant::now() + limit;
        while !self.held.is_empty() {
            match timeout_at(deadline, self.wake()).await {
                Ok(wake) => self.on(wake),
                Err(_) => break,
            }
        }
        let mut left: Vec<u64> = self.held.keys().copied().collect();
        left.sort_unstable();
        for number in left {
            self.settle(number, Verdict::GivenBack(GiveBack::Stopping));
        }
    }

    async fn wake(&mut self) -> Wake {
        self.hand_on();
        let deadline = self.deadline();
        tokio::select! {
            biased;
            handed = next(&mut self.handing) => {
                self.handing = None;
                Wake::Handed(handed)
            }
            Some(confirmed) = self.in_flight.next() => Wake::Confirmed(confirmed),
            Some(arrival) = self.arrivals.recv() => Wake::Arrived(Box::new(arrival)),
            () = until(self.retry_at) => Wake::Retry,
            () = until(deadline) => Wake::Expired,
        }
    }

    fn on(&mut self, wake: Wake) {
        match wake {
            Wake::Arrived(arrival) => self.arrived(*arrival),
            Wake::Handed(Handed {
                number,
                job,
                answer,
            }) => match answer {
                Some(Ok(ack)) => self.in_flight.push(Box::pin(confirm(number, job, ack))),
                Some(Err(error)) => self.refused(number, job, &error),
                None => self.give_back(number),
            },
            Wake::Confirmed(Confirmed {
                number,
                job,
                answer,
            }) => match answer {
                Some(Ok(())) => self.confirmed(number, &job),
                Some(Err(error)) => self.refused(number, job, &error),
                None => self.give_back(number),
            },
            Wake::Retry => {
                self.retry_at = None;
                self.queue.append(&mut self.failed);
            }
            Wake::Expired => self.expire(),
        }
    }

    fn arrived(&mut self, arrival: Arrival) {
        let number = self.next;
        self.next += 1;
        self.order
            .arrived(number, arrival.incoming.ordering_key.as_ref());
        let job = self.job(&arrival);
        self.held.insert(number, arrival);
        if let Some(job) = job {
            self.queue.insert(number, job);
        } else {
            self.outlet.filtered();
            self.settle(number, Verdict::Filtered);
        }
    }

    /// What is to be sent; nothing, if the expression rejects it.
    fn job(&self, arrival: &Arrival) -> Option<Job> {
        let Outlet { event, bus, .. } = &self.outlet;
        let id = event_id(event, &arrival.incoming.id);
        let mut envelope = event.envelope(id.clone(), self.outlet.clock.now());
        let mut dead = |payload: bytes::Bytes| {
            envelope.data = Some(payload);
            envelope.encode()
        };
        let (payload, fault) = match &arrival.incoming.payload {
            Payload::Unreadable { raw, error } => {
                (dead(raw.clone()), Some(Fault::malformed(error.clone())))
            }
            Payload::Json(payload) => match event.evaluate(payload) {
                FilterResult::Rejected => return None,
                FilterResult::Failed(error) => {
                    (dead(payload.clone()), Some(Fault::filter_failed(error)))
                }
                FilterResult::Passes => match fit(&mut envelope, payload, bus.events.max_payload())
                {
                    Ok(message) => (message, None),
                    Err(message) => (
                        message,
                        Some(Fault::too_large("larger than what the bus takes")),
                    ),
                },
            },
        };
        Some(Job {
            message: self.outlet.outgoing(id, payload),
            fault,
            received: arrival.received,
            deadline: self.hold_limit.map(|limit| arrival.received + limit),
        })
    }

    /// Hands the next message to the bus, unless an earlier one is to be published again before it.
    fn hand_on(&mut self) {
        while self.handing.is_none() && self.failed.is_empty() {
            let Some((number, job)) = self.queue.pop_first() else {
                return;
            };
            let outlet = self.outlet.clone();
            if job.fault.is_some() {
                self.in_flight
                    .push(Box::pin(dead_letter(outlet, number, job)));
                continue;
            }
            self.handing = Some(Box::pin(async move {
                let publishing = outlet.bus.events.publish(job.message.clone());
                let answer = within(job.deadline, publishing).await;
                Handed {
                    number,
                    job,
                    answer,
                }
            }));
        }
    }

    fn confirmed(&mut self, number: u64, job: &Job) {
        let verdict = if job.fault.is_some() {
            Verdict::DeadLettered
        } else {
            self.outlet.published(&job.message.id, job.received);
            Verdict::Stored
        };
        if self.failed.is_empty() {
            self.retry.reset();
            self.window.set_failing(false);
        }
        self.settle(number, verdict);
    }

    fn refused(&mut self, number: u64, mut job: Job, error: &BusError) {
        if let BusError::TooLarge { .. } = error {
            job.fault = Some(Fault::too_large(error.to_string()));
            self.queue.insert(number, job);
            return;
        }
        self.outlet.publish_failed(&job.message.id, error);
        self.window.set_failing(true);
        self.failed.insert(number, job);
        if self.retry_at.is_none() {
            self.retry_at = Some(Instant::now() + self.retry.wait());
        }
    }

    /// The earliest moment at which something that waits is given back. What is with the bus has its
    /// own.
    fn deadline(&self) -> Option<Instant> {
        // What arrived first is given back first.
        let first = [self.queue.first_key_value(), self.failed.first_key_value()];
        let waiting = first.into_iter().flatten();
        waiting.filter_map(|(_, job)| job.deadline).min()
    }

    fn expire(&mut self) {
        let now = Instant::now();
        let is_over = |job: &Job| job.deadline.is_some_and(|deadline| deadline <= now);
        let mut over = Vec::new();
        for waiting in [&mut self.queue, &mut self.failed] {
            waiting.retain(|number, job| {
                let is_over = is_over(job);
                if is_over {
                    over.push(*number);
                }
                !is_over
            });
        }
        for number in over {
            self.give_back(number);
        }
    }

    /// The bus may still store it; the upstream sends it again, under the same id if it can.
    fn give_back(&mut self, number: u64) {
        self.outlet.metrics.processing_failed();
        self.settle(number, Verdict::GivenBack(GiveBack::BusUnavailable));
        if self.failed.is_empty() && self.queue.is_empty() {
            // There is nothing left to find out with whether the bus takes events again.
            self.retry_at = None;
            self.window.set_failing(false);
        }
    }

    fn settle(&mut self, number: u64, verdict: Verdict) {
        let key = self
            .held
            .get(&number)
            .and_then(|arrival| arrival.incoming.ordering_key.clone());
        for (number, verdict) in self.order.decided(number, key.as_ref(), verdict) {
            if let Some(arrival) = self.held.remove(&number) {
                arrival.settle(verdict);
            }
        }
    }
}

async fn confirm(number: u64, job: Job, ack: PublishAck) -> Confirmed {
    let answer = within(job.deadline, async { ack.await.map(drop) }).await;
    Confirmed {
        number,
        job,
        answer,
    }
}

async fn dead_letter(outlet: Outlet, number: u64, job: Job) -> Confirmed {
    let answer = match &job.fault {
        Some(fault) => within(job.deadline, outlet.dead_letter(&job.message, fault)).await,
        None => Some(Ok(())),
    };
    Confirmed {
        number,
        job,
        answer,
    }
}

/// What comes of `future`, unless the deadline comes first.
async fn within<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

/// What is being handed on; never, if nothing is.
async fn next(handing: &mut Option<BoxFuture<'static, Handed>>) -> Handed {
    match handing {
        Some(handing) => handing.await,
        None => pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}
