//! The events that are followed: read as they are, or made as an event source would make them.

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use tiphys_api::manifest::Fault;
use tiphys_api::{
    Code, EventConfig, EventSource, EventSourceKind, ResourceEventSource, ResourceEventType,
    field_path,
};
use tiphys_check::link::{Publisher, Publishers};
use tiphys_eventbus::{Context, Event};
use tiphys_eventsource::{
    Check, Compiled, CompiledEvent, Expression, Input, SimulateError, Simulated,
};
use tiphys_lang::path::Path;

use crate::error::Act as _;
use crate::{Error, File, Objects, Subject, documents, manifest};

/// The events that are followed.
#[derive(Debug)]
pub enum What {
    /// The documents of these files.
    Events(Vec<File>),
    /// What resource event sources make of objects.
    Objects {
        /// Files with objects, or with lists of them.
        files: Vec<File>,
        /// What happens to each.
        event_type: ResourceEventType,
        /// How they were before an update.
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
pub(crate) struct Arrival<'o> {
    /// The object that something happens to, if there are several.
    pub(super) object: Option<String>,
    /// The event source, and `namespace/event source/event`, where they are known.
    pub(super) source: Option<(Publisher<'o>, String)>,
    /// The conditions of the event source, as far as they were asked.
    pub(super) checks: Vec<Check>,
    /// The event, or why there is none.
    pub(super) event: Result<Event, String>,
}

impl<'o> Arrival<'o> {
    /// An event that nothing is known of but what it says.
    fn unknown(event: Event) -> Self {
        Self {
            object: None,
            source: None,
            checks: Vec::new(),
            event: Ok(event),
        }
    }

    /// What no event source sees.
    fn unwatched(why: String) -> Self {
        Self {
            object: None,
            source: None,
            checks: Vec::new(),
            event: Err(why),
        }
    }

    /// What an event source does not make.
    fn none(source: (Publisher<'o>, String), why: String) -> Self {
        Self {
            object: None,
            source: Some(source),
            checks: Vec::new(),
            event: Err(why),
        }
    }

    /// What an event source made.
    fn made(source: (Publisher<'o>, String), made: Simulated) -> Self {
        let Simulated { checks, event } = made;
        let refused = checks.iter().find(|check| !check.is_met);
        let why = refused.map_or("", |check| &check.why);
        Self {
            object: None,
            source: Some(source),
            event: event.ok_or_else(|| why.to_owned()),
            checks,
        }
    }
}

/// Reads events, or makes them as event sources would.
pub(super) fn read<'o>(
    what: &What,
    objects: &Objects<'o>,
    now: Timestamp,
) -> Result<Vec<Arrival<'o>>, Error> {
    match what {
        What::Events(files) => events(files, objects, now),
        What::Objects {
            files,
            event_type,
            old,
        } => from_objects(files, *event_type, old.as_ref(), objects, now),
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
fn events<'o>(
    files: &[File],
    objects: &Objects<'o>,
    now: Timestamp,
) -> Result<Vec<Arrival<'o>>, Error> {
    let publishers = objects.publishers();
    let mut arrivals = Vec::new();
    for file in files {
        let documents = documents::read(file)?;
        if documents.is_empty() {
            let problem = format!("{}: there is no event in it", file.name);
            return Err(Error::Given(problem));
        }
        for (index, document) in documents.iter().enumerate() {
            let event = event(&document.json, &publishers, now)
                .act(|| format!("{}: event {}", file.name, index + 1))?;
            arrivals.extend(published(event, &publishers, objects));
        }
    }
    Ok(arrivals)
}

/// An event on its way out of its event source: one for each that may have made it. Where none of its
/// name is at hand, nothing is known of it.
pub(super) fn published<'o>(
    event: Event,
    publishers: &Publishers<'o>,
    objects: &Objects<'o>,
) -> Vec<Arrival<'o>> {
    let Context {
        source, subject, ..
    } = &*event.context;
    let named = publishers.named(source);
    let Some(first) = named.first() else {
        return vec![Arrival::unknown(event)];
    };
    let having: Vec<_> = named.iter().filter(|source| source.has(subject)).collect();
    if having.is_empty() {
        let why = first.lacks(subject).to_string();
        return vec![Arrival::none(objects.named(*first, subject), why)];
    }
    having
        .into_iter()
        .map(|source| passed(&event, objects.named(*source, subject)))
        .collect()
}

