//! GitHub as a source: what happens in repositories and organizations.
//!
//! Payload, as that of Argo Events: `{"headers": …, "body": …, "metadata": …}`, where the body has two
//! more members, `X-GitHub-Event` and `X-GitHub-Delivery`.

mod hooks;

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use memchr::memmem;
use tiphys_api::{GithubEventSource, Problem, SecretKeySelector, WebhookContext};
use tiphys_lang::json::{self, Value, write_string};

use self::hooks::Login;
use super::called::{Called, Caller, Said, delivered};
use super::hooks::{Hooks, Managed};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::served::body::{form, is_form, json_body};
use crate::served::payload::payload;
use crate::served::signature::{Hash, check_signed, header};
use crate::served::{Refusal, Request};

const EVENT: &str = "X-GitHub-Event";
const DELIVERY: &str = "X-GitHub-Delivery";
const SIGNATURE: (&str, &str) = ("X-Hub-Signature-256", "sha256=");
/// What servers of old sign with.
const OLD_SIGNATURE: (&str, &str) = ("X-Hub-Signature", "sha1=");

/// Deliveries of GitHub's webhooks.
pub(crate) type Github = Called<GithubHost>;

/// GitHub, or a GitHub Enterprise server.
#[derive(Debug)]
pub(crate) struct GithubHost {
    secret: Option<SecretKeySelector>,
    managed: Option<Managed>,
    login: Option<Login>,
    spec: GithubEventSource,
}

#[async_trait]
impl Caller for GithubHost {
    type Spec = GithubEventSource;

    const KIND: &'static str = "github";
    const HEADERS: &'static [(&'static str, &'static str)] = &[
        (EVENT, "push"),
        (DELIVERY, "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
    ];
    const EXAMPLE: &'static str = concat!(
        r#"{"ref":"refs/heads/main","before":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","#,
        r#""after":"59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5","repository":{"id":186853002,"#,
        r#""name":"harbour","full_name":"argo/harbour","default_branch":"main"},"#,
        r#""pusher":{"name":"jason"},"commits":[{"id":"59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5","#,
        r#""message":"Set sail","added":["mast.yaml"],"removed":[],"modified":["keel.yaml"]}]}"#
    );

    fn compile(path: &str, spec: &GithubEventSource) -> Result<Self, Vec<Problem>> {
        let login = Login::of(spec);
        let managed = Managed::of(spec.webhook.as_ref(), *spec.delete_hook_on_finish);
        let managed = managed.filter(|_| login.is_some());
        if managed.is_some() && spec.events.is_empty() {
            let message = "events must be defined to create a github webhook";
            let problem = Problem::error(format!("{path}.events"), message);
            return Err(vec![
                problem.with_hint("write `events: [\"*\"]` for all of them"),
            ]);
        }
        Ok(Self {
            secret: spec.webhook_secret.clone(),
            managed,
            login,
            spec: spec.clone(),
        })
    }

    fn endpoint(spec: &GithubEventSource) -> (Option<&WebhookContext>, &'static str) {
        (spec.webhook.as_ref(), "webhook")
    }

    fn metadata(spec: &GithubEventSource) -> &BTreeMap<String, String> {
        &spec.metadata
    }

    async fn verify(&self, request: &Request, context: &SourceContext) -> Result<(), Refusal> {
        let headers = &request.head.headers;
        let is_old = !headers.contains_key(SIGNATURE.0) && headers.contains_key(OLD_SIGNATURE.0);
        let (signature, hash) = if is_old {
            (OLD_SIGNATURE, Hash::Sha1)
        } else {
            (SIGNATURE, Hash::Sha256)
        };
        check_signed(request, self.secret.as_ref(), signature, hash, context).await
    }

    fn read(&self, request: &Request, metadata: &str) -> Result<Said, Refusal> {
        let headers = &request.head.headers;
        let sent = if is_form(headers) {
            let mut fields = form(&request.body)?;
            let payload = fields.remove("payload").unwrap_or_default();
            let payload = payload.into_iter().next().unwrap_or_default();
            json_body(&Bytes::from(payload.into_owned()))?
        } else {
            json_body(&request.body)?
        };
        let own = [DELIVERY, EVENT].map(|name| (name, header(headers, name).unwrap_or_default()));
        let body = with_members(&sent, own)
            .ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "the body is no JSON object"))?;
        let payload = payload("headers", headers, &body, metadata);
        Ok(Said::Events(vec![delivered(request, DELIVERY, payload)]))
    }

    fn managed(&self) -> Option<&Managed> {
        self.managed.as_ref()
    }

    fn secret(&self) -> Option<&SecretKeySelector> {
        self.secret.as_ref()
    }

    async fn hooks(&self, context: &SourceContext) -> Result<Box<dyn Hooks>, SourceError> {
        match (&self.managed, &self.login) {
            (Some(managed), Some(login)) => {
                let secret = context.text(self.secret.as_ref()).await?;
                hooks::connect(&self.spec, managed, login, secret, context).await
            }
            _ => super::hooks::none(Self::KIND),
        }
    }
}

/// A JSON object with more members, before its own; `None` if it is none. What was sent stays as it
/// is, byte by byte, unless it has members of these names.
fn with_members(object: &[u8], members: [(&str, &str); 2]) -> Option<Vec<u8>> {
    let start = object.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let inner = object[start..].strip_prefix(b"{")?;
    let is_named = |(name, _): &(&str, &str)| memmem::find(object, name.as_bytes()).is_some();
    if members.iter().any(is_named) {
        let Ok(Value::Object(mut map)) = json::from_slice(object) else {
            return None;
        };
        for (name, value) in members {
            map.insert(name.into(), Value::String(value.into()));
        }
        return Some(Value::Object(map).to_go_json().into_bytes());
    }
    let mut out = String::from("{");
    for (at, (name, value)) in members.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_string(name, &mut out);
        out.push(':');
        write_string(value, &mut out);
    }
    let is_empty = inner.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'}');
    if !is_empty {
        out.push(',');
    }
    let mut out = out.into_bytes();
    out.extend_from_slice(inner);
    Some(out)
}
