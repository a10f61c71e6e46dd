//! Stripe as a source: what happens in an account.
//!
//! Payload, as that of Argo Events: `{"event": …, "metadata": …}`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::header::AUTHORIZATION;
use http::{Method, StatusCode};
use serde::Deserialize;
use tiphys_api::{Problem, SecretKeySelector, StripeEventSource, WebhookContext};
use tiphys_clients::tls::Tls;
use tokio::sync::Mutex;

use super::called::{Called, Caller, Said};
use super::hooks::{self, Hook, Hooks, Managed};
use super::rest::{Answer, Body, Rest, login, segment};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::incoming::Incoming;
use crate::served::body::json_body;
use crate::served::payload::member;
use crate::served::signature::{Hash, header, is_signed, secret};
use crate::served::{Refusal, Request, text};

/// The API of Stripe.
const API: &str = "https://api.stripe.com/v1/";

const SIGNATURE: &str = "Stripe-Signature";

/// How old a signed event may be, in seconds.
const LATEST: i64 = 300;

/// How long what is kept on the bus is not asked for again.
const FRESH: Duration = Duration::from_secs(5);

/// All types of events.
const ALL: &str = "*";

const HINT: &str =
    "apiKey names a secret key, or a restricted one that may write webhook endpoints";

/// Deliveries of Stripe's webhooks.
pub(crate) type Stripe = Called<StripeAccount>;

/// An account at Stripe.
#[derive(Debug)]
pub(crate) struct StripeAccount {
    api: &'static str,
    signing_secret: Option<SecretKeySelector>,
    managed: Option<Managed>,
    api_key: Option<SecretKeySelector>,
    events: BTreeSet<String>,
    /// What Stripe signs with at an endpoint that was made here, since when it is known.
    shown: Mutex<Option<(Instant, Vec<u8>)>>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    id: String,
    #[serde(default, rename = "type")]
    kind: String,
}

#[async_trait]
impl Caller for StripeAccount {
    type Spec = StripeEventSource;

    const KIND: &'static str = "stripe";
    const HEADERS: &'static [(&'static str, &'static str)] = &[];
    const EXAMPLE: &'static str = concat!(
        r#"{"id":"evt_1NG8Du2eZvKYlo2CUI79vXWy","object":"event","api_version":"2019-02-19","#,
        r#""created":1767323045,"data":{"object":{"id":"ch_3NG8Du2eZvKYlo2C1FMRkO7Y","#,
        r#""object":"charge","amount":2000,"currency":"eur","status":"succeeded"}},"#,
        r#""livemode":false,"pending_webhooks":1,"type":"charge.succeeded"}"#
    );

    fn compile(_: &str, spec: &StripeEventSource) -> Result<Self, Vec<Problem>> {
        Ok(Self {
            api: API,
            signing_secret: spec.signing_secret.clone(),
            managed: Managed::of(spec.webhook.as_ref(), false)
                .filter(|_| *spec.create_webhook && spec.api_key.is_some()),
            api_key: spec.api_key.clone(),
            events: spec.event_filter.iter().cloned().collect(),
            shown: Mutex::default(),
        })
    }

    fn endpoint(spec: &StripeEventSource) -> (Option<&WebhookContext>, &'static str) {
        (spec.webhook.as_ref(), "webhook")
    }

    fn metadata(spec: &StripeEventSource) -> &BTreeMap<String, String> {
        &spec.metadata
    }

    async fn verify(&self, request: &Request, context: &SourceContext) -> Result<(), Refusal> {
        match &self.signing_secret {
            Some(key) => {
                let secret = secret(key, context).await?;
                check(request, &secret, context.clock().now().as_second())
            }
            None => match &self.managed {
                Some(managed) => self.check_shown(request, managed, context).await,
                None => Ok(()),
            },
        }
    }

    fn read(&self, request: &Request, metadata: &str) -> Result<Said, Refusal> {
        let body = json_body(&request.body)?;
        let malformed = |_| Refusal::new(StatusCode::BAD_REQUEST, "the body is no event of Stripe");
        let Event { id, kind } = serde_json::from_slice(&body).map_err(malformed)?;
        if !self.events.is_empty() && !self.events.contains(ALL) && !self.events.contains(&kind) {
            // Stripe gives up on an endpoint that says no too often.
            return Ok(Said::Answer(text(StatusCode::OK, "filtered out")));
        }
        let event = Incoming::new(member("event", &body, metadata));
        Ok(Said::Events(vec![if id.is_empty() {
            event
        } else {
            event.identified_by([id])
        }]))
    }

    fn managed(&self) -> Option<&Managed> {
        self.managed.as_ref()
    }

    async fn hooks(&self, context: &SourceContext) -> Result<Box<dyn Hooks>, SourceError> {
        let (Some(managed), Some(key)) = (&self.managed, &self.api_key) else {
            return hooks::none(Self::KIND);
        };
        let key = context.secret(key).await?.text();
        let login = login(AUTHORIZATION, &format!("Bearer {}", key.trim()))?;
        let base = ("the API of Stripe", self.api);
        let mut events = self.events.clone();
        if events.is_empty() {
            events.insert(ALL.to_owned());
        }
        Ok(Box::new(Api {
            rest: Rest::new(context, base, Tls::default(), login, HINT)?,
            events,
            url: managed.url.clone(),
            shown: std::sync::Mutex::default(),
        }))
    }
}

