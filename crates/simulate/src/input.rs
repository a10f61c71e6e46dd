//! The events that are followed: read as they are, or made as an event source would make them.

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use tiphys_api::{EventConfig, EventSourceKind, ResourceEventSource, ResourceEventType};
use tiphys_eventbus::{Context, Event};
use tiphys_eventsource::{Compiled, Input, Simulated};
use tiphys_lang::path::Path;
use tiphys_lang::yaml;

use crate::error::Act as _;
use crate::{Error, File, Objects, documents};

/// The events that are followed.
#[derive(Debug)]
pub enum What {
    /// The documents of these files.
    Events(Vec<File>),
    /// What resource event sources make of an object.
    Object {
        /// The object.
        object: File,
        /// What happens to it.
        event_type: ResourceEventType,
        /// How it was before an update.
        old: Option<File>,
    },
    /// What event sources of a kind make of a body that their upstream sends.
    Body {
        /// The body; without one, what is typical of the kind.
        body: Option<File>,
        /// Headers that matter, by name.
        headers: Vec<(String, String)>,
        /// The kind, as its field of the spec.
        kind: EventSourceKind,
        /// The name of the event source; all if there is none.
        source: Option<String>,
    },
}

/// An event, or why an event source makes none.
pub(crate) struct Arrival {
    /// `namespace/event source/event`, where an event source had its say.
    pub(super) source: Option<String>,
    /// Which of the event source's filters passed; the last one may not have.
    pub(super) filters: Vec<(String, bool)>,
    /// The event, if there is one.
    pub(super) event: Option<Event>,
    /// The namespace whose sensors see it; `None`: all.
    pub(super) namespace: Option<String>,
}

/// Reads events, or makes them as event sources would.
pub(super) fn read(
    what: &What,
    objects: &Objects<'_>,
    now: Timestamp,
) -> Result<Vec<Arrival>, Error> {
    match what {
        What::Events(files) => events(files, objects, now),
        What::Object {
            object,
            event_type,
            old,
        } => from_object(object, *event_type, old.as_ref(), objects, now),
        What::Body {
            body,
            headers,
            kind,
            source,
        } => from_body(
            body.as_ref(),
            headers,
            *kind,
            source.as_deref(),
            objects,
            now,
        ),
    }
}

/// The documents of all files, in order.
fn events(files: &[File], objects: &Objects<'_>, now: Timestamp) -> Result<Vec<Arrival>, Error> {
    let mut arrivals = Vec::new();
    for file in files {
        let documents = documents::read(file)?;
        if documents.is_empty() {
            let problem = format!("{}: there is no event in it", file.name);
            return Err(Error::Given(problem));
        }
        for (index, document) in documents.iter().enumerate() {
            let event = event(&document.json, objects, now)
                .act(|| format!("{}: event {}", file.name, index + 1))?;
            let filters = Vec::new();
            arrivals.push(Arrival {
                source: None,
                filters,
                event: Some(event),
                namespace: None,
            });
        }
    }
    Ok(arrivals)
}

/// An event in short: `{"eventSourceName", "eventName", "data"}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Short {
    event_source_name: String,
    event_name: String,
    #[serde(default)]
    data: Option<Box<RawValue>>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    time: Option<Timestamp>,
}

fn event(text: &str, objects: &Objects<'_>, now: Timestamp) -> Result<Event, Error> {
    let is_cloud_event = serde_json::from_str::<serde_json::Value>(text)
        .is_ok_and(|value| value.get("specversion").is_some());
    if is_cloud_event {
        return Event::decode(text.as_bytes()).act(|| "read the CloudEvent".to_owned());
    }
    let short: Short = serde_json::from_str(text).act(|| {
        "read the event: a CloudEvent with `specversion`, \
         or an object of `eventSourceName`, `eventName` and `data`"
            .to_owned()
    })?;
    Ok(Event {
        context: Context {
            id: short.id.unwrap_or_else(Event::new_id),
            r#type: kind(objects, &short.event_source_name, &short.event_name),
            source: short.event_source_name,
            specversion: "1.0".to_owned(),
            datacontenttype: "application/json".to_owned(),
            subject: short.event_name,
            time: Some(short.time.unwrap_or(now)),
        }
        .into(),
        data: short.data.map(|data| Bytes::from(data.get().to_owned())),
    })
}

/// The kind of the event, if its event source is among the files.
fn kind(objects: &Objects<'_>, source: &str, event: &str) -> String {
    let sources = objects.event_sources.iter().map(|(object, _)| object);
    let sources = sources.filter(|object| object.metadata.name.as_deref() == Some(source));
    let kind = sources
        .flat_map(|source| source.spec.events())
        .find(|found| found.name == event)
        .map(|found| found.kind.event_type());
    kind.unwrap_or("resource").to_owned()
}

