//! A server that keeps hooks, with the web API of one of the hosts. Lists come in pages of two.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tiphys_testbed::Certificates;

use crate::web::{Answer, Asked, Web, answer};

/// How many items a page has.
const PAGE: usize = 2;

/// Whom hooks of ours call.
const US: &str = "https://us.example/push";

/// Whose API it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are the hosts that they are named after")]
pub enum Style {
    Github,
    Gitlab,
    Bitbucket,
    BitbucketServer,
    Gerrit,
    StorageGrid,
    Stripe,
}

/// The server; it ends with the story.
#[derive(Debug)]
pub struct Host {
    web: Web,
    style: Style,
    kept: Arc<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// By place; those of Gerrit have a name as their `id`.
    hooks: Mutex<BTreeMap<String, Vec<Value>>>,
    refuses: AtomicBool,
    /// How many tokens a GitHub App was given, of which the last one counts.
    tokens: AtomicU64,
    /// How many of them were revoked.
    revoked: AtomicU64,
}

impl Style {
    /// Whether a place can have two hooks with one URL.
    pub fn has_lists(self) -> bool {
        !matches!(self, Self::Gerrit | Self::StorageGrid)
    }

    /// What a hook is known by.
    fn id(self) -> &'static str {
        match self {
            Self::Bitbucket => "uuid",
            _ => "id",
        }
    }

    /// A new one.
    fn new_id(self, at: usize, name: &str) -> Value {
        match self {
            Self::Gerrit => name.into(),
            Self::StorageGrid | Self::Stripe => format!("endpoint-{at}").into(),
            Self::Bitbucket => format!("{{{at}-a}}").into(),
            _ => (at + 100).into(),
        }
    }

    /// Where a hook says whom it calls.
    fn url(self, hook: &Value) -> &Value {
        match self {
            Self::Github => &hook["config"]["url"],
            Self::StorageGrid => &hook["endpointURI"],
            _ => &hook["url"],
        }
    }

    /// The part of a path before the hooks, and what stands behind it.
    fn split(self, path: &str) -> Option<(&str, &str)> {
        let (prefix, middle) = match self {
            Self::Github => ("/api/v3/", "/hooks"),
            Self::Gitlab => ("/api/v4/", "/hooks"),
            Self::Bitbucket => ("/2.0/", "/hooks"),
            Self::BitbucketServer => ("/rest/", "/webhooks"),
            Self::Stripe => {
                let rest = path.strip_prefix("/v1/webhook_endpoints")?;
                return Some(("webhook_endpoints", rest));
            }
            Self::Gerrit => ("/a/", "/remotes"),
            Self::StorageGrid => {
                let rest = path.strip_prefix("/api/v3/")?;
                return rest
                    .strip_prefix("org/endpoints")
                    .map(|rest| ("org/endpoints", rest));
            }
        };
        path.strip_prefix(prefix)?.split_once(middle)
    }
}

impl Host {
    /// A server that is reached from this machine.
    pub async fn start(style: Style) -> Self {
        Self::start_at(style, ([127, 0, 0, 1], 0).into()).await
    }

    /// A server at an address where there was none.
    pub async fn start_at(style: Style, address: SocketAddr) -> Self {
        let kept = Arc::<Kept>::default();
        let state = kept.clone();
        let web = Web::start_at(address, move |asked| state.answer(style, asked)).await;
        Self { web, style, kept }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        self.web.url(path)
    }

    /// A server that is known by a certificate.
    pub async fn start_tls(style: Style, certificates: &Certificates) -> Self {
        let kept = Arc::<Kept>::default();
        let state = kept.clone();
        let web = Web::start_tls(certificates, move |asked| state.answer(style, asked)).await;
        Self { web, style, kept }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.web.address()
    }

    /// Answers nobody any more.
    pub fn refuse(&self) {
        self.kept.refuses.store(true, Ordering::Relaxed);
    }

    /// A hook that calls `url`, as somebody else would make it.
    pub fn hook(&self, url: &str) -> Value {
        match self.style {
            Style::Github => json!({"config": {"url": url}}),
            Style::StorageGrid => json!({"endpointURI": url, "endpointURN": "urn:other"}),
            _ => json!({"url": url}),
        }
    }

