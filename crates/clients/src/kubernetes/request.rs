//! Calls to the API server, and what their answers mean.

use std::fmt;
use std::time::Duration;

use http::{Method, Request, header};
use kube::core::Status;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tiphys_api::message::with_causes;
use tiphys_base::{Failure, Reason};
use tiphys_lang::json::{self, Value};

use super::{CALL_TIMEOUT, Cluster, Kind, PatchStrategy};
use crate::Error;

/// The field manager of everything that triggers write.
const FIELD_MANAGER: &str = "argo-events-sensor";

/// One object's place in the API.
#[derive(Debug)]
pub struct Target {
    collection: String,
    namespace: Option<String>,
    name: String,
    plural: String,
    group: String,
}

/// What the API server made of a write.
#[derive(Debug)]
pub enum Answer {
    /// It is done.
    Done,
    /// The object, or its namespace, is not there.
    Missing(Failure),
    /// The object exists already, or is another version than it was.
    Conflict(Failure),
    /// Anything else.
    Refused(Failure),
}

impl Target {
    /// The object `name` of a kind. Names come from events.
    ///
    /// # Errors
    /// If a name cannot be one, since it would mean another path.
    pub fn new(kind: &Kind, namespace: Option<&str>, name: &str) -> Result<Self, Error> {
        for part in namespace.into_iter().chain([name]) {
            if !is_segment(part) {
                return Err(Error::refused(format!("{part:?} cannot be a name")));
            }
        }
        let root = if kind.api_version.contains('/') {
            "apis"
        } else {
            "api"
        };
        let scope = namespace.map(|namespace| format!("/namespaces/{}", encode(namespace)));
        Ok(Self {
            collection: format!(
                "/{root}/{}{}/{}",
                kind.api_version,
                scope.unwrap_or_default(),
                kind.plural
            ),
            namespace: namespace.map(ToOwned::to_owned),
            name: name.to_owned(),
            plural: kind.plural.clone(),
            group: match kind.api_version.split_once('/') {
                Some((group, _)) => format!(".{group}"),
                None => String::new(),
            },
        })
    }

    /// What to do about a missing permission.
    fn grant(&self, verb: &str) -> String {
        let Self { plural, group, .. } = self;
        let place = match &self.namespace {
            Some(namespace) => format!(" -n {namespace}"),
            None => String::new(),
        };
        format!("give the permission; `kubectl auth can-i {verb} {plural}{group}{place}` checks it")
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace; `None`: it lives in none.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    fn path(&self) -> String {
        format!("{}/{}", self.collection, encode(&self.name))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.plural, self.name),
            None => write!(f, "{} {}", self.plural, self.name),
        }
    }
}

/// Whether a text can be a segment of a path, by the rule of the API server for names of all kinds: what
/// decodes or cleans the path on the way there would make another one of it.
pub fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.contains(['/', '%'])
}

/// Whatever is not plain in a path segment is percent-encoded, so that no name can reach another resource.
fn encode(segment: &str) -> String {
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b':');
    utf8_percent_encode(segment, PLAIN).to_string()
}

impl Answer {
    /// A success, or a refusal of `act`.
    ///
    /// # Errors
    /// If it is no success.
    pub fn accept(self, act: &str) -> Result<(), Error> {
        match self {
            Self::Done => Ok(()),
            Self::Missing(reason) | Self::Conflict(reason) | Self::Refused(reason) => {
                Err(Error::Refused(Failure::from(act).then(": ", &reason)))
            }
        }
    }
}

