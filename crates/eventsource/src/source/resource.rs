//! Kubernetes objects as a source: what comes, changes and goes becomes an event.
//!
//! [`selector`], [`filter`], [`payload`], [`ledger`] and [`record`] decide and are pure; the watch
//! reads from the API server, the publisher writes to the bus, and `run` connects them.

mod envelope;
mod error;
pub mod filter;
pub mod ledger;
pub mod object;
pub mod packed;
pub mod payload;
mod publish;
pub mod record;
mod run;
pub mod selector;
mod watch;
mod watermark;

use std::borrow::Cow;
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use tiphys_api::{Given, Problem, ResourceEventSource, ResourceEventType};
use tiphys_lang::path::{Path, Write};

use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::event::{Check, Draft, Input, SimulateError};
use crate::id::digest;
use crate::incoming::Identity;
use filter::{Filter, FilterInput, Verdict};
use object::Object;
use payload::Payload;
use selector::LabelSelector;

/// A resource event source that is ready to run.
#[derive(Debug)]
pub struct Resource {
    endpoint: Endpoint,
    types: Vec<ResourceEventType>,
    labels: LabelSelector,
    filter: Filter,
    payload: Payload,
    /// A digest of what decides which objects are published.
    selection: String,
}

/// Where the objects of one type are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// API group; empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Plural name of the type.
    pub resource: String,
    /// Only in this namespace.
    pub namespace: Option<String>,
}

impl SourceKind for Resource {
    type Spec = ResourceEventSource;

    fn compile(path: &str, source: &ResourceEventSource) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let endpoint = Endpoint::compile(path, source, &mut problems);
        let mut types = Vec::new();
        for (at, name) in source.event_types.iter().flatten().enumerate() {
            match ResourceEventType::from_name(name) {
                Some(kind) => types.push(kind),
                None => problems.push(Problem::error(
                    format!("{path}.eventTypes[{at}]"),
                    format!("unknown event type: {name}"),
                )),
            }
        }
        let path = format!("{path}.filter");
        let (mut labels, mut filter) = (LabelSelector::default(), Filter::default());
        if let Some(given) = &source.filter {
            match LabelSelector::compile(&given.labels, &format!("{path}.labels")) {
                Ok(compiled) => labels = compiled,
                Err(found) => problems.extend(found),
            }
            match Filter::compile(given, &path) {
                Ok(compiled) => filter = compiled,
                Err(found) => problems.extend(found),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        // The expression selects events, not objects.
        let mut selecting = source.filter.clone();
        if let Some(filter) = &mut selecting {
            filter.expression = Given::default();
        }
        let selection =
            serde_json::to_string(&(&selecting, &source.event_types, &source.namespace));
        Ok(Self {
            endpoint,
            types,
            labels,
            filter,
            payload: Payload::new(source),
            // Texts can always be written.
            selection: digest([selection.unwrap_or_default().as_str()]),
        })
    }
}

#[async_trait]
impl Source for Resource {
    fn placement(&self) -> Placement {
        Placement::LeaseHolder
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        Box::pin(run::run(self, context)).await
    }

    fn draft(&self, input: &Input<'_>, now: Timestamp) -> Result<Draft, SimulateError> {
        match *input {
            Input::Object { kind, object, old } => Ok(self.object(kind, object, old, now)?),
            _ => Err(input.unfit("resource")),
        }
    }
}

impl Resource {
    /// Where the objects are.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The selector that the API server filters by.
    pub fn labels(&self) -> &LabelSelector {
        &self.labels
    }

    /// The filter on what the API server gives.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Whether events of this type are published.
    pub fn wants(&self, kind: ResourceEventType) -> bool {
        self.types.contains(&kind)
    }

    /// What an event about an object is known by. Another selector may add an unchanged object again.
    fn identity(&self, uid: &str, version: &str, kind: ResourceEventType) -> Identity {
        let parts = [self.labels.as_str(), uid, version, kind.name()];
        Identity::Parts(parts.map(ToOwned::to_owned).into())
    }

