//! Messages of an NSQ topic as a source. nsqlookupd says which nsqds have the topic; each is connected to,
//! and a message is finished after the bus has its event. All pods share the messages of the channel.
//!
//! No library is used: those that there are have been given up, and the protocol is small (`frame.rs`).

mod connection;
mod frame;
mod lookup;
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
use tiphys_api::{NsqEventSource, Problem, SecretKeySelector, TlsConfig};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use self::connection::Connection;
use self::frame::Message;
use self::lookup::Lookup;
use self::session::Session;
use super::broker::{Members, NotJson, Roster, incoming};
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::event::{Draft, Input, SimulateError};
use crate::incoming::Incoming;
use crate::served::payload::metadata;
use crate::status::{Condition, chain};

/// How long a message may stay without a verdict. nsqd lets no client keep one for more than 15 minutes.
const HOLD_LIMIT: Duration = Duration::from_mins(10);

/// How often nsqlookupd is asked, as by Argo Events, and how often while no nsqd is connected to.
const LOOK: (Duration, Duration) = (Duration::from_mins(1), Duration::from_secs(3));

/// Messages of one channel of a topic.
#[derive(Debug)]
pub(crate) struct Nsq {
    path: String,
    /// Host and HTTP port of nsqlookupd.
    lookupd: String,
    topic: String,
    channel: String,
    auth: Option<SecretKeySelector>,
    tls: Option<TlsConfig>,
    is_json: bool,
    /// `metadata` of the spec as JSON; empty if there is none.
    metadata: String,
}

/// What happened to a connection.
enum Told {
    Opened(Box<Connection>),
    Failed(String, SourceError),
    /// The event ends.
    Ended,
}

/// What is being done on connections.
struct Work<'a> {
    source: &'a Nsq,
    context: &'a SourceContext,
    roster: Roster,
    connections: FuturesUnordered<BoxFuture<'a, Told>>,
    /// How many there are.
    sharing: watch::Sender<usize>,
    look_at: Instant,
}

impl SourceKind for Nsq {
    type Spec = NsqEventSource;

    fn compile(path: &str, spec: &NsqEventSource) -> Result<Self, Vec<Problem>> {
        Ok(Self {
            path: path.to_owned(),
            lookupd: spec.host_address.to_string(),
            topic: spec.topic.to_string(),
            channel: spec.channel.to_string(),
            auth: spec.auth_secret.clone(),
            tls: spec.tls.clone(),
            is_json: *spec.json_body,
            metadata: metadata(&spec.metadata),
        })
    }
}

#[async_trait]
impl Source for Nsq {
    fn placement(&self) -> Placement {
        Placement::AllPods
    }

    fn hold_limit(&self) -> Option<Duration> {
        Some(HOLD_LIMIT)
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        let lookup = Lookup::open(self, context).await?;
        let work = Work {
            source: self,
            context,
            roster: Roster::default(),
            connections: FuturesUnordered::new(),
            sharing: watch::Sender::new(1),
            look_at: Instant::now() + LOOK.1,
        };
        let found = lookup.find().await?;
        work.run(&lookup, found).await
    }

    fn draft(&self, input: &Input<'_>, now: Timestamp) -> Result<Draft, SimulateError> {
        let body = match input {
            Input::Example => br#"{"message":"hello"}"#,
            Input::Body { body, .. } => *body,
            _ => return Err(input.unfit("nsq")),
        };
        let timestamp = i64::try_from(now.as_nanosecond()).unwrap_or_default();
        let payload = self.payload(timestamp, "nsqd:4150", body);
        let payload = payload.map_err(|error| SimulateError::Refused(error.to_string()))?;
        Ok(Draft::of(payload))
    }
}

impl Nsq {
    /// Two nsqds may give out the same id, but hardly in the same nanosecond.
    fn incoming(&self, message: &Message, address: &str) -> Incoming {
        let id = String::from_utf8_lossy(&message.id).into_owned();
        let timestamp = message.timestamp.to_string();
        let parts = [self.topic.clone(), self.channel.clone(), timestamp, id];
        let payload = self.payload(message.timestamp, address, &message.body);
        incoming(payload, &message.body).identified_by(parts)
    }

