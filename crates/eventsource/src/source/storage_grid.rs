//! NetApp StorageGRID as a source: what happens to the objects of a bucket.
//!
//! StorageGRID calls as if its endpoint were a topic of SNS: with a form, whose field `Message` has the
//! records. Payload, as that of Argo Events: `{"notification": {"Action": …, "Message": {"Records": …},
//! "TopicArn": …, "Version": …}, "metadata": …}`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tiphys_api::{Problem, StorageGridEventSource, WebhookContext};

use super::called::{Called, Caller, Said};
use super::hooks::{self, Hook, Hooks, Managed};
use super::rest::{Rest, login, segment};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::incoming::Incoming;
use crate::served::body::form;
use crate::served::payload::member;
use crate::served::{Refusal, Request, Response, text};

const HINT: &str = "authToken names a token of a tenant user who may manage endpoints and buckets";

/// What StorageGRID takes for a topic's answer.
const PUBLISHED: &str = concat!(
    "<PublishResponse xmlns=\"http://argoevents-sns-server/\"><PublishResult>",
    "<MessageId>0</MessageId></PublishResult><ResponseMetadata><RequestId>0</RequestId>",
    "</ResponseMetadata></PublishResponse>\n"
);

/// Notifications of StorageGRID.
pub(crate) type StorageGrid = Called<StorageGridTenant>;

