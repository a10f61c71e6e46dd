//! The `nats` trigger: publishes a message on a NATS server.

use bytes::Bytes;
use serde::Serialize;
use std::hash::{Hash as _, Hasher};
use tiphys_api::message::with_causes;
use tiphys_api::{NatsTrigger, Problem, TlsConfig, TriggerKind, TriggerParameter, TriggerTemplate};
use tiphys_clients::nats::{Auth, AuthRef, Config, PublishError, Publisher};
use tiphys_clients::{Clients, TlsRef};
use tiphys_eventbus::{Bus, DEAD_LETTERS, Subject};

use super::fire::Input;
use super::perform::Context;
use super::{Caller, FireError, Kind, Part, PerformError, Unmet};
use crate::parameter::Parameter;

/// A message to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// The server.
    pub url: String,
    /// Under which subject.
    pub subject: String,
    /// The message.
    pub payload: String,
    /// What it is known by: a JetStream stream keeps it once within its duplicates window.
    #[serde(skip)]
    pub id: String,
    /// Who to be. `None`: nobody in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthRef>,
    /// Encryption. `None`: as the server asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsRef>,
}

/// A compiled `nats` template: a message without its events.
#[derive(Debug)]
pub(super) struct Template {
    url: String,
    subject: String,
    payload: Vec<Parameter>,
    auth: Option<tiphys_api::NatsAuth>,
    tls: Option<TlsConfig>,
}

impl Kind for Template {
    type Spec = NatsTrigger;
    type Action = Action;
    const KIND: TriggerKind = TriggerKind::Nats;
    const REPEATABLE: bool = false;

    fn spec(template: &TriggerTemplate) -> Option<&NatsTrigger> {
        template.nats.as_deref()
    }

    fn parameters(spec: &NatsTrigger) -> &[TriggerParameter] {
        &spec.parameters
    }

    fn compile(spec: &NatsTrigger, field: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let before = problems.len();
        if spec.url.is_empty() {
            problems.push(Problem::error(
                format!("{field}.url"),
                "nats server url can't be empty",
            ));
        }
        if !is_subject(&spec.subject) {
            let problem = Problem::error(format!("{field}.subject"), subject_fault(&spec.subject));
            problems.push(problem);
        }
        let Some(payload) = &spec.payload else {
            problems.push(Problem::error(
                format!("{field}.payload"),
                "payload can't be nil",
            ));
            return None;
        };
        if let Some(Err(error)) = spec.tls.as_ref().map(|tls| TlsRef::of(tls, "")) {
            problems.push(Problem::error(format!("{field}.tls"), error.to_string()));
        }
        let payload = Parameter::compile_all(payload, &format!("{field}.payload"), problems);
        (problems.len() == before).then(|| Self {
            url: spec.url.to_string(),
            subject: spec.subject.to_string(),
            payload,
            auth: spec.auth.clone(),
            tls: spec.tls.clone(),
        })
    }

    fn render(&self, input: &mut Input<'_, '_>) -> Result<Action, FireError> {
        let namespace = input.namespace;
        let auth = self.auth.as_ref();
        Ok(Action {
            url: self.url.clone(),
            subject: self.subject.clone(),
            payload: input.payload(&self.payload)?,
            id: input.message_id(),
            auth: auth.and_then(|auth| AuthRef::of(auth, namespace)),
            tls: input.tls(self.tls.as_ref())?,
        })
    }

    fn unmet(&self, _: Option<&Action>) -> Vec<Unmet> {
        let url = tiphys_clients::nats::check_urls(&self.url);
        Unmet::of("url", url).into_iter().collect()
    }

    fn target(action: &Action, target: &mut impl Hasher) {
        (&action.url, &action.subject).hash(target);
    }

    fn describe(action: &Action) -> Vec<Part> {
        let act = format!("publish {} on {}", action.subject, action.url);
        let payload = Part::lines(&action.payload);
        std::iter::once(Part::Act(act)).chain(payload).collect()
    }

    async fn warm(&self, context: &Context, namespace: &str) {
        let auth = self.auth.as_ref();
        let auth = auth.and_then(|auth| AuthRef::of(auth, namespace));
        let tls = self.tls.as_ref().map(|tls| TlsRef::of(tls, namespace));
        let (Ok(tls), clients) = (tls.transpose(), &context.clients) else {
            return;
        };
        if let Ok(config) = config(&self.url, auth.as_ref(), tls.as_ref(), clients).await {
            drop(clients.nats.publisher(&config).await);
        }
    }

