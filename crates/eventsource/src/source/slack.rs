//! Slack as a source: events, interactions and slash commands of an app.
//!
//! Payload, as that of Argo Events: of an event `{"type": …, "Data": the event}`, of an interaction or
//! a command what Slack sends, as JSON. `metadata` is not attached.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;
use tiphys_api::{Problem, SecretKeySelector, SlackEventSource, WebhookContext};

use super::called::{Called, Caller, Said};
use crate::context::SourceContext;
use crate::incoming::Incoming;
use crate::served::body::{form, is_form, json_body};
use crate::served::signature::{Hash, header, is_signed, secret};
use crate::served::{Refusal, Request, text};

const SIGNATURE: &str = "X-Slack-Signature";
const TIMESTAMP: &str = "X-Slack-Request-Timestamp";

/// How old a request may be, in seconds: one that was overheard is not sent again later.
const LATEST: i64 = 300;

/// What a slash command has in Argo Events, whether Slack sends it or not.
const COMMAND: [&str; 12] = [
    "token",
    "team_id",
    "team_domain",
    "channel_id",
    "channel_name",
    "user_id",
    "user_name",
    "command",
    "text",
    "response_url",
    "trigger_id",
    "api_app_id",
];

const ENTERPRISE: &str = "is_enterprise_install";

/// Calls of a Slack app.
pub(crate) type Slack = Called<SlackApp>;

/// A Slack app.
#[derive(Debug)]
pub(crate) struct SlackApp {
    signing_secret: Option<SecretKeySelector>,
    token: Option<SecretKeySelector>,
}

/// What all calls of the Events API have.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    token: String,
    #[serde(default)]
    challenge: String,
    event_id: Option<String>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
}

#[async_trait]
impl Caller for SlackApp {
    type Spec = SlackEventSource;

    const KIND: &'static str = "slack";
    /// Slack calls again after three seconds.
    const HOLD_LIMIT: Duration = Duration::from_millis(2_500);
    const HEADERS: &'static [(&'static str, &'static str)] = &[];
    const EXAMPLE: &'static str = concat!(
        r#"{"token":"","team_id":"T061EG9R6","api_app_id":"A0MDYCDME","event":"#,
        r#"{"type":"app_mention","user":"U061F7AUR","text":"<@U0LAN0Z89> set sail","#,
        r#""ts":"1767323045.000100","channel":"C0LAN2Q65","event_ts":"1767323045.000100"},"#,
        r#""type":"event_callback","event_id":"Ev0MDYGDKJ","event_time":1767323045}"#
    );

    fn compile(_: &str, spec: &SlackEventSource) -> Result<Self, Vec<Problem>> {
        Ok(Self {
            signing_secret: spec.signing_secret.clone(),
            token: spec.token.clone(),
        })
    }

    fn endpoint(spec: &SlackEventSource) -> (Option<&WebhookContext>, &'static str) {
        (spec.webhook.as_ref(), "webhook")
    }

    fn metadata(spec: &SlackEventSource) -> &BTreeMap<String, String> {
        &spec.metadata
    }

    async fn verify(&self, request: &Request, context: &SourceContext) -> Result<(), Refusal> {
        let Some(key) = &self.signing_secret else {
            return Ok(());
        };
        let secret = secret(key, context).await?;
        let now = context.clock().now().as_second();
        check(request, &secret, now)?;
        self.check_token(request, context).await
    }

    fn read(&self, request: &Request, _: &str) -> Result<Said, Refusal> {
        if is_form(&request.head.headers) {
            return command(request);
        }
        json_body(&request.body)?;
        let envelope = envelope(request)?;
        match envelope.kind.as_str() {
            "url_verification" => Ok(Said::Answer(text(StatusCode::OK, envelope.challenge))),
            "event_callback" => {
                let event = envelope.event.ok_or_else(malformed)?;
                let Kind { kind } = serde_json::from_str(event.get()).map_err(|_| malformed())?;
                let kind = Value::from(kind);
                let payload = format!(r#"{{"type":{kind},"Data":{}}}"#, event.get());
                let incoming = Incoming::new(payload);
                Ok(Said::Events(vec![match envelope.event_id {
                    Some(id) if !id.is_empty() => incoming.identified_by([id]),
                    _ => incoming,
                }]))
            }
            // As Argo Events, we hear of rate limits and the like, and say nothing.
            _ => Ok(Said::Answer(text(StatusCode::OK, "success"))),
        }
    }
}

