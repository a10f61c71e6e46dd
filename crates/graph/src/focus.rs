//! A part of a flow: what somebody wants to look at, and what it is joined to.

use std::collections::HashSet;

use tiphys_api::{EventBus, EventSource, Sensor};

/// What of a flow is drawn; the default is all of it.
#[derive(Debug, Clone, Default)]
pub struct Focus {
    /// Only what is in this namespace.
    pub namespace: Option<String>,
    /// Only sensors of this name, with what reaches them.
    pub sensor: Option<String>,
    /// Only objects of this name, with those that are joined to them.
    pub around: Option<String>,
}

/// The objects of a flow.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    /// Event sources.
    pub sources: Vec<EventSource>,
    /// Event buses.
    pub buses: Vec<EventBus>,
    /// Sensors.
    pub sensors: Vec<Sensor>,
}

/// An object by namespace and name.
type Key = (String, String);

impl Focus {
    /// Leaves out of `objects` what is not looked at; false if nothing is left.
    pub fn apply(&self, objects: &mut Objects) -> bool {
        let Objects {
            sources,
            buses,
            sensors,
        } = objects;
        if let Some(wanted) = &self.namespace {
            sources.retain(|source| namespace(source.metadata.namespace.as_deref()) == wanted);
            buses.retain(|bus| namespace(bus.metadata.namespace.as_deref()) == wanted);
            sensors.retain(|sensor| namespace(sensor.metadata.namespace.as_deref()) == wanted);
        }
        if let Some(name) = &self.sensor {
            sensors.retain(|sensor| sensor.metadata.name.as_ref() == Some(name));
            let heard = heard_by(sensors);
            sources.retain(|source| heard.contains(&of_source(source)));
            let used: HashSet<Key> = sensors.iter().map(bus_of_sensor).collect();
            buses.retain(|bus| used.contains(&of_bus(bus)));
        }
        if let Some(name) = &self.around {
            around(name, sources, buses, sensors);
        }
        !(sources.is_empty() && buses.is_empty() && sensors.is_empty())
    }
}

/// Objects of a name, the event sources that sensors of it wait for, the sensors that wait for event
/// sources of it, all that is on buses of it, and the buses of all these.
fn around(
    name: &String,
    sources: &mut Vec<EventSource>,
    buses: &mut Vec<EventBus>,
    sensors: &mut Vec<Sensor>,
) {
    let is_bus = |key: &Key| key.1 == *name;
    let here: Vec<Sensor> = sensors
        .iter()
        .filter(|sensor| sensor.metadata.name.as_ref() == Some(name))
        .cloned()
        .collect();
    let heard = heard_by(&here);
    sensors.retain(|sensor| {
        let listens = heard_by(std::slice::from_ref(sensor));
        sensor.metadata.name.as_ref() == Some(name)
            || listens.iter().any(|(_, source)| source == name)
            || is_bus(&bus_of_sensor(sensor))
    });
    sources.retain(|source| {
        let key = of_source(source);
        key.1 == *name || heard.contains(&key) || is_bus(&bus_of_source(source))
    });
    let used: HashSet<Key> = sensors
        .iter()
        .map(bus_of_sensor)
        .chain(sources.iter().map(bus_of_source))
        .collect();
    buses.retain(|bus| of_bus(bus).1 == *name || used.contains(&of_bus(bus)));
}

/// The event sources that sensors wait for.
fn heard_by(sensors: &[Sensor]) -> HashSet<Key> {
    let mut heard = HashSet::new();
    for sensor in sensors {
        let namespace = namespace(sensor.metadata.namespace.as_deref());
        for dependency in sensor.spec.dependencies.iter() {
            let name = dependency.event_source_name.to_string();
            heard.insert((namespace.to_owned(), name));
        }
    }
    heard
}

fn of_source(source: &EventSource) -> Key {
    key(
        source.metadata.namespace.as_deref(),
        source.metadata.name.as_deref(),
    )
}

fn of_bus(bus: &EventBus) -> Key {
    key(
        bus.metadata.namespace.as_deref(),
        bus.metadata.name.as_deref(),
    )
}

