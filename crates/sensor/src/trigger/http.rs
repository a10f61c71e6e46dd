//! The `http` trigger: sends a request.
//!
//! Argo Events' rules: `POST` by default, no content type of its own, `headers` before
//! `dynamicHeaders` before `secureHeaders` before `basicAuth`. Mended: names of headers are compared
//! without case, a header whose dependency has no event is skipped.

mod exchange;

use http::{HeaderName, HeaderValue};
use serde::Serialize;
use std::hash::{Hash as _, Hasher};
use tiphys_api::{HttpTrigger, Problem, TlsConfig, TriggerKind, TriggerParameter, TriggerTemplate};
use tiphys_clients::{BasicAuth, TlsRef, ValueRef};

use super::fire::Input;
use super::perform::Context;
use super::{Caller, FireError, Kind, Part, PerformError, Unmet};
use crate::parameter::Parameter;

/// How long an exchange may take if nothing is said.
const TIMEOUT_SECONDS: u64 = 60;

/// Headers that follow from the request itself.
const OWN_HEADERS: [&str; 2] = ["content-length", "transfer-encoding"];

/// A request to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// `POST`, `GET`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Where to.
    pub url: String,
    /// Goes before the host of the URL in the `Host` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Names in lower case, each once.
    #[serde(serialize_with = "as_map")]
    pub headers: Vec<(String, String)>,
    /// Headers whose values are looked up when the request is sent; they go before `headers`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secure_headers: Vec<SecureHeader>,
    /// Login; goes before all headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// The body; may be empty.
    pub body: String,
    /// How long the whole exchange may take.
    pub timeout_seconds: u64,
    /// Encryption. `None`: by the system's authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsRef>,
    /// The status codes that mean success. Empty: all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_status: Vec<i32>,
}

/// A header with a value that is looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecureHeader {
    /// Its name, in lower case.
    pub name: String,
    /// Where its value is.
    pub value_from: ValueRef,
}

fn as_map<S: serde::Serializer>(
    headers: &[(String, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|(name, value)| (name, value)))
}

/// A compiled `http` template: a request without its events.
#[derive(Debug)]
pub(super) struct Template {
    method: String,
    url: String,
    host: Option<String>,
    headers: Vec<(String, String)>,
    dynamic_headers: Vec<Parameter>,
    secure_headers: Vec<tiphys_api::SecureHeader>,
    basic_auth: Option<tiphys_api::BasicAuth>,
    payload: Vec<Parameter>,
    timeout_seconds: u64,
    tls: Option<TlsConfig>,
}

impl Kind for Template {
    type Spec = HttpTrigger;
    type Action = Action;
    const KIND: TriggerKind = TriggerKind::Http;
    const REPEATABLE: bool = false;

    fn spec(template: &TriggerTemplate) -> Option<&HttpTrigger> {
        template.http.as_deref()
    }

    fn parameters(spec: &HttpTrigger) -> &[TriggerParameter] {
        &spec.parameters
    }

    fn compile(spec: &HttpTrigger, field: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let before = problems.len();
        if spec.url.is_empty() {
            problems.push(Problem::error(
                format!("{field}.url"),
                "server URL is not specified",
            ));
        }
        let method = match spec.method.as_str() {
            "" => "POST",
            method @ ("GET" | "DELETE" | "PATCH" | "POST" | "PUT") => method,
            _ => {
                let message = "only GET, DELETE, PATCH, POST and PUT methods are supported";
                problems.push(Problem::error(format!("{field}.method"), message));
                ""
            }
        };
        if let Some(Err(error)) = spec.tls.as_ref().map(|tls| TlsRef::of(tls, "")) {
            problems.push(Problem::error(format!("{field}.tls"), error.to_string()));
        }
        let mut headers = Vec::new();
        for (name, value) in &*spec.headers {
            if let Err(message) = set(&mut headers, name, value) {
                problems.push(Problem::error(format!("{field}.headers"), message));
            }
        }
        let dynamic_headers = Parameter::compile_all(
            &spec.dynamic_headers,
            &format!("{field}.dynamicHeaders"),
            problems,
        );
        let payload = Parameter::compile_all(
            spec.payload.as_deref().unwrap_or_default(),
            &format!("{field}.payload"),
            problems,
        );
        (problems.len() == before).then(|| Self {
            method: method.to_owned(),
            url: spec.url.to_string(),
            host: Some(spec.host.to_string()).filter(|host| !host.is_empty()),
            headers,
            dynamic_headers,
            secure_headers: spec.secure_headers.to_vec(),
            basic_auth: spec.basic_auth.clone(),
            payload,
            timeout_seconds: match u64::try_from(*spec.timeout) {
                Ok(seconds) if seconds > 0 => seconds,
                _ => TIMEOUT_SECONDS,
            },
            tls: spec.tls.clone(),
        })
    }

