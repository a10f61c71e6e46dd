//! The API of a Bitbucket Server: its webhooks, repositories and pull requests.

use std::collections::BTreeSet;

use async_trait::async_trait;
use http::Method;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tiphys_api::BitbucketServerEventSource;

use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::source::hooks::{Hook, Hooks};
use crate::source::rest::{Rest, login, segment};

const HINT: &str = "the access token needs the permission Admin for the repository";

/// How many items a page has.
const PAGE: usize = 500;

/// Asks a Bitbucket Server.
pub(super) struct Api {
    rest: Rest,
    repositories: Vec<(String, String)>,
    projects: Vec<String>,
    events: BTreeSet<String>,
    url: String,
    secret: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    values: Vec<T>,
    #[serde(rename = "isLastPage")]
    is_last: bool,
    next_page_start: Option<u64>,
}

#[derive(Deserialize)]
struct Listed {
    id: u64,
    url: String,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    events: BTreeSet<String>,
    #[serde(default)]
    configuration: Configuration,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Configuration {
    secret: String,
}

#[derive(Deserialize)]
struct Repository {
    slug: String,
}

#[derive(Deserialize)]
struct PullRequest {
    state: String,
}

impl Api {
    /// Logs in.
    pub(super) async fn new(
        spec: &BitbucketServerEventSource,
        url: String,
        context: &SourceContext,
    ) -> Result<Self, SourceError> {
        let Some(token) = &spec.access_token else {
            let error = SourceError::new(Reason::Missing, "ask the Bitbucket Server");
            return Err(error.with_hint("set accessToken"));
        };
        let token = context.secret(token).await?.text();
        let mut login = login(AUTHORIZATION, &format!("Bearer {}", token.trim()))?;
        // Without it the server takes a change for one that a web page was tricked into.
        let (name, value) = ("x-atlassian-token", "no-check");
        login.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
        let base = (
            "bitbucketserverBaseURL",
            spec.bitbucketserver_base_url.as_str(),
        );
        let tls = context.tls(spec.tls.as_ref()).await?.unwrap_or_default();
        let named = spec.repositories.iter();
        let mut repositories: Vec<_> = named
            .map(|one| (one.project_key.to_string(), one.repository_slug.to_string()))
            .collect();
        if repositories.is_empty() && !spec.repository_slug.is_empty() {
            let one = (
                spec.project_key.to_string(),
                spec.repository_slug.to_string(),
            );
            repositories.push(one);
        }
        Ok(Self {
            rest: Rest::new(context, base, tls, login, HINT)?,
            repositories,
            projects: spec.projects.to_vec(),
            events: spec.events.iter().cloned().collect(),
            url,
            secret: context.text(spec.webhook_secret.as_ref()).await?,
        })
    }

    /// Whether an open pull request shows a commit.
    pub(super) async fn has_open_pull_request(
        &self,
        project: &str,
        slug: &str,
        commit: &str,
    ) -> Result<bool, SourceError> {
        let act = format!("list the pull requests of a commit in {project}/{slug}");
        let place = place(project, slug);
        let path = format!("{place}/commits/{}/pull-requests", segment(commit));
        let found: Vec<PullRequest> = self.pages(&act, &path).await?;
        Ok(found
            .iter()
            .any(|one| one.state.eq_ignore_ascii_case("open")))
    }

    async fn pages<T: DeserializeOwned>(
        &self,
        act: &str,
        path: &str,
    ) -> Result<Vec<T>, SourceError> {
        let mut items = Vec::new();
        let mut start = 0;
        for pages in 1.. {
            let link = self
                .rest
                .url(&format!("{path}?limit={PAGE}&start={start}"))?;
            let url = self.rest.further(act, link.as_str(), pages)?;
            let page: Page<T> = self.rest.call(act, Method::GET, url, None).await?.json()?;
            items.extend(page.values);
            match page.next_page_start {
                Some(next) if !page.is_last && next > start => start = next,
                _ => break,
            }
        }
        Ok(items)
    }

    fn wanted(&self) -> Value {
        let mut wanted = json!({
            "name": "tiphys",
            "url": self.url,
            "active": true,
            "events": self.events,
        });
        // The server cannot take an empty one.
        if !self.secret.is_empty() {
            wanted["configuration"] = json!({"secret": self.secret});
        }
        wanted
    }

    fn is_current(&self, hook: &Listed) -> bool {
        // Newer servers show stars instead of the secret.
        let shown = hook.configuration.secret.trim_matches('*');
        let has_secret = hook.configuration.secret.is_empty() == self.secret.is_empty();
        let is_same = shown.is_empty() || shown == self.secret;
        hook.active && hook.events == self.events && has_secret && is_same
    }
}

fn place(project: &str, slug: &str) -> String {
    format!(
        "api/1.0/projects/{}/repos/{}",
        segment(project),
        segment(slug)
    )
}

#[async_trait]
impl Hooks for Api {
    fn secret(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    async fn places(&self) -> Result<Vec<String>, SourceError> {
        let named = self.repositories.iter();
        let mut places: Vec<String> = named.map(|(project, slug)| place(project, slug)).collect();
        for project in &self.projects {
            let act = format!("list the repositories of project {project}");
            let path = format!("api/1.0/projects/{}/repos", segment(project));
            let found: Vec<Repository> = self.pages(&act, &path).await?;
            places.extend(found.iter().map(|one| place(project, &one.slug)));
        }
        places.sort();
        places.dedup();
        Ok(places)
    }

    async fn list(&self, place: &str) -> Result<Vec<Hook>, SourceError> {
        let act = format!("list the hooks of {place}");
        let listed: Vec<Listed> = self.pages(&act, &format!("{place}/webhooks")).await?;
        let hooks = listed.into_iter().map(|hook| Hook {
            id: hook.id.to_string(),
            is_current: self.is_current(&hook),
            url: hook.url,
        });
        Ok(hooks.collect())
    }

    async fn create(&self, place: &str) -> Result<(), SourceError> {
        self.rest.create(place, "webhooks", &self.wanted()).await
    }

    async fn update(&self, place: &str, id: &str) -> Result<(), SourceError> {
        let hook = (place, "webhooks", id);
        self.rest.update(Method::PUT, hook, &self.wanted()).await
    }

    async fn delete(&self, place: &str, id: &str) -> Result<(), SourceError> {
        self.rest.delete(place, "webhooks", id).await
    }
}
