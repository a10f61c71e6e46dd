//! GitHub's API of webhooks, asked with a token or as a GitHub App.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tiphys_api::{GithubEventSource, SecretKeySelector};
use tiphys_clients::tls::Tls;
use tiphys_clients::{ValueRef, github};

use crate::context::SourceContext;
use crate::error::SourceError;
use crate::source::hooks::{Hook, Hooks, Managed};
use crate::source::rest::{Rest, Who, bearer, segment};

/// The API of GitHub itself.
const PUBLIC: &str = "https://api.github.com/";

const HINT: &str = "the token has to be allowed to manage webhooks there: admin:repo_hook or \
                    admin:org_hook, or of an app or a fine-grained token Webhooks: read and write";

/// Who asks.
#[derive(Debug)]
pub(super) enum Login {
    Token(SecretKeySelector),
    App {
        key: SecretKeySelector,
        app: i64,
        installation: i64,
    },
}

impl Login {
    /// Who asks, by the spec; a token goes first.
    pub(super) fn of(spec: &GithubEventSource) -> Option<Self> {
        if let Some(token) = &spec.api_token {
            return Some(Self::Token(token.clone()));
        }
        let app = spec.github_app.as_ref()?;
        Some(Self::App {
            key: app.private_key.clone()?,
            app: *app.app_id,
            installation: *app.installation_id,
        })
    }
}

/// Asks GitHub.
#[derive(Debug)]
struct Github {
    rest: Rest,
    places: Vec<String>,
    events: BTreeSet<String>,
    active: bool,
    content_type: String,
    insecure: bool,
    url: String,
    secret: String,
}

#[derive(Deserialize)]
struct Listed {
    id: u64,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    events: BTreeSet<String>,
    #[serde(default)]
    config: Config,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Config {
    url: String,
    content_type: String,
    /// `"0"` or `"1"`, or a number.
    insecure_ssl: Value,
}

/// Logs in.
pub(super) async fn connect(
    spec: &GithubEventSource,
    managed: &Managed,
    who: &Login,
    secret: String,
    context: &SourceContext,
) -> Result<Box<dyn Hooks>, SourceError> {
    let base = match spec.github_base_url.as_str() {
        "" => ("the API of GitHub", PUBLIC),
        base => ("githubBaseURL", base),
    };
    let who = match who {
        Login::Token(key) => Who::from(bearer(context.secret(key).await?.text().trim())?),
        Login::App {
            key,
            app,
            installation,
        } => {
            let app = github::App {
                private_key: ValueRef::secret(key, &context.event().namespace),
                app: *app,
                installation: *installation,
            };
            Who::App(app, Arc::clone(&context.clients))
        }
    };
    let rest = Rest::new(context, base, Tls::default(), who, HINT)?;
    Ok(Box::new(Github {
        rest,
        places: places(spec),
        events: spec.events.iter().cloned().collect(),
        active: *spec.active,
        content_type: spec.content_type.to_string(),
        insecure: *spec.insecure,
        url: managed.url.clone(),
        secret,
    }))
}

/// Where there are hooks, by the spec.
fn places(spec: &GithubEventSource) -> Vec<String> {
    let repository =
        |owner: &str, name: &str| format!("repos/{}/{}", segment(owner), segment(name));
    let organizations = spec.organizations.iter();
    let mut places: Vec<String> = organizations
        .map(|name| format!("orgs/{}", segment(name)))
        .collect();
    for owned in spec.repositories.iter() {
        places.extend(
            owned
                .names
                .iter()
                .map(|name| repository(&owned.owner, name)),
        );
    }
    if spec.repositories.is_empty() && !spec.owner.is_empty() && !spec.repository.is_empty() {
        places.push(repository(&spec.owner, &spec.repository));
    }
    places
}

impl Github {
    fn wanted(&self) -> Value {
        let mut config = json!({
            "url": self.url,
            "insecure_ssl": if self.insecure { "1" } else { "0" },
        });
        if !self.content_type.is_empty() {
            config["content_type"] = self.content_type.as_str().into();
        }
        if !self.secret.is_empty() {
            config["secret"] = self.secret.as_str().into();
        }
        json!({"name": "web", "active": self.active, "events": self.events, "config": config})
    }

    fn is_current(&self, hook: &Listed) -> bool {
        let all = |events: &BTreeSet<String>| events.contains("*");
        let insecure = match &hook.config.insecure_ssl {
            Value::String(text) => text == "1",
            other => other.as_i64() == Some(1),
        };
        (hook.events == self.events || all(&hook.events) && all(&self.events))
            && hook.active == self.active
            && insecure == self.insecure
            && (self.content_type.is_empty() || hook.config.content_type == self.content_type)
    }
}

#[async_trait]
impl Hooks for Github {
    fn secret(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    async fn places(&self) -> Result<Vec<String>, SourceError> {
        Ok(self.places.clone())
    }

    async fn list(&self, place: &str) -> Result<Vec<Hook>, SourceError> {
        let act = format!("list the hooks of {place}");
        let path = format!("{place}/hooks?per_page=100");
        let listed: Vec<Listed> = self.rest.linked_pages(&act, &path).await?;
        let hooks = listed.into_iter().map(|hook| Hook {
            is_current: self.is_current(&hook),
            id: hook.id.to_string(),
            url: hook.config.url,
        });
        Ok(hooks.collect())
    }

    async fn create(&self, place: &str) -> Result<(), SourceError> {
        self.rest.create(place, "hooks", &self.wanted()).await
    }

    async fn update(&self, place: &str, id: &str) -> Result<(), SourceError> {
        let hook = (place, "hooks", id);
        self.rest.update(Method::PATCH, hook, &self.wanted()).await
    }

    async fn delete(&self, place: &str, id: &str) -> Result<(), SourceError> {
        self.rest.delete(place, "hooks", id).await
    }
}