/// An event that has the event source's expression before it. Its other conditions are about more than
/// the payload, and are not asked.
fn passed<'o>(event: &Event, source: (Publisher<'o>, String)) -> Arrival<'o> {
    let name = &event.context.subject;
    let mut events = source.0.spec.events();
    let expression = events.find(|found| found.name == name);
    let check = match expression.as_ref().map(Expression::compile) {
        None => None,
        Some(Ok(expression)) => expression.check(event.data.as_deref().unwrap_or_default()),
        Some(Err(problem)) => {
            let why = format!("its filter.expression has a fault: {}", problem.message);
            return Arrival::none(source, why);
        }
    };
    let is_met = check.as_ref().is_none_or(|check| check.is_met);
    let made = Simulated {
        checks: check.into_iter().collect(),
        event: is_met.then(|| event.clone()),
    };
    Arrival::made(source, made)
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

pub(super) fn event(
    text: &str,
    publishers: &Publishers<'_>,
    now: Timestamp,
) -> Result<Event, Error> {
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
            r#type: kind(publishers, &short.event_source_name, &short.event_name),
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
fn kind(publishers: &Publishers<'_>, source: &str, event: &str) -> String {
    let sources = publishers.named(source).iter();
    let kind = sources
        .flat_map(|source| source.spec.events())
        .find(|found| found.name == event)
        .map(|found| found.kind.event_type());
    kind.unwrap_or("resource").to_owned()
}

fn from_body<'o>(
    body: Option<&File>,
    headers: &[(String, String)],
    kind: EventSourceKind,
    name: Option<&str>,
    objects: &Objects<'o>,
    now: Timestamp,
) -> Result<Vec<Arrival<'o>>, Error> {
    let input = match body {
        Some(body) => Input::Body {
            body: body.text.as_bytes(),
            headers,
        },
        None => Input::Example,
    };
    let name_of_body = body.map_or("an example", |body| &body.name);
    let mut arrivals = Vec::new();
    for source in &objects.event_sources {
        let publisher = source.publisher();
        if name.is_some_and(|name| name != publisher.name) {
            continue;
        }
        for event in publisher.spec.events().filter(|event| event.kind == kind) {
            let named = objects.named(publisher, event.name);
            let Some(compiled) = source.event(event.name) else {
                arrivals.push(Arrival::none(named, source.why_not(&event)));
                continue;
            };
            let made = compiled.simulate(&input, now);
            let made =
                made.act(|| format!("{name_of_body}: a call of {publisher}/{}", event.name))?;
            arrivals.push(Arrival::made(named, made));
        }
    }
    if arrivals.is_empty() {
        let of = name.map_or_else(String::new, |name| format!(" in event source {name}"));
        let problem = format!("there is no event of kind {}{of}", kind.field());
        return Err(Error::Given(problem));
    }
    Ok(arrivals)
}

fn from_objects<'o>(
    files: &[File],
    event_type: ResourceEventType,
    old: Option<&File>,
    objects: &Objects<'o>,
    now: Timestamp,
) -> Result<Vec<Arrival<'o>>, Error> {
    let mut given = Vec::new();
    for file in files {
        let found = manifest::read(file)?;
        if found.is_empty() {
            let problem = format!("{}: there is no object in it", file.name);
            return Err(Error::Given(problem));
        }
        given.extend(found.into_iter().map(|object| (file, object)));
    }
    let olds = old.map(manifest::read).transpose()?.unwrap_or_default();
    let is_one = given.len() == 1;
    let mut arrivals = Vec::new();
    let mut is_watched = false;
    for (file, object) in &given {
        let before = match &olds[..] {
            // Whatever its name: one is meant.
            [one] if is_one => Some(one),
            olds => olds.iter().find(|old| old.is_same(object)),
        };
        let before = before.map(|old| old.json.as_bytes());
        let change = (event_type, object.json.as_bytes(), before);
        let mut made = from_object(change, objects, now).act(|| format!("read {}", file.name))?;
        is_watched |= !made.is_empty();
        if made.is_empty() {
            let why = "no resource event source watches this object".to_owned();
            made.push(Arrival::unwatched(why));
        }
        if !is_one {
            for arrival in &mut made {
                arrival.object = Some(object.to_string());
            }
        }
        arrivals.append(&mut made);
    }
    if !is_watched {
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        return Err(Error::Given(unwatched(&names.join(", "), is_one, objects)));
    }
    Ok(arrivals)
}