impl SlackApp {
    /// The token of old, which Slack sends in the body beside the signature.
    async fn check_token(&self, request: &Request, context: &SourceContext) -> Result<(), Refusal> {
        if is_form(&request.head.headers) {
            return Ok(());
        }
        let Some(key) = &self.token else {
            return Ok(());
        };
        let token = secret(key, context).await?;
        let sent = envelope(request)?.token;
        let is_same: bool = sent.as_bytes().ct_eq(&token).into();
        if is_same {
            return Ok(());
        }
        let message = "the verification token is not that of the event source";
        Err(Refusal::new(StatusCode::UNAUTHORIZED, message))
    }
}

/// Checks a signature, and that it is of our time.
fn check(request: &Request, secret: &[u8], now: i64) -> Result<(), Refusal> {
    let refusal = |message| Refusal::new(StatusCode::UNAUTHORIZED, message);
    let headers = &request.head.headers;
    let sent = header(headers, TIMESTAMP)
        .ok_or_else(|| refusal("X-Slack-Request-Timestamp is missing"))?;
    let signature =
        header(headers, SIGNATURE).ok_or_else(|| refusal("X-Slack-Signature is missing"))?;
    let age = sent
        .parse::<i64>()
        .map(|sent| now.saturating_sub(sent).saturating_abs());
    if !age.is_ok_and(|age| age <= LATEST) {
        return Err(refusal("the request is more than five minutes old"));
    }
    let parts = [b"v0:", sent.as_bytes(), b":", &request.body];
    let signature = signature.strip_prefix("v0=").unwrap_or_default();
    if is_signed(Hash::Sha256, secret, &parts, signature) {
        return Ok(());
    }
    Err(refusal(
        "X-Slack-Signature is not the signature of the request",
    ))
}

fn envelope(request: &Request) -> Result<Envelope<'_>, Refusal> {
    serde_json::from_slice(&request.body).map_err(|_| malformed())
}

fn malformed() -> Refusal {
    Refusal::new(
        StatusCode::BAD_REQUEST,
        "the body is no call of the Events API",
    )
}

/// An interaction or a slash command: both are forms.
fn command(request: &Request) -> Result<Said, Refusal> {
    let fields = form(&request.body)?;
    let first = |name: &str| {
        let values = fields.get(name);
        values
            .and_then(|values| values.first())
            .filter(|value| !value.is_empty())
    };
    let id = |id: Option<String>, incoming: Incoming| match id {
        Some(id) => incoming.identified_by([id]),
        None => incoming,
    };
    if let Some(payload) = first("payload") {
        #[derive(Deserialize)]
        struct Interaction {
            trigger_id: Option<String>,
        }
        let payload = json_body(&Bytes::copy_from_slice(payload.as_bytes()))?;
        let interaction: Option<Interaction> = serde_json::from_slice(&payload).ok();
        let trigger = interaction.and_then(|interaction| interaction.trigger_id);
        return Ok(Said::Events(vec![id(trigger, Incoming::new(payload))]));
    }
    if first("command").is_some() {
        let own = COMMAND
            .iter()
            .map(|name| ((*name).to_owned(), Value::from("")));
        let mut command: Map<_, _> = own.collect();
        command.extend(fields.iter().map(|(name, values)| {
            let value = values.first().map_or("", |value| value);
            (name.to_string(), Value::from(value))
        }));
        // The one that is no text in Argo Events.
        let is_installed = first(ENTERPRISE).is_some_and(|value| value == "true");
        command.insert(ENTERPRISE.to_owned(), is_installed.into());
        let trigger = first("trigger_id").map(ToString::to_string);
        let payload = Value::from(command).to_string();
        return Ok(Said::Events(vec![id(trigger, Incoming::new(payload))]));
    }
    let message = "could not determine slack type from form parameters";
    Err(Refusal::new(StatusCode::BAD_REQUEST, message))
}
