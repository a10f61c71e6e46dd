//! From objects to the graph: who publishes what, who listens to whom, and what is missing.

mod event;
mod lookup;
mod sensor;
mod target;
mod trigger;

use std::collections::{HashMap, HashSet};

use tiphys_api::{BusKind, EventBus, EventBusSpec, EventSource, EventSourceSpec, Sensor};

use crate::model::{Edge, EdgeKind, Graph, Node, NodeKind, Route};
use crate::text::{clean, shorten};
use event::public_url;
use lookup::Events;

/// Characters of a name that go into an id.
const MAX_ID_CHARS: usize = 40;

/// Characters of a text that a graph keeps: more than anybody reads in a tooltip.
pub(crate) const MAX_TEXT_CHARS: usize = 1000;

/// Routes a graph holds at most: without a bound, wildcards times events grow with the square.
const MAX_ROUTES: usize = 10_000;

impl Graph {
    /// The flow that the objects make together, in whatever order they come.
    pub fn from_objects(
        event_sources: &[EventSource],
        event_buses: &[EventBus],
        sensors: &[Sensor],
    ) -> Self {
        let mut builder = Builder::default();
        for bus in sorted!(event_buses) {
            let place = Place {
                namespace: bus.namespace,
                bus: bus.name,
            };
            builder.bus(place, Some(bus.spec));
        }
        for source in sorted!(event_sources) {
            builder.source(&source);
        }
        for sensor in sorted!(sensors) {
            builder.sensor(&sensor);
        }
        builder.graph
    }
}

/// A spec with what its object is called.
struct Named<'a, T> {
    namespace: &'a str,
    name: &'a str,
    spec: &'a T,
}

/// The objects of a list by namespace and name.
macro_rules! sorted {
    ($objects:expr) => {{
        let mut objects: Vec<_> = $objects
            .iter()
            .map(|object| {
                let metadata = &object.metadata;
                let name = metadata.name.as_deref().filter(|name| !name.is_empty());
                Named {
                    namespace: metadata.namespace.as_deref().unwrap_or_default(),
                    name: name
                        .or(metadata.generate_name.as_deref())
                        .unwrap_or_default(),
                    spec: &object.spec,
                }
            })
            .collect();
        objects.sort_by_key(|object| (object.namespace, object.name));
        objects
    }};
}
use sorted;

/// A bus in a namespace: what two objects have to share for events to pass between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Place<'a> {
    namespace: &'a str,
    bus: &'a str,
}

/// What a node shows.
#[derive(Debug, Default)]
struct Face {
    tag: String,
    title: String,
    detail: String,
    badges: Vec<String>,
}

/// Where a node belongs.
#[derive(Clone, Copy)]
struct Spot<'a> {
    kind: NodeKind,
    place: Place<'a>,
    sensor: Option<&'a str>,
    is_missing: bool,
}

