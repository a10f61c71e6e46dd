//! What is on the bus in the end.

use async_nats::jetstream::{self, Context};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tiphys_eventbus::jetstream::{Config, JetStream};
use tiphys_eventbus::{DeadLetterFilter, Event, EventBus};

use crate::findings::Letter;

/// The stream of all events.
const STREAM: &str = "default";

/// How many messages are asked for at a time.
const READERS: usize = 32;

/// The bus, past its line.
pub(crate) struct Bus {
    context: Context,
    bus: EventBus,
}

impl Bus {
    pub(crate) async fn of(url: &str) -> Self {
        let client = async_nats::connect(url).await;
        let bus = JetStream::connect(&Config::new(url)).await;
        Self {
            context: jetstream::new(client.expect("NATS can be reached")),
            bus: EventBus::from(bus.expect("NATS can be reached")),
        }
    }

    /// How many deliveries consumers have had, the repeated ones too.
    pub(crate) async fn deliveries(&self) -> Result<u64, String> {
        let counted = async {
            let stream = self.context.get_stream(STREAM).await?;
            let mut consumers = stream.consumers();
            let mut deliveries = 0;
            while let Some(consumer) = consumers.try_next().await? {
                deliveries += consumer.delivered.consumer_sequence;
            }
            Ok(deliveries)
        };
        let counted: Result<u64, async_nats::Error> = counted.await;
        counted.map_err(|error| format!("count deliveries: {error}"))
    }

    /// What consumers have not been given, or have not acknowledged, one line each.
    pub(crate) async fn unfinished(&self) -> Vec<String> {
        self.try_unfinished()
            .await
            .unwrap_or_else(|error| vec![format!("the bus: {error}")])
    }

    async fn try_unfinished(&self) -> Result<Vec<String>, async_nats::Error> {
        let stream = self.context.get_stream(STREAM).await?;
        let mut consumers = stream.consumers();
        let mut lines = Vec::new();
        while let Some(consumer) = consumers.try_next().await? {
            let (pending, unacknowledged) = (consumer.num_pending, consumer.num_ack_pending);
            if pending > 0 || unacknowledged > 0 {
                let name = consumer.name;
                lines.push(format!(
                    "{name}: {pending} not delivered, {unacknowledged} not acknowledged"
                ));
            }
        }
        Ok(lines)
    }

    /// The sources and ids of all events, in their order.
    pub(crate) async fn events(&self) -> Result<Vec<(String, String)>, String> {
        let read = async {
            let mut stream = self.context.get_stream(STREAM).await?;
            let state = stream.info().await?.state.clone();
            let stream = &stream;
            let numbers = state.first_sequence..=state.last_sequence;
            stream::iter(numbers)
                .map(|number| async move { stream.get_raw_message(number).await })
                .buffered(READERS)
                .try_collect::<Vec<_>>()
                .await
                .map_err(async_nats::Error::from)
        };
        let messages = read
            .await
            .map_err(|error| format!("read the bus: {error}"))?;
        let events = messages.iter().map(|message| {
            let event = Event::decode(&message.payload);
            event
                .map(|event| (event.context.source.clone(), event.context.id.clone()))
                .map_err(|error| format!("read an event: {error}"))
        });
        events.collect()
    }

    /// All dead letters.
    pub(crate) async fn dead_letters(&self) -> Result<Vec<Letter>, String> {
        let mut filter = DeadLetterFilter::default();
        let mut letters = Vec::new();
        loop {
            let page = self.bus.dead_letters.list(&filter).await;
            let page = page.map_err(|error| format!("read the dead letters: {error}"))?;
            let Some((last, _)) = page.last() else {
                return Ok(letters);
            };
            filter.after = Some(*last);
            letters.extend(page.into_iter().map(|(_, letter)| {
                Letter {
                    event: Event::decode(&letter.payload)
                        .map(|event| event.context.id.clone())
                        .unwrap_or_default(),
                    sensor: letter.sensor,
                    trigger: letter.trigger,
                    reason: letter.reason.as_str(),
                    error: letter.error,
                }
            }));
        }
    }
}
