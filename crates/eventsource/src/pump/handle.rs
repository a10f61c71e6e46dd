//! The sources' end of the pump: permits, and what becomes of what is handed on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::window::{Permit, Window};
use crate::incoming::{GiveBack, Incoming, Verdict};
use crate::metrics::{EventMetrics, InHandGuard, Outcome};

/// Hands on events.
#[derive(Debug, Clone)]
pub(crate) struct Publisher {
    pub(super) arrivals: mpsc::Sender<Arrival>,
    pub(super) window: Arc<Window>,
    pub(super) metrics: EventMetrics,
    pub(super) hold_limit: Option<Duration>,
}

/// Something handed on, with who wants to know what becomes of it.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) incoming: Incoming,
    pub(super) received: Instant,
    pub(super) permit: Permit,
    pub(super) reply: Reply,
    pub(super) books: InHandGuard,
}

/// Who wants to know.
#[derive(Debug)]
pub(super) enum Reply {
    Once(oneshot::Sender<Verdict>),
    Each {
        number: u64,
        to: mpsc::UnboundedSender<Settled>,
    },
}

/// A verdict with the number it was handed on under.
#[derive(Debug)]
pub(super) struct Settled {
    number: u64,
    verdict: Verdict,
    /// Held until somebody has read the verdict: so many are unread at most.
    _permit: Permit,
}

impl Publisher {
    /// Waits until one more event may be handed on. Read nothing from the upstream without a permit.
    pub(crate) async fn permit(&self) -> Permit {
        self.window.permit().await
    }

    /// Hands on one event, and waits for what becomes of it: for as long as its kind may hold it at
    /// most.
    pub(crate) async fn deliver(&self, incoming: Incoming) -> Verdict {
        let received = Instant::now();
        let books = self.metrics.receive();
        let mut permit = match self.hold_limit {
            Some(limit) => {
                let Ok(permit) = timeout_at(received + limit, self.permit()).await else {
                    books.settle(Outcome::GivenBack);
                    self.metrics.processing_failed();
                    return Verdict::GivenBack(GiveBack::BusUnavailable);
                };
                permit
            }
            None => self.permit().await,
        };
        permit.take(incoming.size());
        let (reply, verdict) = oneshot::channel();
        let arrival = Arrival {
            incoming,
            received,
            permit,
            reply: Reply::Once(reply),
            books,
        };
        // The pump ends only with the event; what it did not take is given back.
        if self.arrivals.send(arrival).await.is_err() {
            return Verdict::GivenBack(GiveBack::Stopping);
        }
        verdict
            .await
            .unwrap_or(Verdict::GivenBack(GiveBack::Stopping))
    }

    /// For a source that goes on reading while earlier events are on their way.
    pub(crate) fn in_hand<T>(&self) -> InHand<T> {
        let (settled, verdicts) = mpsc::unbounded_channel();
        InHand {
            publisher: self.clone(),
            settled,
            verdicts,
            held: HashMap::new(),
            next: 0,
        }
    }
}

/// What was handed on and has no verdict yet, each with what its upstream has to be told about.
#[derive(Debug)]
pub(crate) struct InHand<T> {
    publisher: Publisher,
    settled: mpsc::UnboundedSender<Settled>,
    verdicts: mpsc::UnboundedReceiver<Settled>,
    held: HashMap<u64, T>,
    next: u64,
}

impl<T> InHand<T> {
    /// Hands on one event. Does not wait: the permit has room in the pump.
    pub(crate) fn hand_on(&mut self, mut permit: Permit, incoming: Incoming, upstream: T) {
        let number = self.next;
        self.next += 1;
        permit.take(incoming.size());
        let arrival = Arrival {
            incoming,
            received: Instant::now(),
            permit,
            reply: Reply::Each {
                number,
                to: self.settled.clone(),
            },
            books: self.publisher.metrics.receive(),
        };
        self.held.insert(number, upstream);
        if let Err(error) = self.publisher.arrivals.try_send(arrival) {
            error
                .into_inner()
                .settle(Verdict::GivenBack(GiveBack::Stopping));
        }
    }

    /// The next verdict, in the order of arrival for what has the same ordering key; never, if there
    /// is nothing in hand.
    ///
    /// # Cancellation
    /// No verdict is lost.
    pub(crate) async fn settled(&mut self) -> (T, Verdict) {
        loop {
            // A sender lives in `self`: the channel does not close.
            let Some(settled) = self.verdicts.recv().await else {
                return std::future::pending().await;
            };
            if let Some(upstream) = self.held.remove(&settled.number) {
                return (upstream, settled.verdict);
            }
        }
    }

    /// What upstreams have to be told about later, in no order.
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = &T> {
        self.held.values()
    }

    /// Whether everything has its verdict.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

impl Arrival {
    /// Tells what became of it.
    pub(super) fn settle(self, verdict: Verdict) {
        self.books.settle(match verdict {
            Verdict::Stored => Outcome::Published,
            Verdict::Filtered => Outcome::Filtered,
            Verdict::DeadLettered => Outcome::DeadLettered,
            Verdict::GivenBack(_) => Outcome::GivenBack,
        });
        match self.reply {
            // Nobody may want to know any longer.
            Reply::Once(reply) => drop(reply.send(verdict)),
            Reply::Each { number, to } => drop(to.send(Settled {
                number,
                verdict,
                _permit: self.permit,
            })),
        }
    }
}
