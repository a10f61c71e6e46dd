//! What is wrong between objects: found in what is at hand, never in what may be elsewhere.
//!
//! Files rarely hold everything that is in a cluster. So nothing is said about a name that none of
//! the objects has; but an `EventSource` that is at hand has the events that it has.

use std::collections::HashMap;

use tiphys_api::manifest::{Content, Fault, Object};
use tiphys_api::{Code, EventDependency, EventSource, Problem, Sensor, field_path};

/// Where an object is: kind, namespace and name.
type Key<'o> = (&'o str, &'o str, &'o str);

/// What is wrong between the objects, with places. Those that name no namespace are in `namespace`.
pub fn set<'o>(objects: impl IntoIterator<Item = &'o Object>, namespace: &'o str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut known: HashMap<Key<'_>, &Object> = HashMap::new();
    let objects: Vec<&Object> = objects
        .into_iter()
        .filter(|object| is_ours(object))
        .collect();
    for object in &objects {
        let key = (
            object.kind(),
            namespace_of(object, namespace),
            name_of(object),
        );
        if key.2.is_empty() {
            continue;
        }
        match known.get(&key) {
            Some(first) => faults.push(object.fault(twice(object, first))),
            None => {
                known.insert(key, object);
            }
        }
    }
    for object in objects {
        let Content::Sensor(sensor) = &object.content else {
            continue;
        };
        let namespace = namespace_of(object, namespace);
        let source = |name| match known.get(&("EventSource", namespace, name))?.content {
            Content::EventSource(ref source) => Some(&**source),
            _ => None,
        };
        for (at, dependency) in sensor.spec.dependencies.iter().enumerate() {
            let path = field_path::index("spec.dependencies", at);
            let found = source(dependency.event_source_name.as_str())
                .and_then(|source| unanswered(sensor, source, dependency, &path));
            faults.extend(found.map(|problem| object.fault(problem)));
        }
    }
    faults
}

/// The warning about an object of `kind` whose bus is not there.
pub fn missing_bus(kind: &str, namespace: &str, name: &str) -> Problem {
    let message = format!(
        "there is no EventBus {name} in namespace {namespace} yet; the {kind} waits for it"
    );
    Problem::warning("spec.eventBusName", message)
}

fn is_ours(object: &Object) -> bool {
    !matches!(object.content, Content::Other(_))
}

fn namespace_of<'o>(object: &'o Object, default: &'o str) -> &'o str {
    match object.namespace() {
        "" => default,
        namespace => namespace,
    }
}

/// Its name; empty if the API server makes one.
fn name_of(object: &Object) -> &str {
    let name = match &object.content {
        Content::EventBus(object) => &object.metadata.name,
        Content::EventSource(object) => &object.metadata.name,
        Content::Sensor(object) => &object.metadata.name,
        Content::Other(_) => &None,
    };
    name.as_deref().unwrap_or_default()
}

fn twice(object: &Object, first: &Object) -> Problem {
    let (file, line) = (&first.file, first.place.line);
    let message = format!(
        "another {} of this name is at {file}:{line}; only one can exist",
        object.kind()
    );
    Problem::warning("metadata.name", message).with_code(Code::Conflict)
}

/// Why the source never sends what the dependency waits for.
fn unanswered(
    sensor: &Sensor,
    source: &EventSource,
    dependency: &EventDependency,
    path: &str,
) -> Option<Problem> {
    let (source_name, event) = (
        dependency.event_source_name.as_str(),
        dependency.event_name.as_str(),
    );
    let (publishes, reads) = (source.spec.bus_name(), sensor.spec.bus_name());
    if publishes != reads {
        let message = format!(
            "never comes: EventSource {source_name} publishes to EventBus {publishes}, and this \
             Sensor reads {reads}"
        );
        let problem = Problem::warning(format!("{path}.eventSourceName"), message)
            .with_code(Code::NeverComes);
        return Some(problem.with_hint("give both one eventBusName"));
    }
    let names: Vec<&str> = source.spec.events().map(|event| event.name).collect();
    // What has no name, or a pattern in it, is another rule's to refuse.
    if event.is_empty() || event.contains(['*', '>']) || names.contains(&event) {
        return None;
    }
    let message = format!("never comes: EventSource {source_name} has no event {event}");
    let problem =
        Problem::warning(format!("{path}.eventName"), message).with_code(Code::NeverComes);
    let problem = problem.with_suggestion(event, names.iter().copied());
    Some(match problem.hint {
        Some(_) => problem,
        None => problem.with_hint(format!("it has {}", names.join(", "))),
    })
}
