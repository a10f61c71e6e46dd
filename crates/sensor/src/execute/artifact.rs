//! Fetches the objects that actions start from, wherever they are.
//!
//! Whoever is unavailable is waited for; what is not there, or is too large, is an answer. Documents
//! on web and S3 servers are kept, and only asked for again if they have changed.

mod git;
mod s3;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use reqwest::{Client, Url};
use tiphys_api::message::with_causes;
use tiphys_eventbus::jetstream;
use tiphys_lang::yaml;
use tokio::io::AsyncReadExt as _;

use super::Error;
use super::clients::{Clients, Settings, read, trust};
use super::values::Values;
use crate::action::{Artifact, KeyOf, Object, S3Object, UrlDocument};
use crate::parameter::Edit;
use crate::trigger::render_object;

/// The largest document on a web server, as in Argo Events.
const URL_LIMIT: usize = 512 << 10;

/// The largest object in a bucket, as in Argo Events; files may be as large.
const OBJECT_LIMIT: usize = 1_253_376;

/// How long a document may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// How many documents are kept.
const KEPT: usize = 64;

/// Fetches objects.
pub(super) struct Fetcher {
    clients: Arc<Clients>,
    values: Arc<dyn Values>,
    git: git::Repositories,
    kept: Mutex<HashMap<Artifact, Kept>>,
    now: fn() -> Timestamp,
}

/// A document as it was when the server called it by this tag.
#[derive(Clone)]
struct Kept {
    etag: http::HeaderValue,
    document: Arc<Vec<u8>>,
}

/// A request for a document.
struct Request<'r> {
    client: Client,
    url: Url,
    headers: HeaderMap,
    limit: usize,
    artifact: &'r Artifact,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetcher")
    }
}

impl Fetcher {
    pub(super) fn new(
        clients: Arc<Clients>,
        values: Arc<dyn Values>,
        now: fn() -> Timestamp,
    ) -> Self {
        let git = git::Repositories::new(Arc::clone(&values));
        Self {
            clients,
            values,
            git,
            kept: Mutex::default(),
            now,
        }
    }

    /// The object of an action, as JSON; one in the cluster only by its name.
    pub(super) async fn object(&self, object: &Object) -> Result<Vec<u8>, Error> {
        match object {
            Object::Known { object } | Object::Live { object, .. } => {
                Ok(object.get().as_bytes().to_vec())
            }
            Object::Fetched { base, edits } => {
                let document = self.fetch(base).await?;
                edit(&document, edits)
                    .map_err(|message| Error::Refused(format!("{}: {message}", name(base))))
            }
        }
    }

    async fn fetch(&self, artifact: &Artifact) -> Result<Arc<Vec<u8>>, Error> {
        match artifact {
            Artifact::File { path } => file(path).await.map(Arc::new),
            Artifact::Configmap(key) => self.config_map(key).await.map(Arc::new),
            Artifact::Git(file) => self.git.read(file, OBJECT_LIMIT).await.map(Arc::new),
            Artifact::Url(document) => self.url(document, artifact).await,
            Artifact::S3(object) => self.s3(object, artifact).await,
        }
    }

    async fn config_map(&self, key: &KeyOf) -> Result<Vec<u8>, Error> {
        Ok(self.values.config_map(key).await?.bytes().to_vec())
    }

    async fn url(
        &self,
        document: &UrlDocument,
        artifact: &Artifact,
    ) -> Result<Arc<Vec<u8>>, Error> {
        let tls = jetstream::Tls {
            insecure_skip_verify: !document.verify_cert,
            ..jetstream::Tls::default()
        };
        let client = self.clients.get(&Settings {
            tls,
            proxies: true,
            follows: true,
        })?;
        let url = parse(&document.url)?;
        let headers = HeaderMap::new();
        self.document(Request {
            client,
            url,
            headers,
            limit: URL_LIMIT,
            artifact,
        })
        .await
    }

    async fn s3(&self, object: &S3Object, artifact: &Artifact) -> Result<Arc<Vec<u8>>, Error> {
        let tls = trust(object.authorities.as_ref(), &*self.values).await?;
        let client = self.clients.get(&Settings {
            tls,
            proxies: true,
            follows: false,
        })?;
        let url = parse(&s3::url(object))?;
        let headers = match &object.login {
            None => HeaderMap::new(),
            Some((access_key, secret_key)) => {
                let login = s3::Login {
                    access_key: self.values.find(access_key).await?.text(),
                    secret_key: self.values.find(secret_key).await?.text(),
                };
                s3::sign(&url, &object.region, &login, (self.now)()).map_err(Error::Refused)?
            }
        };
        self.document(Request {
            client,
            url,
            headers,
            limit: OBJECT_LIMIT,
            artifact,
        })
        .await
    }

