//! Schema registries that speak as Confluent's does: schemas by their numbers.

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http::header::ACCEPT;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use tiphys_api::SchemaRegistryConfig;
use tiphys_api::message::with_causes;
use tiphys_base::text::without_passwords;
use tiphys_base::{Cache, Reason};

use super::Schema;
use crate::http::{Settings, excerpt, parse, read};
use crate::{BasicAuth, Clients};

/// How many schemas are kept.
const KEPT: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The largest schema, in bytes.
const LARGEST_SCHEMA: usize = 1 << 20;

/// How many schemas one may refer to, with those that they refer to.
const REFERENCES: usize = 100;

/// What a registry says of a schema that it does not have.
const NO_SCHEMA: i64 = 40_403;

/// The first byte of a message whose schema is in a registry; its number follows in four.
const MAGIC: u8 = 0;

/// A registry, and who asks it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Registry {
    /// Its URL.
    pub url: String,
    /// Who asks it. `None`: nobody in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<BasicAuth>,
}

/// Why there is no schema.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct RegistryError {
    /// The cause in one word.
    pub reason: Reason,
    /// It is the number, or its schema: another message may have one that is there.
    pub is_of_message: bool,
    message: String,
}

/// Schemas that were asked for, which never change.
pub struct Schemas(Cache<(String, u32), Arc<Schema>>);

impl fmt::Debug for Schemas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("avro::Schemas")
    }
}

impl Default for Schemas {
    fn default() -> Self {
        Self(Cache::new(KEPT))
    }
}

/// What a registry answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Registered {
    schema: String,
    /// Nothing for Avro.
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

/// A schema that another one names.
#[derive(Deserialize)]
struct Reference {
    subject: String,
    version: u32,
}

/// What a registry says no with.
#[derive(Deserialize)]
struct Refusal {
    error_code: i64,
}

impl Registry {
    /// The registry that a spec names.
    ///
    /// # Errors
    /// If its URL is none.
    pub fn of(spec: &SchemaRegistryConfig, namespace: &str) -> Result<Self, String> {
        parse(&spec.url).map_err(|error| error.to_string())?;
        let auth = spec.auth.as_ref();
        let auth = auth.filter(|auth| auth.username.is_some() && auth.password.is_some());
        Ok(Self {
            url: spec.url.to_string(),
            auth: auth.map(|auth| BasicAuth::of(auth, namespace)),
        })
    }

    /// The schema of a number: as it was asked for before, or from the registry.
    ///
    /// # Errors
    /// If the registry cannot be reached, says no, or has another kind of schema there.
    pub async fn schema(&self, clients: &Clients, id: u32) -> Result<Arc<Schema>, RegistryError> {
        let key = (self.url.clone(), id);
        if let Some(known) = clients.schemas.0.get(&key) {
            return Ok(known);
        }
        let registered = self.ask(clients, &format!("schemas/ids/{id}")).await?;
        let of_message = |message: String| RegistryError {
            is_of_message: true,
            ..RegistryError::new(Reason::Malformed, message)
        };
        let shown = without_passwords(&self.url);
        if let Some(other) = registered.schema_type.filter(|of| of != "AVRO") {
            let message = format!("schema {id} of {shown} is of the type {other}: AVRO is read");
            return Err(of_message(message));
        }
        let known = self.references(clients, registered.references).await?;
        let schema = Schema::parse(&registered.schema, &known)
            .map_err(|error| of_message(format!("schema {id} of {shown}: {error}")))?;
        Ok(clients.schemas.0.get_or_insert(key, Arc::new(schema)))
    }

    /// The schemas that one refers to, each behind those that it refers to itself.
    async fn references(
        &self,
        clients: &Clients,
        direct: Vec<Reference>,
    ) -> Result<Vec<String>, RegistryError> {
        let mut seen = HashSet::new();
        let mut open = direct;
        let mut found = Vec::new();
        while let Some(Reference { subject, version }) = open.pop() {
            if !seen.insert((subject.clone(), version)) || seen.len() > REFERENCES {
                continue;
            }
            let subject: String = form_urlencoded::byte_serialize(subject.as_bytes()).collect();
            let path = format!(
                "subjects/{}/versions/{version}",
                subject.replace('+', "%20")
            );
            let registered = self.ask(clients, &path).await?;
            open.extend(registered.references);
            found.push(registered.schema);
        }
        found.reverse();
        Ok(found)
    }

    async fn ask(&self, clients: &Clients, path: &str) -> Result<Registered, RegistryError> {
        let of_ours = |error: crate::Error| RegistryError::new(Reason::Missing, error.to_string());
        let url = format!("{}/{path}", self.url.trim_end_matches('/'));
        let url: Url = parse(&url).map_err(of_ours)?;
        let shown = without_passwords(url.as_str());
        let client = clients.http.get(&Settings::default()).map_err(of_ours)?;
        let mut request = client.get(url).timeout(ANSWER_WITHIN).header(
            ACCEPT,
            "application/vnd.schemaregistry.v1+json, application/json",
        );
        let mut secrets = Vec::new();
        if let Some(auth) = &self.auth {
            let (name, password) = auth.resolve(&*clients.values).await.map_err(of_ours)?;
            request = request.basic_auth(name, Some(&password));
            secrets.push(password);
        }
        let lost = |error: reqwest::Error| {
            let why = with_causes(&error.without_url());
            RegistryError::new(Reason::Unreachable, format!("ask {shown}: {why}"))
        };
        let mut answer = request.send().await.map_err(lost)?;
        let status = answer.status();
        let (body, _) = read(&mut answer, LARGEST_SCHEMA).await.map_err(lost)?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| {
                let message = format!("{shown} answers no schema: {error}");
                RegistryError::new(Reason::Malformed, message)
            });
        }
        let reason = match status.as_u16() {
            401 => Reason::Unauthorized,
            403 => Reason::Forbidden,
            404 => Reason::NotFound,
            500.. => Reason::Unreachable,
            _ => Reason::Refused,
        };
        let message = format!("ask {shown}: {status}{}", excerpt(&body, &secrets));
        let refusal = serde_json::from_slice::<Refusal>(&body).ok();
        Err(RegistryError {
            is_of_message: refusal.is_some_and(|refusal| refusal.error_code == NO_SCHEMA),
            ..RegistryError::new(reason, message)
        })
    }
}

impl RegistryError {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            is_of_message: false,
            message: message.into(),
        }
    }
}

/// The number of a message's schema, and what was written with it; `None` if it names none.
pub fn framed(message: &[u8]) -> Option<(u32, &[u8])> {
    let (first, rest) = message.split_first()?;
    let (number, value) = rest.split_first_chunk()?;
    (*first == MAGIC).then(|| (u32::from_be_bytes(*number), value))
}

/// A message that names the schema that it was written with.
pub fn frame(id: u32, value: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(5 + value.len());
    message.push(MAGIC);
    message.extend(id.to_be_bytes());
    message.extend_from_slice(value);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_its_schema() {
        assert_eq!(frame(258, b"x"), b"\0\0\0\x01\x02x");
        assert_eq!(framed(b"\0\0\0\x01\x02x"), Some((258, &b"x"[..])));
        for other in [&b""[..], b"\0\0\0\x01", b"{\"n\":1}"] {
            assert_eq!(framed(other), None);
        }
    }
}