impl Cluster {
    /// The object; `None`: there is none.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn get(&self, target: &Target) -> Result<Option<Value>, Error> {
        let act = format!("get {target}");
        let request = build(Method::GET, target.path(), None, String::new())?;
        match self.send(request, "get", target).await? {
            Ok(text) => json::from_slice(text.as_bytes())
                .map(Some)
                .map_err(|error| Error::refused(format!("{act}: {error}"))),
            Err(Answer::Missing(_)) => Ok(None),
            Err(answer) => answer.accept(&act).map(|()| None),
        }
    }

    /// Creates an object.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn create(&self, target: &Target, object: String) -> Result<Answer, Error> {
        let path = format!("{}?fieldManager={FIELD_MANAGER}", target.collection);
        self.write(
            Method::POST,
            path,
            "application/json",
            object,
            ("create", target),
        )
        .await
    }

    /// Puts an object in the place of the one there.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn replace(&self, target: &Target, object: String) -> Result<Answer, Error> {
        let path = format!("{}?fieldManager={FIELD_MANAGER}", target.path());
        self.write(
            Method::PUT,
            path,
            "application/json",
            object,
            ("update", target),
        )
        .await
    }

    /// Patches an object.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn patch(
        &self,
        target: &Target,
        strategy: PatchStrategy,
        body: String,
    ) -> Result<Answer, Error> {
        let force = if strategy == PatchStrategy::Apply {
            "&force=true"
        } else {
            ""
        };
        let path = format!("{}?fieldManager={FIELD_MANAGER}{force}", target.path());
        let act = ("patch", target);
        self.write(Method::PATCH, path, strategy.content_type(), body, act)
            .await
    }

    /// Deletes an object, and what it owns in the background.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn delete(&self, target: &Target) -> Result<Answer, Error> {
        // Children go too, in the background: with the old default they would stay behind.
        let path = format!("{}?propagationPolicy=Background", target.path());
        let act = ("delete", target);
        self.write(Method::DELETE, path, "application/json", String::new(), act)
            .await
    }

    async fn write(
        &self,
        method: Method,
        path: String,
        content_type: &'static str,
        body: String,
        (verb, target): (&str, &Target),
    ) -> Result<Answer, Error> {
        let request = build(method, path, Some(content_type), body)?;
        Ok(self
            .send(request, verb, target)
            .await?
            .map_or_else(|answer| answer, |_| Answer::Done))
    }

    async fn send(
        &self,
        request: Request<Vec<u8>>,
        verb: &str,
        target: &Target,
    ) -> Result<Result<String, Answer>, Error> {
        let act = format!("{verb} {target}");
        let answer = tokio::time::timeout(CALL_TIMEOUT, self.client.request_text(request)).await;
        let error = match answer {
            Ok(Ok(text)) => return Ok(Ok(text)),
            Ok(Err(error)) => error,
            Err(_) => {
                return Err(Error::unavailable(format!(
                    "{act}: no answer in {} s",
                    CALL_TIMEOUT.as_secs()
                )));
            }
        };
        match &error {
            kube::Error::Api(status) => match status.code {
                404 => Ok(Err(Answer::Missing(said(status)))),
                409 => Ok(Err(Answer::Conflict(said(status)))),
                403 if !is_missing_permission(&status.message) => {
                    Ok(Err(Answer::Refused(said(status))))
                }
                403 => Err(classify(&error, &act).with_hint(target.grant(verb))),
                401 | 429 | 500.. => Err(classify(&error, &act)),
                _ => Ok(Err(Answer::Refused(said(status)))),
            },
            _ => Err(classify(&error, &act)),
        }
    }
}

fn build(
    method: Method,
    path: String,
    content_type: Option<&'static str>,
    body: String,
) -> Result<Request<Vec<u8>>, Error> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(content_type) = content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    request
        .body(body.into_bytes())
        .map_err(|error| Error::refused(error.to_string()))
}

/// Whether a 403 says that the user may not do this at all. Admission (a quota, a policy, a namespace
/// that is being deleted) answers with the same code, but about this object.
fn is_missing_permission(message: &str) -> bool {
    // Kubernetes' authorization errors: `User "x" cannot create resource "y" in …`.
    message.contains("User \"") && message.contains(" cannot ")
}

