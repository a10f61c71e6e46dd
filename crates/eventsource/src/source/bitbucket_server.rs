//! Bitbucket Server (and Data Center) as a source: what happens in repositories.
//!
//! Payload, as that of Argo Events: `{"headers": …, "body": …, "metadata": …}`. With
//! `oneEventPerChange` a push of several branches makes an event each, whose body has that change
//! alone; with `skipBranchRefsChangedOnOpenPR` the server is asked whether a pull request shows the
//! change already.

mod api;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use tiphys_api::{
    BitbucketServerEventSource, Problem, SecretKeySelector, WebhookContext, parse_duration,
};
use tiphys_lang::json::{self, Value};

use self::api::Api;
use super::called::{Called, Caller, Said};
use super::hooks::{self, Hooks, Managed};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::incoming::Incoming;
use crate::served::body::json_body;
use crate::served::payload::payload;
use crate::served::signature::{Hash, check_signed, header};
use crate::served::{Refusal, Request, text};
use crate::status::chain;

const EVENT: &str = "X-Event-Key";
const DELIVERY: &str = "X-Request-Id";
const SIGNATURE: (&str, &str) = ("X-Hub-Signature", "sha256=");

/// What a push is called.
const PUSH: &str = "repo:refs_changed";

/// How often hooks are checked, if the spec does not say it.
const CHECK_INTERVAL: Duration = Duration::from_mins(1);

/// Deliveries of Bitbucket Server's webhooks.
pub(crate) type BitbucketServer = Called<BitbucketServerHost>;

/// A Bitbucket Server.
#[derive(Debug)]
pub(crate) struct BitbucketServerHost {
    secret: Option<SecretKeySelector>,
    managed: Option<Managed>,
    spec: BitbucketServerEventSource,
}

#[async_trait]
impl Caller for BitbucketServerHost {
    type Spec = BitbucketServerEventSource;