fn from_body(
    body: Option<&File>,
    headers: &[(String, String)],
    kind: EventSourceKind,
    name: Option<&str>,
    objects: &Objects<'_>,
    now: Timestamp,
) -> Result<Vec<Arrival>, Error> {
    let input = match body {
        Some(body) => Input::Body {
            body: body.text.as_bytes(),
            headers,
        },
        None => Input::Example,
    };
    let name_of_body = body.map_or("an example", |body| &body.name);
    let mut arrivals = Vec::new();
    let sources = objects
        .event_sources
        .iter()
        .filter_map(|(_, source)| *source);
    for source in sources.filter(|source| name.is_none_or(|name| name == &*source.name)) {
        for event in source.events.iter().filter(|event| event.kind == kind) {
            let made = event.simulate(&input, now);
            let made =
                made.act(|| format!("{name_of_body}: a call of {}/{}", source.name, event.name))?;
            arrivals.push(arrival(source, &event.name, made));
        }
    }
    if arrivals.is_empty() {
        let of = name.map_or_else(String::new, |name| format!(" in event source {name}"));
        let problem = format!("there is no event of kind {}{of}", kind.field());
        return Err(Error::Given(problem));
    }
    Ok(arrivals)
}

/// What an event source made.
fn arrival(source: &Compiled, event: &str, made: Simulated) -> Arrival {
    let checks = made.checks.into_iter();
    Arrival {
        source: Some(format!("{}/{}/{event}", source.namespace, source.name)),
        filters: checks
            .map(|check| (check.condition, check.is_met))
            .collect(),
        event: made.event,
        namespace: Some(source.namespace.to_string()),
    }
}

fn from_object(
    file: &File,
    event_type: ResourceEventType,
    old: Option<&File>,
    objects: &Objects<'_>,
    now: Timestamp,
) -> Result<Vec<Arrival>, Error> {
    let object = json(file)?;
    let old = old.map(json).transpose()?;
    let mut arrivals = Vec::new();
    let mut watched = Vec::new();
    for (spec, source) in &objects.event_sources {
        let Some(source) = source else {
            continue;
        };
        for event in spec.spec.events() {
            let EventConfig::Resource(watch) = event.config else {
                continue;
            };
            watched.push(format!(
                "{}/{}: {}",
                source.name,
                event.name,
                describe(watch)
            ));
            let compiled = source
                .events
                .iter()
                .find(|compiled| &*compiled.name == event.name);
            let (Some(compiled), true) = (compiled, watches(watch, &object)) else {
                continue;
            };
            let made = compiled
                .event_for(event_type, &object, old.as_deref(), now)
                .act(|| format!("read {}", file.name))?;
            arrivals.push(arrival(source, event.name, made));
        }
    }
    if arrivals.is_empty() {
        let watched = if watched.is_empty() {
            "nothing".to_owned()
        } else {
            watched.join(", ")
        };
        let problem = "no resource event source watches this object; they watch";
        return Err(Error::Given(format!("{}: {problem}: {watched}", file.name)));
    }
    Ok(arrivals)
}

/// What an event source watches, in words.
fn describe(watch: &ResourceEventSource) -> String {
    let group = if watch.group.is_empty() {
        "core"
    } else {
        &watch.group
    };
    let place = if watch.namespace.is_empty() {
        "all namespaces"
    } else {
        &watch.namespace
    };
    format!(
        "{} of {group}/{} in {place}",
        *watch.resource, *watch.version
    )
}

/// Whether the object is of the type, and in the namespace, that an event source watches.
///
/// Offline, nobody can say what the plural of a kind is: English plurals, and the kind itself, are
/// taken for it.
fn watches(watch: &ResourceEventSource, object: &[u8]) -> bool {
    let text = |path: &str| {
        let found = Path::compile(path).map(|path| path.get(object).text().into_owned());
        found.unwrap_or_default()
    };
    let api_version = text("apiVersion");
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", &api_version));
    let kind = text("kind").to_lowercase();
    let stem = kind.strip_suffix('y').unwrap_or(&kind);
    let plurals = [
        kind.clone(),
        format!("{kind}s"),
        format!("{kind}es"),
        format!("{stem}ies"),
    ];
    let namespace = text("metadata.namespace");
    group == *watch.group
        && version == *watch.version
        && plurals.contains(&watch.resource)
        && (watch.namespace.is_empty() || namespace.is_empty() || namespace == *watch.namespace)
}

/// The first document of a YAML or JSON file, as JSON.
fn json(file: &File) -> Result<Vec<u8>, Error> {
    yaml::to_json(file.text.as_bytes()).act(|| format!("read {}", file.name))
}
