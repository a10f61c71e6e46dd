//! GitLab as a source: what happens in projects and groups.
//!
//! Payload, as that of Argo Events: `{"headers": …, "body": …, "metadata": …}`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use http::Method;
use http::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value};
use tiphys_api::{GitlabEventSource, Problem, SecretKeySelector, WebhookContext};
use tiphys_clients::tls::Tls;

use super::called::{Called, Caller, Said, delivered};
use super::hooks::{self, Hook, Hooks, Managed};
use super::rest::{Rest, login, segment};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::served::body::json_body;
use crate::served::payload::{MASKED, payload};
use crate::served::signature::check_token;
use crate::served::{Refusal, Request};

const TOKEN: &str = "X-Gitlab-Token";

/// The same for all attempts of one delivery; servers of old send none.
const DELIVERY: &str = "Idempotency-Key";

const HINT: &str = "the access token needs the scope api, and the role Maintainer (projects) or Owner \
                    (groups) there";

/// Types of events: as a spec writes them, and as the API does.
const EVENTS: [(&str, &str); 18] = [
    ("ConfidentialIssuesEvents", "confidential_issues_events"),
    ("ConfidentialNoteEvents", "confidential_note_events"),
    ("DeploymentEvents", "deployment_events"),
    ("EmojiEvents", "emoji_events"),
    ("FeatureFlagEvents", "feature_flag_events"),
    ("IssuesEvents", "issues_events"),
    ("JobEvents", "job_events"),
    ("MemberEvents", "member_events"),
    ("MergeRequestsEvents", "merge_requests_events"),
    ("MilestoneEvents", "milestone_events"),
    ("NoteEvents", "note_events"),
    ("PipelineEvents", "pipeline_events"),
    ("PushEvents", "push_events"),
    ("ReleasesEvents", "releases_events"),
    ("ResourceAccessTokenEvents", "resource_access_token_events"),
    ("SubGroupEvents", "subgroup_events"),
    ("TagPushEvents", "tag_push_events"),
    ("WikiPageEvents", "wiki_page_events"),
];

/// Deliveries of GitLab's webhooks.
pub(crate) type Gitlab = Called<GitlabHost>;

/// A GitLab server.
#[derive(Debug)]
pub(crate) struct GitlabHost {
    secret: Option<SecretKeySelector>,
    managed: Option<Managed>,
    access_token: Option<SecretKeySelector>,
    base: String,
    places: Vec<String>,
    /// Which of all events are sent, by their name in the API.
    events: BTreeMap<&'static str, bool>,
    checks_certificate: bool,
}

#[async_trait]
impl Caller for GitlabHost {
    type Spec = GitlabEventSource;

