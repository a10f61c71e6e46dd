//! A bus that does not take the first deletion at once: as one that is full for a moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use tiphys_eventbus::{
    Bus, Cause, ConsumerReport, Durable, Error, Event, EventBus, Outgoing, PublishAck, StartAt,
    StoredMessage, StreamReport, Subject, Subscription, SubscriptionConfig,
};

#[derive(Debug)]
struct Refusing {
    inner: Arc<dyn Bus>,
    has_refused: AtomicBool,
}

/// The same bus, which refuses the first deletion once.
pub(crate) fn refusing(bus: EventBus) -> EventBus {
    let events = Refusing {
        inner: bus.events,
        has_refused: AtomicBool::new(false),
    };
    EventBus {
        events: Arc::new(events),
        ..bus
    }
}

fn is_deletion(message: &Outgoing) -> bool {
    let event = Event::decode(&message.payload).unwrap();
    let data = String::from_utf8(event.data.unwrap().to_vec()).unwrap();
    data.contains(r#""type":"DELETE""#)
}

#[async_trait]
impl Bus for Refusing {
    async fn publish(&self, message: Outgoing) -> Result<PublishAck, Error> {
        if is_deletion(&message) && !self.has_refused.swap(true, Ordering::SeqCst) {
            return Err(Error::Publish {
                subject: message.subject,
                id: message.id,
                source: Cause::Unavailable("it is full".into()),
            });
        }
        self.inner.publish(message).await
    }

    async fn ensure_stream(&self, settings: Option<&str>) -> Result<StreamReport, Error> {
        self.inner.ensure_stream(settings).await
    }

    async fn last_message(&self, subject: &Subject) -> Result<Option<StoredMessage>, Error> {
        self.inner.last_message(subject).await
    }

    async fn messages(
        &self,
        subject: &Subject,
        start: StartAt,
    ) -> Result<BoxStream<'static, Result<StoredMessage, Error>>, Error> {
        self.inner.messages(subject, start).await
    }

    async fn subscribe(&self, config: SubscriptionConfig) -> Result<Subscription, Error> {
        self.inner.subscribe(config).await
    }

    async fn unsubscribe(&self, durable: &Durable) -> Result<bool, Error> {
        self.inner.unsubscribe(durable).await
    }

    async fn consumer(&self, durable: &Durable) -> Result<Option<ConsumerReport>, Error> {
        self.inner.consumer(durable).await
    }

    fn max_payload(&self) -> usize {
        self.inner.max_payload()
    }

    fn is_connected(&self) -> bool {
        self.inner.is_connected()
    }

    fn is_safe(&self) -> bool {
        self.inner.is_safe()
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}
