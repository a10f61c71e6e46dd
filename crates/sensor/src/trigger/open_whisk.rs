//! The `openWhisk` trigger: invokes an action of OpenWhisk, and waits for it.
//!
//! As the client of Argo Events does: `POST HOST/api/VERSION/namespaces/NAMESPACE/actions/NAME` with
//! `blocking=true&result=true`. Mended: an action that outlasts OpenWhisk's patience (202) has been
//! invoked, and is no failure.

use std::hash::{Hash as _, Hasher};
use std::time::Duration;

use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Response, Url};
use serde::Serialize;
use tiphys_api::{
    OpenWhiskTrigger, Problem, SecretKeySelector, TriggerKind, TriggerParameter, TriggerTemplate,
};
use tiphys_base::Failure;
use tiphys_clients::ValueRef;
use tiphys_clients::http::{Settings, excerpt, is_busy, read, retry_after, unsent};

use super::fire::Input;
use super::perform::Context;
use super::{Caller, FireError, Kind, Part, PerformError, Unmet};
use crate::parameter::Parameter;

/// How long an invocation may take: OpenWhisk answers after a minute, whatever the action does.
const WITHIN: Duration = Duration::from_secs(90);

/// How much of an answer is read.
const ANSWER: usize = 64 << 10;

/// The version of the API, and the namespace that the token is for, where nothing is said.
const VERSION: &str = "v1";
const NAMESPACE: &str = "_";

/// An action to be invoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// Where the API is: a host, or a URL.
    pub host: String,
    /// Version of the API.
    pub version: String,
    /// Namespace of the action.
    pub namespace: String,
    /// Its name, with that of its package before a slash.
    pub action_name: String,
    /// Where the token is. `None`: nobody in particular asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_token: Option<ValueRef>,
    /// What the action is given, as JSON.
    pub payload: String,
    /// The status codes that mean success. Empty: those of success.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_status: Vec<i32>,
}

/// A compiled `openWhisk` template: an invocation without its events.
#[derive(Debug)]
pub(super) struct Template {
    host: String,
    version: String,
    namespace: String,
    action_name: String,
    auth_token: Option<SecretKeySelector>,
    payload: Vec<Parameter>,
}

impl Kind for Template {
    type Spec = OpenWhiskTrigger;
    type Action = Action;
    const KIND: TriggerKind = TriggerKind::OpenWhisk;
    // OpenWhisk has nothing to tell a second invocation from the first by.
    const REPEATABLE: bool = false;

    fn spec(template: &TriggerTemplate) -> Option<&OpenWhiskTrigger> {
        template.open_whisk.as_deref()
    }

    fn parameters(spec: &OpenWhiskTrigger) -> &[TriggerParameter] {
        &spec.parameters
    }

    fn compile(spec: &OpenWhiskTrigger, field: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let before = problems.len();
        for (name, value) in [("host", &spec.host), ("actionName", &spec.action_name)] {
            if value.is_empty() {
                problems.push(Problem::error(
                    format!("{field}.{name}"),
                    "must be specified",
                ));
            }
        }
        let Some(payload) = &spec.payload else {
            let field = format!("{field}.payload");
            problems.push(Problem::error(field, "must be specified"));
            return None;
        };
        let payload = Parameter::compile_all(payload, &format!("{field}.payload"), problems);
        let or = |text: &str, default: &str| match text {
            "" => default.to_owned(),
            text => text.to_owned(),
        };
        (problems.len() == before).then(|| Self {
            host: spec.host.to_string(),
            version: or(&spec.version, VERSION),
            namespace: or(&spec.namespace, NAMESPACE),
            action_name: spec.action_name.to_string(),
            auth_token: spec.auth_token.clone(),
            payload,
        })
    }

    fn render(&self, input: &mut Input<'_, '_>) -> Result<Action, FireError> {
        let token = self.auth_token.as_ref();
        Ok(Action {
            host: self.host.clone(),
            version: self.version.clone(),
            namespace: self.namespace.clone(),
            action_name: self.action_name.clone(),
            auth_token: token.map(|token| ValueRef::secret(token, input.namespace)),
            payload: input.payload(&self.payload)?,
            allowed_status: input.policy.allowed_status.clone(),
        })
    }

    fn unmet(&self, _: Option<&Action>) -> Vec<Unmet> {
        let host = url(&self.host, []).map(drop);
        Unmet::of("host", host).into_iter().collect()
    }

    fn target(action: &Action, target: &mut impl Hasher) {
        (&action.host, &action.namespace).hash(target);
    }

    fn describe(action: &Action) -> Vec<Part> {
        let Action {
            host,
            namespace,
            action_name,
            ..
        } = action;
        let act = format!("invoke {action_name} in {namespace} of {host}");
        let payload = Part::lines(&action.payload);
        std::iter::once(Part::Act(act)).chain(payload).collect()
    }

