//! What is asked of a MinIO server: to tell what happens in a bucket, and what is in it.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::{Client, Response, Url};
use serde::Deserialize;
use tiphys_api::message::shortened;
use tiphys_clients::aws::{Login, ToSign, sign};
use tiphys_clients::http::{Settings, parse, read};
use tiphys_clients::s3::bucket_url;
use tiphys_clients::tls::Tls;
use tokio::time::timeout;

use super::Minio;
use super::progress::ObjectState;
use super::record::written;
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};

/// How long an answer may take to begin. MinIO answers with the first thing that it has to say, which is that
/// it is there.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How often MinIO shows that it is there, in seconds.
const PING: &str = "1";

/// The largest page that is read, in bytes: a thousand keys of the greatest length.
const LARGEST_PAGE: usize = 8 * 1024 * 1024;

/// How much of what a server says of a failure is reported, in bytes.
const LONGEST_REASON: usize = 200;

/// What a human can do if the server is none of MinIO's.
pub(super) const NO_MINIO: &str = "only MinIO tells of its objects this way; AWS S3 notifies SQS or SNS: use an event source of that type";

/// A bucket, and who asks for it.
#[derive(Debug)]
pub(super) struct Api<'a> {
    source: &'a Minio,
    context: &'a SourceContext,
    client: Client,
    url: Url,
    login: Login,
}

/// A part of a list of objects.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) objects: Vec<Listed>,
    /// Where the next part begins.
    pub(super) next: Option<String>,
}

/// An object of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) object: ObjectState,
    pub(super) size: u64,
    pub(super) modified: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    #[serde(default)]
    is_truncated: bool,
    next_continuation_token: Option<String>,
    #[serde(default)]
    contents: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    key: String,
    last_modified: String,
    #[serde(default, rename = "ETag")]
    e_tag: String,
    #[serde(default)]
    size: u64,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Refusal {
    code: String,
    message: String,
}

impl<'a> Api<'a> {
    pub(super) async fn open(
        source: &'a Minio,
        context: &'a SourceContext,
    ) -> Result<Self, SourceError> {
        let Minio { path, .. } = source;
        let failed = |reason, field: &str, error: tiphys_clients::Error| {
            SourceError::new(reason, format!("use {path}.{field}")).because(error)
        };
        let url = bucket_url(&source.endpoint, source.insecure, &source.bucket);
        let url = url.and_then(|url| parse(&url));
        let url = url.map_err(|error| failed(Reason::Invalid, "endpoint", error))?;
        let authorities = match &source.authority {
            Some(key) => Some(context.secret(key).await?.text()),
            None => None,
        };
        let settings = Settings {
            tls: Tls {
                authorities,
                ..Tls::default()
            },
            proxies: true,
            follows: false,
        };
        let client = context.clients().http.get(&settings);
        let client =
            client.map_err(|error| failed(Reason::Configuration, "caCertificate", error))?;
        let login = Login {
            access_key: context.text(source.access_key.as_ref()).await?,
            secret_key: context.text(source.secret_key.as_ref()).await?,
            session_token: None,
        };
        Ok(Self {
            source,
            context,
            client,
            url,
            login,
        })
    }

    /// Listens: the answer goes on for as long as somebody reads it. Also what time the server has.
    pub(super) async fn listen(&self) -> Result<(Response, Timestamp), SourceError> {
        let Minio {
            prefix,
            suffix,
            events,
            ..
        } = self.source;
        let events = events.iter().map(|event| ("events", event.as_str()));
        let query = [("ping", PING), ("prefix", prefix), ("suffix", suffix)];
        let act = format!("listen to bucket {}", self.source.bucket);
        let response = self.ask(&act, query.into_iter().chain(events)).await?;
        let header = |name| response.headers().get(name)?.to_str().ok();
        if header(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.contains("xml")) {
            return Err(SourceError::new(Reason::Refused, act)
                .because("the server answers with a list of objects")
                .with_hint(NO_MINIO));
        }
        let date = header("date").and_then(|date| rfc2822::parse(date).ok());
        let now = date.map_or_else(|| self.context.clock().now(), |date| date.timestamp());
        Ok((response, now))
    }