/// Says what is watched, where that is none of what is given.
fn unwatched(files: &str, is_one: bool, objects: &Objects<'_>) -> String {
    let mut watched = Vec::new();
    for source in &objects.event_sources {
        let publisher = source.publisher();
        for event in publisher.spec.events() {
            if let EventConfig::Resource(watch) = event.config {
                let described = describe(watch);
                watched.push(format!("{}/{}: {described}", publisher.name, event.name));
            }
        }
    }
    let watched = if watched.is_empty() {
        "nothing".to_owned()
    } else {
        watched.join(", ")
    };
    let these = if is_one {
        "this object"
    } else {
        "these objects"
    };
    format!("{files}: no resource event source watches {these}; they watch: {watched}")
}

/// What resource event sources make of a change of an object.
fn from_object<'o>(
    (event_type, object, old): (ResourceEventType, &[u8], Option<&[u8]>),
    objects: &Objects<'o>,
    now: Timestamp,
) -> Result<Vec<Arrival<'o>>, SimulateError> {
    let mut arrivals = Vec::new();
    for source in &objects.event_sources {
        let publisher = source.publisher();
        for event in publisher.spec.events() {
            let EventConfig::Resource(watch) = event.config else {
                continue;
            };
            if !watches(watch, object) {
                continue;
            }
            let named = objects.named(publisher, event.name);
            let Some(compiled) = source.event(event.name) else {
                arrivals.push(Arrival::none(named, source.why_not(&event)));
                continue;
            };
            let made = compiled.event_for(event_type, object, old, now)?;
            arrivals.push(Arrival::made(named, made));
        }
    }
    Ok(arrivals)
}

impl<'o> Objects<'o> {
    /// The event sources by name.
    pub(super) fn publishers(&self) -> Publishers<'o> {
        self.event_sources.iter().map(Source::publisher).collect()
    }

    /// An event source with the full name of one of its events.
    fn named(&self, source: Publisher<'o>, event: &str) -> (Publisher<'o>, String) {
        let namespace = match source.place.namespace {
            "" => self.default,
            namespace => namespace,
        };
        (source, format!("{namespace}/{}/{event}", source.name))
    }
}

type Source<'o> = Subject<'o, EventSource, Compiled>;

impl<'o> Source<'o> {
    fn publisher(&self) -> Publisher<'o> {
        let name = self.object.metadata.name.as_deref().unwrap_or_default();
        Publisher::new(self.namespace, name, &self.object.spec)
    }

    /// An event that has no errors.
    fn event(&self, name: &str) -> Option<&'o CompiledEvent> {
        let mut events = self.compiled?.events.iter();
        events
            .find(|event| &*event.name == name)
            .map(|event| &**event)
    }

    /// Why an event has errors.
    fn why_not(&self, event: &tiphys_api::Event<'_>) -> String {
        let place = event.field_path();
        let faults = self.faults.iter();
        let of_it = faults.filter(|fault| field_path::is_within(&fault.problem.field_path, &place));
        let faults: Vec<&&Fault> = of_it.collect();
        let not_run = faults
            .iter()
            .find(|fault| fault.problem.code == Code::NotRun);
        if let (Some(fault), 1) = (not_run, faults.len()) {
            let why = &fault.problem.message;
            return format!("{why}: what they make is not known, give it with --event");
        }
        let faults: Vec<String> = faults.iter().map(|fault| fault.problem.text()).collect();
        format!("it has faults: {}", faults.join("; "))
    }
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
