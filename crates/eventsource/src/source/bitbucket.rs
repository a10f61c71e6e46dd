//! Bitbucket Cloud as a source: what happens in repositories.
//!
//! Payload, as that of Argo Events: `{"headers": …, "body": …, "metadata": …}`.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use http::Method;
use http::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::{Value, json};
use tiphys_api::{BitbucketAuth, BitbucketEventSource, Problem, SecretKeySelector, WebhookContext};
use tiphys_clients::tls::Tls;

use super::called::{Called, Caller, Said, delivered};
use super::hooks::{self, Hook, Hooks, Managed};
use super::rest::{Rest, basic, login, segment};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::served::body::json_body;
use crate::served::payload::payload;
use crate::served::signature::{Hash, check_signed};
use crate::served::{Refusal, Request};

/// The API of Bitbucket.
const API: &str = "https://api.bitbucket.org/2.0/";

const DELIVERY: &str = "X-Request-UUID";
const SIGNATURE: (&str, &str) = ("X-Hub-Signature", "sha256=");

const HINT: &str = "the app password or token needs the permission Webhooks: read and write there";

/// Deliveries of Bitbucket's webhooks.
pub(crate) type Bitbucket = Called<BitbucketHost>;

/// Bitbucket Cloud.
#[derive(Debug)]
pub(crate) struct BitbucketHost {
    api: &'static str,
    secret: Option<SecretKeySelector>,
    managed: Option<Managed>,
    auth: Option<BitbucketAuth>,
    places: Vec<String>,
    events: BTreeSet<String>,
}

#[async_trait]
impl Caller for BitbucketHost {
    type Spec = BitbucketEventSource;

    const KIND: &'static str = "bitbucket";
    const HEADERS: &'static [(&'static str, &'static str)] = &[
        ("X-Event-Key", "repo:push"),
        (DELIVERY, "d0c9ba76-1c6e-4e2c-a8b3-0a3f8a9a5d7e"),
    ];
    const EXAMPLE: &'static str = concat!(
        r#"{"push":{"changes":[{"new":{"type":"branch","name":"main","#,
        r#""target":{"hash":"709d658dc5b6d6afcd46049c2f332ee3f515a67d","message":"Set sail"}},"#,
        r#""created":false,"closed":false,"forced":false}]},"#,
        r#""repository":{"full_name":"argo/harbour"},"actor":{"display_name":"Jason"}}"#
    );

    fn compile(_: &str, spec: &BitbucketEventSource) -> Result<Self, Vec<Problem>> {
        Ok(Self {
            api: API,
            secret: spec.webhook_secret.clone(),
            managed: Managed::of(spec.webhook.as_ref(), *spec.delete_hook_on_finish)
                .filter(|_| spec.auth.is_some()),
            auth: spec.auth.clone(),
            places: places(spec),
            events: spec.events.iter().cloned().collect(),
        })
    }

    fn endpoint(spec: &BitbucketEventSource) -> (Option<&WebhookContext>, &'static str) {
        (spec.webhook.as_ref(), "webhook")
    }

    fn metadata(spec: &BitbucketEventSource) -> &BTreeMap<String, String> {
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

    fn read(&self, request: &Request, metadata: &str) -> Result<Said, Refusal> {
        let body = json_body(&request.body)?;
        let payload = payload("headers", &request.head.headers, &body, metadata);
        Ok(Said::Events(vec![delivered(request, DELIVERY, payload)]))
    }

    fn managed(&self) -> Option<&Managed> {
        self.managed.as_ref()
    }

    fn secret(&self) -> Option<&SecretKeySelector> {
        self.secret.as_ref()
    }

    async fn hooks(&self, context: &SourceContext) -> Result<Box<dyn Hooks>, SourceError> {
        let (Some(managed), Some(auth)) = (&self.managed, &self.auth) else {
            return hooks::none(Self::KIND);
        };
        let login = match (&auth.basic, &auth.oauth_token) {
            (Some(user), _) => {
                let (name, password) = context.user(user).await?;
                basic(&name, &password)?
            }
            (None, Some(token)) => {
                let token = context.secret(token).await?.text();
                login(AUTHORIZATION, &format!("Bearer {}", token.trim()))?
            }
            (None, None) => return hooks::none(Self::KIND),
        };
        let base = ("the API of Bitbucket", self.api);
        Ok(Box::new(Api {
            rest: Rest::new(context, base, Tls::default(), login, HINT)?,
            places: self.places.clone(),
            events: self.events.clone(),
            url: managed.url.clone(),
            secret: context.text(self.secret.as_ref()).await?,
        }))
    }
}

/// Where there are hooks, by the spec.
fn places(spec: &BitbucketEventSource) -> Vec<String> {
    let place =
        |owner: &str, slug: &str| format!("repositories/{}/{}", segment(owner), segment(slug));
    let repositories = spec.repositories.iter();
    let mut places: Vec<String> = repositories
        .map(|repository| place(&repository.owner, &repository.repository_slug))
        .collect();
    if places.is_empty() && !spec.repository_slug.is_empty() {
        places.push(place(&spec.owner, &spec.repository_slug));
    }
    places
}

/// Asks Bitbucket.
struct Api {
    rest: Rest,
    places: Vec<String>,
    events: BTreeSet<String>,
    url: String,
    secret: String,
}

#[derive(Deserialize)]
struct Page {
    values: Vec<Listed>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    uuid: String,
    url: String,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    events: BTreeSet<String>,
}

impl Api {
    fn wanted(&self) -> Value {
        let mut wanted = json!({
            "description": "webhook managed by tiphys",
            "url": self.url,
            "active": true,
            "events": self.events,
        });
        if !self.secret.is_empty() {
            wanted["secret"] = self.secret.as_str().into();
        }
        wanted
    }
}

#[async_trait]
impl Hooks for Api {
    fn secret(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    async fn places(&self) -> Result<Vec<String>, SourceError> {
        Ok(self.places.clone())
    }

    async fn list(&self, place: &str) -> Result<Vec<Hook>, SourceError> {
        let act = format!("list the hooks of {place}");
        let mut hooks = Vec::new();
        let mut next = Some(self.rest.url(&format!("{place}/hooks?pagelen=100"))?);
        let mut pages = 0;
        while let Some(url) = next.take() {
            let page: Page = self.rest.call(&act, Method::GET, url, None).await?.json()?;
            hooks.extend(page.values.into_iter().map(|hook| Hook {
                is_current: hook.active && hook.events == self.events,
                id: hook.uuid,
                url: hook.url,
            }));
            pages += 1;
            if let Some(link) = page.next {
                next = Some(self.rest.further(&act, &link, pages)?);
            }
        }
        Ok(hooks)
    }

    async fn create(&self, place: &str) -> Result<(), SourceError> {
        self.rest.create(place, "hooks", &self.wanted()).await
    }

    async fn update(&self, place: &str, id: &str) -> Result<(), SourceError> {
        let hook = (place, "hooks", id);
        self.rest.update(Method::PUT, hook, &self.wanted()).await
    }

    async fn delete(&self, place: &str, id: &str) -> Result<(), SourceError> {
        self.rest.delete(place, "hooks", id).await
    }
}