    /// The part of the list of objects that begins at `token`.
    pub(super) async fn list(&self, token: Option<String>) -> Result<Page, SourceError> {
        let act = format!("list bucket {}", self.source.bucket);
        let query = [("list-type", "2"), ("prefix", &*self.source.prefix)];
        let token = token.as_deref().map(|token| ("continuation-token", token));
        let mut response = self.ask(&act, query.into_iter().chain(token)).await?;
        let reading = timeout(ANSWER_WITHIN, read(&mut response, LARGEST_PAGE)).await;
        let (body, is_cut) = match reading {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => return Err(unreachable(act, error)),
            Err(_) => return Err(SourceError::new(Reason::Unreachable, act)),
        };
        if is_cut {
            return Err(SourceError::new(Reason::Malformed, act).because("a part is too large"));
        }
        page(&body).map_err(|why| SourceError::new(Reason::Malformed, act).because(why))
    }

    async fn ask<'q>(
        &self,
        act: &str,
        query: impl Iterator<Item = (&'q str, &'q str)>,
    ) -> Result<Response, SourceError> {
        let mut url = self.url.clone();
        url.query_pairs_mut().extend_pairs(query);
        let request = ToSign {
            method: &Method::GET,
            url: &url,
            region: &self.source.region,
            service: "s3",
            headers: &http::HeaderMap::new(),
            body: b"",
        };
        let headers = sign(&request, &self.login, self.context.clock().now()).map_err(|error| {
            SourceError::new(Reason::Invalid, act)
                .because(error)
                .with_hint(format!("check {}.accessKey", self.source.path))
        })?;
        let asking = self.client.get(url).headers(headers).send();
        let mut response = match timeout(ANSWER_WITHIN, asking).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let Minio { path, .. } = self.source;
                let hint = format!(
                    "check {path}.endpoint, {path}.caCertificate, and {path}.insecure if it has no TLS"
                );
                return Err(unreachable(act, error).with_hint(hint));
            }
            Err(_) => {
                let why = format!("no answer in {} s", ANSWER_WITHIN.as_secs());
                return Err(SourceError::new(Reason::Unreachable, act).because(why));
            }
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let said = timeout(ANSWER_WITHIN, read(&mut response, LARGEST_PAGE)).await;
        let body = said.ok().and_then(Result::ok).map(|(body, _)| body);
        Err(refused(act, status, &body.unwrap_or_default(), self.source))
    }
}

fn unreachable(act: impl Into<String>, error: reqwest::Error) -> SourceError {
    SourceError::new(Reason::Unreachable, act).because(error.without_url())
}

fn page(body: &[u8]) -> Result<Page, String> {
    let text = String::from_utf8_lossy(body);
    let list: List = quick_xml::de::from_str(&text).map_err(|error| error.to_string())?;
    let next = list.next_continuation_token.filter(|_| list.is_truncated);
    if list.is_truncated && next.is_none() {
        return Err("a part of a list does not say where it goes on".to_owned());
    }
    let objects = list.contents.into_iter().map(|entry| {
        let modified = entry.last_modified.parse();
        Ok(Listed {
            object: ObjectState {
                key: written(&entry.key),
                etag: entry.e_tag.trim_matches('"').to_owned(),
            },
            size: entry.size,
            modified: modified.map_err(|error: jiff::Error| error.to_string())?,
        })
    });
    Ok(Page {
        objects: objects.collect::<Result<_, String>>()?,
        next,
    })
}

