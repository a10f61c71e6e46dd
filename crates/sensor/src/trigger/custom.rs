//! The `custom` trigger: a gRPC server of the user's own makes a resource of `spec`, acts on it, and says
//! whether that was a success.
//!
//! Mended: an answer that it was none is a failure; Argo Events logs it.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::hash::{Hash as _, Hasher};

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tiphys_api::message::with_causes;
use tiphys_api::{CustomTrigger, Problem, SecretKeySelector, TriggerKind, TriggerTemplate};
use tiphys_base::Failure;
use tiphys_clients::ValueRef;
use tiphys_clients::grpc::trigger::Trigger as Server;
use tiphys_clients::grpc::{Config, Error, Kind as ErrorKind, check_address};
use tiphys_clients::tls::Tls;

use super::fire::Input;
use super::object::edits;
use super::perform::Context;
use super::{Caller, FireError, Kind, Part, PerformError, Unmet};
use crate::parameter::{Edit, Parameter};

/// Something that a server is to do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// Host and port.
    pub server: String,
    /// The authority of the server's certificate. `None`: nothing is encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<ValueRef>,
    /// What the certificate has to be for. `None`: the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// What the server makes a resource of.
    pub spec: BTreeMap<String, String>,
    /// What is changed in the resource.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// What goes with it.
    pub payload: String,
}

/// A compiled `custom` template: an action without its events.
#[derive(Debug)]
pub(super) struct Template {
    server: String,
    /// The authority of the server's certificate. `None`: nothing is encrypted.
    authority: Option<SecretKeySelector>,
    server_name: Option<String>,
    spec: BTreeMap<String, String>,
    parameters: Vec<Parameter>,
    payload: Vec<Parameter>,
}

impl Kind for Template {
    type Spec = CustomTrigger;
    type Action = Action;
    const KIND: TriggerKind = TriggerKind::Custom;
    // The protocol has nothing to tell a second action from the first by.
    const REPEATABLE: bool = false;

    fn spec(template: &TriggerTemplate) -> Option<&CustomTrigger> {
        template.custom.as_deref()
    }

    fn compile(spec: &CustomTrigger, field: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let before = problems.len();
        let mut needed = |name: &str, is_missing: bool| {
            if is_missing {
                problems.push(Problem::error(
                    format!("{field}.{name}"),
                    "must be specified",
                ));
            }
        };
        needed("serverURL", spec.server_url.is_empty());
        needed("spec", spec.spec.is_empty());
        needed("certSecret", *spec.secure && spec.cert_secret.is_none());
        let name = &*spec.server_name_override;
        let parameters =
            Parameter::compile_all(&spec.parameters, &format!("{field}.parameters"), problems);
        let payload = Parameter::compile_all(
            spec.payload.as_deref().unwrap_or_default(),
            &format!("{field}.payload"),
            problems,
        );
        (problems.len() == before).then(|| Self {
            server: spec.server_url.to_string(),
            authority: spec.cert_secret.clone().filter(|_| *spec.secure),
            server_name: (*spec.secure && !name.is_empty()).then(|| name.clone()),
            spec: (*spec.spec).clone(),
            parameters,
            payload,
        })
    }

    fn render(&self, input: &mut Input<'_, '_>) -> Result<Action, FireError> {
        let authority = self.authority.as_ref();
        Ok(Action {
            server: self.server.clone(),
            authority: authority.map(|key| ValueRef::secret(key, input.namespace)),
            server_name: self.server_name.clone(),
            spec: self.spec.clone(),
            edits: edits(&self.parameters, input.views)?,
            payload: input.payload(&self.payload)?,
        })
    }

    fn unmet(&self, _: Option<&Action>) -> Vec<Unmet> {
        let server = check_address(&self.server);
        Unmet::of("serverURL", server).into_iter().collect()
    }

    fn target(action: &Action, target: &mut impl Hasher) {
        action.server.hash(target);
    }

    fn describe(action: &Action) -> Vec<Part> {
        let act = format!("let {} act on", action.server);
        let mut parts = vec![Part::Act(act), Part::document(&action.spec)];
        let edits = action.edits.iter();
        parts.extend(edits.map(|Edit { dest, value, .. }| {
            Part::Line(format!("# in the resource of the server: {dest} ← {value}"))
        }));
        parts.extend(Part::lines(&action.payload));
        parts
    }