/// A tenant of StorageGRID.
#[derive(Debug)]
pub(crate) struct StorageGridTenant {
    managed: Option<Managed>,
    spec: StorageGridEventSource,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, rename = "Records", default)]
    records: Vec<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Record {
    #[serde(rename = "eventTime")]
    time: String,
    s3: Place,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Place {
    object: Object,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Object {
    key: String,
    sequencer: String,
}

#[async_trait]
impl Caller for StorageGridTenant {
    type Spec = StorageGridEventSource;

    const KIND: &'static str = "storageGrid";
    const HEADERS: &'static [(&'static str, &'static str)] =
        &[("Content-Type", "application/x-www-form-urlencoded")];
    const EXAMPLE: &'static str = concat!(
        "Action=Publish&Message=%7B%22Records%22%3A%5B%7B%22eventVersion%22%3A%222.0%22%2C",
        "%22eventTime%22%3A%222026-01-02T03%3A04%3A05Z%22%2C%22eventName%22%3A%22ObjectCreated%3APut%22%2C",
        "%22s3%22%3A%7B%22bucket%22%3A%7B%22name%22%3A%22harbour%22%7D%2C%22object%22%3A%7B",
        "%22key%22%3A%22mast.yaml%22%2C%22size%22%3A1024%2C%22eTag%22%3A%22d41d8cd98f00b204%22%2C",
        "%22sequencer%22%3A%2215C2B7C3%22%7D%7D%7D%5D%7D",
        "&TopicArn=urn%3Aexample%3Asns%3Aus-east-1%3A%3Aevents&Version=2010-03-31"
    );

    fn compile(_: &str, spec: &StorageGridEventSource) -> Result<Self, Vec<Problem>> {
        Ok(Self {
            managed: Managed::of(spec.webhook.as_ref(), false)
                .filter(|_| spec.auth_token.is_some()),
            spec: spec.clone(),
        })
    }

    fn endpoint(spec: &StorageGridEventSource) -> (Option<&WebhookContext>, &'static str) {
        (spec.webhook.as_ref(), "webhook")
    }

    fn metadata(spec: &StorageGridEventSource) -> &BTreeMap<String, String> {
        &spec.metadata
    }

    fn read(&self, request: &Request, metadata: &str) -> Result<Said, Refusal> {
        let malformed = || {
            let message = "the body is no notification of StorageGRID";
            Refusal::new(StatusCode::BAD_REQUEST, message)
        };
        let fields = form(&request.body)?;
        let first = |name: &str| {
            let values = fields.get(name);
            values
                .and_then(|values| values.first())
                .map_or("", |value| value)
        };
        let message = first("Message");
        let Message { records } = serde_json::from_str(message).map_err(|_| malformed())?;
        // A test of the endpoint has none.
        let Some(record) = records.first() else {
            return Ok(Said::Answer(published()));
        };
        let Record { time, s3 } = serde_json::from_str(record.get()).map_err(|_| malformed())?;
        let Object { key, sequencer } = s3.object;
        if let Some(filter) = &self.spec.filter
            && !(key.starts_with(filter.prefix.as_str()) && key.ends_with(filter.suffix.as_str()))
        {
            return Ok(Said::Answer(published()));
        }
        let text = |name: &str| Value::from(first(name));
        let notification = format!(
            r#"{{"Action":{},"Message":{message},"TopicArn":{},"Version":{}}}"#,
            text("Action"),
            text("TopicArn"),
            text("Version"),
        );
        let payload = member("notification", notification.as_bytes(), metadata);
        let event = Incoming::new(payload);
        Ok(Said::Events(vec![if sequencer.is_empty() {
            event
        } else {
            event.identified_by([time, key, sequencer])
        }]))
    }

    fn success(&self) -> Response {
        published()
    }

    fn managed(&self) -> Option<&Managed> {
        self.managed.as_ref()
    }

    async fn hooks(&self, context: &SourceContext) -> Result<Box<dyn Hooks>, SourceError> {
        let (Some(managed), Some(token)) = (&self.managed, &self.spec.auth_token) else {
            return hooks::none(Self::KIND);
        };
        let token = context.secret(token).await?.text();
        let login = login(AUTHORIZATION, &format!("Bearer {}", token.trim()))?;
        let tls = context
            .tls(self.spec.tls.as_ref())
            .await?
            .unwrap_or_default();
        let base = ("apiURL", self.spec.api_url.as_str());
        Ok(Box::new(Api {
            rest: Rest::new(context, base, tls, login, HINT)?,
            spec: self.spec.clone(),
            name: context.event().name.to_string(),
            url: managed.url.clone(),
        }))
    }
}

fn published() -> Response {
    let mut response = text(StatusCode::OK, PUBLISHED);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}

/// Asks StorageGRID.
struct Api {
    rest: Rest,
    spec: StorageGridEventSource,
    name: String,
    url: String,
}

#[derive(Deserialize)]
struct Endpoints {
    #[serde(default)]
    data: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    id: String,
    #[serde(rename = "endpointURI", default)]
    uri: String,
    #[serde(rename = "endpointURN", default)]
    urn: String,
}

impl Api {
    fn wanted(&self) -> Value {
        json!({
            "displayName": self.name,
            "endpointURI": self.url,
            "endpointURN": *self.spec.topic_arn,
            "authType": "anonymous",
            "insecureTLS": true,
        })
    }

    /// Has the bucket tell the endpoint.
    async fn notify(&self) -> Result<(), SourceError> {
        let mut events = String::new();
        for event in self.spec.events.iter() {
            events.extend(["<Event>", &escape(event), "</Event>"]);
        }
        let notification = format!(
            "<NotificationConfiguration><TopicConfiguration><Id>{}</Id><Topic>{}</Topic>{events}\
             </TopicConfiguration></NotificationConfiguration>",
            escape(&self.name),
            escape(&self.spec.topic_arn),
        );
        let bucket = &*self.spec.bucket;
        let act = format!("have bucket {bucket} notify {}", self.url);
        let path = format!("org/containers/{}/notification", segment(bucket));
        let body = json!({"notification": notification});
        self.rest.send(&act, Method::PUT, &path, &body).await
    }
}

/// A text in XML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[async_trait]
impl Hooks for Api {
    fn secret(&self) -> &[u8] {
        &[]
    }

    async fn places(&self) -> Result<Vec<String>, SourceError> {
        Ok(vec!["org/endpoints".to_owned()])
    }

    async fn list(&self, place: &str) -> Result<Vec<Hook>, SourceError> {
        let url = self.rest.url(place)?;
        let answer = self
            .rest
            .call("list the endpoints", Method::GET, url, None)
            .await?;
        let Endpoints { data } = answer.json()?;
        // An endpoint is known by its topic: one that calls elsewhere is ours all the same.
        let ours = data
            .into_iter()
            .filter(|one| one.urn == *self.spec.topic_arn);
        Ok(ours
            .map(|one| Hook {
                id: one.id,
                url: self.url.clone(),
                is_current: one.uri == self.url,
            })
            .collect())
    }

    async fn create(&self, place: &str) -> Result<(), SourceError> {
        let body = self.wanted();
        self.rest
            .send("make an endpoint", Method::POST, place, &body)
            .await?;
        self.notify().await
    }

    async fn update(&self, place: &str, id: &str) -> Result<(), SourceError> {
        let path = format!("{place}/{}", segment(id));
        let body = self.wanted();
        self.rest
            .send("update the endpoint", Method::PUT, &path, &body)
            .await?;
        self.notify().await
    }

    async fn delete(&self, place: &str, id: &str) -> Result<(), SourceError> {
        let path = format!("{place}/{}", segment(id));
        self.rest.remove("remove an endpoint", &path).await
    }
}