/// What a refusal means, and what a human can do.
fn refused(act: &str, status: StatusCode, body: &[u8], source: &Minio) -> SourceError {
    let text = String::from_utf8_lossy(body);
    let Refusal { code, message } = quick_xml::de::from_str(&text).unwrap_or_default();
    let check = |field: &str| format!("check {}.{field}", source.path);
    let (reason, hint) = match &*code {
        "InvalidAccessKeyId" | "NotSignedUp" => (Reason::Unauthorized, check("accessKey")),
        "SignatureDoesNotMatch" => (Reason::Unauthorized, check("secretKey")),
        "AccessDenied" => {
            let user = check("accessKey");
            let needs = "its user needs s3:ListenBucketNotification and s3:ListBucket";
            (Reason::Forbidden, format!("{user}: {needs}"))
        }
        "NoSuchBucket" | "InvalidBucketName" => (Reason::NotFound, check("bucket.name")),
        "AuthorizationHeaderMalformed" | "PermanentRedirect" => (Reason::Invalid, check("region")),
        "InvalidArgument" => (Reason::Invalid, check("events and filter")),
        "NotImplemented" | "MethodNotAllowed" => (Reason::Refused, NO_MINIO.to_owned()),
        _ if status == StatusCode::NOT_IMPLEMENTED => (Reason::Refused, NO_MINIO.to_owned()),
        _ => (Reason::of_status(status.as_u16()), String::new()),
    };
    let why = match (&*code, &*message) {
        ("", _) => status.to_string(),
        (code, "") => format!("{status}: {code}"),
        (code, message) => format!("{status}: {code}: {}", shortened(message, LONGEST_REASON)),
    };
    SourceError::new(reason, act).because(why).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::minio::tests::compiled;
    use crate::status::chain;

    #[test]
    fn a_part_of_a_list_is_read() {
        let xml = r#"<?xml version="1.0" encoding="UTF-8"?>
            <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>harbour</Name>
            <Prefix>in/</Prefix><KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><Delimiter></Delimiter>
            <IsTruncated>true</IsTruncated><NextContinuationToken>t+1</NextContinuationToken>
            <Contents><Key>in/a b</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified>
            <ETag>&#34;5eb6&#34;</ETag><Size>11</Size><StorageClass>STANDARD</StorageClass></Contents>
            <Contents><Key>in/c</Key><LastModified>2026-01-02T03:04:06Z</LastModified><Size>0</Size>
            </Contents></ListBucketResult>"#;
        let Page { objects, next } = page(xml.as_bytes()).unwrap();
        assert_eq!(next.as_deref(), Some("t+1"));
        let listed = |key: &str, etag: &str, size, modified: &str| Listed {
            object: ObjectState {
                key: key.to_owned(),
                etag: etag.to_owned(),
            },
            size,
            modified: modified.parse().unwrap(),
        };
        assert_eq!(
            objects,
            [
                listed("in%2Fa+b", "5eb6", 11, "2026-01-02T03:04:05.678Z"),
                listed("in%2Fc", "", 0, "2026-01-02T03:04:06Z"),
            ]
        );
        let last = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        let Page { objects, next } = page(last.as_bytes()).unwrap();
        assert_eq!((objects.len(), next), (0, None));
        let torn = "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>";
        assert!(page(torn.as_bytes()).is_err());
        assert!(page(b"{}").is_err());
    }

    #[test]
    fn a_refusal_names_the_field() {
        let source = compiled("{}");
        for (status, code, reason, hint) in [
            (
                403,
                "InvalidAccessKeyId",
                Reason::Unauthorized,
                "check spec.minio.ev.accessKey",
            ),
            (
                403,
                "SignatureDoesNotMatch",
                Reason::Unauthorized,
                "check spec.minio.ev.secretKey",
            ),
            (
                403,
                "AccessDenied",
                Reason::Forbidden,
                "check spec.minio.ev.accessKey: its user needs s3:ListenBucketNotification and s3:ListBucket",
            ),
            (
                404,
                "NoSuchBucket",
                Reason::NotFound,
                "check spec.minio.ev.bucket.name",
            ),
            (
                400,
                "InvalidArgument",
                Reason::Invalid,
                "check spec.minio.ev.events and filter",
            ),
            (501, "NotImplemented", Reason::Refused, NO_MINIO),
            (503, "SlowDown", Reason::Refused, ""),
        ] {
            let body = format!("<Error><Code>{code}</Code><Message>Why.</Message></Error>");
            let status = StatusCode::from_u16(status).unwrap();
            let error = refused("listen to bucket harbour", status, body.as_bytes(), &source);
            assert_eq!(error.reason(), reason, "{code}");
            assert_eq!(error.hint(), hint);
            assert_eq!(
                chain(&error),
                format!("listen to bucket harbour: {status}: {code}: Why.")
            );
        }
        let error = refused("list bucket b", StatusCode::BAD_GATEWAY, b"<html>", &source);
        assert_eq!(chain(&error), "list bucket b: 502 Bad Gateway");
    }
}
