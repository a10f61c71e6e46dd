//! Receives messages, hands them on, and settles them.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tiphys_clients::azure::amqp::{Delivery, Error, Kind, LockToken, Management, Receiver};
use tokio::time::{Instant, sleep_until};

use super::AzureServiceBus;
use super::locks::Locks;
use crate::context::SourceContext;
use crate::incoming::Verdict;
use crate::pump::{InHand, MAX_EVENTS, Permit};
use crate::source::broker::Appetite;

/// Locks that were to be renewed: until when each of them lasts, if it was.
type Renewed = Vec<(u64, Option<Timestamp>)>;

/// What was received and is not settled yet.
pub(super) struct Work<'a> {
    source: &'a AzureServiceBus,
    context: &'a SourceContext,
    receiver: Receiver,
    /// `None` while locks are being renewed.
    management: Option<Management>,
    renewing: Option<BoxFuture<'static, (Management, Renewed)>>,
    in_hand: InHand<(u64, Delivery)>,
    locks: Locks,
    /// The right to hand on what was asked for and has not come.
    permits: Vec<Permit>,
    appetite: Appetite,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        source: &'a AzureServiceBus,
        context: &'a SourceContext,
        receiver: Receiver,
        management: Management,
    ) -> Self {
        Self {
            source,
            context,
            receiver,
            management: Some(management),
            renewing: None,
            in_hand: context.publisher().in_hand(),
            locks: Locks::default(),
            permits: Vec::new(),
            appetite: Appetite::new(MAX_EVENTS),
        }
    }

    /// Receives until the context's `shutdown`, or until the connection is `lost`.
    pub(super) async fn run(&mut self, lost: impl Future<Output = Error>) -> Result<(), Error> {
        let mut lost = std::pin::pin!(lost);
        loop {
            let is_short = self.permits.len() * 2 < self.appetite.messages(1).max(1);
            let renewal = self.locks.next().filter(|_| self.renewing.is_none());
            tokio::select! {
                biased;
                () = self.context.shutdown().cancelled() => break,
                error = &mut lost => return Err(error),
                settled = self.in_hand.settled() => self.settle(settled).await?,
                renewed = renewed(&mut self.renewing) => self.renewed(renewed),
                () = until(renewal) => self.renew(),
                permit = self.context.publisher().permit(), if is_short => self.ask(permit).await?,
                delivery = self.receiver.next(), if !self.permits.is_empty() => {
                    self.hand_on(delivery?);
                }
            }
        }
        self.finish().await
    }

    /// Asks for as many messages as may be handed on.
    async fn ask(&mut self, permit: Permit) -> Result<(), Error> {
        self.permits.push(permit);
        while self.permits.len() < self.appetite.messages(1)
            && let Some(permit) = self.context.publisher().permit().now_or_never()
        {
            self.permits.push(permit);
        }
        let messages = u32::try_from(self.permits.len()).unwrap_or(u32::MAX);
        self.receiver.allow(messages).await
    }

    fn hand_on(&mut self, delivery: Delivery) {
        let Some(permit) = self.permits.pop() else {
            return;
        };
        let message = &delivery.message;
        self.appetite
            .saw(message.body.as_ref().map_or(0, bytes::Bytes::len));
        let lasts = self.lasts(message.locked_until);
        let number = self.locks.add(delivery.lock, lasts, Instant::now());
        let incoming = self.source.incoming(&delivery);
        self.in_hand.hand_on(permit, incoming, (number, delivery));
    }

    /// How long a lock lasts; as short as can be, if that is not known.
    fn lasts(&self, until: Option<Timestamp>) -> Duration {
        let now = self.context.clock().now();
        let left = until.map(|until| until.duration_since(now));
        let left = left.and_then(|left| Duration::try_from(left).ok());
        left.unwrap_or_default()
    }

    /// Settles what has a verdict: what is done with at once.
    async fn settle(&mut self, first: ((u64, Delivery), Verdict)) -> Result<(), Error> {
        let mut done = Vec::new();
        let mut next = Some(first);
        while let Some(((number, delivery), verdict)) = next {
            self.locks.remove(number);
            match verdict {
                Verdict::Stored | Verdict::Filtered | Verdict::DeadLettered => done.push(delivery),
                Verdict::GivenBack(_) => self.receiver.abandon(&delivery).await?,
            }
            next = self.in_hand.settled().now_or_never();
        }
        if done.is_empty() {
            return Ok(());
        }
        self.receiver.accept(&done).await
    }

    /// Renews the locks that end soon.
    fn renew(&mut self) {
        let due = self.locks.due(Instant::now());
        if let Some(management) = self.management.take() {
            self.renewing = Some(renew(management, due).boxed());
        }
    }

    fn renewed(&mut self, (management, renewed): (Management, Renewed)) {
        self.management = Some(management);
        for (number, until) in renewed {
            let lasts = until.map(|until| self.lasts(Some(until)));
            self.locks.renewed(number, lasts, Instant::now());
        }
    }

    /// Receives no more, and settles what gets its verdict.
    async fn finish(&mut self) -> Result<(), Error> {
        self.receiver.allow(0).await?;
        // Nobody else would get it before its lock ends.
        while let Some(Ok(delivery)) = self.receiver.next().now_or_never() {
            self.receiver.abandon(&delivery).await?;
        }
        self.permits.clear();
        while !self.in_hand.is_empty() {
            let settled = self.in_hand.settled().await;
            self.settle(settled).await?;
        }
        Ok(())
    }
}

/// Renews locks: all at once, and each by itself if one of them has been lost.
async fn renew(mut management: Management, due: Vec<(u64, LockToken)>) -> (Management, Renewed) {
    let numbers = due.iter().map(|(number, _)| *number);
    let tokens: Vec<LockToken> = due.iter().map(|(_, token)| *token).collect();
    let renewed = match management.renew_locks(&tokens).await {
        Ok(times) => numbers
            .zip(times.into_iter().chain(std::iter::repeat(None)))
            .collect(),
        Err(error) if error.kind() == Kind::Refused && due.len() > 1 => {
            let mut renewed = Vec::new();
            for (number, token) in due {
                let times = management.renew_locks(&[token]).await.unwrap_or_default();
                renewed.push((number, times.first().copied().flatten()));
            }
            renewed
        }
        Err(error) => {
            tracing::debug!(%error, "Messages of Service Bus may come again");
            numbers.map(|number| (number, None)).collect()
        }
    };
    (management, renewed)
}

async fn renewed(
    renewing: &mut Option<BoxFuture<'static, (Management, Renewed)>>,
) -> (Management, Renewed) {
    match renewing {
        Some(renewal) => {
            let renewed = renewal.await;
            *renewing = None;
            renewed
        }
        None => std::future::pending().await,
    }
}

/// Waits until then; for ever, if there is no such moment.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
