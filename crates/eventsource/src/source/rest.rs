//! Calls of the web APIs where hooks are kept: who is asked, as whom, and what an answer means.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK};
use http::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tiphys_api::message::shortened;
use tiphys_clients::http::{Settings, parse, read};
use tiphys_clients::tls::Tls;
use tiphys_clients::{Clients, Error, github};
use tokio::time::timeout;

use crate::context::SourceContext;
use crate::error::{Reason, SourceError};

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The largest answer that is read, in bytes.
const LARGEST_ANSWER: usize = 8 * 1024 * 1024;

/// How much of what an API says of a failure is reported, in bytes.
const LONGEST_REASON: usize = 200;

/// What is encoded in a part of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// How many pages of a list are read.
const MOST_PAGES: usize = 1_000;

/// An API, and who asks it.
#[derive(Debug)]
pub(crate) struct Rest {
    client: Client,
    /// Ends with a slash.
    base: Url,
    who: Who,
    /// What a human can do if it does not let us.
    hint: &'static str,
}

/// How an API knows who asks.
#[derive(Debug)]
pub(crate) enum Who {
    /// By headers.
    Headers(HeaderMap),
    /// By tokens that are given to a GitHub App.
    App(github::App, Arc<Clients>),
}

/// What an API is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body<'a> {
    Json(&'a Value),
    Form(&'a str),
}

/// What an API answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    act: String,
}

impl From<HeaderMap> for Who {
    fn from(headers: HeaderMap) -> Self {
        Self::Headers(headers)
    }
}

impl Rest {
    /// The API at `base`, and who asks it.
    ///
    /// # Errors
    /// If `base` is no URL, or the TLS settings make no sense.
    pub(crate) fn new(
        context: &SourceContext,
        (field, base): (&str, &str),
        tls: Tls,
        who: impl Into<Who>,
        hint: &'static str,
    ) -> Result<Self, SourceError> {
        let settings = Settings {
            tls,
            proxies: true,
            // A login is for this server alone.
            follows: false,
        };
        let failed = |reason, error: tiphys_clients::Error| {
            SourceError::new(reason, format!("use {field}")).because(error)
        };
        let with_slash = format!("{}/", base.trim_end_matches('/'));
        let base = parse(&with_slash).map_err(|error| failed(Reason::Invalid, error))?;
        let client = context.clients().http.get(&settings);
        Ok(Self {
            client: client.map_err(|error| failed(Reason::Configuration, error))?,
            base,
            who: who.into(),
            hint,
        })
    }

