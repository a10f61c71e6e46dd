//! Compares the actions of a simulation with those that a file expects.

use serde_json::value::RawValue;
use tiphys_lang::json::{self, Map, Value};
use tiphys_sensor::engine::Outcome;
use tiphys_sensor::trigger::{self, Action};

use super::diff::{self, Difference, Field, Pair};
use super::trace::{Report, SensorReport, TriggerReport};
use crate::error::Act as _;
use crate::{Error, File, documents};

/// What stands for the operation of an object that names none.
const ANY_BUT_DELETE: &str = "create, update or patch";

/// The strategy of a patch of which only the operations are sent.
const JSON_PATCH: &str = "application/json-patch+json";

/// The actions that a file expects, in their order.
#[derive(Debug)]
pub struct Expected {
    file: String,
    actions: Vec<Value>,
}

/// What was done, event by event.
#[derive(Debug, Default)]
pub(super) struct Done {
    actions: Vec<Performed>,
    failures: Vec<Failure>,
}

/// An action as JSON, and who asked for it.
#[derive(Debug)]
struct Performed {
    by: String,
    action: Value,
}

/// A trigger that should have acted and could not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) by: String,
    pub(super) error: String,
    /// The same without the place in a file.
    pub(super) why: String,
}

/// What differs between a file and a simulation.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) file: String,
    /// How many actions were compared.
    pub(super) actions: usize,
    pub(super) parts: Vec<Part>,
    pub(super) failures: Vec<Failure>,
}

/// An action that is not as expected.
#[derive(Debug, PartialEq)]
pub(super) struct Part {
    pub(super) verdict: Verdict,
    /// The action in a few words.
    pub(super) action: String,
    /// Who asked for it, if somebody did.
    pub(super) by: Option<String>,
    pub(super) differences: Vec<Difference>,
}

/// Which of both sides an action is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// On both, and not the same.
    Different,
    /// Only expected.
    Missing,
    /// Only done.
    Unexpected,
}

impl Done {
    /// Takes note of what the triggers made of one event.
    pub(super) fn add(&mut self, report: &Report<'_>) -> Result<(), Error> {
        for sensor in &report.sensors {
            for trigger in &sensor.triggers {
                self.add_trigger(sensor, trigger)?;
            }
        }
        Ok(())
    }

    pub(super) fn add_trigger(
        &mut self,
        sensor: &SensorReport,
        trigger: &TriggerReport,
    ) -> Result<(), Error> {
        let SensorReport {
            namespace,
            name,
            dependencies,
            ..
        } = sensor;
        let by = format!("sensor {namespace}/{name}, trigger {}", trigger.name);
        for firing in &trigger.firings {
            let by = by.clone();
            match &firing.action {
                Ok(action) => self.actions.push(Performed {
                    by,
                    action: to_json(action)?,
                }),
                Err(error) => self.failures.push(Failure {
                    by,
                    error: error.short(),
                    why: error.why().to_owned(),
                }),
            }
        }
        if trigger.outcome == Outcome::DeadLettered && trigger.firings.is_empty() {
            let transforms = dependencies
                .iter()
                .filter_map(|report| report.transformed.as_ref());
            let errors: Vec<&str> = transforms
                .filter_map(|outcome| outcome.as_ref().err().map(String::as_str))
                .collect();
            let error = errors.join("; ");
            let why = errors.first().copied().unwrap_or_default().to_owned();
            self.failures.push(Failure { by, error, why });
        }
        Ok(())
    }
}

impl Done {
    /// Why something could not be done.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failures.first().map(|failure| failure.error.as_str())
    }

    /// The same, as a test expects it: `nothing`, or actions and a reason. What is logged is left out.
    pub(super) fn expectation(&self) -> Result<serde_json::Value, Error> {
        let read = |value: Value| -> serde_json::Result<serde_json::Value> {
            serde_json::from_str(&value.to_go_json())
        };
        let actions = self.actions.iter();
        let actions = actions.filter(|performed| !is_log(&performed.action));
        let actions: Vec<serde_json::Value> = actions
            .map(|performed| read(performed.expected()))
            .collect::<serde_json::Result<_>>()
            .act(|| "print the actions".to_owned())?;
        let reason = self.failures.first().map(|failure| &failure.why);
        Ok(match (actions.is_empty(), reason) {
            (true, None) => "nothing".into(),
            (false, None) => serde_json::json!({ "actions": actions }),
            (_, Some(why)) => serde_json::json!({ "actions": actions, "reason": why }),
        })
    }

    /// The same actions, as what is expected.
    pub(super) fn expected(self) -> Expected {
        let actions = self.actions.into_iter();
        Expected {
            file: String::new(),
            actions: actions.map(|performed| performed.expected()).collect(),
        }
    }
}

