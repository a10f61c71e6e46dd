//! Faults of objects, at the nodes that they are about.

use tiphys_api::{EventSource, Sensor, field_path};

use crate::build::MAX_TEXT_CHARS;
use crate::model::{Graph, Node, NodeKind};
use crate::text::{clean, shorten};

/// The badge of a node with faults.
const BADGE: &str = "faulty";

/// Something that is wrong with an object.
#[derive(Clone, Copy, Debug)]
pub struct Fault<'f> {
    /// The field.
    pub field_path: &'f str,
    /// What is wrong, for people.
    pub text: &'f str,
}

impl Graph {
    /// Says what is wrong with a sensor at its dependencies and triggers; what concerns all of it is said at
    /// each of its triggers.
    pub fn mark_sensor(&mut self, sensor: &Sensor, faults: &[Fault<'_>]) {
        let metadata = &sensor.metadata;
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let name = metadata.name.as_deref();
        for fault in faults {
            let path = fault.field_path;
            let dependency = field_path::element(path, "spec.dependencies")
                .and_then(|index| sensor.spec.dependencies.get(index))
                .map(|dependency| dependency.name.as_str());
            let trigger = field_path::element(path, "spec.triggers")
                .and_then(|index| sensor.spec.triggers.get(index))
                .and_then(|trigger| trigger.template.as_ref())
                .map(|template| template.name.as_str());
            let (kind, title) = match (dependency, trigger) {
                (Some(dependency), _) => (NodeKind::Dependency, Some(dependency)),
                (None, trigger) => (NodeKind::Trigger, trigger),
            };
            let is_meant = |node: &&mut Node| {
                node.kind == kind
                    && node.namespace == namespace
                    && node.sensor.as_deref() == name
                    && title.is_none_or(|title| node.title == title)
            };
            self.nodes
                .iter_mut()
                .filter(is_meant)
                .for_each(|node| node.mark(fault.text));
        }
    }

    /// Says what is wrong with an event source at its events; what concerns all of it is said at its own
    /// node.
    pub fn mark_source(&mut self, source: &EventSource, faults: &[Fault<'_>]) {
        let metadata = &source.metadata;
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let name = metadata.name.as_deref().unwrap_or_default();
        let is_source = |node: &Node| {
            node.kind == NodeKind::Source
                && node.namespace == namespace
                && node.title == name
                && !node.is_missing
        };
        let Some(id) = self.nodes.iter().find(|node| is_source(node)) else {
            return;
        };
        let id = id.id.clone();
        for fault in faults {
            let mut events = source.spec.events();
            let event = events
                .find(|event| field_path::is_within(fault.field_path, &event.field_path()))
                .map(|event| event.name.to_owned());
            let edges = &self.edges;
            let is_meant = |node: &&mut Node| match &event {
                None => node.id == id,
                Some(event) => {
                    node.kind == NodeKind::Event
                        && node.title == *event
                        && edges
                            .iter()
                            .any(|edge| edge.from == id && edge.to == node.id)
                }
            };
            self.nodes
                .iter_mut()
                .filter(is_meant)
                .for_each(|node| node.mark(fault.text));
        }
    }
}

impl Node {
    fn mark(&mut self, fault: &str) {
        if self.faults.is_empty() {
            self.badges.push(BADGE.to_owned());
        }
        self.faults.push(shorten(&clean(fault), MAX_TEXT_CHARS));
    }
}