    /// A document of a web server; what has not changed is not sent again.
    async fn document(&self, request: Request<'_>) -> Result<Arc<Vec<u8>>, Error> {
        let act = format!("get {}", name(request.artifact));
        match tokio::time::timeout(FETCH_TIMEOUT, self.ask(request, &act)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::unavailable(format!(
                "{act}: no answer in {} s",
                FETCH_TIMEOUT.as_secs()
            ))),
        }
    }

    async fn ask(&self, request: Request<'_>, act: &str) -> Result<Arc<Vec<u8>>, Error> {
        let Request {
            client,
            url,
            mut headers,
            limit,
            artifact,
        } = request;
        let kept = self
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(artifact)
            .cloned();
        if let Some(kept) = &kept {
            headers.insert(IF_NONE_MATCH, kept.etag.clone());
        }
        let unavailable = |error: reqwest::Error| {
            Error::unavailable(format!("{act}: {}", with_causes(&error.without_url())))
        };
        let mut response = client
            .get(url)
            .headers(headers)
            .send()
            .await
            .map_err(unavailable)?;
        let status = response.status();
        match (status, kept) {
            (StatusCode::NOT_MODIFIED, Some(kept)) => return Ok(kept.document),
            (StatusCode::OK, _) => {}
            _ => return Err(refusal(status, act)),
        }
        let etag = response.headers().get(ETAG).cloned();
        let (document, is_longer) = read(&mut response, limit).await.map_err(unavailable)?;
        if is_longer {
            return Err(Error::Refused(format!(
                "{act}: it has more than {limit} bytes"
            )));
        }
        let document = Arc::new(document);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        match etag {
            Some(etag) => {
                kept.insert(
                    artifact.clone(),
                    Kept {
                        etag,
                        document: Arc::clone(&document),
                    },
                );
            }
            None => drop(kept.remove(artifact)),
        }
        Ok(document)
    }
}

/// What a status other than 200 means.
fn refusal(status: StatusCode, act: &str) -> Error {
    let message = format!("{act}: {status}");
    match status.as_u16() {
        401 | 403 => Error::Unavailable {
            message,
            hint: Some("the server wants another login, or this one has to be allowed".to_owned()),
            retry_after: None,
        },
        408 | 429 | 500.. => Error::unavailable(message),
        _ => Error::Refused(message),
    }
}

fn parse(url: &str) -> Result<Url, Error> {
    Url::parse(url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| Error::Refused(format!("{url:?} is no URL of a web server")))
}

async fn file(path: &str) -> Result<Vec<u8>, Error> {
    let unavailable = |error: std::io::Error| Error::Unavailable {
        message: format!("read {path}: {error}"),
        hint: Some("the file has to be mounted there, by `spec.template`".to_owned()),
        retry_after: None,
    };
    let mut bytes = Vec::new();
    let file = tokio::fs::File::open(path).await.map_err(unavailable)?;
    let limit = u64::try_from(OBJECT_LIMIT).unwrap_or(u64::MAX);
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .await
        .map_err(unavailable)?;
    if bytes.len() > OBJECT_LIMIT {
        return Err(Error::Refused(format!(
            "{path} has more than {OBJECT_LIMIT} bytes"
        )));
    }
    Ok(bytes)
}

/// An artifact, for people.
fn name(artifact: &Artifact) -> String {
    match artifact {
        Artifact::File { path } => path.clone(),
        Artifact::Url(document) => without_login(&document.url),
        Artifact::Configmap(KeyOf {
            namespace,
            name,
            key,
        }) => {
            format!("key {key} of ConfigMap {namespace}/{name}")
        }
        Artifact::S3(object) => format!(
            "s3://{}/{} at {}",
            object.bucket, object.key, object.endpoint
        ),
        Artifact::Git(file) => format!("{} of {}", file.path, without_login(&file.url)),
    }
}

/// A URL as it may be told.
fn without_login(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = authority
                .rsplit_once('@')
                .map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}/{path}")
        }
        None => url.to_owned(),
    }
}

/// A fetched document as an object, with edits.
fn edit(document: &[u8], edits: &[Edit]) -> Result<Vec<u8>, String> {
    let mut object = yaml::to_json(document).map_err(|error| error.to_string())?;
    for edit in edits {
        edit.apply(&mut object)
            .map_err(|error| with_causes(&error))?;
    }
    render_object(&object).map(String::into_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_in_a_url_is_not_told() {
        for (url, expected) in [
            ("https://user:p@ss@host/x@y", "https://host/x@y"),
            ("https://host/x", "https://host/x"),
            ("git@host:x.git", "git@host:x.git"),
        ] {
            assert_eq!(without_login(url), expected);
        }
    }

    #[test]
    fn what_a_server_says_is_an_answer_or_a_reason_to_wait() {
        for (status, waits) in [
            (404, false),
            (410, false),
            (401, true),
            (429, true),
            (503, true),
        ] {
            let error = refusal(StatusCode::from_u16(status).unwrap(), "get x");
            assert_eq!(
                matches!(error, Error::Unavailable { .. }),
                waits,
                "{status}"
            );
        }
    }

    #[test]
    fn a_fetched_document_is_edited_as_an_object() {
        let edit_name = Edit {
            dest: "metadata.name".into(),
            operation: tiphys_api::ParameterOperation::Append,
            value: "-1".into(),
            raw: false,
            fell_back: false,
        };
        let object = edit(b"kind: Job\nmetadata:\n  name: a\n", &[edit_name]).unwrap();
        assert_eq!(object, br#"{"kind":"Job","metadata":{"name":"a-1"}}"#);
        assert!(edit(b"[1]", &[]).is_err());
    }
}