    /// Makes the client.
    async fn warm(&self, context: &Context, _: &str) {
        drop(context.clients.http.get(&Settings::default()));
    }

    async fn perform(
        action: &Action,
        context: &Context,
        _: Caller<'_>,
    ) -> Result<(), PerformError> {
        let act = format!("invoke {}", action.action_name);
        let mut url = action.url().map_err(|text| {
            let public = "the host is none of a web server";
            PerformError::Refused(Failure::with_values(text, public))
        })?;
        url.set_query(Some("blocking=true&result=true"));
        let client = context.clients.http.get(&Settings::default())?;
        let mut request = client
            .post(url)
            .timeout(WITHIN)
            .header(CONTENT_TYPE, "application/json");
        let mut secrets = Vec::new();
        if let Some(token) = &action.auth_token {
            let token = context.clients.values.find(token).await?.text();
            let token = token.trim();
            request = request.header(AUTHORIZATION, basic(token));
            secrets.extend([token.to_owned(), basic(token)]);
        }
        let sent = request.body(action.payload.clone()).send().await;
        let response = sent.map_err(|error| unsent(error, true, &act))?;
        judge(response, action, &act, &secrets).await
    }
}

impl Action {
    /// Where it is invoked. Each part stays one, whatever is in it.
    fn url(&self) -> Result<Url, String> {
        let before = [
            "api",
            &self.version,
            "namespaces",
            &self.namespace,
            "actions",
        ];
        let name = self.action_name.split('/');
        url(&self.host, before.into_iter().chain(name))
    }
}

/// A URL below that of the host, which is one of `https` if it does not say so.
fn url<'p>(host: &str, parts: impl IntoIterator<Item = &'p str>) -> Result<Url, String> {
    let text = if host.contains("://") {
        host.to_owned()
    } else {
        format!("https://{host}")
    };
    let fault = || format!("{host:?} is neither a host nor the URL of a web server");
    let mut url = tiphys_clients::http::parse(&text).map_err(|_| fault())?;
    url.path_segments_mut()
        .map_err(|()| fault())?
        .pop_if_empty()
        .extend(parts);
    Ok(url)
}

/// The token is user and password with a colon between them.
fn basic(token: &str) -> String {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(token);
    format!("Basic {encoded}")
}

async fn judge(
    mut response: Response,
    action: &Action,
    act: &str,
    secrets: &[String],
) -> Result<(), PerformError> {
    let status = response.status();
    let (is_busy, asked) = (is_busy(&response), retry_after(&response));
    let body = read(&mut response, ANSWER).await;
    let body = body.map(|(body, _)| body).unwrap_or_default();
    let is_allowed = action.allowed_status.contains(&i32::from(status.as_u16()));
    if is_allowed || (action.allowed_status.is_empty() && status.is_success()) {
        return Ok(());
    }
    let public = format!("{act}: OpenWhisk answers {status}");
    if is_busy {
        return Err(PerformError::unavailable(public).with_retry_after(asked));
    }
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        let hint = match &action.auth_token {
            Some(token) => format!("check {token}: user and password with a colon between them"),
            None => "name a Secret by `authToken`".to_owned(),
        };
        return Err(PerformError::unavailable(public).with_hint(hint));
    }
    let text = format!("{public}{}", excerpt(&body, secrets));
    Err(PerformError::Refused(Failure::with_values(text, public)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(host: &str, name: &str) -> Action {
        Action {
            host: host.to_owned(),
            version: VERSION.to_owned(),
            namespace: NAMESPACE.to_owned(),
            action_name: name.to_owned(),
            auth_token: None,
            payload: String::new(),
            allowed_status: Vec::new(),
        }
    }

    #[test]
    fn an_action_has_its_place_below_the_host() {
        for (host, name, url) in [
            (
                "whisk.example",
                "hello",
                "https://whisk.example/api/v1/namespaces/_/actions/hello",
            ),
            (
                "http://a:3233/",
                "crew/row",
                "http://a:3233/api/v1/namespaces/_/actions/crew/row",
            ),
            (
                "https://a/whisk",
                "a?b=c",
                "https://a/whisk/api/v1/namespaces/_/actions/a%3Fb=c",
            ),
        ] {
            let found = action(host, name).url().unwrap();
            assert_eq!(found.as_str(), url);
        }
        for host in ["ftp://a", "a b", "https://"] {
            let message = action(host, "hello").url().unwrap_err();
            assert!(
                message.starts_with(&format!("{host:?} is neither a host")),
                "{message}"
            );
        }
    }

    #[test]
    fn a_name_does_not_leave_the_actions() {
        let url = action("a", "../../x").url().unwrap();
        assert!(
            !url.path().contains("/x/") && url.path().starts_with("/api/v1/namespaces/_/actions"),
            "{url}"
        );
    }
}
