//! The graph as data: what is drawn, not where.

use std::collections::BTreeMap;

use serde::Serialize;

/// An event flow: event sources, the events they publish, and what comes of those.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// What there is, by namespace and bus, then in the direction of the flow.
    pub nodes: Vec<Node>,
    /// What leads to what.
    pub edges: Vec<Edge>,
    /// Which events reach which dependencies through their bus.
    pub routes: Vec<Route>,
}

/// Something that events come from, pass or lead to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Unique in the graph; made of lower case letters, digits and `_`.
    pub id: String,
    /// What it is.
    pub kind: NodeKind,
    /// The namespace it belongs to; empty if the objects name none.
    pub namespace: String,
    /// Name of the bus that its events take.
    pub bus: String,
    /// The sensor it is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensor: Option<String>,
    /// Which one of its kind, for example `webhook` or `k8s`.
    pub tag: String,
    /// Its name.
    pub title: String,
    /// What to know about it, in a line; may be empty.
    pub detail: String,
    /// Properties in a word or two, for example `3 filters`.
    pub badges: Vec<String>,
    /// True if something refers to it, yet the objects do not have it.
    pub is_missing: bool,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// What a node is, in the direction of the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum NodeKind {
    /// An `EventSource`.
    Source,
    /// One of its events.
    Event,
    /// An `EventBus`.
    Bus,
    /// A dependency of a sensor.
    Dependency,
    /// Dependencies that have to come together.
    Condition,
    /// A trigger.
    Trigger,
    /// What a trigger makes or calls.
    Target,
}

/// A way that events take from one node to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// Id of the node it begins at.
    pub from: String,
    /// Id of the node it ends at.
    pub to: String,
    /// What happens on the way; may be empty.
    pub label: String,
    /// How it is drawn.
    pub kind: EdgeKind,
}

/// What an edge means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EdgeKind {
    /// The way of events.
    Flow,
    /// The way of events whose trigger failed.
    DeadLetter,
    /// A way that nothing takes, because one of its ends does not exist.
    Broken,
}

/// An event that reaches a dependency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Id of the event.
    pub event: String,
    /// Id of the dependency.
    pub dependency: String,
}

impl NodeKind {
    /// All kinds, in the direction of the flow.
    pub const ALL: [Self; 7] = [
        Self::Source,
        Self::Event,
        Self::Bus,
        Self::Dependency,
        Self::Condition,
        Self::Trigger,
        Self::Target,
    ];

    /// A word for it, as in a class name or an id.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Event => "event",
            Self::Bus => "bus",
            Self::Dependency => "dependency",
            Self::Condition => "condition",
            Self::Trigger => "trigger",
            Self::Target => "target",
        }
    }

    /// What a column of them is called.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Self::Source => "Event sources",
            Self::Event => "Events",
            Self::Bus => "Event bus",
            Self::Dependency => "Dependencies",
            Self::Condition => "Conditions",
            Self::Trigger => "Triggers",
            Self::Target => "Targets",
        }
    }
}

impl Graph {
    /// The graph as JSON.
    pub fn to_json(&self) -> String {
        // Texts, lists and flags cannot fail to be written.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

/// What a namespace is called in a picture.
pub(crate) fn namespace_title(namespace: &str) -> &str {
    if namespace.is_empty() {
        "current namespace"
    } else {
        namespace
    }
}

/// Nodes that can only be connected with one another, because they share a bus.
pub(crate) struct Group<'a> {
    pub(crate) namespace: &'a str,
    /// Positions in [`Graph::nodes`].
    pub(crate) nodes: Vec<usize>,
}

/// The nodes of a group by where they are drawn.
#[derive(Default)]
pub(crate) struct Parts<'a> {
    /// Event sources, events and the bus.
    pub(crate) outside: Vec<&'a Node>,
    /// What sensors consist of, by their names.
    pub(crate) sensors: BTreeMap<&'a str, Vec<&'a Node>>,
    pub(crate) targets: Vec<&'a Node>,
}

impl Group<'_> {
    pub(crate) fn parts<'g>(&self, graph: &'g Graph) -> Parts<'g> {
        let mut parts = Parts::default();
        for node in self.nodes.iter().map(|&at| &graph.nodes[at]) {
            match &node.sensor {
                Some(sensor) => parts.sensors.entry(sensor).or_default().push(node),
                None if node.kind == NodeKind::Target => parts.targets.push(node),
                None => parts.outside.push(node),
            }
        }
        parts
    }
}

/// The groups of a graph, by namespace and bus.
pub(crate) fn groups(graph: &Graph) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        groups
            .entry((node.namespace.as_str(), node.bus.as_str()))
            .or_default()
            .push(at);
    }
    let groups = groups.into_iter();
    groups
        .map(|((namespace, _), nodes)| Group { namespace, nodes })
        .collect()
}
