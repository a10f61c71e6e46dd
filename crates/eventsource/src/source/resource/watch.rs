//! Lists and watches as the API server speaks them, read as bytes.
//!
//! A list is streamed where the server can (KEP-3157), and comes in pages elsewhere. Objects are
//! never decoded: their bytes go into the events.

mod answer;
mod lines;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use kube::Client;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tiphys_base::backoff::jittered;
use tokio::time::timeout;

pub(super) use self::answer::{Line, Page};
pub(super) use self::lines::Lines;
use super::Endpoint;
use super::error::Error;
use super::object::Version;

/// How long the server keeps a watch open: the lower end of what informers ask for.
const WATCH_FOR: Duration = Duration::from_secs(290);

/// How long the answer to a request may take to begin; lists of large clusters take their time.
const ANSWER_WITHIN: Duration = Duration::from_mins(1);

/// Objects in a page of a list.
const PAGE: usize = 500;

/// Asks the API server about one type of objects.
pub(super) struct Watcher {
    client: Client,
    endpoint: Endpoint,
    selector: String,
    target: Arc<str>,
    /// The server takes streamed lists.
    streams: AtomicBool,
}

/// Where a watch begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum From<'a> {
    /// With all objects.
    List,
    /// After this.
    Version(&'a Version),
}

impl Watcher {
    pub(super) fn new(client: Client, endpoint: Endpoint, selector: &str) -> Self {
        let target = endpoint.to_string().into();
        let streams = AtomicBool::new(true);
        Self {
            client,
            endpoint,
            selector: selector.to_owned(),
            target,
            streams,
        }
    }

    /// What is asked for, in words.
    pub(super) fn target(&self) -> &Arc<str> {
        &self.target
    }

    /// What is asked for.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether lists are to be streamed.
    pub(super) fn streams(&self) -> bool {
        self.streams.load(Ordering::Relaxed)
    }

    /// From here on, lists come in pages.
    pub(super) fn do_not_stream(&self) {
        self.streams.store(false, Ordering::Relaxed);
    }

    /// Objects of this type have no namespace, so the one that was given is left out.
    pub(super) fn ignore_namespace(&mut self) {
        self.endpoint.namespace = None;
        self.target = self.endpoint.to_string().into();
    }

    /// Opens a watch.
    pub(super) async fn watch(&self, from: From<'_>) -> Result<Lines, Error> {
        let duration = jittered(WATCH_FOR);
        let mut query = self.query();
        query.push("watch", "true");
        query.push("allowWatchBookmarks", "true");
        query.push("timeoutSeconds", &duration.as_secs().to_string());
        match from {
            From::List => {
                query.push("sendInitialEvents", "true");
                query.push("resourceVersionMatch", "NotOlderThan");
            }
            From::Version(version) => query.push("resourceVersion", version.as_str()),
        }
        let opening = self.client.request_stream(self.request(&query)?);
        let reader = match timeout(ANSWER_WITHIN, opening).await {
            Ok(Ok(reader)) => reader,
            Ok(Err(source)) => return Err(self.failed("watch", source)),
            Err(_) => return Err(self.silent("watch")),
        };
        Ok(Lines::new(self.target.clone(), Box::pin(reader), duration))
    }

    /// Reads a page of a list; the first one without a token.
    pub(super) async fn page(&self, token: Option<&str>) -> Result<Page, Error> {
        let mut query = self.query();
        query.push("limit", &PAGE.to_string());
        if let Some(token) = token {
            query.push("continue", token);
        }
        let reading = self.client.request_text(self.request(&query)?);
        let text = match timeout(ANSWER_WITHIN, reading).await {
            Ok(Ok(text)) => text,
            Ok(Err(source)) => return Err(self.failed("list", source)),
            Err(_) => return Err(self.silent("list")),
        };
        Page::read(&Bytes::from(text)).map_err(|source| self.malformed(source))
    }

    /// Whether objects of this type belong into namespaces; `None` if the server does not know it.
    pub(super) async fn is_namespaced(&self) -> Result<Option<bool>, Error> {
        let request = self.get(self.endpoint.group_path())?;
        let reading = self.client.request_text(request);
        match timeout(ANSWER_WITHIN, reading).await {
            Ok(Ok(text)) => answer::scope(&text, &self.endpoint.resource)
                .map_err(|source| self.malformed(source)),
            Ok(Err(source)) => Err(self.failed("discover", source)),
            Err(_) => Err(self.silent("discover")),
        }
    }

    fn query(&self) -> Query {
        let mut query = Query(self.endpoint.path());
        if !self.selector.is_empty() {
            query.push("labelSelector", &self.selector);
        }
        query
    }

    fn request(&self, query: &Query) -> Result<Request<Vec<u8>>, Error> {
        self.get(query.0.clone())
    }

    fn get(&self, path: String) -> Result<Request<Vec<u8>>, Error> {
        Request::get(path)
            .body(Vec::new())
            .map_err(|error| self.failed("ask for", kube::Error::HttpError(error)))
    }

    fn failed(&self, verb: &'static str, source: kube::Error) -> Error {
        Error::Request {
            verb,
            target: self.target.clone(),
            source: Box::new(source),
        }
    }

    fn silent(&self, verb: &'static str) -> Error {
        Error::Silent {
            verb,
            target: self.target.clone(),
        }
    }

    fn malformed(&self, source: serde_json::Error) -> Error {
        Error::Malformed {
            target: self.target.clone(),
            source,
        }
    }
}

/// Everything that RFC 3986 does not call unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A path with a query.
struct Query(String);

impl Query {
    fn push(&mut self, name: &str, value: &str) {
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        self.0.push_str(name);
        self.0.push('=');
        self.0.extend(utf8_percent_encode(value, RESERVED));
    }
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn queries_are_escaped() {
        let mut query = Query("/api/v1/pods".to_owned());
        query.push("labelSelector", "a in (b,c),!d");
        query.push("limit", "5");
        assert_eq!(
            query.0,
            "/api/v1/pods?labelSelector=a%20in%20%28b%2Cc%29%2C%21d&limit=5"
        );
    }
}
