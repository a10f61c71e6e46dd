//! Reads one partition, and hands its events on in their order.

use std::sync::Mutex;

use futures::FutureExt as _;
use tiphys_clients::azure::amqp::{Delivery, Error, Receiver};

use super::AzureEventsHub;
use super::position::{Progress, locked};
use crate::context::SourceContext;
use crate::incoming::Verdict;
use crate::pump::{InHand, MAX_EVENTS, Permit};
use crate::source::broker::Appetite;

/// A partition that is being read.
pub(super) struct Reader<'a> {
    source: &'a AzureEventsHub,
    context: &'a SourceContext,
    progress: &'a Mutex<Progress>,
    partition: String,
    receiver: Receiver,
    /// How many partitions share what may be here.
    partitions: usize,
    appetite: Appetite,
    /// How many events were asked for and have not come.
    asked: usize,
    /// What came and may not be handed on yet: an idle partition holds no permit.
    next: Option<Delivery>,
    in_hand: InHand<Delivery>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        source: &'a AzureEventsHub,
        context: &'a SourceContext,
        progress: &'a Mutex<Progress>,
        partition: String,
        receiver: Receiver,
        partitions: usize,
    ) -> Self {
        Self {
            source,
            context,
            progress,
            partition,
            receiver,
            partitions,
            appetite: Appetite::new(MAX_EVENTS),
            asked: 0,
            next: None,
            in_hand: context.publisher().in_hand(),
        }
    }

    /// Reads until the context's `shutdown`.
    pub(super) async fn run(mut self) -> Result<(), Error> {
        let (context, publisher) = (self.context, self.context.publisher());
        loop {
            self.ask().await?;
            tokio::select! {
                biased;
                () = context.shutdown().cancelled() => break,
                settled = self.in_hand.settled() => self.settle(settled).await?,
                permit = publisher.permit(), if self.next.is_some() => self.hand_on(permit),
                delivery = self.receiver.next(), if self.next.is_none() => {
                    self.asked = self.asked.saturating_sub(1);
                    self.next = Some(delivery?);
                }
            }
        }
        while !self.in_hand.is_empty() {
            let settled = self.in_hand.settled().await;
            self.settle(settled).await?;
        }
        Ok(())
    }

    /// Asks for more events when half of them have come.
    async fn ask(&mut self) -> Result<(), Error> {
        let most = self.appetite.messages(self.partitions);
        if self.asked * 2 >= most {
            return Ok(());
        }
        self.asked = most;
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        self.receiver.allow(most).await
    }

    fn hand_on(&mut self, permit: Permit) {
        let Some(delivery) = self.next.take() else {
            return;
        };
        let message = &delivery.message;
        let size = message.body.as_ref().map_or(0, bytes::Bytes::len);
        self.appetite.saw(size);
        let incoming = self.source.incoming(&self.partition, message);
        self.in_hand.hand_on(permit, incoming, delivery);
    }

    /// Notes what has a verdict. Hubs keep their events: that they are accepted lets go of them here.
    async fn settle(&mut self, first: (Delivery, Verdict)) -> Result<(), Error> {
        let mut settled = Vec::new();
        let mut next = Some(first);
        while let Some((delivery, verdict)) = next {
            let sequence = delivery.message.sequence.unwrap_or_default();
            locked(self.progress).settled(&self.partition, sequence, verdict);
            settled.push(delivery);
            next = self.in_hand.settled().now_or_never();
        }
        self.receiver.accept(&settled).await
    }
}