    /// The URL of `path`, whose parts are encoded already.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn url(&self, path: &str) -> Result<Url, SourceError> {
        let failed = || SourceError::new(Reason::Invalid, format!("make a URL of {path:?}"));
        // Whoever reads a URL takes these for steps in its path, encoded or not.
        let (steps, _) = path.split_once('?').unwrap_or((path, ""));
        if steps.split('/').any(|step| matches!(step, "." | "..")) {
            return Err(failed().because("a name in it is a step in a path"));
        }
        self.base
            .join(path)
            .map_err(|error| failed().because(error))
    }

    /// One call. `act` says what it is for, such as `list the hooks of o/r`.
    ///
    /// # Errors
    /// If it cannot be asked, or does not answer with success.
    pub(crate) async fn call(
        &self,
        act: &str,
        method: Method,
        url: Url,
        body: Option<Body<'_>>,
    ) -> Result<Answer, SourceError> {
        let ask = async |login| {
            self.ask(act, method.clone(), url.clone(), body, login)
                .await
        };
        let (app, clients) = match &self.who {
            Who::Headers(login) => return ask(login.clone()).await,
            Who::App(app, clients) => (app, clients),
        };
        let token = self.token(app, clients).await?;
        match ask(bearer(&token)?).await {
            Err(error) if error.reason() == Reason::Unauthorized => {
                // It was revoked before its end.
                app.forget(clients, &self.base, &token).await;
                ask(bearer(&self.token(app, clients).await?)?).await
            }
            answered => answered,
        }
    }

    async fn token(&self, app: &github::App, clients: &Clients) -> Result<String, SourceError> {
        let token = app.token(clients, &self.base).await;
        token.map_err(|error| {
            let hint = match &error {
                Error::Unavailable { hint, .. } => hint.clone().unwrap_or_default(),
                Error::Refused(_) => String::new(),
            };
            SourceError::new(Reason::Unauthorized, "log in as a GitHub App")
                .because(error)
                .with_hint(hint)
        })
    }

    async fn ask(
        &self,
        act: &str,
        method: Method,
        url: Url,
        body: Option<Body<'_>>,
        login: HeaderMap,
    ) -> Result<Answer, SourceError> {
        let failed = |reason| SourceError::new(reason, act);
        let mut request = self.client.request(method, url);
        request = request.headers(login);
        request = request.header(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(body) = body {
            let (kind, body) = match body {
                Body::Json(body) => ("application/json", body.to_string()),
                Body::Form(body) => ("application/x-www-form-urlencoded", body.to_owned()),
            };
            request = request
                .header(CONTENT_TYPE, HeaderValue::from_static(kind))
                .body(body);
        }
        let answer = async {
            let mut response = request.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok((status, headers, read(&mut response, LARGEST_ANSWER).await?))
        };
        let (status, headers, (body, is_cut)) = match timeout(ANSWER_WITHIN, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let error: reqwest::Error = error;
                return Err(failed(Reason::Unreachable).because(error.without_url()));
            }
            Err(_) => {
                let seconds = ANSWER_WITHIN.as_secs();
                return Err(
                    failed(Reason::Unreachable).because(format!("no answer in {seconds} s"))
                );
            }
        };
        if is_cut {
            return Err(failed(Reason::Malformed).because("the answer is too large"));
        }
        if status.is_success() {
            let act = act.to_owned();
            return Ok(Answer { headers, body, act });
        }
        let reason = reason(status, &headers);
        let error = failed(reason).because(what_it_says(status, &body));
        Err(match reason {
            Reason::Unauthorized | Reason::Forbidden | Reason::NotFound => {
                error.with_hint(self.hint)
            }
            _ => error,
        })
    }

    /// Sends `body` to `path`, and has no use for the answer.
    ///
    /// # Errors
    /// As those of [`Self::call`].
    pub(crate) async fn send(
        &self,
        act: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<(), SourceError> {
        let url = self.url(path)?;
        self.call(act, method, url, Some(Body::Json(body)))
            .await
            .map(drop)
    }

    /// Makes a hook of a place, in the collection that the API calls `items`.
    ///
    /// # Errors
    /// As those of [`Self::call`].
    pub(crate) async fn create(
        &self,
        place: &str,
        items: &str,
        body: &Value,
    ) -> Result<(), SourceError> {
        let act = format!("make a hook of {place}");
        self.send(&act, Method::POST, &format!("{place}/{items}"), body)
            .await
    }

    /// Brings a hook up to date, by the method that the API has for it.
    ///
    /// # Errors
    /// As those of [`Self::call`].
    pub(crate) async fn update(
        &self,
        method: Method,
        (place, items, id): (&str, &str, &str),
        body: &Value,
    ) -> Result<(), SourceError> {
        let act = format!("update hook {id} of {place}");
        let path = format!("{place}/{items}/{}", segment(id));
        self.send(&act, method, &path, body).await
    }

    /// Removes a hook. If it is gone already, that is no failure.
    ///
    /// # Errors
    /// As those of [`Self::call`].
    pub(crate) async fn delete(
        &self,
        place: &str,
        items: &str,
        id: &str,
    ) -> Result<(), SourceError> {
        let act = format!("remove hook {id} of {place}");
        let path = format!("{place}/{items}/{}", segment(id));
        self.remove(&act, &path).await
    }

    /// Removes what is at `path`. If it is gone already, that is no failure.
    ///
    /// # Errors
    /// As those of [`Self::call`].
    pub(crate) async fn remove(&self, act: &str, path: &str) -> Result<(), SourceError> {
        match self.call(act, Method::DELETE, self.url(path)?, None).await {
            Err(error) if error.reason() != Reason::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// All items of a list whose pages follow each other by the `Link` header, as those of GitHub and
    /// GitLab do.
    ///
    /// # Errors
    /// As those of [`Self::call`]; also if a page leads to another server.
    pub(crate) async fn linked_pages<T: DeserializeOwned>(
        &self,
        act: &str,
        path: &str,
    ) -> Result<Vec<T>, SourceError> {
        let mut items: Vec<T> = Vec::new();
        let mut next = Some(self.url(path)?);
        let mut pages = 0;
        while let Some(url) = next.take() {
            let answer = self.call(act, Method::GET, url, None).await?;
            items.extend(answer.json::<Vec<T>>()?);
            pages += 1;
            let link = answer.headers.get(LINK).and_then(|link| link.to_str().ok());
            if let Some(link) = link.and_then(next_link) {
                next = Some(self.further(act, link, pages)?);
            }
        }
        Ok(items)
    }

    /// The URL of the page after the first `pages`: of the same server, which alone gets the login.
    ///
    /// # Errors
    /// If it is another server's, or the list does not end.
    pub(crate) fn further(&self, act: &str, link: &str, pages: usize) -> Result<Url, SourceError> {
        let malformed =
            |message: &'static str| SourceError::new(Reason::Malformed, act).because(message);
        let url = self
            .base
            .join(link)
            .map_err(|_| malformed("the link to the next page is no URL"))?;
        if url.origin() != self.base.origin() {
            return Err(malformed("the next page is on another server"));
        }
        if pages >= MOST_PAGES {
            return Err(malformed("the list does not end"));
        }
        Ok(url)
    }
}

impl Answer {
    /// Its body.
    ///
    /// # Errors
    /// If it is not what was expected.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, SourceError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| SourceError::new(Reason::Malformed, self.act.clone()).because(error))
    }
}

/// A part of a path, whatever is in it.
pub(crate) fn segment(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, SEGMENT)
}