    /// Returns when the server has the message.
    async fn perform(
        action: &Action,
        context: &Context,
        caller: Caller<'_>,
    ) -> Result<(), PerformError> {
        let Action { url, auth, tls, .. } = action;
        let config = config(url, auth.as_ref(), tls.as_ref(), &context.clients).await?;
        let publisher = context.clients.nats.publisher(&config).await;
        let publisher =
            publisher.map_err(|error| PerformError::unavailable(with_causes(&error)))?;
        let payload = Bytes::from(action.payload.clone());
        let act = format!("publish {} on {}", action.subject, publisher.url());
        if is_event_of(
            caller.bus.map(|bus| &*bus.events),
            &action.subject,
            &publisher,
        ) {
            let why = "only event sources publish events of the bus";
            return Err(PerformError::refused(format!("{act}: {why}")));
        }
        let outcome = publisher
            .publish(&action.subject, &action.id, payload)
            .await;
        outcome.map_err(|error| match error {
            PublishError::NotConnected => {
                PerformError::unavailable(format!("{act}: not connected"))
            }
            PublishError::NotAllowed(reason) => {
                PerformError::unavailable(format!("{act}: {reason}"))
                    .with_hint("allow the user of `auth` to publish there")
            }
            error => PerformError::refused(format!("{act}: {}", with_causes(&error))),
        })
    }
}

/// What subjects begin with that carry answers to somebody's requests, within a server and between servers.
const ANSWERS: [&str; 3] = ["_INBOX", "_R_", "_GR_"];

/// Whether the server, the bus itself or somebody who waits for an answer listens to a subject.
fn is_reserved(subject: &str) -> bool {
    let letters = subject.strip_prefix(DEAD_LETTERS);
    let first = subject.split('.').next().unwrap_or_default();
    subject.starts_with('$')
        || ANSWERS.contains(&first)
        || letters.is_some_and(|rest| rest.starts_with('.'))
}

/// Whether a message would be an event of the bus, of whatever namespace, that no event source has seen.
fn is_event_of(bus: Option<&dyn Bus>, subject: &str, publisher: &Publisher) -> bool {
    Subject::is_event(subject)
        && bus
            .and_then(Bus::place)
            .is_some_and(|bus| bus.is_same(&publisher.place()))
}

/// Whether a message can be published under `text`: no empty part, no blank, no wildcard, nothing that is
/// reserved.
fn is_subject(text: &str) -> bool {
    !is_reserved(text)
        && text.split('.').all(|part| {
            !part.is_empty()
                && !matches!(part, "*" | ">")
                && !part.contains(|char: char| char.is_whitespace() || char.is_control())
        })
}

fn subject_fault(text: &str) -> String {
    if text.is_empty() {
        return "nats subject can't be empty".to_owned();
    }
    if is_reserved(text) {
        return format!(
            "{text:?} is no subject to publish under: it is reserved for the server and the bus"
        );
    }
    format!("{text:?} is no subject to publish under: it has an empty part, a blank or a wildcard")
}

/// The connection that messages go over.
async fn config(
    url: &str,
    auth: Option<&AuthRef>,
    tls: Option<&TlsRef>,
    clients: &Clients,
) -> Result<Config, PerformError> {
    let values = &*clients.values;
    let auth = match auth {
        Some(auth) => auth.resolve(values).await?,
        None => Auth::None,
    };
    let tls = match tls {
        Some(tls) => Some(tls.resolve(values).await?),
        None => None,
    };
    Ok(Config {
        auth,
        tls,
        ..Config::new(url)
    })
}

#[cfg(test)]
mod tests {
    use super::is_subject;

    #[test]
    fn a_message_is_published_under_a_subject_without_wildcards() {
        for subject in [
            "orders",
            "orders.new",
            "a.b*c",
            "a.$b",
            "tiphys.x",
            "_INBOXES.a",
            "a._INBOX.b",
            "default.a.b",
        ] {
            assert!(is_subject(subject), "{subject}");
        }
        for subject in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a.*",
            "a.>",
            "a b",
            "a\r\nPUB x 0",
            "$JS.API.STREAM.DELETE.default",
            "$SYS.REQ.SERVER.PING",
            "$KV.rounds.k",
            "$O.files.C.x",
            "_INBOX.abc.1",
            "_R_.abc",
            "_GR_.abc",
            "tiphys.dead-letters.a.b.c",
        ] {
            assert!(!is_subject(subject), "{subject}");
        }
    }
}