    /// Adds a hook.
    pub fn add(&self, place: &str, mut hook: Value) {
        let mut hooks = self.kept.hooks();
        let hooks = hooks.entry(place.to_owned()).or_default();
        let id = self.style.new_id(hooks.len(), "other");
        hook[self.style.id()] = id;
        hooks.push(hook);
    }

    /// Changes a member of all hooks of a place.
    pub fn change(&self, place: &str, member: &str, value: &Value) {
        for hook in self.kept.hooks().get_mut(place).into_iter().flatten() {
            hook[member] = value.clone();
        }
    }

    /// All hooks of a place.
    pub fn hooks(&self, place: &str) -> Vec<Value> {
        let hooks = self.kept.hooks();
        hooks.get(place).cloned().unwrap_or_default()
    }

    /// The hooks of a place that call us.
    pub fn ours(&self, place: &str) -> Vec<Value> {
        let hooks = self.hooks(place).into_iter();
        hooks.filter(|hook| self.style.url(hook) == US).collect()
    }

    /// Takes the token away that a GitHub App was given.
    pub fn revoke(&self) {
        self.kept.revoked.store(self.tokens(), Ordering::Relaxed);
    }

    /// How many tokens a GitHub App was given.
    pub fn tokens(&self) -> u64 {
        self.kept.tokens.load(Ordering::Relaxed)
    }

    /// How often it was asked by a method.
    pub fn calls(&self, method: &str) -> usize {
        let asked = self.web.asked().into_iter();
        asked.filter(|asked| asked.method == method).count()
    }

    /// With what it was asked.
    pub fn logins(&self) -> Vec<String> {
        let asked = self.web.asked().into_iter();
        let logins = asked.map(|asked| asked.headers.get("authorization").cloned());
        let logins: BTreeSet<String> = logins.map(Option::unwrap_or_default).collect();
        logins.into_iter().collect()
    }
}