impl StripeAccount {
    /// Checks a call by what Stripe has shown when the endpoint was made. Of one that somebody else has made,
    /// nothing is known.
    async fn check_shown(
        &self,
        request: &Request,
        managed: &Managed,
        context: &SourceContext,
    ) -> Result<(), Refusal> {
        let mut known = self.shown.lock().await;
        let is_fresh = known.as_ref().is_some_and(|(at, _)| at.elapsed() < FRESH);
        if !is_fresh {
            let found = hooks::shown(&managed.url, context).await.map_err(|error| {
                context.failed(&crate::status::chain(&error));
                let message = "what calls are checked with cannot be read";
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message)
            })?;
            *known = Some((Instant::now(), found.unwrap_or_default().into_bytes()));
        }
        let secret = known.as_ref().map(|(_, secret)| secret.clone());
        drop(known);
        match secret.filter(|secret| !secret.is_empty()) {
            Some(secret) => check(request, &secret, context.clock().now().as_second()),
            None => Ok(()),
        }
    }
}

/// Checks one of the signatures of a call, and that it is of our time.
fn check(request: &Request, secret: &[u8], now: i64) -> Result<(), Refusal> {
    let refusal = |message| Refusal::new(StatusCode::UNAUTHORIZED, message);
    let value = header(&request.head.headers, SIGNATURE);
    let value = value.ok_or_else(|| refusal("Stripe-Signature is missing"))?;
    let parts = value
        .split(',')
        .filter_map(|part| part.trim().split_once('='));
    let parts: Vec<_> = parts.collect();
    let sent = parts.iter().find(|(name, _)| *name == "t");
    let sent = sent.map_or("", |(_, value)| value);
    let age = sent
        .parse::<i64>()
        .map(|sent| now.saturating_sub(sent).saturating_abs());
    if !age.is_ok_and(|age| age <= LATEST) {
        return Err(refusal("the call is more than five minutes old"));
    }
    let signed = [sent.as_bytes(), b".", &request.body];
    // While a secret is rotated there are two.
    let mut signatures = parts.iter().filter(|(name, _)| *name == "v1");
    if signatures.any(|(_, signature)| is_signed(Hash::Sha256, secret, &signed, signature)) {
        return Ok(());
    }
    Err(refusal("Stripe-Signature has no signature of the call"))
}

/// Asks Stripe.
struct Api {
    rest: Rest,
    events: BTreeSet<String>,
    url: String,
    shown: std::sync::Mutex<Option<String>>,
}

#[derive(Deserialize)]
struct Made {
    #[serde(default)]
    secret: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Listed>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    url: String,
    #[serde(default)]
    enabled_events: BTreeSet<String>,
    #[serde(default)]
    status: String,
}

impl Api {
    async fn send(&self, act: &str, path: &str, is_new: bool) -> Result<Answer, SourceError> {
        let form = self.form(is_new);
        let url = self.rest.url(path)?;
        let body = Some(Body::Form(&form));
        self.rest.call(act, Method::POST, url, body).await
    }

    /// What an endpoint is to be; `disabled=false` brings one back that Stripe gave up on.
    fn form(&self, is_new: bool) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("url", &self.url);
        for event in &self.events {
            form.append_pair("enabled_events[]", event);
        }
        if !is_new {
            form.append_pair("disabled", "false");
        }
        form.finish()
    }
}

#[async_trait]
impl Hooks for Api {
    fn secret(&self) -> &[u8] {
        &[]
    }

    fn shown(&self) -> Option<String> {
        let shown = self.shown.lock();
        shown.unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn places(&self) -> Result<Vec<String>, SourceError> {
        Ok(vec!["webhook_endpoints".to_owned()])
    }

    async fn list(&self, place: &str) -> Result<Vec<Hook>, SourceError> {
        let act = "list the webhook endpoints";
        let mut hooks: Vec<Hook> = Vec::new();
        for pages in 1.. {
            let after = hooks
                .last()
                .map(|hook| format!("&starting_after={}", hook.id));
            let link = format!("{place}?limit=100{}", after.unwrap_or_default());
            let url = self.rest.further(act, &link, pages)?;
            let page: Page = self.rest.call(act, Method::GET, url, None).await?.json()?;
            let is_last = !page.has_more || page.data.is_empty();
            hooks.extend(page.data.into_iter().map(|one| Hook {
                is_current: one.enabled_events == self.events && one.status == "enabled",
                id: one.id,
                url: one.url,
            }));
            if is_last {
                break;
            }
        }
        Ok(hooks)
    }

    async fn create(&self, place: &str) -> Result<(), SourceError> {
        let answer = self.send("make a webhook endpoint", place, true).await?;
        let Made { secret } = answer.json()?;
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = secret;
        Ok(())
    }

    async fn update(&self, place: &str, id: &str) -> Result<(), SourceError> {
        let path = format!("{place}/{}", segment(id));
        let sent = self.send("update the webhook endpoint", &path, false);
        sent.await.map(drop)
    }

    async fn delete(&self, place: &str, id: &str) -> Result<(), SourceError> {
        let path = format!("{place}/{}", segment(id));
        self.rest.remove("remove a webhook endpoint", &path).await
    }
}
