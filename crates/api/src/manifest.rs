//! Manifests as users write them: files of YAML or JSON, with a place for every field.
//!
//! Reading finds everything that is wrong with the form: what is not YAML, fields of the wrong type,
//! fields that do not exist. What is wrong with the content is found by [`crate::validate`] and by
//! the crates that compile a spec; [`Object::fault`] gives their problems a place.

mod check;
mod document;
mod fields;
mod scalar;

pub use document::Place;

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::field_path;
use crate::problem::{Problem, Severity};
use crate::scalar::RawJson;
use crate::{API_VERSION, EventBus, EventSource, GROUP, Sensor};
use document::{Node, Value};

/// The kinds of the API group.
const KINDS: [&str; 3] = ["EventBus", "EventSource", "Sensor"];

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// The objects that could be read.
    pub objects: Vec<Object>,
    /// What is wrong with the file, in the order of its lines.
    pub faults: Vec<Fault>,
}

/// An object and where it was written.
#[derive(Clone, Debug)]
pub struct Object {
    /// Name of the file.
    pub file: Arc<str>,
    /// Where the object begins.
    pub place: Place,
    /// The object.
    pub content: Content,
    node: Node,
}

/// An object by its kind.
#[derive(Clone, Debug)]
pub enum Content {
    /// An `EventBus`.
    EventBus(Box<EventBus>),
    /// An `EventSource`.
    EventSource(Box<EventSource>),
    /// A `Sensor`.
    Sensor(Box<Sensor>),
    /// Anything else, for example a `Service`.
    Other(RawJson),
}

/// Something that is wrong, with its place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Name of the file.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            problem,
        } = self;
        write!(f, "{file}:{line}:{column}: {problem}")
    }
}