    async fn perform(
        action: &Action,
        context: &Context,
        _: Caller<'_>,
    ) -> Result<(), PerformError> {
        let clients = &context.clients;
        let tls = match &action.authority {
            Some(authority) => Some(Tls {
                authorities: Some(clients.values.find(authority).await?.text()),
                server_name: action.server_name.clone(),
                ..Tls::default()
            }),
            None => None,
        };
        let config = Config {
            address: action.server.clone(),
            tls,
        };
        let calls = |name: &str| format!("{name} of {}", action.server);
        let fetch = calls("FetchResource");
        let server = Server::new(&config, &clients.grpc);
        let server = server.map_err(|error| unacted(&fetch, action, &error))?;
        let resource = server.fetch_resource(&action.spec).await;
        let resource = resource.map_err(|error| unacted(&fetch, action, &error))?;
        let resource = edited(&resource, &action.edits)?;
        let payload = action.payload.clone().into();
        let response = server.execute(resource, payload).await;
        let response = response.map_err(|error| unexecuted(&calls("Execute"), action, &error))?;
        let judge = calls("ApplyPolicy");
        let judged = server.apply_policy(response).await;
        let judged = judged.map_err(|error| refused(&judge, &error))?;
        if judged.success {
            return Ok(());
        }
        let public = format!("{judge}: no success");
        let text = format!("{public}: {}", judged.message.trim());
        Err(PerformError::Refused(Failure::with_values(text, public)))
    }
}

/// The resource with the values of the events written into it. Without any it may be in any format.
fn edited(resource: &Bytes, edits: &[Edit]) -> Result<Bytes, PerformError> {
    if edits.is_empty() {
        return Ok(resource.clone());
    }
    let refused = |error: &dyn StdError| {
        let public = "the resource that the server gives cannot take the parameters";
        let text = format!("{public}: {}", with_causes(error));
        PerformError::Refused(Failure::with_values(text, public))
    };
    serde_json::from_slice::<BTreeMap<String, &RawValue>>(resource)
        .map_err(|error| refused(&error))?;
    let mut document = resource.to_vec();
    for edit in edits {
        edit.apply(&mut document).map_err(|error| refused(&error))?;
    }
    Ok(document.into())
}

/// Why the server could not be asked to act: it has not.
fn unacted(act: &str, action: &Action, error: &Error) -> PerformError {
    match error.kind() {
        ErrorKind::Unconfirmed => PerformError::unavailable(format!("{act}: {error}")),
        _ => unexecuted(act, action, error),
    }
}

/// Why the server did not act: it has to wait for something, or it refuses.
fn unexecuted(act: &str, action: &Action, error: &Error) -> PerformError {
    let unavailable = PerformError::unavailable(format!("{act}: {error}"));
    match error.kind() {
        ErrorKind::Unreachable | ErrorKind::Busy => unavailable,
        // The address is checked before: it is in the Secret, or `serverNameOverride`.
        ErrorKind::Settings | ErrorKind::Tls => unavailable.with_hint(match &action.authority {
            Some(authority) => {
                format!("check {authority}, and `serverNameOverride` of the trigger")
            }
            None => "check `serverURL` of the trigger".to_owned(),
        }),
        ErrorKind::Unauthorized | ErrorKind::Forbidden => {
            unavailable.with_hint("the trigger has no login: let the server take its calls")
        }
        ErrorKind::NotFound | ErrorKind::Exists | ErrorKind::Unconfirmed | ErrorKind::Refused => {
            refused(act, error)
        }
    }
}

/// A failure that counts: the same is not asked for again without counting.
fn refused(act: &str, error: &Error) -> PerformError {
    let public = format!("{act}: {error}");
    if error.said().is_empty() {
        return PerformError::refused(public);
    }
    let text = format!("{public}: {}", error.said());
    PerformError::Refused(Failure::with_values(text, public))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(custom: &str) -> Result<Template, Vec<String>> {
        let mut problems = Vec::new();
        let spec = serde_json::from_str(custom).unwrap();
        let template = Template::compile(&spec, "template.custom", &mut problems);
        template.ok_or_else(|| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_authority_is_needed_for_encryption() {
        let faults = read(r#"{"serverURL":"a:1","spec":{"a":"1"},"secure":true}"#).unwrap_err();
        assert_eq!(
            faults,
            ["error: template.custom.certSecret: must be specified"]
        );
        let faults = read("{}").unwrap_err();
        assert_eq!(
            faults,
            [
                "error: template.custom.serverURL: must be specified",
                "error: template.custom.spec: must be specified"
            ]
        );
    }

    #[test]
    fn what_encrypts_counts_only_with_secure() {
        let certificate = r#""certSecret":{"name":"ca","key":"ca.crt"},"serverNameOverride":"b""#;
        let template = |secure: bool| {
            read(&format!(
                r#"{{"serverURL":"a:1","spec":{{"a":"1"}},"secure":{secure},{certificate}}}"#
            ))
            .unwrap()
        };
        assert_eq!(template(true).server_name.as_deref(), Some("b"));
        assert!(template(true).authority.is_some());
        assert_eq!(template(false).server_name, None);
        assert!(template(false).authority.is_none());
    }

    #[test]
    fn a_resource_without_parameters_may_be_anything() {
        let resource = Bytes::from_static(b"kind: Run");
        assert_eq!(edited(&resource, &[]).unwrap(), resource);
    }
}