fn bus_of_source(source: &EventSource) -> Key {
    key(
        source.metadata.namespace.as_deref(),
        Some(source.spec.bus_name()),
    )
}

fn bus_of_sensor(sensor: &Sensor) -> Key {
    key(
        sensor.metadata.namespace.as_deref(),
        Some(sensor.spec.bus_name()),
    )
}

fn key(place: Option<&str>, name: Option<&str>) -> Key {
    (
        namespace(place).to_owned(),
        name.unwrap_or_default().to_owned(),
    )
}

/// The namespace that an object names, or the one of those that name none.
fn namespace(place: Option<&str>) -> &str {
    place.unwrap_or("default")
}

#[cfg(test)]
mod tests {
    use tiphys_api::manifest::{self, Content};

    use super::*;

    const FLOW: &str = "
{apiVersion: argoproj.io/v1alpha1, kind: EventBus, metadata: {name: default, namespace: dock}, spec: {jetstream: {version: latest}}}
---
{apiVersion: argoproj.io/v1alpha1, kind: EventSource, metadata: {name: berths, namespace: dock}, spec: {webhook: {taken: {port: '1', endpoint: /}}}}
---
{apiVersion: argoproj.io/v1alpha1, kind: EventSource, metadata: {name: cranes, namespace: dock}, spec: {webhook: {lifted: {port: '1', endpoint: /}}}}
---
{apiVersion: argoproj.io/v1alpha1, kind: EventSource, metadata: {name: berths}, spec: {webhook: {taken: {port: '1', endpoint: /}}}}
---
{apiVersion: argoproj.io/v1alpha1, kind: Sensor, metadata: {name: note, namespace: dock}, spec: {dependencies: [{name: d, eventSourceName: berths, eventName: taken}], triggers: []}}
---
{apiVersion: argoproj.io/v1alpha1, kind: Sensor, metadata: {name: tally, namespace: dock}, spec: {dependencies: [{name: d, eventSourceName: cranes, eventName: lifted}], triggers: []}}
";

    fn kept(focus: &Focus) -> Vec<String> {
        let mut objects = Objects::default();
        for object in manifest::read("flow.yaml", FLOW).objects {
            match object.content {
                Content::EventSource(object) => objects.sources.push(*object),
                Content::EventBus(object) => objects.buses.push(*object),
                Content::Sensor(object) => objects.sensors.push(*object),
                Content::Other(_) => {}
            }
        }
        let is_any = focus.apply(&mut objects);
        let sources = objects.sources.iter().map(of_source);
        let buses = objects.buses.iter().map(of_bus);
        let sensors = objects.sensors.iter().map(|sensor| {
            key(
                sensor.metadata.namespace.as_deref(),
                sensor.metadata.name.as_deref(),
            )
        });
        let all: Vec<String> = sources
            .chain(buses)
            .chain(sensors)
            .map(|(namespace, name)| format!("{namespace}/{name}"))
            .collect();
        assert_eq!(is_any, !all.is_empty());
        all
    }

    #[test]
    fn a_sensor_is_drawn_with_what_reaches_it() {
        let focus = Focus {
            sensor: Some("note".to_owned()),
            ..Focus::default()
        };
        assert_eq!(kept(&focus), ["dock/berths", "dock/default", "dock/note"]);
    }

    #[test]
    fn objects_of_a_namespace_and_of_none_are_told_apart() {
        let focus = Focus {
            namespace: Some("default".to_owned()),
            ..Focus::default()
        };
        assert_eq!(kept(&focus), ["default/berths"]);
        let focus = Focus {
            namespace: Some("sea".to_owned()),
            ..Focus::default()
        };
        assert_eq!(kept(&focus), [""; 0]);
    }

    #[test]
    fn around_an_object_are_those_that_are_joined_to_it() {
        let around = |name: &str| {
            kept(&Focus {
                around: Some(name.to_owned()),
                namespace: Some("dock".to_owned()),
                ..Focus::default()
            })
        };
        assert_eq!(
            around("cranes"),
            ["dock/cranes", "dock/default", "dock/tally"]
        );
        assert_eq!(
            around("tally"),
            ["dock/cranes", "dock/default", "dock/tally"]
        );
        assert_eq!(around("default").len(), 5);
    }
}