impl Performed {
    /// As a file of expectations writes it.
    fn expected(&self) -> Value {
        as_object(&self.action).unwrap_or_else(|| self.action.clone())
    }
}

impl Part {
    /// The fields that differ.
    pub(super) fn fields(&self) -> Vec<&str> {
        let fields = self.differences.iter();
        let fields = fields.filter_map(|one| one.expected.as_ref().or(one.actual.as_ref()));
        fields.map(|field| field.path.as_str()).collect()
    }
}

fn to_json(action: &Action) -> Result<Value, Error> {
    let text = serde_json::to_string(action).act(|| "print the action".to_owned())?;
    json::from_slice(text.as_bytes()).act(|| "read the action".to_owned())
}

impl Expected {
    /// Reads a file of Kubernetes objects and actions.
    ///
    /// # Errors
    /// If it is neither YAML nor JSON, or something else than objects and actions.
    pub fn read(file: &File) -> Result<Self, Error> {
        let mut actions = Vec::new();
        for document in documents::read(file)? {
            let value = json::from_slice(document.json.as_bytes());
            let place = || {
                let line = document.line;
                format!("{}: the document that begins on line {line}", file.name)
            };
            take(value.act(place)?, &mut actions).act(place)?;
        }
        Ok(Self {
            file: file.name.clone(),
            actions,
        })
    }

    /// Expects these objects and actions.
    pub(super) fn of(file: &str, documents: &[Box<RawValue>]) -> Result<Self, Error> {
        let mut actions = Vec::new();
        for document in documents {
            let act = || "read what is expected".to_owned();
            let value = json::from_slice(document.get().as_bytes()).act(act)?;
            take(value, &mut actions).act(act)?;
        }
        Ok(Self {
            file: file.to_owned(),
            actions,
        })
    }

    /// What of `done` is not as expected.
    pub(super) fn compare(self, done: Done) -> Comparison {
        let Self {
            file,
            actions: expected,
        } = self;
        let Done {
            actions: mut performed,
            failures,
        } = done;
        // What is logged depends on every detail of an event and changes nothing in the world.
        if !expected.iter().any(is_log) {
            performed.retain(|performed| !is_log(&performed.action));
        }
        let pairs = diff::align(
            &expected,
            &performed,
            |expected, performed| Subject::of(expected) == Subject::of(&performed.action),
            |expected, performed| Subject::of(expected).kind == Subject::of(&performed.action).kind,
        );
        let parts = pairs.into_iter().filter_map(|pair| match pair {
            Pair::Both(i, j) => different(&expected[i], &performed[j]),
            Pair::Expected(i) => Some(Part::missing(&expected[i])),
            Pair::Actual(j) => Some(Part::unexpected(&performed[j])),
        });
        Comparison {
            file,
            actions: performed.len(),
            parts: parts.collect(),
            failures,
        }
    }
}

impl Comparison {
    /// The same, where it may be that triggers fail.
    pub(super) fn without_failures(mut self, may_fail: bool) -> Self {
        if may_fail {
            self.failures.clear();
        }
        self
    }

    pub(super) fn is_equal(&self) -> bool {
        self.parts.is_empty() && self.failures.is_empty()
    }
}

/// Checks a document, and adds it or, of a list, its items.
fn take(document: Value, actions: &mut Vec<Value>) -> Result<(), Error> {
    let items = match document {
        Value::Null => return Ok(()),
        Value::Array(items) => items,
        Value::Object(mut list) if is_list(&list) => match list.shift_remove("items") {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        },
        document => vec![document],
    };
    for item in items {
        match &item {
            Value::Object(members) if members.contains_key("kind") || members.len() == 1 => {}
            _ => {
                return Err(Error::Given(
                    "neither a Kubernetes object, which has a `kind`, nor an action, such as `http: …`".to_owned(),
                ));
            }
        }
        actions.push(item);
    }
    Ok(())
}

fn is_list(members: &Map) -> bool {
    members.get("kind") == Some(&Value::String("List".into()))
}

fn is_log(action: &Value) -> bool {
    action.get("log").is_some() && action.get("kind").is_none()
}