/// What the API server says of a request. It quotes values of objects wherever it likes, so only what is
/// known to hold none is for everybody; otherwise the code, the reason and the fields are.
fn said(status: &Status) -> Failure {
    let text = &status.message;
    let names_only = matches!(status.code, 404 | 409)
        || is_missing_permission(text)
        || text.contains("exceeded quota:")
        || text.contains("because it is being terminated");
    if names_only {
        return text.clone().into();
    }
    let mut public = format!("the API server answers {} {}", status.code, status.reason);
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let causes = causes.map(|cause| format!("{} ({})", cause.field, cause.reason));
    let causes: Vec<String> = causes.collect();
    if !causes.is_empty() {
        public = format!("{public}: {}", causes.join(", "));
    }
    Failure::with_values(text.clone(), public)
}

/// An error of the API server that is no answer to what was asked: it is unavailable, busy, broken,
/// or does not know yet that we may.
pub(crate) fn classify(error: &kube::Error, act: &str) -> Error {
    let kube::Error::Api(status) = error else {
        return Error::unavailable(format!("{act}: {}", with_causes(error)))
            .with_hint("is the API server up? `kubectl cluster-info` asks it");
    };
    let seconds = status
        .details
        .as_ref()
        .map(|details| details.retry_after_seconds)
        .filter(|seconds| *seconds > 0);
    let mut unavailable = Error::unavailable(Failure::from(act).then(": ", &said(status)))
        .with_retry_after(seconds.map(|seconds| Duration::from_secs(u64::from(seconds))));
    if status.code == 403 {
        let verb = act.split(' ').next().unwrap_or_default();
        let resource = act.split(' ').nth(1).unwrap_or_default();
        unavailable = unavailable.with_hint(format!(
            "give the permission; `kubectl auth can-i {verb} {resource}` checks it"
        ));
        if is_missing_permission(&status.message) {
            unavailable = unavailable.with_reason(Reason::Forbidden);
        }
    }
    unavailable
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use tiphys_base::Reason;

    use super::{Kind, Target, classify};
    use crate::Error;

    #[test]
    fn a_missing_permission_is_a_reason_of_its_own_and_admission_is_not() {
        for (message, is_missing) in [
            (
                r#"ingresses.networking.k8s.io is forbidden: User "a" cannot create resource "ingresses" in API group "networking.k8s.io" in the namespace "b""#,
                true,
            ),
            (
                r#"configmaps "x" is forbidden: exceeded quota: q, requested: count/configmaps=1, used: count/configmaps=0, limited: count/configmaps=0"#,
                false,
            ),
            (
                r#"configmaps "x" is forbidden: unable to create new content in namespace b because it is being terminated"#,
                false,
            ),
        ] {
            let status = Status::failure(message, "Forbidden").with_code(403);
            let error = classify(&kube::Error::Api(Box::new(status)), "create things x");
            let Error::Unavailable { reason, hint, .. } = error else {
                panic!("{message}");
            };
            let expected = if is_missing {
                Reason::Forbidden
            } else {
                Reason::TargetUnavailable
            };
            assert_eq!(reason, expected, "{message}");
            assert_eq!(
                hint.as_deref(),
                Some("give the permission; `kubectl auth can-i create things` checks it")
            );
        }
    }

    #[test]
    fn a_name_is_one_segment_or_none() {
        let kind = Kind {
            api_version: "apps/v1".to_owned(),
            plural: "deployments".to_owned(),
            namespaced: true,
        };
        let path = |namespace, name| {
            let target = Target::new(&kind, Some(namespace), name);
            target.map_or_else(|error| error.to_string(), |target| target.path())
        };
        let plain = "/apis/apps/v1/namespaces/shop/deployments";
        for (name, encoded) in [
            ("web-ing.v1", "web-ing.v1"),
            ("system:node", "system:node"),
            ("..a", "..a"),
            ("a?b", "a%3Fb"),
            ("a#b", "a%23b"),
            ("a b", "a%20b"),
            ("a\\b\r\n", "a%5Cb%0D%0A"),
            ("é", "%C3%A9"),
        ] {
            assert_eq!(path("shop", name), format!("{plain}/{encoded}"));
        }
        for name in ["", ".", "..", "../secrets", "a/b", "%2e%2e", "a%2fb"] {
            let refused = format!("{name:?} cannot be a name");
            assert_eq!(path("shop", name), refused);
            assert_eq!(path(name, "web"), refused);
        }
    }
}