    fn payload(&self, timestamp: i64, address: &str, body: &[u8]) -> Result<Bytes, NotJson> {
        let members = Members::with_room_for(body.len() * 4 / 3)
            .body(body, self.is_json)?
            .text("timestamp", timestamp.to_string().as_bytes())
            .text("nsqdAddress", address.as_bytes());
        Ok(members.finish(&self.metadata))
    }
}

impl Work<'_> {
    async fn run(
        mut self,
        lookup: &Lookup<'_>,
        found: BTreeSet<String>,
    ) -> Result<(), SourceError> {
        self.roster.list(found, Instant::now());
        loop {
            for address in self.roster.due(Instant::now()) {
                self.open(address);
            }
            self.sharing.send_replace(self.roster.connections().max(1));
            if let Some(condition) = self.condition() {
                self.context.condition(condition);
            }
            let look_at = self.look_at;
            let found = async {
                sleep_until(look_at).await;
                lookup.find().await
            };
            tokio::select! {
                biased;
                () = self.context.shutdown().cancelled() => break,
                Some(told) = self.connections.next() => self.told(told),
                found = found => self.found(found)?,
                () = until(self.roster.next()) => {}
            }
        }
        while self.connections.next().await.is_some() {}
        Ok(())
    }

    /// How the event is; `None` while that is being found out.
    fn condition(&self) -> Option<Condition> {
        let Nsq { path, topic, .. } = self.source;
        if !self.roster.is_empty() {
            return self.roster.condition();
        }
        Some(Condition::Failed {
            reason: Reason::NotFound,
            message: format!("no nsqd has the topic {topic}"),
            hint: format!("check {path}.topic; a topic is there from its first message on"),
        })
    }

    fn open(&self, address: String) {
        let (source, context) = (self.source, self.context);
        let opening = async move {
            tokio::select! {
                biased;
                () = context.shutdown().cancelled() => Told::Ended,
                opened = Connection::open(source, context, &address) => match opened {
                    Ok(connection) => Told::Opened(Box::new(connection)),
                    Err(error) => Told::Failed(address, error),
                }
            }
        };
        self.connections.push(opening.boxed());
    }

    fn told(&mut self, told: Told) {
        let now = Instant::now();
        match told {
            Told::Opened(connection) => {
                let address = connection.address().to_owned();
                self.roster.opened(&address, now);
                let sharing = self.sharing.subscribe();
                let session = Session::new(self.source, self.context, *connection, sharing);
                let session = async move {
                    match session.run().await {
                        Ok(()) => Told::Ended,
                        Err(error) => Told::Failed(address, error),
                    }
                };
                self.connections.push(session.boxed());
            }
            Told::Failed(address, error) => {
                let event = self.context.event();
                let cause: &dyn StdError = &error;
                tracing::warn!(
                    eventSourceName = %event.source,
                    eventName = %event.name,
                    nsqd = address,
                    error = cause,
                    "A connection to an nsqd failed and is tried again"
                );
                self.roster.failed(&address, &error, now);
                if !self.roster.is_any_open() {
                    self.look_at = self.look_at.min(now + LOOK.1);
                }
            }
            Told::Ended => {}
        }
    }

    fn found(&mut self, found: Result<BTreeSet<String>, SourceError>) -> Result<(), SourceError> {
        let now = Instant::now();
        match found {
            Ok(found) => self.roster.list(found, now),
            // Whom to connect to is not known any better.
            Err(error) if self.roster.connections() == 0 => return Err(error),
            Err(error) => self.context.failed(&chain(&error)),
        }
        let wait = if self.roster.is_any_open() {
            LOOK.0
        } else {
            LOOK.1
        };
        self.look_at = now + wait;
        Ok(())
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