/// What an action is about: finds its counterpart.
#[derive(Debug, PartialEq, Eq)]
struct Subject<'v> {
    kind: [&'v str; 2],
    name: [&'v str; 2],
}

impl<'v> Subject<'v> {
    fn of(action: &'v Value) -> Self {
        let (kind, object) = match action {
            Value::Object(members) if !members.contains_key("kind") => match members.first() {
                Some((kind, spec)) => (kind.as_str(), spec.get("object")),
                None => ("", None),
            },
            object => ("", Some(object)),
        };
        let Some(object) = object else {
            return Self {
                kind: ["", kind],
                name: ["", ""],
            };
        };
        let metadata = object.get("metadata").unwrap_or(&Value::Null);
        let name = match text(metadata, "name") {
            "" => text(metadata, "generateName"),
            name => name,
        };
        Self {
            kind: [text(object, "apiVersion"), text(object, "kind")],
            name: [text(metadata, "namespace"), name],
        }
    }

    /// `Ingress playground/harbour-svc-ing`, or the kind of the action.
    fn words(&self) -> String {
        match (self.kind[1], self.name) {
            (kind, ["", ""]) => kind.to_owned(),
            (kind, ["", name]) => format!("{kind} {name}"),
            (kind, [namespace, name]) => format!("{kind} {namespace}/{name}"),
        }
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    match value.get(key) {
        Some(Value::String(text)) => text,
        _ => "",
    }
}

impl Part {
    fn missing(expected: &Value) -> Self {
        let field = Field {
            path: String::new(),
            value: expected.clone(),
        };
        Self {
            verdict: Verdict::Missing,
            action: words(expected),
            by: None,
            differences: vec![Difference {
                expected: Some(field),
                actual: None,
            }],
        }
    }

    fn unexpected(performed: &Performed) -> Self {
        let value = as_object(&performed.action).unwrap_or_else(|| performed.action.clone());
        let field = Field {
            path: String::new(),
            value,
        };
        Self {
            verdict: Verdict::Unexpected,
            action: words(&performed.action),
            by: Some(performed.by.clone()),
            differences: vec![Difference {
                expected: None,
                actual: Some(field),
            }],
        }
    }
}

/// An action in a few words, as in `create Ingress playground/harbour-svc-ing`.
pub(super) fn in_words(action: &Action) -> String {
    match to_json(action) {
        Ok(json) if json.get("k8s").is_some() => words(&json),
        _ => {
            let acts = action.describe().into_iter().filter_map(|part| match part {
                trigger::Part::Act(act) => Some(act),
                trigger::Part::Line(_) | trigger::Part::Document(_) => None,
            });
            acts.collect::<Vec<_>>().join(", ")
        }
    }
}

fn words(action: &Value) -> String {
    let subject = Subject::of(action).words();
    let operation = match as_object(action) {
        Some(object) => text(&object, "operation").to_owned(),
        None => text(action, "operation").to_owned(),
    };
    if operation.is_empty() {
        subject
    } else {
        format!("{operation} {subject}")
    }
}

fn different(expected: &Value, performed: &Performed) -> Option<Part> {
    let differences = match (expected.get("kind"), as_object(&performed.action)) {
        (Some(_), Some(actual)) => {
            let spec = performed.action.get("k8s");
            let is_json_patch = spec.is_some_and(|spec| text(spec, "patch") == JSON_PATCH);
            object_differences(expected.clone(), actual, is_json_patch)
        }
        _ => diff::differences(expected, &performed.action),
    };
    (!differences.is_empty()).then(|| Part {
        verdict: Verdict::Different,
        action: words(&performed.action),
        by: Some(performed.by.clone()),
        differences,
    })
}

fn object_differences(
    mut expected: Value,
    mut actual: Value,
    is_json_patch: bool,
) -> Vec<Difference> {
    let deletes = text(&actual, "operation") == "delete";
    if let (Value::Object(expected), Value::Object(actual)) = (&mut expected, &mut actual) {
        if !expected.contains_key("operation") {
            if deletes {
                let operation = Value::String(ANY_BUT_DELETE.into());
                expected.shift_insert(0, "operation".into(), operation);
            } else {
                actual.shift_remove("operation");
            }
        }
        if deletes {
            keep_sent(expected, &[]);
            keep_sent(actual, &[]);
        } else if is_json_patch {
            keep_sent(expected, &["patch"]);
        }
    }
    diff::differences(&expected, &actual)
}

/// Leaves of an object what names it, and the `body`, if only that is sent: the rest has no meaning.
fn keep_sent(object: &mut Map, body: &[&str]) {
    let names = ["operation", "apiVersion", "kind", "metadata"];
    object.retain(|key, _| names.contains(&key.as_str()) || body.contains(&key.as_str()));
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.retain(|key, _| ["name", "generateName", "namespace"].contains(&key.as_str()));
    }
}

/// The object of a Kubernetes action, with the operation as a further member; `None` for other
/// actions, and where the object is not known before the action is performed.
fn as_object(action: &Value) -> Option<Value> {
    let spec = action.get("k8s")?;
    if spec.get("liveEdits").is_some() {
        return None;
    }
    let (Some(operation), Some(Value::Object(object))) =
        (spec.get("operation"), spec.get("object"))
    else {
        return None;
    };
    let mut object = object.clone();
    object.shift_insert(0, "operation".to_owned(), operation.clone());
    Some(Value::Object(object))
}

#[cfg(test)]
mod tests;