    /// What is made of an object, as if the event source had been started long ago.
    fn object(
        &self,
        kind: ResourceEventType,
        object: &[u8],
        old: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Draft, serde_json::Error> {
        for given in [Some(object), old].into_iter().flatten() {
            Object::parse(Bytes::copy_from_slice(given))?;
        }
        let Told {
            kind,
            object,
            old,
            check: selected,
        } = self.told(kind, object, old);
        let parsed = Object::parse(Bytes::copy_from_slice(&object))?;
        let input = FilterInput {
            kind,
            started_at: Timestamp::MIN,
            now,
        };
        let mut checks = Vec::new();
        if let Some(namespace) = &self.endpoint.namespace {
            let found = &*parsed.namespace;
            let is_met = found.is_empty() || found == &**namespace;
            let why = format!("it is in namespace {found}, and {namespace} is watched");
            let check = Check::new(format!("it is in namespace {namespace}"), is_met, why);
            checks.push(if is_met { check } else { check.with_saw(found) });
        }
        checks.extend(selected);
        let types: Vec<&str> = self.types.iter().map(|kind| kind.name()).collect();
        let types = types.join(", ");
        let why = format!("its type is {}, and {types} is wanted", kind.name());
        let check = Check::new(format!("its type is one of {types}"), self.wants(kind), why);
        checks.push(check.with_saw(kind.name()));
        checks.extend(self.filter.explain(&object, input));
        Ok(Draft {
            checks,
            payload: self.payload.write(kind, &object, old),
            identity: self.identity(&parsed.uid, parsed.version.as_str(), kind),
        })
    }

    /// What the API server tells of a change: it filters by the labels, so that an object that comes to
    /// match is one that came, and one that matches no longer is one that went, as it was.
    fn told<'o>(
        &self,
        kind: ResourceEventType,
        object: &'o [u8],
        old: Option<&'o [u8]>,
    ) -> Told<'o> {
        use ResourceEventType::{Add, Delete, Update};
        let labels = self.labels.as_str();
        let mut told = Told {
            kind,
            object: Cow::Borrowed(object),
            old,
            check: None,
        };
        if labels.is_empty() {
            return told;
        }
        let is_selected = selects(&self.labels, object);
        let was_selected = old.map(|old| selects(&self.labels, old));
        let why = format!("its labels do not match {labels}");
        let matches = Check::new(format!("its labels match {labels}"), is_selected, why);
        let check = match (kind, was_selected, is_selected) {
            (Update, Some(false), true) => {
                told.kind = Add;
                told.old = None;
                let condition = format!("its labels come to match {labels}");
                Check::new(condition, true, "").with_saw("the API server tells of it as ADD")
            }
            (Update, Some(true), false) => {
                told.kind = Delete;
                told.object = as_it_went(old.unwrap_or(object), object);
                told.old = None;
                let condition = format!("its labels no longer match {labels}");
                Check::new(condition, true, "").with_saw("the API server tells of it as DELETE")
            }
            (Update, None, true) => matches.with_saw(
                "its old labels are supposed to match, too; without --old they are not known",
            ),
            (Update, None, false) => matches.with_saw(format!(
                "{}; if its old labels do match, it is told of as DELETE: say so with --old",
                labels_of(object)
            )),
            _ => matches.with_saw(labels_of(object)),
        };
        told.check = Some(check);
        told
    }
}

/// A change as the API server tells of it to who watches by labels.
struct Told<'o> {
    kind: ResourceEventType,
    object: Cow<'o, [u8]>,
    old: Option<&'o [u8]>,
    /// What the labels say.
    check: Option<Check>,
}

/// What is told of an object that matches no longer: what it was, with the version of the change.
fn as_it_went<'o>(old: &'o [u8], object: &[u8]) -> Cow<'o, [u8]> {
    let version = Path::compile("metadata.resourceVersion").ok();
    let written = version.and_then(|path| {
        let found = path.get(object);
        let version = found.exists().then(|| found.text().into_owned())?;
        path.set(old, Write::Text(&version)).ok()
    });
    written.map_or(Cow::Borrowed(old), |set| Cow::Owned(set.json))
}

/// The labels of an object, for people.
fn labels_of(object: &[u8]) -> String {
    let path = Path::compile("metadata.labels").ok();
    let text = path.map(|path| path.get(object).text().into_owned());
    match text.as_deref() {
        None | Some("") => "it has no labels".to_owned(),
        Some(labels) => format!("its labels are {labels}"),
    }
}

/// Whether the labels of `object` are selected, as the API server decides it.
pub fn selects(labels: &LabelSelector, object: &[u8]) -> bool {
    labels.matches(|key| {
        let path = Path::compile(&format!("metadata.labels.{}", escaped(key))).ok()?;
        let found = path.get(object).into_owned();
        found
            .exists()
            .then(|| Cow::Owned(found.text().into_owned()))
    })
}

/// A label key as one component of a path.
fn escaped(key: &str) -> String {
    key.replace('.', "\\.")
}

/// How an object is judged while the event source runs.
#[derive(Debug, Clone, Copy)]
struct Evaluation<'a> {
    resource: &'a Resource,
    started_at: Timestamp,
    now: Timestamp,
}

impl ledger::EventFilter for Evaluation<'_> {
    fn wants(&self, kind: ResourceEventType) -> bool {
        self.resource.wants(kind)
    }

    fn passes(&self, object: &[u8], kind: ResourceEventType) -> bool {
        let input = FilterInput {
            kind,
            started_at: self.started_at,
            now: self.now,
        };
        let verdict = self.resource.filter.evaluate(object, input);
        if let Verdict::Reject(condition) = verdict {
            tracing::debug!(eventType = kind.name(), %condition, "Filtered an object");
        }
        verdict.is_pass()
    }
}

