//! Manifests as users write them: files of YAML or JSON, with a place for every field.
//!
//! Reading finds everything that is wrong with the form: what is not YAML, fields of the wrong type,
//! fields that do not exist. What is wrong with the content is found by [`crate::validate`] and by
//! the crates that compile a spec; [`Object::fault`] gives their problems a place.

mod check;
mod document;
mod fields;
mod misplaced;
mod partial;
mod scalar;
mod text;

pub use document::Place;

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::field_path;
use crate::problem::{Code, Problem, Severity};
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
    /// The object. Fields with the wrong type are left out.
    pub content: Content,
    /// The errors for which fields were left out: with any, it is only to be looked at.
    pub broken: Vec<Problem>,
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

impl Fault {
    /// True if it is an error.
    pub fn is_error(&self) -> bool {
        self.problem.is_error()
    }
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
            ..Problem::error("", fault.message).with_code(Code::Syntax)
        };
        reader.fault(fault.place, problem);
    }
    let has_braces = text.contains("{{") || is_template(text);
    if has_braces && reader.manifest.faults.iter().any(Fault::is_error) {
        reader.manifest.faults.truncate(1);
        for Fault { problem, .. } in &mut reader.manifest.faults {
            "this looks like a template that is not rendered yet".clone_into(&mut problem.message);
            let hint = "render it, and check what comes of it; a template that tiphys fills stands in quotes";
            problem.hint = Some(hint.to_owned());
        }
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

/// True if a file may hold an object of ours. One that names neither our group nor a kind of ours, nor
/// has the fields of a sensor, holds none, whatever it is.
pub fn may_be_ours(text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    has(GROUP) || KINDS.into_iter().any(has) || has("dependencies") && has("triggers")
}

/// True if a file plainly means to hold an object of ours, whether it can be read or not.
pub fn means_ours(text: &str) -> bool {
    let kinds = KINDS.into_iter();
    text.contains(GROUP)
        || kinds
            .map(|kind| format!("kind: {kind}"))
            .any(|line| text.contains(&line))
}

/// True if a file looks like a template of another program: what is in it is no object yet. The braces
/// that tiphys' own templates and those of workflows have are none.
pub fn is_template(text: &str) -> bool {
    if text.contains("{% ") && text.contains(" %}") {
        return true;
    }
    let mut rest = text;
    while let Some((_, inside)) = rest.split_once("{{") {
        let (action, after) = inside.split_once("}}").unwrap_or((inside, ""));
        let action = action.trim_start_matches('-').trim_start();
        let is_chart = [".Values", ".Release", ".Chart", ".Capabilities"]
            .iter()
            .any(|object| action.contains(object))
            || ["include ", "template ", "define "]
                .iter()
                .any(|word| action.starts_with(word));
        if is_chart {
            return true;
        }
        rest = after;
    }
    false
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
        self.node.locate(&field_path::parse(field_path), None)
    }

    /// A problem of this object, with its place.
    pub fn fault(&self, problem: Problem) -> Fault {
        let place = match problem.field_path.as_str() {
            "" => self.place,
            path => self.node.locate(&field_path::parse(path), problem.within),
        };
        let Place { line, column } = place;
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
            // A JSON patch, a list of values: somebody else's.
            return;
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
        // A strategic merge patch is a part of an object that lies elsewhere.
        if node.is_patch() {
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
            // Values of a chart, an event, a workflow of a CI are somebody else's documents.
            if looks_like_ours(&node) {
                self.faults(&node, problems);
            }
            return;
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
        let errors = problems.iter().filter(|problem| problem.is_error());
        let broken: Vec<Problem> = errors.cloned().collect();
        let content = content(kind, &node);
        self.faults(&node, problems);
        match content {
            Ok(content) => self.push(node, content, broken),
            // The schema has said it better already.
            Err(_) if !broken.is_empty() => {
                let left = partial::without(&node, &broken);
                if let Ok(content) = self::content(kind, &left) {
                    self.push(node, content, broken);
                }
            }
            Err(error) => self.fault(node.place, Problem::error("", error.to_string())),
        }
    }

    fn other(&mut self, node: Node) {
        match RawJson::from_text(node.to_json()) {
            Ok(json) => self.push(node, Content::Other(json), Vec::new()),
            Err(error) => self.fault(node.place, Problem::error("", error.to_string())),
        }
    }

    fn push(&mut self, node: Node, content: Content, broken: Vec<Problem>) {
        let file = Arc::clone(&self.file);
        self.manifest.objects.push(Object {
            file,
            place: node.place,
            content,
            broken,
            node,
        });
    }

    fn faults(&mut self, node: &Node, problems: Vec<Problem>) {
        for problem in problems {
            self.fault(
                node.locate(&field_path::parse(&problem.field_path), problem.within),
                problem,
            );
        }
    }
}

/// True for what lacks its type, but has something of an object of ours.
fn looks_like_ours(node: &Node) -> bool {
    let text = |field| node.get(field).and_then(Node::as_str).unwrap_or_default();
    let spec = |field| node.get("spec").and_then(|spec| spec.get(field)).is_some();
    text("apiVersion").split('/').next() == Some(GROUP)
        || KINDS.contains(&text("kind"))
        || spec("dependencies") && spec("triggers")
}

/// An object of our own.
fn content(kind: &str, node: &Node) -> Result<Content, serde_json::Error> {
    match kind {
        "EventBus" => decode(node, Content::EventBus),
        "EventSource" => decode(node, Content::EventSource),
        _ => decode(node, Content::Sensor),
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
