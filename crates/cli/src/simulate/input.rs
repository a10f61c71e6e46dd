//! The events that are followed: read as they are, or made as an event source would make them.

use std::path::{Path as FilePath, PathBuf};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use tiphys_api::manifest::Content;
use tiphys_api::{EventConfig, ResourceEventSource, ResourceEventType};
use tiphys_eventbus::{Context, Event};
use tiphys_lang::path::Path;
use tiphys_lang::yaml;

use crate::args::{EventType, SimulateArgs};
use crate::documents;
use crate::files::{self, Loaded, Program};

/// An event, or why an event source makes none.
pub(super) struct Arrival {
    /// `namespace/event source/event`, where an event source had its say.
    pub(super) source: Option<String>,
    /// Which of the event source's filters passed; the last one may not have.
    pub(super) filters: Vec<(String, bool)>,
    /// The event, if there is one.
    pub(super) event: Option<Event>,
    /// The namespace whose sensors see it; `None`: all.
    pub(super) namespace: Option<String>,
}

/// Reads the events that the arguments name.
pub(super) fn read(args: &SimulateArgs, loaded: &Loaded) -> anyhow::Result<Vec<Arrival>> {
    let now = args.time.unwrap_or_else(Timestamp::now);
    if !args.event.is_empty() {
        return events(&args.event, loaded, now);
    }
    let (Some(object), Some(event_type)) = (&args.object, args.event_type) else {
        bail!("either --event, or --object and --as are needed");
    };
    from_object(object, event_type, args.old.as_deref(), loaded, now)
}

/// The documents of all files, in order.
fn events(paths: &[PathBuf], loaded: &Loaded, now: Timestamp) -> anyhow::Result<Vec<Arrival>> {
    let mut arrivals = Vec::new();
    for path in paths {
        let documents = documents::read(path)?;
        if documents.is_empty() {
            bail!("{}: there is no event in it", path.display());
        }
        for (index, document) in documents.iter().enumerate() {
            let event = event(&document.json, loaded, now)
                .with_context(|| format!("{}: event {}", path.display(), index + 1))?;
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

fn event(text: &str, loaded: &Loaded, now: Timestamp) -> anyhow::Result<Event> {
    let is_cloud_event = serde_json::from_str::<serde_json::Value>(text)
        .is_ok_and(|value| value.get("specversion").is_some());
    if is_cloud_event {
        return Event::decode(text.as_bytes()).context("read the CloudEvent");
    }
    let short: Short = serde_json::from_str(text).context(
        "read the event: a CloudEvent with `specversion`, \
         or an object of `eventSourceName`, `eventName` and `data`",
    )?;
    Ok(Event {
        context: Context {
            id: short.id.unwrap_or_else(Event::new_id),
            r#type: kind(loaded, &short.event_source_name, &short.event_name),
            source: short.event_source_name,
            specversion: "1.0".to_owned(),
            datacontenttype: "application/json".to_owned(),
            subject: short.event_name,
            time: Some(short.time.unwrap_or(now)),
        },
        data: short.data.map(|data| Bytes::from(data.get().to_owned())),
    })
}

/// The kind of the event, if its event source is among the files.
fn kind(loaded: &Loaded, source: &str, event: &str) -> String {
    let sources = loaded
        .objects
        .iter()
        .filter_map(|loadable| match &loadable.object.content {
            Content::EventSource(object) if object.metadata.name.as_deref() == Some(source) => {
                Some(object)
            }
            _ => None,
        });
    let kind = sources
        .flat_map(|source| source.spec.events())
        .find(|found| found.name == event)
        .map(|found| found.kind.event_type());
    kind.unwrap_or("resource").to_owned()
}

fn from_object(
    path: &FilePath,
    event_type: EventType,
    old: Option<&FilePath>,
    loaded: &Loaded,
    now: Timestamp,
) -> anyhow::Result<Vec<Arrival>> {
    let object = json(path)?;
    let old = old.map(json).transpose()?;
    if old.is_some() && event_type != EventType::Update {
        bail!("--old goes with --as UPDATE");
    }
    let event_type = match event_type {
        EventType::Add => ResourceEventType::Add,
        EventType::Update => ResourceEventType::Update,
        EventType::Delete => ResourceEventType::Delete,
    };
    let mut arrivals = Vec::new();
    let mut watched = Vec::new();
    for loadable in &loaded.objects {
        let (Some(Program::EventSource(source)), Content::EventSource(spec)) =
            (&loadable.program, &loadable.object.content)
        else {
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
                .with_context(|| format!("read {}", path.display()))?;
            let checks = made.checks.into_iter();
            arrivals.push(Arrival {
                source: Some(format!(
                    "{}/{}/{}",
                    source.namespace, source.name, event.name
                )),
                filters: checks
                    .map(|check| (check.condition, check.is_met))
                    .collect(),
                event: made.event,
                namespace: Some(source.namespace.to_string()),
            });
        }
    }
    if arrivals.is_empty() {
        bail!(
            "{}: no resource event source watches this object; they watch: {}",
            path.display(),
            if watched.is_empty() {
                "nothing".to_owned()
            } else {
                watched.join(", ")
            }
        );
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
fn json(path: &FilePath) -> anyhow::Result<Vec<u8>> {
    let text = files::read(path)?;
    yaml::to_json(text.as_bytes()).with_context(|| format!("read {}", path.display()))
}
