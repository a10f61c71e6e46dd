//! GitHub's API of webhooks, asked with a token or as a GitHub App.

use std::collections::BTreeSet;

use async_trait::async_trait;
use http::Method;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tiphys_api::{GithubEventSource, SecretKeySelector};
use tiphys_clients::tls::Tls;

use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::source::hooks::{Hook, Hooks, Managed};
use crate::source::rest::{Rest, login, segment};

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
    let asked_as = |bearer: &str| -> Result<Rest, SourceError> {
        let login = login(AUTHORIZATION, &format!("Bearer {bearer}"))?;
        Rest::new(context, base, Tls::default(), login, HINT)
    };
    let rest = match who {
        Login::Token(key) => asked_as(context.secret(key).await?.text().trim())?,
        Login::App {
            key,
            app,
            installation,
        } => {
            let key = context.secret(key).await?;
            let jwt = app_token(key.bytes(), *app, context.clock().now())?;
            asked_as(&installed(&asked_as(&jwt)?, *installation).await?)?
        }
    };
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

/// The token of an installation, which holds for an hour.
async fn installed(app: &Rest, installation: i64) -> Result<String, SourceError> {
    #[derive(Deserialize)]
    struct Token {
        token: String,
    }
    let url = app.url(&format!("app/installations/{installation}/access_tokens"))?;
    let act = format!("log in as the GitHub App's installation {installation}");
    let token: Token = app.call(&act, Method::POST, url, None).await?.json()?;
    Ok(token.token)
}

/// A JSON Web Token by which an app is known, signed with its key.
fn app_token(pem: &[u8], app: i64, now: Timestamp) -> Result<String, SourceError> {
    let failed = |why: String| {
        SourceError::new(Reason::Invalid, "log in as a GitHub App")
            .because(why)
            .with_hint(
                "githubApp.privateKey names the key as it was downloaded from GitHub, in PEM",
            )
    };
    tiphys_clients::github::app_token(pem, app, now).map_err(failed)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_is_no_key() {
        let error = app_token(b"ssh-rsa AAAA", 17, Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(error.to_string(), "log in as a GitHub App");
        assert!(error.hint().contains("privateKey"));
    }
}
