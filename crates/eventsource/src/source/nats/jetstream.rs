//! A JetStream stream as a source: a durable consumer, whose messages are acknowledged after the bus has
//! their events. All pods share it.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::message::{AckKind, Acker};
use async_nats::jetstream::{self, stream};
use futures::StreamExt as _;
use tiphys_api::NatsJetStream;
use tiphys_clients::BoxError;
use tokio::time::{MissedTickBehavior, interval};

use super::Nats;
use super::link::Link;
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::incoming::Verdict;
use crate::status::Condition;

/// How long the server waits for an acknowledgement before it sends a message again.
const ACK_WAIT: Duration = Duration::from_secs(30);

/// How often messages are acknowledged as in progress: two such acknowledgements may get lost.
const IN_PROGRESS: Duration = Duration::from_secs(9);

/// How many messages are asked for at a time. What waits here is not told to be in progress.
const BATCH: usize = 64;

/// How long a request for messages stands, and how often the server shows that it does.
const REQUEST: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Which stream, and as whom.
#[derive(Debug)]
pub(super) struct Consumer {
    stream: String,
    /// `None`: named after the event.
    durable: Option<String>,
    deliver: DeliverPolicy,
}

/// The messages of a consumer, and what the stream is known by.
struct Messages {
    feed: pull::Stream,
    stream: [String; 2],
}

impl Consumer {
    pub(super) fn new(spec: &NatsJetStream) -> Self {
        Self {
            stream: spec.stream.to_string(),
            durable: Some(spec.durable.to_string()).filter(|name| !name.is_empty()),
            deliver: match spec.deliver.as_str() {
                "last" => DeliverPolicy::Last,
                "new" => DeliverPolicy::New,
                _ => DeliverPolicy::All,
            },
        }
    }

    fn lost(&self) -> SourceError {
        let act = format!("receive from the stream {}", self.stream);
        SourceError::new(Reason::Messages, act)
    }

    /// The name of the consumer.
    fn durable(&self, context: &SourceContext) -> String {
        self.durable.clone().unwrap_or_else(|| {
            let event = context.event();
            // A dot is no part of a consumer's name.
            format!("{}-{}-{}", event.namespace, event.source, event.name).replace('.', "_")
        })
    }
}

impl Nats {
    /// Consumes the stream.
    pub(super) async fn consume(
        &self,
        consumer: &Consumer,
        client: Client,
        link: &Link,
        context: &SourceContext,
    ) -> Result<(), SourceError> {
        let Messages { mut feed, stream } = self.messages(consumer, client, context).await?;
        context.condition(Condition::Working);
        let publisher = context.publisher();
        let mut in_hand = publisher.in_hand();
        let mut in_progress = interval(IN_PROGRESS);
        in_progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut broken = std::pin::pin!(link.broken(&self.path, context));
        loop {
            let said = async {
                let permit = publisher.permit().await;
                (permit, feed.next().await)
            };
            tokio::select! {
                biased;
                () = context.shutdown().cancelled() => break,
                (acker, verdict) = in_hand.settled() => self.settle(&acker, verdict).await?,
                error = &mut broken => return Err(error),
                _ = in_progress.tick() => {
                    for acker in in_hand.upstreams() {
                        self.acknowledge(acker, AckKind::Progress).await?;
                    }
                }
                (permit, said) = said => {
                    let message = said
                        .ok_or_else(|| consumer.lost())?
                        .map_err(|error| consumer.lost().because(error))?;
                    let sequence = message.info().map(|info| info.stream_sequence).unwrap_or_default();
                    let (message, acker) = message.split();
                    let parts = stream.iter().cloned().chain([sequence.to_string()]);
                    let incoming = self.incoming(&message).identified_by(parts);
                    in_hand.hand_on(permit, incoming, acker);
                }
            }
        }
        while !in_hand.is_empty() {
            let (acker, verdict) = in_hand.settled().await;
            self.settle(&acker, verdict).await?;
        }
        Ok(())
    }

    async fn messages(
        &self,
        consumer: &Consumer,
        client: Client,
        context: &SourceContext,
    ) -> Result<Messages, SourceError> {
        let Consumer { stream: name, .. } = consumer;
        let found = jetstream::new(client.clone()).get_stream(name).await;
        let stream = found.map_err(|error| {
            SourceError::new(Reason::NotFound, format!("find the stream {name}"))
                .because(error)
                .with_hint(format!("check {}.jetstream.stream", self.path))
        })?;
        let durable = consumer.durable(context);
        let opened = open(&stream, consumer, &durable, &self.subject).await;
        let opened = opened.map_err(|error| {
            SourceError::new(
                Reason::Consumer,
                format!("open the consumer {durable} of {name}"),
            )
            .because(error)
            .with_hint(format!("check {}.jetstream", self.path))
        })?;
        // One message has to fit, with its headers.
        let largest = client.server_info().max_payload;
        let feed = opened
            .stream()
            .max_messages_per_batch(BATCH)
            .max_bytes_per_batch(largest * 2)
            .expires(REQUEST)
            .heartbeat(HEARTBEAT)
            .messages();
        let feed = feed.await.map_err(|error| consumer.lost().because(error))?;
        // A stream that was made anew counts from one.
        let created = stream.cached_info().created.to_string();
        Ok(Messages {
            feed,
            stream: [name.clone(), created],
        })
    }

    async fn settle(&self, acker: &Acker, verdict: Verdict) -> Result<(), SourceError> {
        let kind = match verdict {
            Verdict::Stored | Verdict::Filtered | Verdict::DeadLettered => AckKind::Ack,
            Verdict::GivenBack(_) => AckKind::Nak(None),
        };
        self.acknowledge(acker, kind).await
    }

    async fn acknowledge(&self, acker: &Acker, kind: AckKind) -> Result<(), SourceError> {
        acker.ack_with(kind).await.map_err(|error| {
            let act = format!("acknowledge a message of {}", self.subject);
            SourceError::new(Reason::Acknowledge, act).because(error)
        })
    }
}

/// Finds the consumer or makes it. One that is there keeps its position and its settings; only what it
/// filters by follows the spec.
async fn open(
    stream: &stream::Stream,
    wanted: &Consumer,
    durable: &str,
    subject: &str,
) -> Result<PullConsumer, BoxError> {
    let config = pull::Config {
        durable_name: Some(durable.to_owned()),
        deliver_policy: wanted.deliver,
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        filter_subject: subject.to_owned(),
        ..pull::Config::default()
    };
    let found: PullConsumer = stream.get_or_create_consumer(durable, config).await?;
    let mut config = found.cached_info().config.clone();
    if config.filter_subject == subject && config.filter_subjects.is_empty() {
        return Ok(found);
    }
    subject.clone_into(&mut config.filter_subject);
    config.filter_subjects.clear();
    drop(stream.create_consumer(config).await?);
    stream.get_consumer(durable).await
}