    fn render(&self, input: &mut Input<'_, '_>) -> Result<Action, FireError> {
        let namespace = input.namespace;
        let mut headers = self.headers.clone();
        for (index, parameter) in self.dynamic_headers.iter().enumerate() {
            let value =
                parameter
                    .resolve(input.views)
                    .map_err(|error| FireError::DynamicHeader {
                        index,
                        source: error.into(),
                    })?;
            if let Some(value) = value {
                set(&mut headers, parameter.dest(), &value.text).map_err(FireError::Object)?;
            }
        }
        Ok(Action {
            method: self.method.clone(),
            url: self.url.clone(),
            host: self.host.clone(),
            headers,
            secure_headers: self
                .secure_headers
                .iter()
                .map(|header| secure_header(header, namespace))
                .collect::<Result<_, _>>()?,
            basic_auth: self
                .basic_auth
                .as_ref()
                .map(|auth| BasicAuth::of(auth, namespace)),
            body: input.payload(&self.payload)?,
            timeout_seconds: self.timeout_seconds,
            tls: input.tls(self.tls.as_ref())?,
            allowed_status: input.policy.allowed_status.clone(),
        })
    }

    fn unmet(&self, _: Option<&Action>) -> Vec<Unmet> {
        let url = exchange::url(&self.url).map(drop);
        let host = self.host.as_deref().map_or(Ok(()), |host| {
            let value = HeaderValue::from_str(host).map(drop);
            value.map_err(|_| "the host has a line break or another control".to_owned())
        });
        let unmet = [Unmet::of("url", url), Unmet::of("host", host)];
        unmet.into_iter().flatten().collect()
    }

    /// The server: what stands before the path.
    fn target(action: &Action, target: &mut impl Hasher) {
        let origin = action.url.split(['/', '?', '#']).take(3);
        origin.for_each(|part| part.hash(target));
    }

    fn describe(action: &Action) -> Vec<Part> {
        let mut parts = vec![Part::Act(format!("{} {}", action.method, action.url))];
        let known = action.headers.iter();
        parts.extend(known.map(|(name, value)| Part::Line(format!("{name}: {value}"))));
        let secure = action.secure_headers.iter().map(|header| {
            let SecureHeader { name, value_from } = header;
            Part::Line(format!("{name}: <{value_from}>"))
        });
        parts.extend(secure);
        parts.extend(Part::lines(&action.body));
        parts
    }

    /// Makes the client: no request is sent that nobody asked for.
    async fn warm(&self, context: &Context, namespace: &str) {
        let tls = self.tls.as_ref().map(|tls| TlsRef::of(tls, namespace));
        if let Ok(tls) = tls.transpose() {
            drop(exchange::client(tls.as_ref(), &context.clients).await);
        }
    }

    async fn perform(
        action: &Action,
        context: &Context,
        caller: Caller<'_>,
    ) -> Result<(), PerformError> {
        exchange::perform(action, &context.clients, caller).await
    }
}

/// Sets a header; the last one of a name counts.
fn set(headers: &mut Vec<(String, String)>, name: &str, value: &str) -> Result<(), String> {
    let known = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| format!("{name:?} is no name of a header"))?;
    HeaderValue::from_str(value)
        .map_err(|_| format!("the value of header {name} has a line break or another control"))?;
    let name = known.as_str();
    if OWN_HEADERS.contains(&name) {
        return Ok(());
    }
    headers.retain(|(there, _)| there != name);
    headers.push((name.to_owned(), value.to_owned()));
    Ok(())
}

fn secure_header(
    header: &tiphys_api::SecureHeader,
    namespace: &str,
) -> Result<SecureHeader, FireError> {
    let name = HeaderName::from_bytes(header.name.as_bytes())
        .map_err(|_| FireError::Object(format!("{:?} is no name of a header", &*header.name)))?;
    let from = header.value_from.as_ref();
    let value_from = from.and_then(|from| ValueRef::of(from, namespace));
    let value_from = value_from
        .ok_or_else(|| FireError::Object(format!("secure header {name} says no valueFrom")))?;
    Ok(SecureHeader {
        name: name.as_str().to_owned(),
        value_from,
    })
}
