//! What happens in a bucket of a MinIO server as a source: one pod listens, as to a message broker that
//! keeps nothing. What was created while nobody listened is found by listing the bucket, and told.

mod api;
mod progress;
mod record;
mod work;

use async_trait::async_trait;
use jiff::Timestamp;
use tiphys_api::{Problem, S3Artifact, SecretKeySelector};

use self::api::{Api, Listed, NO_MINIO};
use self::progress::ObjectState;
use self::record::{CREATED, Notification, missed, notification, payload, written};
use self::work::Work;
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::event::{Draft, Input, SimulateError};
use crate::incoming::Incoming;
use crate::served::payload::metadata;

/// The region of a server that has none.
const REGION: &str = "us-east-1";

/// What is listened to if the spec names nothing.
const EVENTS: [&str; 2] = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"];

/// Hosts of servers that are none of MinIO's.
const OTHERS: [&str; 2] = [".amazonaws.com", "storage.googleapis.com"];

/// What happens in one bucket.
#[derive(Debug)]
pub(crate) struct Minio {
    path: String,
    endpoint: String,
    insecure: bool,
    region: String,
    bucket: String,
    events: Vec<String>,
    prefix: String,
    suffix: String,
    access_key: Option<SecretKeySelector>,
    secret_key: Option<SecretKeySelector>,
    authority: Option<SecretKeySelector>,
    /// `metadata` of the spec as JSON; empty if there is none.
    metadata: String,
    /// The same of an object that was missed.
    reconciled: String,
}

impl SourceKind for Minio {
    type Spec = S3Artifact;

    fn compile(path: &str, spec: &S3Artifact) -> Result<Self, Vec<Problem>> {
        let host = spec.endpoint.split(':').next().unwrap_or_default();
        if OTHERS.iter().any(|other| host.ends_with(other)) {
            let message = "this is no MinIO server";
            let problem = Problem::error(format!("{path}.endpoint"), message);
            return Err(vec![problem.with_hint(NO_MINIO)]);
        }
        let filter = spec.filter.clone().unwrap_or_default();
        let bucket = spec.bucket.as_ref().map(|bucket| bucket.name.to_string());
        let mut events = (*spec.events).clone();
        if events.is_empty() {
            events = EVENTS.map(str::to_owned).to_vec();
        }
        let mut reconciled = (*spec.metadata).clone();
        reconciled.insert("reconciled".to_owned(), "true".to_owned());
        let region = Some(spec.region.to_string()).filter(|region| !region.is_empty());
        Ok(Self {
            path: path.to_owned(),
            endpoint: spec.endpoint.to_string(),
            insecure: *spec.insecure,
            region: region.unwrap_or_else(|| REGION.to_owned()),
            bucket: bucket.unwrap_or_default(),
            events,
            prefix: filter.prefix.to_string(),
            suffix: filter.suffix.to_string(),
            access_key: spec.access_key.clone(),
            secret_key: spec.secret_key.clone(),
            authority: spec.ca_certificate.clone(),
            metadata: metadata(&spec.metadata),
            reconciled: metadata(&reconciled),
        })
    }
}

#[async_trait]
impl Source for Minio {
    fn placement(&self) -> Placement {
        Placement::LeaseHolder
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        let api = Api::open(self, context).await?;
        tokio::select! {
            biased;
            () = context.shutdown().cancelled() => return Ok(()),
            work = Work::open(self, context, &api) => work?,
        }
        .run()
        .await
    }

    fn draft(&self, input: &Input<'_>, now: Timestamp) -> Result<Draft, SimulateError> {
        let said = match input {
            Input::Example => {
                let key = format!("{}example{}", self.prefix, self.suffix);
                let object = ObjectState {
                    key: written(&key),
                    etag: "5eb63bbbe01eeed093cb22bb8f5acdc3".to_owned(),
                };
                let records = missed((&self.bucket, &self.region), &object, 11, now);
                return Ok(Draft::of(payload(&records, &self.metadata)));
            }
            // As MinIO sends it: `{"Records": [...]}`.
            Input::Body { body, .. } => notification(body),
            _ => return Err(input.unfit("minio")),
        };
        let said = said.map_err(|error| SimulateError::Refused(error.to_string()))?;
        let said = said.ok_or_else(|| SimulateError::Refused("there are no records".to_owned()))?;
        Ok(Draft {
            identity: self.incoming(&said).id,
            ..Draft::of(payload(&said.records, &self.metadata))
        })
    }
}

impl Minio {
    fn incoming(&self, said: &Notification) -> Incoming {
        let incoming = Incoming::new(payload(&said.records, &self.metadata));
        if said.id.is_empty() {
            incoming
        } else {
            incoming.identified_by(said.id.iter().cloned())
        }
    }

    /// The event of an object that nobody has told of.
    fn missed(&self, listed: &Listed) -> Incoming {
        let Listed {
            object,
            size,
            modified,
        } = listed;
        let records = missed((&self.bucket, &self.region), object, *size, *modified);
        let ObjectState { key, etag } = object.clone();
        let parts = [self.bucket.clone(), key, etag, modified.to_string()];
        Incoming::new(payload(&records, &self.reconciled)).identified_by(parts)
    }

    /// Whether objects that are created are told of.
    fn hears_of_created(&self) -> bool {
        self.events.iter().any(|event| event.starts_with(CREATED))
    }

    /// Whether an object of a list is one that is listened to; its prefix is.
    fn is_watched(&self, key: &str) -> bool {
        key.ends_with(&written(&self.suffix))
    }
}

#[cfg(test)]
mod tests;
