//! What is wrong between objects: found in what is at hand, never in what may be elsewhere.

use std::collections::HashMap;

use tiphys_api::manifest::{Content, Fault, Object};
use tiphys_api::{Code, Problem, field_path};

use crate::link::{Place, Publisher, Publishers};

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
    let publishers: Publishers<'_> = objects.iter().filter_map(|o| publisher(o)).collect();
    for object in objects {
        let Content::Sensor(sensor) = &object.content else {
            continue;
        };
        let listener = Place {
            namespace: object.namespace(),
            bus: sensor.spec.bus_name(),
        };
        for (at, dependency) in sensor.spec.dependencies.iter().enumerate() {
            let path = field_path::index("spec.dependencies", at);
            let (source, event) = (&dependency.event_source_name, &dependency.event_name);
            let gap = publishers.gap(listener, source, event);
            faults.extend(gap.map(|gap| object.fault(gap.problem(&path))));
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

/// An event source at hand.
fn publisher(object: &Object) -> Option<Publisher<'_>> {
    match &object.content {
        Content::EventSource(source) => {
            let (namespace, name) = (object.namespace(), name_of(object));
            Some(Publisher::new(namespace, name, &source.spec))
        }
        _ => None,
    }
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
