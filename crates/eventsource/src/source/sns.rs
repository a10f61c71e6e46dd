//! AWS SNS as a source: messages of a topic, which SNS delivers by calling.
//!
//! Payload, as that of Argo Events: `{"header": …, "body": …, "metadata": …}`. A subscription is
//! confirmed when SNS asks for it, whichever pod it asks; one that somebody ended is made again.

mod message;
mod subscription;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use tiphys_api::{Problem, SnsEventSource, WebhookContext};
use tiphys_clients::aws::LoginFields;

use self::message::{Host, Message};
use super::aws::login_problem;
use super::called::{Called, Caller, Said};
use super::hooks::{self, Hooks, Managed};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::incoming::Incoming;
use crate::served::body::json_body;
use crate::served::payload::payload;
use crate::served::{Refusal, Request, text};
use crate::status::chain;

/// Messages of a topic.
pub(crate) type Sns = Called<Topic>;

/// A topic of SNS.
#[derive(Debug)]
pub(crate) struct Topic {
    managed: Option<Managed>,
    host: Host,
    certificates: message::Certificates,
    spec: SnsEventSource,
}

#[async_trait]
impl Caller for Topic {
    type Spec = SnsEventSource;

    const KIND: &'static str = "sns";
    /// SNS waits for 15 seconds.
    const HOLD_LIMIT: Duration = Duration::from_secs(14);
    const HEADERS: &'static [(&'static str, &'static str)] = &[
        ("Content-Type", "text/plain; charset=UTF-8"),
        ("x-amz-sns-message-type", "Notification"),
        (
            "x-amz-sns-message-id",
            "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        ),
    ];
    const EXAMPLE: &'static str = concat!(
        r#"{"Type":"Notification","MessageId":"22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324","#,
        r#""TopicArn":"","Subject":"Set sail","Message":"{\"harbour\":\"Iolcos\"}","#,
        r#""Timestamp":"2026-01-02T03:04:05.678Z","SignatureVersion":"1","Signature":"","#,
        r#""SigningCertURL":"","UnsubscribeURL":""}"#
    );

    fn compile(path: &str, spec: &SnsEventSource) -> Result<Self, Vec<Problem>> {
        let host = Host::of(&spec.endpoint)
            .map_err(|message| vec![Problem::error(format!("{path}.endpoint"), message)])?;
        if let Some(problem) = login_problem(path, &login(spec)) {
            return Err(vec![problem]);
        }
        Ok(Self {
            managed: Managed::of(spec.webhook.as_ref(), true),
            host,
            certificates: message::Certificates::default(),
            spec: spec.clone(),
        })
    }

    fn endpoint(spec: &SnsEventSource) -> (Option<&WebhookContext>, &'static str) {
        (spec.webhook.as_ref(), "webhook")
    }

    fn metadata(spec: &SnsEventSource) -> &BTreeMap<String, String> {
        &spec.metadata
    }

    async fn verify(&self, request: &Request, context: &SourceContext) -> Result<(), Refusal> {
        let message = Message::read(&request.body)?;
        if message.topic_arn != *self.spec.topic_arn {
            let message = "the message is of another topic";
            return Err(Refusal::new(StatusCode::FORBIDDEN, message));
        }
        if *self.spec.validate_signature {
            let certificate = self.certificates.get(&message, &self.host, context).await?;
            message.check(&certificate)?;
        }
        if message.asks_for_confirmation() {
            message::confirm(&message, &self.host, context)
                .await
                .map_err(|error| {
                    context.failed(&chain(&error));
                    let message = "the subscription could not be confirmed";
                    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message)
                })?;
        }
        Ok(())
    }

    fn read(&self, request: &Request, metadata: &str) -> Result<Said, Refusal> {
        let message = Message::read(&request.body)?;
        if message.asks_for_confirmation() {
            return Ok(Said::Answer(text(StatusCode::OK, "confirmed")));
        }
        let body = json_body(&request.body)?;
        let payload = payload("header", &request.head.headers, &body, metadata);
        let event = Incoming::new(payload).identified_by([message.id]);
        Ok(Said::Events(vec![event]))
    }

    fn managed(&self) -> Option<&Managed> {
        self.managed.as_ref()
    }

    async fn hooks(&self, context: &SourceContext) -> Result<Box<dyn Hooks>, SourceError> {
        match &self.managed {
            Some(managed) => subscription::connect(&self.spec, managed, context),
            None => hooks::none(Self::KIND),
        }
    }
}

/// Who subscribes.
fn login(spec: &SnsEventSource) -> LoginFields<'_> {
    LoginFields {
        access_key: spec.access_key.as_ref(),
        secret_key: spec.secret_key.as_ref(),
        session_token: None,
        role_arn: &spec.role_arn,
    }
}
