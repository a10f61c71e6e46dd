//! Gets the documents of artifacts, wherever they are.
//!
//! Who is unavailable is waited for; what is not there, or is too large, is an answer. Documents on web
//! and S3 servers are kept, and only asked for again if they have changed.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use reqwest::{Client, Url};
use tiphys_api::message::with_causes;
use tiphys_base::Cache;
use tiphys_clients::http::{Settings, parse, read};
use tiphys_clients::tls::Tls;
use tiphys_clients::{Clients, Error, KeyOf, s3};
use tiphys_lang::json::Value;
use tiphys_lang::yaml;
use tokio::io::AsyncReadExt as _;

use super::{Artifact, UrlDocument, git};
use crate::parameter::Edit;
use crate::trigger::object::{Object, read_object};

/// The largest document on a web server, as in Argo Events.
const URL_LIMIT: usize = 512 << 10;

/// The largest object in a bucket, as in Argo Events; files may be as large.
const OBJECT_LIMIT: usize = 1_253_376;

/// How long a document may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// How many documents are kept.
const KEPT: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// How many bytes they take: a dozen of the largest.
const KEPT_BYTES: usize = 16 << 20;

/// Fetches objects.
pub(in crate::trigger) struct Fetcher {
    clients: Arc<Clients>,
    git: git::Repositories,
    kept: Cache<Artifact, Kept>,
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
    pub(in crate::trigger) fn new(clients: Arc<Clients>, now: fn() -> Timestamp) -> Self {
        Self {
            git: git::Repositories::new(Arc::clone(&clients)),
            clients,
            kept: Cache::within(KEPT, KEPT_BYTES, |kept: &Kept| kept.document.len()),
            now,
        }
    }

    /// The object of an action; one in the cluster only by its name.
    pub(in crate::trigger) async fn object(&self, object: &Object) -> Result<Arc<Value>, Error> {
        match object {
            Object::Known { object } | Object::Live { object, .. } => Ok(Arc::clone(object)),
            Object::Fetched { base, edits } => {
                let document = self.fetch(base).await?;
                edit(&document, edits)
                    .map(Arc::new)
                    .map_err(|message| Error::refused(format!("{}: {message}", name(base))))
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
        Ok(self.clients.values.config_map(key).await?.bytes().to_vec())
    }

    async fn url(
        &self,
        document: &UrlDocument,
        artifact: &Artifact,
    ) -> Result<Arc<Vec<u8>>, Error> {
        let tls = Tls {
            insecure_skip_verify: !document.verify_cert,
            ..Tls::default()
        };
        let client = self.clients.http.get(&Settings {
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

    async fn s3(&self, object: &s3::Object, artifact: &Artifact) -> Result<Arc<Vec<u8>>, Error> {
        let s3::Request {
            settings,
            url,
            headers,
        } = object.request(&*self.clients.values, (self.now)()).await?;
        self.document(Request {
            client: self.clients.http.get(&settings)?,
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
        let kept = self.kept.get(artifact);
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
            return Err(Error::refused(format!(
                "{act}: it has more than {limit} bytes"
            )));
        }
        let document = Arc::new(document);
        match etag {
            Some(etag) => {
                let document = Arc::clone(&document);
                self.kept.insert(artifact.clone(), Kept { etag, document });
            }
            None => self.kept.remove(artifact),
        }
        Ok(document)
    }
}

/// What a status other than 200 means.
fn refusal(status: StatusCode, act: &str) -> Error {
    let message = format!("{act}: {status}");
    match status.as_u16() {
        401 | 403 => Error::unavailable(message)
            .with_hint("the server wants another login, or this one has to be allowed"),
        408 | 429 | 500.. => Error::unavailable(message),
        _ => Error::refused(message),
    }
}

async fn file(path: &str) -> Result<Vec<u8>, Error> {
    let unavailable = |error: std::io::Error| {
        Error::unavailable(format!("read {path}: {error}"))
            .with_hint("the file has to be mounted there, by `spec.template`")
    };
    let mut bytes = Vec::new();
    let file = tokio::fs::File::open(path).await.map_err(unavailable)?;
    let limit = u64::try_from(OBJECT_LIMIT).unwrap_or(u64::MAX);
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .await
        .map_err(unavailable)?;
    if bytes.len() > OBJECT_LIMIT {
        return Err(Error::refused(format!(
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
pub(super) fn without_login(url: &str) -> String {
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
fn edit(document: &[u8], edits: &[Edit]) -> Result<Value, String> {
    let mut object = yaml::to_json(document).map_err(|error| error.to_string())?;
    for edit in edits {
        edit.apply(&mut object)
            .map_err(|error| with_causes(&error))?;
    }
    read_object(&object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameter::Parameter;
    use crate::view::Views;

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
        let spec = serde_json::from_str(
            r#"{"src":{"dependencyName":"a","value":"-1"},"dest":"metadata.name","operation":"append"}"#,
        );
        let parameter = Parameter::compile(&spec.unwrap(), "p", &mut Vec::new()).unwrap();
        let append = parameter.edit(&Views::new([])).unwrap().unwrap();
        let object = edit(b"kind: Job\nmetadata:\n  name: a\n", &[append]).unwrap();
        assert_eq!(
            object.to_go_json(),
            r#"{"kind":"Job","metadata":{"name":"a-1"}}"#
        );
        assert!(edit(b"[1]", &[]).is_err());
    }
}