#[derive(Default)]
struct Builder<'a> {
    graph: Graph,
    ids: HashSet<String>,
    repeats: HashMap<String, usize>,
    buses: HashMap<Place<'a>, String>,
    events: Events<'a>,
    missing: HashMap<(Place<'a>, &'a str, Option<&'a str>), String>,
    targets: HashMap<(Place<'a>, String), String>,
}

impl<'a> Builder<'a> {
    /// Adds a node and returns its id.
    fn node(&mut self, spot: Spot<'a>, names: &[&str], face: &Face) -> String {
        let Spot {
            kind,
            place,
            sensor,
            is_missing,
        } = spot;
        let id = self.id(kind, place, names);
        let kept = |text: &str| shorten(&clean(text), MAX_TEXT_CHARS);
        self.graph.nodes.push(Node {
            id: id.clone(),
            kind,
            namespace: kept(place.namespace),
            bus: kept(place.bus),
            sensor: sensor.map(kept),
            tag: kept(&face.tag),
            title: kept(&face.title),
            detail: kept(&face.detail),
            badges: face.badges.iter().map(|badge| kept(badge)).collect(),
            is_missing,
            faults: Vec::new(),
        });
        id
    }

    /// An id that no other node has: names may differ in more than an id can hold.
    fn id(&mut self, kind: NodeKind, place: Place<'_>, names: &[&str]) -> String {
        let mut base = kind.name().to_owned();
        for part in std::iter::once(&place.namespace).chain(names) {
            base.push('_');
            let part = part.chars().take(MAX_ID_CHARS);
            base.extend(part.map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }));
        }
        base.make_ascii_lowercase();
        let mut id = base.clone();
        while !self.ids.insert(id.clone()) {
            let repeats = self.repeats.entry(base.clone()).or_insert(1);
            *repeats += 1;
            id = format!("{base}_{repeats}");
        }
        id
    }

    fn edge(&mut self, from: &str, to: &str, label: &str, kind: EdgeKind) {
        let (from, to) = (from.to_owned(), to.to_owned());
        let label = shorten(&clean(label), MAX_TEXT_CHARS);
        self.graph.edges.push(Edge {
            from,
            to,
            label,
            kind,
        });
    }

    fn route(&mut self, event: &str, dependency: &str) {
        if self.graph.routes.len() < MAX_ROUTES {
            let (event, dependency) = (event.to_owned(), dependency.to_owned());
            self.graph.routes.push(Route { event, dependency });
        }
    }

    /// The bus of a place: missing unless its spec was given before.
    fn bus(&mut self, place: Place<'a>, spec: Option<&EventBusSpec>) -> String {
        if let Some(id) = self.buses.get(&place) {
            return id.clone();
        }
        let face = spec.map_or_else(|| not_found("event bus", place.bus), |s| bus_face(place, s));
        let is_missing = spec.is_none();
        let spot = Spot {
            kind: NodeKind::Bus,
            place,
            sensor: None,
            is_missing,
        };
        let id = self.node(spot, &[place.bus], &face);
        self.buses.insert(place, id.clone());
        id
    }

    fn source(&mut self, source: &Named<'a, EventSourceSpec>) {
        let place = Place {
            namespace: source.namespace,
            bus: source.spec.bus_name(),
        };
        let bus = self.bus(place, None);
        let spot = Spot {
            kind: NodeKind::Source,
            place,
            sensor: None,
            is_missing: false,
        };
        let face = event::source_face(source.name, source.spec);
        let source_id = self.node(spot, &[source.name], &face);
        self.events.add_source(place, source.name, &source_id);
        for event in source.spec.events() {
            let spot = Spot {
                kind: NodeKind::Event,
                ..spot
            };
            let id = self.node(spot, &[source.name, event.name], &event::face(&event));
            self.edge(&source_id, &id, "", EdgeKind::Flow);
            self.edge(&id, &bus, "", EdgeKind::Flow);
            self.events.add(place, source.name, event.name, &id);
        }
    }

    /// The node of an event that a dependency names, yet nobody publishes.
    fn missing_event(&mut self, place: Place<'a>, source: &'a str, event: &'a str) -> String {
        let key = (place, source, Some(event));
        if let Some(id) = self.missing.get(&key) {
            return id.clone();
        }
        let spot = Spot {
            kind: NodeKind::Event,
            place,
            sensor: None,
            is_missing: true,
        };
        let id = self.node(spot, &[source, event], &not_found("event", event));
        self.missing.insert(key, id.clone());
        let source_id = self.source_or_missing(place, source);
        let bus = self.bus(place, None);
        self.edge(&source_id, &id, "", EdgeKind::Broken);
        self.edge(&id, &bus, "", EdgeKind::Broken);
        id
    }

    /// The node of an event source on a bus, made up if it is not there.
    fn source_or_missing(&mut self, place: Place<'a>, source: &'a str) -> String {
        if let Some(id) = self.events.source_id(place, source) {
            return id.to_owned();
        }
        let key = (place, source, None);
        if let Some(id) = self.missing.get(&key) {
            return id.clone();
        }
        let mut face = not_found("event source", source);
        if let Some(other) = self.events.other_bus(place, source) {
            face.detail = format!("publishes to {other}, not to {}", place.bus);
        }
        let spot = Spot {
            kind: NodeKind::Source,
            place,
            sensor: None,
            is_missing: true,
        };
        let id = self.node(spot, &[source], &face);
        self.missing.insert(key, id.clone());
        id
    }
}

fn not_found(tag: &str, name: &str) -> Face {
    Face {
        tag: tag.to_owned(),
        title: name.to_owned(),
        detail: "not found".to_owned(),
        badges: Vec::new(),
    }
}

fn bus_face(place: Place<'_>, spec: &EventBusSpec) -> Face {
    let (tag, detail) = match spec.kind() {
        Some(BusKind::JetStream(bus)) => (
            "JetStream",
            counted(usize_of(bus.replicas.unwrap_or(3)), "replica"),
        ),
        Some(BusKind::JetStreamExotic(bus)) => ("JetStream", public_url(&bus.url)),
        Some(BusKind::Kafka(bus)) => ("Kafka", public_url(&bus.url)),
        Some(BusKind::NatsExotic(bus)) => ("NATS Streaming", public_url(&bus.url)),
        Some(BusKind::NatsNative(bus)) => (
            "NATS Streaming",
            counted(usize_of(*bus.replicas), "replica"),
        ),
        None => ("event bus", String::new()),
    };
    Face {
        tag: tag.to_owned(),
        title: place.bus.to_owned(),
        detail,
        badges: Vec::new(),
    }
}

fn usize_of(number: i32) -> usize {
    usize::try_from(number).unwrap_or_default()
}

/// `1 filter`, `2 filters`.
fn counted(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// The parts that say something, with a mark between them.
fn joined<const N: usize>(parts: [&str; N], mark: &str) -> String {
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(mark)
}

/// A list of names, the first ones of it if it is long.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = names
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