/// Reads a file.
pub fn read(file_name: &str, text: &str) -> Manifest {
    let mut reader = Reader {
        file: file_name.into(),
        manifest: Manifest::default(),
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (documents, faults) = document::read(text);
    for fault in faults {
        let severity = if fault.is_warning {
            Severity::Warning
        } else {
            Severity::Error
        };
        let problem = Problem {
            severity,
            ..Problem::error("", fault.message)
        };
        reader.fault(fault.place, problem);
    }
    for document in documents {
        reader.document(document);
    }
    let mut manifest = reader.manifest;
    manifest
        .faults
        .sort_by_key(|fault| (fault.line, fault.column, fault.problem.severity));
    manifest
}

/// Reads an object that is JSON already, as the API server sends it. The places of its faults are no
/// lines, but put them in order.
pub fn read_json(name: &str, object: serde_json::Value) -> Manifest {
    let mut reader = Reader {
        file: name.into(),
        manifest: Manifest::default(),
    };
    reader.document(Node::from_json(object));
    reader.manifest
}

impl Object {
    /// `apiVersion`.
    pub fn api_version(&self) -> &str {
        self.text("apiVersion")
    }

    /// `kind`.
    pub fn kind(&self) -> &str {
        self.text("kind")
    }

    /// `metadata.name`, or `metadata.generateName` if there is only that.
    pub fn name(&self) -> &str {
        match self.metadata("name") {
            "" => self.metadata("generateName"),
            name => name,
        }
    }

    /// `metadata.namespace`, empty if there is none.
    pub fn namespace(&self) -> &str {
        self.metadata("namespace")
    }

    /// The object as JSON, in the order of the file.
    pub fn to_json(&self) -> String {
        self.node.to_json()
    }

    /// Where a field stands, or its nearest parent that exists.
    pub fn locate(&self, field_path: &str) -> Place {
        if field_path.is_empty() {
            return self.place;
        }
        self.node.locate(&field_path::parse(field_path))
    }

    /// A problem of this object, with its place.
    pub fn fault(&self, problem: Problem) -> Fault {
        let Place { line, column } = self.locate(&problem.field_path);
        Fault {
            file: Arc::clone(&self.file),
            line,
            column,
            problem,
        }
    }

    /// What the static rules find, with places, in the order of the lines.
    pub fn validate(&self) -> Vec<Fault> {
        let problems = match &self.content {
            Content::EventBus(event_bus) => crate::validate::event_bus(event_bus),
            Content::EventSource(event_source) => crate::validate::event_source(event_source),
            Content::Sensor(sensor) => crate::validate::sensor(sensor),
            Content::Other(_) => Vec::new(),
        };
        let mut faults: Vec<_> = problems.into_iter().map(|p| self.fault(p)).collect();
        faults.sort_by_key(|fault| (fault.line, fault.column, fault.problem.severity));
        faults
    }

    fn text(&self, key: &str) -> &str {
        self.node
            .get(key)
            .and_then(Node::as_str)
            .unwrap_or_default()
    }

    fn metadata(&self, key: &str) -> &str {
        let member = self
            .node
            .get("metadata")
            .and_then(|metadata| metadata.get(key));
        member.and_then(Node::as_str).unwrap_or_default()
    }
}

struct Reader {
    file: Arc<str>,
    manifest: Manifest,
}

impl Reader {
    fn fault(&mut self, place: Place, problem: Problem) {
        let file = Arc::clone(&self.file);
        let Place { line, column } = place;
        self.manifest.faults.push(Fault {
            file,
            line,
            column,
            problem,
        });
    }

    /// Reads a document: an object, or a list of objects.
    fn document(&mut self, node: Node) {
        let Value::Object(_) = &node.value else {
            let problem = Problem::error("", "a manifest is an object with apiVersion and kind");
            return self.fault(node.place, problem);
        };
        let kind = node.get("kind").and_then(Node::as_str).unwrap_or_default();
        let is_list = kind.ends_with("List");
        match node.get("items").map(|items| &items.value) {
            // Lists in lists do not nest deeper than the document does.
            Some(Value::List(items)) if is_list => {
                for item in items.clone() {
                    self.document(item);
                }
            }
            _ => self.object(node),
        }
    }

    fn object(&mut self, node: Node) {
        // Values of a chart, an event, a workflow of a CI: somebody else's file.
        let own = ["apiVersion", "kind", "metadata", "spec"];
        if own.iter().all(|field| node.get(field).is_none()) {
            return;
        }
        let mut problems = Vec::new();
        for field in ["apiVersion", "kind"] {
            match node.get(field).map(|member| &member.value) {
                Some(Value::String(text)) if !text.is_empty() => {}
                _ => problems.push(Problem::error(field, "has to be a text, and is needed")),
            }
        }
        if !problems.is_empty() {
            return self.faults(&node, problems);
        }
        let api_version = node
            .get("apiVersion")
            .and_then(Node::as_str)
            .unwrap_or_default();
        let kind = node.get("kind").and_then(Node::as_str).unwrap_or_default();
        if !is_ours(api_version, kind) {
            return self.other(node);
        }
        if let Some(problem) = wrong_type(api_version, kind) {
            return self.faults(&node, vec![problem]);
        }
        let problems = check::against_schema(kind, &node);
        let is_broken = problems.iter().any(Problem::is_error);
        let content = match kind {
            "EventBus" => decode(&node, Content::EventBus),
            "EventSource" => decode(&node, Content::EventSource),
            _ => decode(&node, Content::Sensor),
        };
        self.faults(&node, problems);
        match content {
            Ok(content) => self.push(node, content),
            // The schema has said it better already.
            Err(_) if is_broken => {}
            Err(error) => self.fault(node.place, Problem::error("", error.to_string())),
        }
    }

    fn other(&mut self, node: Node) {
        match RawJson::from_text(node.to_json()) {
            Ok(json) => self.push(node, Content::Other(json)),
            Err(error) => self.fault(node.place, Problem::error("", error.to_string())),
        }
    }

    fn push(&mut self, node: Node, content: Content) {
        let file = Arc::clone(&self.file);
        self.manifest.objects.push(Object {
            file,
            place: node.place,
            content,
            node,
        });
    }

    fn faults(&mut self, node: &Node, problems: Vec<Problem>) {
        for problem in problems {
            self.fault(
                node.locate(&field_path::parse(&problem.field_path)),
                problem,
            );
        }
    }
}

fn decode<T: DeserializeOwned>(
    node: &Node,
    wrap: impl FnOnce(Box<T>) -> Content,
) -> Result<Content, serde_json::Error> {
    serde_json::from_str(&node.to_json()).map(|object| wrap(Box::new(object)))
}

/// True for our API group, and for our kinds in a group that was probably meant to be ours.
fn is_ours(api_version: &str, kind: &str) -> bool {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    if group == GROUP {
        return !OTHER_KINDS.contains(&kind);
    }
    let is_near = group.is_empty() || crate::problem::suggestion(group, [GROUP]).is_some();
    KINDS.contains(&kind) && is_near
}

/// Kinds of the same group that belong to other programs.
const OTHER_KINDS: [&str; 15] = [
    "Workflow",
    "WorkflowTemplate",
    "ClusterWorkflowTemplate",
    "CronWorkflow",
    "WorkflowEventBinding",
    "WorkflowArtifactGCTask",
    "WorkflowTaskResult",
    "WorkflowTaskSet",
    "Application",
    "ApplicationSet",
    "AppProject",
    "Rollout",
    "AnalysisTemplate",
    "ClusterAnalysisTemplate",
    "Experiment",
];

fn wrong_type(api_version: &str, kind: &str) -> Option<Problem> {
    if !KINDS.contains(&kind) {
        let problem = Problem::error("kind", format!("unknown kind {kind:?} in {GROUP}"));
        let problem = problem.with_suggestion(kind, KINDS);
        return Some(match problem.hint {
            Some(_) => problem,
            None => problem.with_hint(format!("one of {}", KINDS.join(", "))),
        });
    }
    (api_version != API_VERSION).then(|| {
        Problem::error("apiVersion", format!("{kind} is not in {api_version:?}"))
            .with_hint(format!("write `{API_VERSION}`"))
    })
}
