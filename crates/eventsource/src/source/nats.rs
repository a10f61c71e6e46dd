//! NATS messages as a source: of core NATS, which tells whoever listens and keeps nothing, or of a
//! JetStream stream, which keeps them until the bus has their events.

mod jetstream;
mod link;

use std::time::Duration;

use async_nats::{Client, HeaderMap, Message};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use jiff::Timestamp;
use tiphys_api::{NatsAuth, NatsEventSource, Problem, TlsConfig};
use tiphys_clients::nats::{self, Auth, AuthRef, Config, ConnectError};
use tiphys_lang::json::write_string;

use self::jetstream::Consumer;
use self::link::Link;
use super::broker::{Members, NotJson, forward, incoming};
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::event::{Draft, Input, SimulateError};
use crate::incoming::Incoming;
use crate::served::payload::metadata;
use crate::status::Condition;

/// The header that says what a message is known by.
const MESSAGE_ID: &str = "Nats-Msg-Id";

/// How long a lost connection heals by itself before the event is started again, with the Secrets as
/// they are then.
const HEAL_WITHIN: Duration = Duration::from_secs(8);

/// Messages of one subject.
#[derive(Debug)]
pub(crate) struct Nats {
    path: String,
    url: String,
    subject: String,
    queue: Option<String>,
    consumer: Option<Consumer>,
    auth: Option<NatsAuth>,
    tls: Option<TlsConfig>,
    is_json: bool,
    /// `metadata` of the spec as JSON; empty if there is none.
    metadata: String,
}

impl SourceKind for Nats {
    type Spec = NatsEventSource;

    fn compile(path: &str, spec: &NatsEventSource) -> Result<Self, Vec<Problem>> {
        let queue = spec.queue.clone().filter(|queue| !queue.is_empty());
        if queue.is_some() && spec.jetstream.is_some() {
            let message = "a JetStream consumer shares its messages out by itself";
            return Err(vec![
                Problem::error(format!("{path}.queue"), message).with_hint("remove it"),
            ]);
        }
        Ok(Self {
            path: path.to_owned(),
            url: spec.url.to_string(),
            subject: spec.subject.to_string(),
            queue,
            consumer: spec.jetstream.as_ref().map(Consumer::new),
            auth: spec.auth.clone(),
            tls: spec.tls.clone(),
            is_json: *spec.json_body,
            metadata: metadata(&spec.metadata),
        })
    }
}

#[async_trait]
impl Source for Nats {
    fn placement(&self) -> Placement {
        // The server hands each message to one of a queue's or a consumer's clients.
        if self.queue.is_some() || self.consumer.is_some() {
            Placement::AllPods
        } else {
            Placement::LeaseHolder
        }
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        let link = Link::new(nats::without_passwords(&self.url));
        let client = self.connect(&link, context).await?;
        match &self.consumer {
            Some(consumer) => self.consume(consumer, client, &link, context).await,
            None => self.listen(client, &link, context).await,
        }
    }

    fn draft(&self, input: &Input<'_>, _: Timestamp) -> Result<Draft, SimulateError> {
        let body = match input {
            Input::Example => br#"{"message":"hello"}"#,
            Input::Body { body, .. } => *body,
            _ => return Err(input.unfit("nats")),
        };
        let subject = self.subject.replace(['*', '>'], "example");
        let payload = self.payload(&subject, None, body);
        let payload = payload.map_err(|error| SimulateError::Refused(error.to_string()))?;
        Ok(Draft::of(payload))
    }
}

impl Nats {
    async fn connect(&self, link: &Link, context: &SourceContext) -> Result<Client, SourceError> {
        let config = Config {
            auth: self.auth(context).await?,
            tls: context.tls(self.tls.as_ref()).await?,
            ..Config::new(&*self.url)
        };
        let connected = nats::connect(&config, link.listener()).await;
        connected.map_err(|error| self.not_connected(error))
    }