/// What says who asks: a header that nobody prints.
///
/// # Errors
/// If a value cannot stand in a header.
pub(crate) fn login(name: HeaderName, value: &str) -> Result<HeaderMap, SourceError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        SourceError::new(Reason::Invalid, "log in").because("the token cannot stand in a header")
    })?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(name, value)]))
}

/// A token.
///
/// # Errors
/// If it cannot stand in a header.
pub(crate) fn bearer(token: &str) -> Result<HeaderMap, SourceError> {
    login(AUTHORIZATION, &format!("Bearer {token}"))
}

/// A user with a password.
///
/// # Errors
/// If they cannot stand in a header.
pub(crate) fn basic(user: &str, password: &str) -> Result<HeaderMap, SourceError> {
    let both = data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes());
    login(AUTHORIZATION, &format!("Basic {both}"))
}

/// The URL behind `rel="next"` in a `Link` header.
fn next_link(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (url, parameters) = link.trim().split_once(';')?;
        let is_next = parameters
            .split(';')
            .any(|parameter| matches!(parameter.trim(), "rel=\"next\"" | "rel=next"));
        is_next.then(|| url.trim().strip_prefix('<')?.strip_suffix('>'))?
    })
}

fn reason(status: StatusCode, headers: &HeaderMap) -> Reason {
    let left = headers.get("x-ratelimit-remaining");
    match status {
        StatusCode::FORBIDDEN if left.is_some_and(|left| left == "0") => Reason::TooManyRequests,
        StatusCode::UNAUTHORIZED => Reason::Unauthorized,
        StatusCode::FORBIDDEN => Reason::Forbidden,
        StatusCode::NOT_FOUND => Reason::NotFound,
        StatusCode::CONFLICT => Reason::Conflict,
        StatusCode::TOO_MANY_REQUESTS => Reason::TooManyRequests,
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Reason::Invalid,
        status if status.is_server_error() => Reason::Unreachable,
        _ => Reason::Refused,
    }
}

/// The status, and what the API says of it, if it says so in one of the usual ways.
fn what_it_says(status: StatusCode, body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = ["message", "error", "errors"]
        .iter()
        .find_map(|name| body.get(name));
    let Some(said) = said else {
        return status.to_string();
    };
    let text = match said {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    format!("{status}: {}", shortened(&text, LONGEST_REASON))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_the_one_that_says_so() {
        let header = "<https://h/a?page=1>; rel=\"prev\", <https://h/a?page=3>; rel=\"next\", \
                      <https://h/a?page=9>; rel=\"last\"";
        assert_eq!(next_link(header), Some("https://h/a?page=3"));
        assert_eq!(next_link("<https://h/a?page=1>; rel=\"first\""), None);
        assert_eq!(next_link("nonsense"), None);
    }

    #[test]
    fn what_an_api_says_is_told_and_cut() {
        let said = |body: &str| what_it_says(StatusCode::NOT_FOUND, body.as_bytes());
        assert_eq!(
            said(r#"{"message":"Not Found"}"#),
            "404 Not Found: Not Found"
        );
        assert_eq!(said(r#"{"error":{"a":1}}"#), r#"404 Not Found: {"a":1}"#);
        assert_eq!(said("<html>"), "404 Not Found");
        assert!(said(&format!(r#"{{"message":"{}"}}"#, "x".repeat(5_000))).len() < 300);
    }
}