    const KIND: &'static str = "gitlab";
    const HEADERS: &'static [(&'static str, &'static str)] = &[("X-Gitlab-Event", "Push Hook")];
    const EXAMPLE: &'static str = concat!(
        r#"{"object_kind":"push","ref":"refs/heads/main","#,
        r#""checkout_sha":"da1560886d4f094c3e6c9ef40349f7d38b5d27d7","user_username":"jason","#,
        r#""project_id":15,"project":{"id":15,"name":"harbour","#,
        r#""path_with_namespace":"argo/harbour","default_branch":"main"},"#,
        r#""commits":[{"id":"da1560886d4f094c3e6c9ef40349f7d38b5d27d7","message":"Set sail","#,
        r#""added":["mast.yaml"],"modified":[],"removed":[]}],"total_commits_count":1}"#
    );

    fn compile(path: &str, spec: &GitlabEventSource) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut events: BTreeMap<_, _> = EVENTS.iter().map(|(_, api)| (*api, false)).collect();
        for (at, name) in spec.events.iter().enumerate() {
            if let Some((_, api)) = EVENTS.iter().find(|(known, _)| known == name) {
                events.insert(api, true);
            } else {
                let path = format!("{path}.events[{at}]");
                let known = EVENTS.iter().map(|(known, _)| *known);
                let problem = Problem::error(path, format!("unknown event {name}"));
                problems.push(problem.with_suggestion(name, known));
            }
        }
        let managed = Managed::of(spec.webhook.as_ref(), *spec.delete_hook_on_finish);
        let managed = managed.filter(|_| spec.access_token.is_some());
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            secret: spec.secret_token.clone(),
            managed,
            access_token: spec.access_token.clone(),
            base: spec.gitlab_base_url.to_string(),
            places: places(spec),
            events,
            checks_certificate: *spec.enable_ssl_verification,
        })
    }

    fn endpoint(spec: &GitlabEventSource) -> (Option<&WebhookContext>, &'static str) {
        (spec.webhook.as_ref(), "webhook")
    }

    fn metadata(spec: &GitlabEventSource) -> &BTreeMap<String, String> {
        &spec.metadata
    }

    async fn verify(&self, request: &Request, context: &SourceContext) -> Result<(), Refusal> {
        let headers = &request.head.headers;
        check_token(headers, TOKEN, self.secret.as_ref(), context).await
    }

    fn read(&self, request: &Request, metadata: &str) -> Result<Said, Refusal> {
        let mut headers = request.head.headers.clone();
        // It ends here: whoever has it can send events.
        if let Some(token) = headers.get_mut(TOKEN) {
            *token = HeaderValue::from_static(MASKED);
        }
        let body = json_body(&request.body)?;
        let payload = payload("headers", &headers, &body, metadata);
        Ok(Said::Events(vec![delivered(request, DELIVERY, payload)]))
    }

    fn managed(&self) -> Option<&Managed> {
        self.managed.as_ref()
    }

    fn secret(&self) -> Option<&SecretKeySelector> {
        self.secret.as_ref()
    }

    async fn hooks(&self, context: &SourceContext) -> Result<Box<dyn Hooks>, SourceError> {
        let (Some(managed), Some(token)) = (&self.managed, &self.access_token) else {
            return hooks::none(Self::KIND);
        };
        let token = context.secret(token).await?.text();
        let secret = context.text(self.secret.as_ref()).await?;
        let login = login(HeaderName::from_static("private-token"), token.trim())?;
        let base = self.base.trim_end_matches('/');
        let base = format!("{}/api/v4/", base.strip_suffix("/api/v4").unwrap_or(base));
        let base = ("gitlabBaseURL", &*base);
        let mut wanted = Map::new();
        wanted.insert("url".into(), managed.url.as_str().into());
        wanted.insert(
            "enable_ssl_verification".into(),
            self.checks_certificate.into(),
        );
        for (name, is_sent) in &self.events {
            wanted.insert((*name).into(), (*is_sent).into());
        }
        Ok(Box::new(Api {
            rest: Rest::new(context, base, Tls::default(), login, HINT)?,
            places: self.places.clone(),
            wanted,
            secret,
        }))
    }
}

/// Where there are hooks, by the spec.
fn places(spec: &GitlabEventSource) -> Vec<String> {
    let groups = spec.groups.iter();
    let mut places: Vec<String> = groups
        .map(|group| format!("groups/{}", segment(group)))
        .collect();
    let projects = spec.projects.iter();
    places.extend(projects.map(|project| format!("projects/{}", segment(project))));
    if spec.projects.is_empty() && !spec.project_id.is_empty() {
        places.push(format!("projects/{}", segment(&spec.project_id)));
    }
    places
}

/// Asks GitLab.
struct Api {
    rest: Rest,
    places: Vec<String>,
    /// All of a hook but its token.
    wanted: Map<String, Value>,
    secret: String,
}

#[derive(Deserialize)]
struct Listed {
    id: u64,
    url: String,
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Api {
    fn body(&self) -> Value {
        let mut body = self.wanted.clone();
        if !self.secret.is_empty() {
            body.insert("token".into(), self.secret.as_str().into());
        }
        body.into()
    }

    /// Servers of old do not know all types of events: what they do not show counts as not sent.
    fn is_current(&self, hook: &Map<String, Value>) -> bool {
        self.wanted.iter().all(|(name, wanted)| {
            name == "url" || hook.get(name).unwrap_or(&Value::Bool(false)) == wanted
        })
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
        let path = format!("{place}/hooks?per_page=100");
        let listed: Vec<Listed> = self.rest.linked_pages(&act, &path).await?;
        let hooks = listed.into_iter().map(|hook| Hook {
            id: hook.id.to_string(),
            is_current: self.is_current(&hook.more),
            url: hook.url,
        });
        Ok(hooks.collect())
    }

    async fn create(&self, place: &str) -> Result<(), SourceError> {
        self.rest.create(place, "hooks", &self.body()).await
    }

    async fn update(&self, place: &str, id: &str) -> Result<(), SourceError> {
        let hook = (place, "hooks", id);
        self.rest.update(Method::PUT, hook, &self.body()).await
    }

    async fn delete(&self, place: &str, id: &str) -> Result<(), SourceError> {
        self.rest.delete(place, "hooks", id).await
    }
}
