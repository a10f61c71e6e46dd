//! The `http` trigger: renders a request.
//!
//! Argo Events' rules: `POST` by default, no content type of its own, `headers` before
//! `dynamicHeaders` before `secureHeaders` before `basicAuth`. Mended: names of headers are compared
//! without case, a header whose dependency has no event is skipped.

use http::{HeaderName, HeaderValue};
use tiphys_api::{HttpTrigger, Problem, TlsConfig, TriggerParameter};

use super::written::{Compile, Written, payload};
use super::{FireError, Source, Steps};
use crate::action::{Action, BasicAuth, HttpAction, SecureHeader, Tls, ValueRef};
use crate::parameter::Parameter;
use crate::view::Views;

/// How long an exchange may take if nothing is said.
const TIMEOUT_SECONDS: u64 = 60;

/// Headers that follow from the request itself.
const OWN_HEADERS: [&str; 2] = ["content-length", "transfer-encoding"];

/// A compiled `http` template.
#[derive(Debug)]
pub(super) struct Template(Written<Request>);

/// A request without its events.
#[derive(Debug)]
struct Request {
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

impl Template {
    pub(super) fn compile(
        spec: &HttpTrigger,
        field: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        Written::compile(spec, field, problems).map(Self)
    }

    pub(super) fn render(
        &self,
        views: &Views<'_>,
        source: &Source<'_>,
        steps: &mut Steps,
    ) -> Result<Action, FireError> {
        self.0
            .render(views, steps, |request| request.render(views, source))
            .map(Action::Http)
    }
}

impl Compile for Request {
    type Spec = HttpTrigger;
    const FIELD: &str = "http";

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
        if let Some(Err(error)) = spec.tls.as_ref().map(|tls| Tls::of(tls, "")) {
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
}

impl Request {
    fn render(&self, views: &Views<'_>, source: &Source<'_>) -> Result<HttpAction, FireError> {
        let namespace = source.namespace;
        let mut headers = self.headers.clone();
        for (index, parameter) in self.dynamic_headers.iter().enumerate() {
            let value = parameter
                .resolve(views)
                .map_err(|error| FireError::DynamicHeader {
                    index,
                    source: error.into(),
                })?;
            if let Some(value) = value {
                set(&mut headers, parameter.dest(), &value.text).map_err(FireError::Object)?;
            }
        }
        let tls = self
            .tls
            .as_ref()
            .map(|tls| Tls::of(tls, namespace))
            .transpose();
        Ok(HttpAction {
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
            body: payload(&self.payload, views)?,
            timeout_seconds: self.timeout_seconds,
            tls: tls.map_err(|error| FireError::Object(error.to_string()))?,
            allowed_status: source.policy.allowed_status.clone(),
        })
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
    let value_from = from
        .and_then(|from| {
            let secret = from
                .secret_key_ref
                .as_ref()
                .map(|key| ValueRef::secret(key, namespace));
            let config = from.config_map_key_ref.as_ref();
            secret.or_else(|| config.map(|key| ValueRef::config_map(key, namespace)))
        })
        .ok_or_else(|| FireError::Object(format!("secure header {name} says no valueFrom")))?;
    Ok(SecureHeader {
        name: name.as_str().to_owned(),
        value_from,
    })
}