impl Endpoint {
    fn compile(path: &str, source: &ResourceEventSource, problems: &mut Vec<Problem>) -> Self {
        let hint = "the plural name in lower case, as in `kubectl api-resources`";
        for (field, value, what) in [
            ("namespace", &source.namespace, "a namespace"),
            ("group", &source.group, "an API group"),
            ("version", &source.version, "an API version"),
            ("resource", &source.resource, "a plural name in lower case"),
        ] {
            // They become a path of the API: nothing may lead out of it.
            let is_name = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.'
            };
            if !value.bytes().all(is_name) || value.starts_with('.') {
                let message = format!("{:?} is not {what}", value.as_str());
                let problem = Problem::error(format!("{path}.{field}"), message);
                let is_resource = field == "resource";
                problems.push(if is_resource {
                    problem.with_hint(hint)
                } else {
                    problem
                });
            }
        }
        Self {
            group: source.group.to_string(),
            version: source.version.to_string(),
            resource: source.resource.to_string(),
            namespace: Some(source.namespace.to_string()).filter(|namespace| !namespace.is_empty()),
        }
    }

    /// The path of the group and version in the API.
    fn group_path(&self) -> String {
        let Self { group, version, .. } = self;
        if group.is_empty() {
            format!("/api/{version}")
        } else {
            format!("/apis/{group}/{version}")
        }
    }

    /// The path of the objects in the API.
    fn path(&self) -> String {
        let namespace = self.namespace.as_ref();
        let namespace = namespace
            .map(|name| format!("/namespaces/{name}"))
            .unwrap_or_default();
        format!("{}{namespace}/{}", self.group_path(), self.resource)
    }

    /// As `kubectl` takes it: `ingresses.networking.k8s.io`.
    fn kubectl_name(&self) -> String {
        let Self {
            resource, group, ..
        } = self;
        if group.is_empty() {
            resource.clone()
        } else {
            format!("{resource}.{group}")
        }
    }

    /// The type, whatever its version: its objects keep their uid from version to version.
    fn scope(&self) -> String {
        format!("{}/{}", self.group, self.resource)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kubectl_name(), self.version)?;
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tiphys_api::{EventSource, ResourceEventType};

    use super::Endpoint;
    use crate::compile;

    #[test]
    fn endpoints_are_paths_of_the_api() {
        let endpoint = |group: &str, namespace: Option<&str>| Endpoint {
            group: group.to_owned(),
            version: "v1".to_owned(),
            resource: "things".to_owned(),
            namespace: namespace.map(ToOwned::to_owned),
        };
        assert_eq!(endpoint("", None).path(), "/api/v1/things");
        assert_eq!(
            endpoint("a.b", Some("n")).path(),
            "/apis/a.b/v1/namespaces/n/things"
        );
        assert_eq!(
            endpoint("a.b", Some("n")).to_string(),
            "things.a.b (v1) in namespace n"
        );
    }

    #[test]
    fn an_object_is_followed_from_its_conditions_to_its_event() {
        let event_source: EventSource = serde_json::from_str(
            r#"{"metadata":{"name":"es","namespace":"ns","uid":"of-the-source"},"spec":{"resource":{"ev":{
                "version":"v1","resource":"services","namespace":"n","eventTypes":["ADD","UPDATE"],
                "filter":{"labels":[{"key":"a.b/c","value":"x"}],"fields":[{"key":"n","value":"3"}]}}}}}"#,
        )
        .unwrap();
        let compiled = compile(&event_source).unwrap();
        let event = &compiled.events[0];
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        let object = br#"{"metadata":{"uid":"u","resourceVersion":"7","namespace":"n","labels":{"a.b/c":"x"}},"n":3}"#;
        let made = event
            .event_for(ResourceEventType::Add, object, None, now)
            .unwrap();
        let conditions: Vec<_> = made
            .checks
            .iter()
            .map(|check| check.condition.as_str())
            .collect();
        assert_eq!(
            conditions,
            [
                "it is in namespace n",
                "its labels match a.b/c=x",
                "its type is one of ADD, UPDATE",
                "n == \"3\""
            ]
        );
        let event_made = made.event.unwrap();
        // SHA-256 over the namespace, the event source, its uid, the event, the labels, the object's uid
        // and version, and the type, each behind its length: as it was published by every version.
        assert_eq!(event_made.context.id, "d61006015b0cd5c7bcf7460c20d17c4f");
        assert_eq!(event_made.context.source, "es");
        assert_eq!(event_made.context.subject, "ev");
        assert_eq!(event_made.context.r#type, "resource");
        let data = String::from_utf8(event_made.data.unwrap().to_vec()).unwrap();
        assert!(
            data.starts_with(r#"{"type":"ADD","body":{"metadata":{"uid":"u""#),
            "{data}"
        );

        let made = event
            .event_for(ResourceEventType::Delete, object, None, now)
            .unwrap();
        assert!(made.event.is_none());
        assert!(
            event
                .event_for(ResourceEventType::Add, b"nonsense", None, now)
                .is_err()
        );
    }
}
