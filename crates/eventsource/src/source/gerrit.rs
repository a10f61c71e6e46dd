//! Gerrit as a source: what its plugin `webhooks` tells of projects.
//!
//! Payload, as that of Argo Events: `{"headers": …, "body": …, "metadata": …}`. Gerrit signs nothing
//! and gives its deliveries no ids: what is sent twice has the same body, and counts once.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tiphys_api::{GerritEventSource, Problem, WebhookContext};
use tiphys_clients::tls::Tls;

use super::called::{Called, Caller, Said};
use super::hooks::{self, Hook, Hooks, Managed};
use super::rest::{Rest, basic, segment};
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::incoming::Incoming;
use crate::served::body::json_body;
use crate::served::payload::payload;
use crate::served::{Refusal, Request};

/// What stands before each answer, so that no script reads it.
const GUARD: &[u8] = b")]}'";

const HINT: &str =
    "the user needs the capability to configure webhooks, and Gerrit the plugin webhooks";

/// Deliveries of Gerrit's webhooks.
pub(crate) type Gerrit = Called<GerritHost>;

/// A Gerrit server.
#[derive(Debug)]
pub(crate) struct GerritHost {
    managed: Option<Managed>,
    spec: GerritEventSource,
}

#[async_trait]
impl Caller for GerritHost {
    type Spec = GerritEventSource;

    const KIND: &'static str = "gerrit";
    const HEADERS: &'static [(&'static str, &'static str)] = &[];
    const EXAMPLE: &'static str = concat!(
        r#"{"type":"patchset-created","project":"harbour","refName":"refs/heads/main","#,
        r#""change":{"number":7,"branch":"main","subject":"Set sail","status":"NEW"},"#,
        r#""patchSet":{"number":1,"revision":"f3b2a1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4"},"#,
        r#""uploader":{"username":"jason"},"eventCreatedOn":1767323045}"#
    );

    fn compile(path: &str, spec: &GerritEventSource) -> Result<Self, Vec<Problem>> {
        let managed = Managed::of(spec.webhook.as_ref(), *spec.delete_hook_on_finish);
        if managed.is_some() && spec.hook_name.is_empty() {
            let path = format!("{path}.hookName");
            let message = "without a name Gerrit can keep no webhook";
            return Err(vec![Problem::error(path, message)]);
        }
        Ok(Self {
            managed,
            spec: spec.clone(),
        })
    }

    fn endpoint(spec: &GerritEventSource) -> (Option<&WebhookContext>, &'static str) {
        (spec.webhook.as_ref(), "webhook")
    }

    fn metadata(spec: &GerritEventSource) -> &BTreeMap<String, String> {
        &spec.metadata
    }

    fn read(&self, request: &Request, metadata: &str) -> Result<Said, Refusal> {
        let body = json_body(&request.body)?;
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(&body));
        let payload = payload("headers", &request.head.headers, &body, metadata);
        let event = Incoming::new(payload).identified_by([digest]);
        Ok(Said::Events(vec![event]))
    }

    fn managed(&self) -> Option<&Managed> {
        self.managed.as_ref()
    }

    async fn hooks(&self, context: &SourceContext) -> Result<Box<dyn Hooks>, SourceError> {
        let (Some(managed), Some(auth)) = (&self.managed, &self.spec.auth) else {
            return hooks::none(Self::KIND);
        };
        let (name, password) = context.user(auth).await?;
        let base = format!("{}/a/", self.spec.gerrit_base_url.trim_end_matches('/'));
        let base = ("gerritBaseURL", &*base);
        let login = basic(&name, &password)?;
        Ok(Box::new(Api {
            rest: Rest::new(context, base, Tls::default(), login, HINT)?,
            spec: self.spec.clone(),
            url: managed.url.clone(),
        }))
    }
}

/// Asks Gerrit.
struct Api {
    rest: Rest,
    spec: GerritEventSource,
    url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(default)]
    url: String,
    #[serde(default)]
    events: BTreeSet<String>,
    #[serde(default)]
    ssl_verify: bool,
    max_tries: Option<i64>,
}

impl Api {
    fn wanted(&self) -> Value {
        let mut wanted = json!({
            "url": self.url,
            "events": *self.spec.events,
            "sslVerify": *self.spec.ssl_verify,
        });
        if *self.spec.max_tries != 0 {
            wanted["maxTries"] = (*self.spec.max_tries).into();
        }
        wanted
    }

    fn is_current(&self, hook: &Listed) -> bool {
        let events: BTreeSet<String> = self.spec.events.iter().cloned().collect();
        let tries = i64::from(*self.spec.max_tries);
        hook.url == self.url
            && hook.events == events
            && hook.ssl_verify == *self.spec.ssl_verify
            && (tries == 0 || hook.max_tries == Some(tries))
    }

    async fn put(&self, place: &str) -> Result<(), SourceError> {
        let name = segment(&self.spec.hook_name);
        let act = format!("write the hook {} of {place}", &*self.spec.hook_name);
        let path = format!("{place}/remotes/{name}");
        self.rest
            .send(&act, Method::PUT, &path, &self.wanted())
            .await
    }
}

#[async_trait]
impl Hooks for Api {
    fn secret(&self) -> &[u8] {
        &[]
    }

    async fn places(&self) -> Result<Vec<String>, SourceError> {
        let projects = self.spec.projects.iter();
        Ok(projects
            .map(|project| format!("config/server/webhooks~projects/{}", segment(project)))
            .collect())
    }

    async fn list(&self, place: &str) -> Result<Vec<Hook>, SourceError> {
        let act = format!("list the hooks of {place}");
        let url = self.rest.url(&format!("{place}/remotes/"))?;
        let answer = self.rest.call(&act, Method::GET, url, None).await?;
        let body = answer.body.strip_prefix(GUARD).unwrap_or(&answer.body);
        let listed: BTreeMap<String, Listed> = serde_json::from_slice(body)
            .map_err(|error| SourceError::new(Reason::Malformed, act).because(error))?;
        // A hook is known by its name here: one that calls elsewhere is ours all the same.
        let ours = listed.get(self.spec.hook_name.as_str()).map(|hook| Hook {
            id: self.spec.hook_name.to_string(),
            url: self.url.clone(),
            is_current: self.is_current(hook),
        });
        Ok(ours.into_iter().collect())
    }

    async fn create(&self, place: &str) -> Result<(), SourceError> {
        self.put(place).await
    }

    async fn update(&self, place: &str, _: &str) -> Result<(), SourceError> {
        self.put(place).await
    }

    async fn delete(&self, place: &str, id: &str) -> Result<(), SourceError> {
        self.rest.delete(place, "remotes", id).await
    }
}
