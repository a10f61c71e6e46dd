//! Messages of Pulsar topics as a source, through a subscription that one pod has for itself or all pods share.
//! A message is acknowledged after the bus has its event.

mod server;
mod session;

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use tiphys_api::{Problem, PulsarEventSource};
use tiphys_clients::pulsar::{Consumer, EntryId, Message, is_persistent};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use self::server::Server;
use self::session::Session;
use super::broker::{Members, NotJson, Roster, incoming};
use super::go_time::go_milliseconds;
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::event::{Draft, Input, SimulateError};
use crate::incoming::Incoming;
use crate::served::payload::metadata;
use crate::status::chain;

/// How often it is looked for new partitions, as by Argo Events.
const LOOK: Duration = Duration::from_mins(1);

/// Messages of some topics.
#[derive(Debug)]
pub(crate) struct Pulsar {
    server: Server,
    /// Their whole names.
    topics: Vec<String>,
    is_shared: bool,
    is_json: bool,
    /// `metadata` of the spec as JSON; empty if there is none.
    metadata: String,
}

/// What happened to a topic, or to a partition of one.
enum Told {
    Opened(Box<Consumer>),
    Failed(String, SourceError),
    /// The event ends.
    Ended,
}

/// What is being read.
struct Work<'a> {
    source: &'a Pulsar,
    context: &'a SourceContext,
    roster: Roster,
    consumers: FuturesUnordered<BoxFuture<'a, Told>>,
    /// How many there are.
    sharing: watch::Sender<usize>,
    look_at: Instant,
}

impl SourceKind for Pulsar {
    type Spec = PulsarEventSource;

    fn compile(path: &str, spec: &PulsarEventSource) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let server = Server::compile(path, spec, &mut problems);
        let topics = server::topics(path, spec, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            server,
            topics,
            is_shared: *spec.r#type == "shared",
            is_json: *spec.json_body,
            metadata: metadata(&spec.metadata),
        })
    }
}

#[async_trait]
impl Source for Pulsar {
    fn placement(&self) -> Placement {
        if self.is_shared {
            Placement::AllPods
        } else {
            Placement::LeaseHolder
        }
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        let found = self.server.find(&self.topics, context).await?;
        let work = Work {
            source: self,
            context,
            roster: Roster::default(),
            consumers: FuturesUnordered::new(),
            sharing: watch::Sender::new(1),
            look_at: Instant::now() + LOOK,
        };
        work.run(found).await
    }

    fn draft(&self, input: &Input<'_>, now: Timestamp) -> Result<Draft, SimulateError> {
        let body = match input {
            Input::Example => br#"{"message":"hello"}"#,
            Input::Body { body, .. } => *body,
            _ => return Err(input.unfit("pulsar")),
        };
        let message = Message {
            batch_index: -1,
            key: String::new(),
            publish_time: u64::try_from(now.as_millisecond()).unwrap_or_default(),
            body: Bytes::copy_from_slice(body),
        };
        let payload = self.payload(&message);
        let payload = payload.map_err(|error| SimulateError::Refused(error.to_string()))?;
        Ok(Draft::of(payload))
    }
}

impl Pulsar {
    fn incoming(&self, topic: &str, id: EntryId, message: &Message) -> Incoming {
        let incoming = incoming(self.payload(message), &message.body);
        self.known(incoming, topic, id, message.batch_index)
    }

    /// In the order of its topic, if that is kept, and known by its place there.
    fn known(&self, incoming: Incoming, topic: &str, id: EntryId, batch_index: i32) -> Incoming {
        let incoming = if self.is_shared {
            incoming
        } else {
            incoming.in_order(topic)
        };
        // What is not kept has no place.
        if !is_persistent(topic) {
            return incoming;
        }
        let EntryId { ledger, entry } = id;
        let (ledger, entry) = (ledger.to_string(), entry.to_string());
        incoming.identified_by([topic, &ledger, &entry, &batch_index.to_string()])
    }

    fn payload(&self, message: &Message) -> Result<Bytes, NotJson> {
        let time = i64::try_from(message.publish_time).unwrap_or(-1);
        let members = Members::with_room_for(message.key.len() + message.body.len() * 4 / 3)
            .text("key", message.key.as_bytes())
            .text("publishTime", go_milliseconds(time).as_bytes())
            .body(&message.body, self.is_json)?;
        Ok(members.finish(&self.metadata))
    }
}

impl Work<'_> {
    async fn run(mut self, found: BTreeSet<String>) -> Result<(), SourceError> {
        let Self {
            source, context, ..
        } = self;
        self.roster.list(found, Instant::now());
        loop {
            for topic in self.roster.due(Instant::now()) {
                self.open(topic);
            }
            self.sharing.send_replace(self.roster.connections().max(1));
            if let Some(condition) = self.roster.condition() {
                context.condition(condition);
            }
            let look_at = self.look_at;
            let found = async {
                sleep_until(look_at).await;
                source.server.find(&source.topics, context).await
            };
            tokio::select! {
                biased;
                () = context.shutdown().cancelled() => break,
                Some(told) = self.consumers.next() => self.told(told),
                found = found => self.found(found),
                () = until(self.roster.next()) => {}
            }
        }
        while self.consumers.next().await.is_some() {}
        Ok(())
    }

    fn open(&self, topic: String) {
        let (source, context) = (self.source, self.context);
        let opening = async move {
            tokio::select! {
                biased;
                () = context.shutdown().cancelled() => Told::Ended,
                opened = source.server.subscribe(&topic, source.is_shared, context) => match opened {
                    Ok(consumer) => Told::Opened(Box::new(consumer)),
                    Err(error) => Told::Failed(topic, error),
                }
            }
        };
        self.consumers.push(opening.boxed());
    }

    fn told(&mut self, told: Told) {
        let now = Instant::now();
        match told {
            Told::Opened(consumer) => {
                let topic = consumer.topic().to_owned();
                self.roster.opened(&topic, now);
                let sharing = self.sharing.subscribe();
                let session = Session::new(self.source, self.context, *consumer, sharing);
                let session = async move {
                    match session.run().await {
                        Ok(()) => Told::Ended,
                        Err(error) => Told::Failed(topic, error),
                    }
                };
                self.consumers.push(session.boxed());
            }
            Told::Failed(topic, error) => {
                let event = self.context.event();
                let cause: &dyn StdError = &error;
                tracing::warn!(
                    eventSourceName = %event.source,
                    eventName = %event.name,
                    topic,
                    error = cause,
                    "A subscription failed and is tried again"
                );
                self.roster.failed(&topic, &error, now);
            }
            Told::Ended => {}
        }
    }

    fn found(&mut self, found: Result<BTreeSet<String>, SourceError>) {
        let now = Instant::now();
        match found {
            Ok(found) => self.roster.list(found, now),
            // What is read goes on being read.
            Err(error) => self.context.failed(&chain(&error)),
        }
        self.look_at = now + LOOK;
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