impl Kept {
    fn hooks(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Value>>> {
        self.hooks.lock().expect("nobody panics")
    }

    fn answer(&self, style: Style, asked: &Asked) -> Answer {
        if self.refuses.load(Ordering::Relaxed) {
            return answer(401).body(r#"{"message":"401 Unauthorized"}"#);
        }
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let login = asked
            .headers
            .get("authorization")
            .map_or("", String::as_str);
        if path == "/api/v3/app/installations/5/access_tokens" {
            // A token that is signed for the app 17; what is in it has a test of its own.
            if !login.starts_with("Bearer eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.") {
                return answer(401);
            }
            let number = self.tokens.fetch_add(1, Ordering::Relaxed) + 1;
            let given =
                json!({"token": format!("given-{number}"), "expires_at": "2100-01-02T03:04:05Z"});
            return answer(201).body(given.to_string());
        }
        if let Some(number) = login.strip_prefix("Bearer given-")
            && number.parse().unwrap_or(0) <= self.revoked.load(Ordering::Relaxed)
        {
            return answer(401).body(r#"{"message":"Bad credentials"}"#);
        }
        if style == Style::BitbucketServer && path == "/rest/api/1.0/projects/ARGO/repos" {
            let page = json!({"values": [{"slug": "harbour"}], "isLastPage": true});
            return answer(200).body(page.to_string());
        }
        if path.ends_with("/org/containers/harbour/notification") {
            return answer(200).body("{}");
        }
        let Some((place, rest)) = style.split(path) else {
            return answer(404).body(r#"{"message":"Not Found"}"#);
        };
        let id = rest
            .trim_matches('/')
            .replace("%7B", "{")
            .replace("%7D", "}");
        let mut hooks = self.hooks();
        let hooks = hooks.entry(place.to_owned()).or_default();
        let body: Value = match style {
            Style::Stripe => stripe(&asked.body),
            _ => serde_json::from_slice(&asked.body).unwrap_or_default(),
        };
        let known = |hook: &Value| match &hook[style.id()] {
            Value::String(known) => *known == id,
            Value::Number(known) => known.as_u64() == id.parse().ok(),
            _ => false,
        };
        match (asked.method.as_str(), hooks.iter().position(known)) {
            ("GET", _) if id.is_empty() => list(style, asked, query, hooks),
            ("POST", _) if id.is_empty() => {
                let mut hook = body;
                hook[style.id()] = style.new_id(hooks.len(), "");
                hooks.push(hook.clone());
                if style == Style::Stripe {
                    // Shown here, and never again.
                    hook["secret"] = "whsec_chosen".into();
                }
                answer(201).body(hook.to_string())
            }
            ("PUT", None) if style == Style::Gerrit => {
                let mut hook = body;
                hook["id"] = id.into();
                hooks.push(hook);
                answer(201).body(")]}'\n{}")
            }
            ("PUT" | "PATCH" | "POST", Some(at)) => {
                for (name, value) in body.as_object().into_iter().flatten() {
                    hooks[at][name] = value.clone();
                }
                answer(200).body(hooks[at].to_string())
            }
            ("DELETE", Some(at)) => {
                hooks.remove(at);
                answer(204)
            }
            _ => answer(404).body(r#"{"message":"Not Found"}"#),
        }
    }
}

/// What a form says of an endpoint.
fn stripe(body: &[u8]) -> Value {
    let text = String::from_utf8_lossy(body);
    let mut endpoint = json!({"status": "enabled"});
    let mut events = Vec::<Value>::new();
    for (name, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
        let value = value
            .replace("%3A", ":")
            .replace("%2F", "/")
            .replace("%2A", "*");
        match name {
            "enabled_events%5B%5D" => events.push(value.into()),
            name => endpoint[name] = value.into(),
        }
    }
    endpoint["enabled_events"] = events.into();
    endpoint
}

/// A page of hooks, without their secrets.
fn list(style: Style, asked: &Asked, query: &str, hooks: &[Value]) -> Answer {
    let parameter = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(found, _)| *found == name);
        found.and_then(|(_, value)| value.parse::<usize>().ok())
    };
    let shown = |hook: &Value| {
        let mut hook = hook.clone();
        match style {
            Style::Github if hook["config"]["secret"].is_string() => {
                hook["config"]["secret"] = "********".into();
            }
            Style::Gitlab => {
                let hook = hook.as_object_mut().expect("a hook is an object");
                hook.remove("token");
            }
            _ => {}
        }
        hook
    };
    let shown: Vec<Value> = hooks.iter().map(shown).collect();
    match style {
        Style::Gerrit => {
            let named = shown
                .into_iter()
                .map(|hook| (hook["id"].as_str().unwrap_or_default().to_owned(), hook));
            let named = Value::Object(named.collect());
            answer(200).body(format!(")]}}'\n{named}"))
        }
        Style::StorageGrid => answer(200).body(json!({"data": shown}).to_string()),
        Style::Stripe => {
            let after = query.split_once("starting_after=").map(|(_, after)| after);
            let start = after.map_or(0, |after| {
                1 + shown
                    .iter()
                    .position(|hook| hook["id"] == after)
                    .expect("it was shown")
            });
            let page: Vec<_> = shown.iter().skip(start).take(PAGE).collect();
            let has_more = start + page.len() < shown.len();
            answer(200).body(json!({"data": page, "has_more": has_more}).to_string())
        }
        Style::Bitbucket => {
            let start = parameter("start").unwrap_or(0);
            let page: Vec<_> = shown.iter().skip(start).take(PAGE).collect();
            let next = start + page.len();
            let mut page = json!({"values": page});
            if next < shown.len() {
                let (path, _) = asked.path.split_once('?').expect("pages are asked for");
                let host = &asked.headers["host"];
                page["next"] = format!("https://{host}{path}?start={next}").into();
            }
            answer(200).body(page.to_string())
        }
        Style::BitbucketServer => {
            let start = parameter("start").unwrap_or(0);
            let page: Vec<_> = shown.iter().skip(start).take(PAGE).collect();
            let next = start + page.len();
            let page = json!({"values": page, "isLastPage": next >= shown.len(),
                "nextPageStart": next});
            answer(200).body(page.to_string())
        }
        Style::Github | Style::Gitlab => {
            let number = parameter("page").unwrap_or(1);
            let page: Vec<_> = shown.iter().skip((number - 1) * PAGE).take(PAGE).collect();
            let page = answer(200).body(page.into_iter().cloned().collect::<Value>().to_string());
            if number * PAGE >= shown.len() {
                return page;
            }
            let host = &asked.headers["host"];
            let (path, _) = asked.path.split_once('?').expect("pages are asked for");
            let next = format!("http://{host}{path}?per_page=100&page={}", number + 1);
            page.header(
                "Link",
                &format!("<{next}>; rel=\"next\", <{next}>; rel=\"last\""),
            )
        }
    }
}