    const KIND: &'static str = "bitbucketserver";
    const HEADERS: &'static [(&'static str, &'static str)] = &[
        (EVENT, PUSH),
        (DELIVERY, "f4a6c2f4-6c2e-4d2b-8f0e-0b1f9d6f7c11"),
    ];
    const EXAMPLE: &'static str = concat!(
        r#"{"eventKey":"repo:refs_changed","date":"2026-01-02T03:04:05+0000","#,
        r#""actor":{"name":"jason"},"repository":{"slug":"harbour","project":{"key":"ARGO"}},"#,
        r#""changes":[{"ref":{"id":"refs/heads/main","displayId":"main","type":"BRANCH"},"#,
        r#""refId":"refs/heads/main","fromHash":"ecddabb624f6f5ba43816f5926e580a5f680a932","#,
        r#""toHash":"178864a7d521b6f5e720b386b2c2b0ef8563e0dc","type":"UPDATE"}]}"#
    );

    fn compile(path: &str, spec: &BitbucketServerEventSource) -> Result<Self, Vec<Problem>> {
        let every = match spec.check_interval.as_str() {
            "" => CHECK_INTERVAL,
            text => {
                let every = parse_duration(text).map_err(|error| {
                    let path = format!("{path}.checkInterval");
                    vec![Problem::error(path, error.to_string())]
                })?;
                every.unsigned_abs()
            }
        };
        let managed = Managed::of(spec.webhook.as_ref(), *spec.delete_hook_on_finish);
        let managed = managed.filter(|_| spec.access_token.is_some());
        Ok(Self {
            secret: spec.webhook_secret.clone(),
            managed: managed.map(|managed| Managed {
                every: every.max(Duration::from_secs(1)),
                ..managed
            }),
            spec: spec.clone(),
        })
    }

    fn endpoint(spec: &BitbucketServerEventSource) -> (Option<&WebhookContext>, &'static str) {
        (spec.webhook.as_ref(), "webhook")
    }

    fn metadata(spec: &BitbucketServerEventSource) -> &BTreeMap<String, String> {
        &spec.metadata
    }

    async fn verify(&self, request: &Request, context: &SourceContext) -> Result<(), Refusal> {
        check_signed(
            request,
            self.secret.as_ref(),
            SIGNATURE,
            Hash::Sha256,
            context,
        )
        .await
    }

    async fn narrow(&self, request: &mut Request, context: &SourceContext) -> Result<(), Refusal> {
        if !*self.spec.skip_branch_refs_changed_on_open_pr || !is_push(request) {
            return Ok(());
        }
        let unavailable = |error: SourceError| {
            context.failed(&chain(&error));
            let message = "the server cannot be asked for its pull requests";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message)
        };
        let mut push = push(request)?;
        let api = self.api(context).await.map_err(unavailable)?;
        let mut kept = Vec::new();
        for change in std::mem::take(&mut push.changes) {
            let kind = change.get("ref").and_then(|branch| branch.get("type"));
            let is_branch = word(kind) == "BRANCH" && word(change.get("type")) != "DELETE";
            let commit = word(change.get("toHash"));
            let is_shown = is_branch
                && api
                    .has_open_pull_request(&push.project, &push.slug, &commit)
                    .await
                    .map_err(unavailable)?;
            if !is_shown {
                kept.push(change);
            }
        }
        request.body = push.with(kept);
        Ok(())
    }

    fn read(&self, request: &Request, metadata: &str) -> Result<Said, Refusal> {
        let bodies = if is_push(request) && self.looks_at_changes() {
            let push = push(request)?;
            if push.changes.is_empty() {
                return Ok(Said::Answer(text(StatusCode::OK, "success")));
            }
            if *self.spec.one_event_per_change {
                let changes = push.changes.iter();
                changes
                    .map(|change| push.with(vec![change.clone()]))
                    .collect()
            } else {
                vec![request.body.clone()]
            }
        } else {
            vec![json_body(&request.body)?]
        };
        let headers = &request.head.headers;
        let delivery = header(headers, DELIVERY).unwrap_or_default();
        let events = bodies.iter().enumerate().map(|(at, body)| {
            let event = Incoming::new(payload("headers", headers, body, metadata));
            if delivery.is_empty() {
                return event;
            }
            event.identified_by([delivery.to_owned(), at.to_string()])
        });
        Ok(Said::Events(events.collect()))
    }

    fn managed(&self) -> Option<&Managed> {
        self.managed.as_ref()
    }

    fn secret(&self) -> Option<&SecretKeySelector> {
        self.secret.as_ref()
    }

    async fn hooks(&self, context: &SourceContext) -> Result<Box<dyn Hooks>, SourceError> {
        match self.managed {
            Some(_) => Ok(Box::new(self.api(context).await?)),
            None => hooks::none(Self::KIND),
        }
    }
}

impl BitbucketServerHost {
    fn looks_at_changes(&self) -> bool {
        *self.spec.skip_branch_refs_changed_on_open_pr || *self.spec.one_event_per_change
    }

    async fn api(&self, context: &SourceContext) -> Result<Api, SourceError> {
        let url = self.managed.as_ref().map(|managed| managed.url.clone());
        Api::new(&self.spec, url.unwrap_or_default(), context).await
    }
}

fn is_push(request: &Request) -> bool {
    header(&request.head.headers, EVENT) == Some(PUSH)
}

/// A push, and the changes in it.
struct Push {
    /// The whole of it, without its changes.
    rest: json::Map,
    project: String,
    slug: String,
    changes: Vec<Value>,
}

fn push(request: &Request) -> Result<Push, Refusal> {
    let malformed = || {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "the body is no push of Bitbucket Server",
        )
    };
    json_body(&request.body)?;
    let Ok(Value::Object(mut rest)) = json::from_slice(&request.body) else {
        return Err(malformed());
    };
    let Some(Value::Array(changes)) = rest.get_mut("changes").map(std::mem::take) else {
        return Err(malformed());
    };
    let repository = rest.get("repository");
    let project = repository.and_then(|repository| repository.get("project"));
    Ok(Push {
        project: word(project.and_then(|project| project.get("key"))),
        slug: word(repository.and_then(|repository| repository.get("slug"))),
        rest,
        changes,
    })
}

/// A text; empty if it is none.
fn word(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        _ => String::new(),
    }
}

impl Push {
    /// The push with other changes in the same place.
    fn with(&self, changes: Vec<Value>) -> Bytes {
        let mut whole = self.rest.clone();
        whole.insert("changes".into(), Value::Array(changes));
        Value::Object(whole).to_go_json().into()
    }
}
