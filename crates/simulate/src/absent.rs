//! Sensors that do not wait for an event, though they nearly do; and why.

use tiphys_api::{self as api, suggestion};
use tiphys_check::link::{Gap, Missing, Place, Publisher, Publishers};
use tiphys_eventbus::Context;

use crate::Subject;

/// How many sensors are named where none waits.
const MOST: usize = 20;

/// A sensor that does not wait for an event.
#[derive(Debug)]
pub(super) struct Absent {
    /// `namespace/name`.
    pub(super) sensor: String,
    /// Why not.
    pub(super) reason: String,
}

/// A sensor and where it listens.
pub(super) type Listener<'o> = Subject<'o, api::Sensor, tiphys_sensor::Compiled>;

impl<'o> Listener<'o> {
    /// Where it listens.
    pub(super) fn place(&self) -> Place<'o> {
        Place {
            namespace: self.namespace,
            bus: self.object.spec.bus_name(),
        }
    }

    /// `namespace/name`.
    pub(super) fn full_name(&self, default: &str) -> String {
        let name = self.object.metadata.name.as_deref().unwrap_or_default();
        let namespace = match self.namespace {
            "" => default,
            namespace => namespace,
        };
        format!("{namespace}/{name}")
    }

    /// What it waits for.
    fn wanted(&self) -> String {
        let dependencies = self.object.spec.dependencies.iter();
        let names = dependencies.map(|dependency| {
            format!(
                "{}/{}",
                dependency.event_source_name.as_str(),
                dependency.event_name.as_str()
            )
        });
        let names: Vec<String> = names.collect();
        format!("it waits for {}", names.join(", "))
    }
}

/// Why a sensor does not get an event, if it was probably meant to. `source` is who publishes it, if that
/// is known.
pub(super) fn why(
    sensor: &Listener<'_>,
    context: &Context,
    source: Option<Publisher<'_>>,
    publishers: &Publishers<'_>,
) -> Option<String> {
    let listener = sensor.place();
    let compiled = sensor.compiled.iter();
    let mut compiled = compiled.flat_map(|compiled| compiled.dependencies.iter());
    if let Some(source) = source
        && compiled.any(|dependency| dependency.matches(context))
    {
        return Some(Gap::between(listener, source).to_string());
    }
    let dependencies = &sensor.object.spec.dependencies;
    dependencies.iter().find_map(|dependency| {
        let (name, event) = (&dependency.event_source_name, &dependency.event_name);
        let gap = publishers.gap(listener, name, event);
        let gap =
            gap.filter(|gap| gap.missing != Missing::Place && gap.source.name == context.source);
        if let Some(gap) = gap {
            return Some(gap.to_string());
        }
        let is_near =
            source.is_none() && is_like(name, &context.source) && is_like(event, &context.subject);
        is_near.then(|| {
            format!(
                "waits for {}/{}, the event is {}/{}",
                name.as_str(),
                event.as_str(),
                context.source,
                context.subject
            )
        })
    })
}

/// What the sensors wait for, where none waits for the event.
pub(super) fn others(sensors: &[Listener<'_>], default: &str) -> Vec<Absent> {
    let absent = |sensor: &Listener<'_>| Absent {
        sensor: sensor.full_name(default),
        reason: sensor.wanted(),
    };
    sensors.iter().take(MOST).map(absent).collect()
}

fn is_like(name: &str, other: &str) -> bool {
    name == other || suggestion(name, [other]).is_some()
}