    async fn auth(&self, context: &SourceContext) -> Result<Auth, SourceError> {
        let namespace = &context.event().namespace;
        let Some(auth) = self
            .auth
            .as_ref()
            .and_then(|auth| AuthRef::of(auth, namespace))
        else {
            return Ok(Auth::None);
        };
        auth.resolve(&*context.clients().values)
            .await
            .map_err(|error| {
                let act = format!("read what {}.auth names", self.path);
                SourceError::new(Reason::Missing, act).because(error)
            })
    }

    fn not_connected(&self, error: ConnectError) -> SourceError {
        let (reason, field) = match &error {
            ConnectError::Settings(_) => (Reason::Configuration, "url, auth and tls"),
            _ if error.is_of_login() => (Reason::Unauthorized, self.login()),
            _ if error.is_of_tls() => (Reason::Unreachable, "tls"),
            ConnectError::Unreachable { .. } => (Reason::Unreachable, "url"),
        };
        let act = "reach the NATS server";
        SourceError::new(reason, act)
            .because(error)
            .with_hint(format!("check {}.{field}", self.path))
    }

    /// The field that says who to be.
    fn login(&self) -> &'static str {
        match &self.auth {
            Some(NatsAuth { basic: Some(_), .. }) => "auth.basic",
            Some(NatsAuth { token: Some(_), .. }) => "auth.token",
            Some(NatsAuth { nkey: Some(_), .. }) => "auth.nkey",
            Some(_) => "auth.credential",
            None if self.url.contains('@') => "url",
            None => "auth",
        }
    }

    /// Listens to the subject.
    async fn listen(
        &self,
        client: Client,
        link: &Link,
        context: &SourceContext,
    ) -> Result<(), SourceError> {
        let subject = self.subject.clone();
        let subscribed = match &self.queue {
            Some(queue) => client.queue_subscribe(subject, queue.clone()).await,
            None => client.subscribe(subject).await,
        };
        let failed = |error: async_nats::Error| {
            let act = format!("subscribe to {}", self.subject);
            SourceError::new(Reason::Subscribe, act)
                .because(error)
                .with_hint(format!("check {}.subject", self.path))
        };
        let messages = subscribed.map_err(|error| failed(error.into()))?;
        client.flush().await.map_err(|error| failed(error.into()))?;
        context.condition(Condition::Working);
        let messages = messages.map(|message| self.heard(&message));
        forward(context, messages, link.broken(&self.path, context)).await
    }

    /// A message of core NATS.
    fn heard(&self, message: &Message) -> Incoming {
        let incoming = self.incoming(message);
        let headers = message.headers.as_ref();
        match headers.and_then(|headers| headers.get(MESSAGE_ID)) {
            Some(id) => incoming.identified_by([message.subject.as_str(), id.as_str()]),
            None => incoming,
        }
    }

    fn incoming(&self, message: &Message) -> Incoming {
        let headers = message.headers.as_ref();
        let payload = self.payload(&message.subject, headers, &message.payload);
        incoming(payload, &message.payload)
    }

    fn payload(
        &self,
        subject: &str,
        headers: Option<&HeaderMap>,
        body: &[u8],
    ) -> Result<Bytes, NotJson> {
        let members = Members::with_room_for(body.len() * 4 / 3)
            .text("subject", subject.as_bytes())
            .body(body, self.is_json)?;
        let members = match headers.filter(|headers| !headers.is_empty()) {
            Some(headers) => members.json("header", written(headers).as_bytes()),
            None => members,
        };
        Ok(members.finish(&self.metadata))
    }
}

/// Lists of values under names, in the order of the names, as Go writes them.
fn written(headers: &HeaderMap) -> String {
    let mut names: Vec<_> = headers.iter().collect();
    names.sort_unstable_by(|(one, _), (other, _)| {
        <_ as AsRef<str>>::as_ref(*one).cmp(other.as_ref())
    });
    let mut out = String::new();
    for (name, values) in names {
        out.push(if out.is_empty() { '{' } else { ',' });
        write_string(name.as_ref(), &mut out);
        out.push(':');
        let mut open = '[';
        for value in values {
            out.push(std::mem::replace(&mut open, ','));
            write_string(value.as_str(), &mut out);
        }
        out.push(']');
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests;
