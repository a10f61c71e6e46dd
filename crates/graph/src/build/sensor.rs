//! Sensors: their dependencies, and the conditions under which those trigger.

use std::collections::{HashMap, HashSet};

use tiphys_api::{
    EventDependency, EventDependencyFilter, LogicalOperator, SensorSpec, Trigger, TriggerTemplate,
};

use super::{Builder, Face, Named, Place, Spot, counted, joined, not_found};
use crate::model::{EdgeKind, NodeKind};

/// Names that a condition holds for constants.
const CONSTANTS: [&str; 3] = ["true", "false", "1"];

/// A sensor whose nodes are being made.
pub(super) struct Scope<'a> {
    pub(super) place: Place<'a>,
    pub(super) sensor: &'a str,
    /// Names of the dependencies, in their order.
    names: Vec<&'a str>,
    /// Ids of the dependencies by [`key`], with true for those that are missing.
    dependencies: HashMap<String, (String, bool)>,
    /// Where the events of triggers come from, by their conditions, which several may share.
    conditions: HashMap<String, Option<(String, EdgeKind)>>,
}

impl<'a> Scope<'a> {
    pub(super) fn spot(&self, kind: NodeKind) -> Spot<'a> {
        Spot {
            kind,
            place: self.place,
            sensor: Some(self.sensor),
            is_missing: false,
        }
    }
}

impl<'a> Builder<'a> {
    pub(super) fn sensor(&mut self, sensor: &Named<'a, SensorSpec>) {
        let place = Place {
            namespace: sensor.namespace,
            bus: sensor.spec.bus_name(),
        };
        self.bus(place, None);
        let mut scope = Scope {
            place,
            sensor: sensor.name,
            names: Vec::new(),
            dependencies: HashMap::new(),
            conditions: HashMap::new(),
        };
        for dependency in sensor.spec.dependencies.iter() {
            self.dependency(&mut scope, dependency);
        }
        for trigger in sensor.spec.triggers.iter() {
            self.trigger(&mut scope, trigger);
        }
    }

    fn dependency(&mut self, scope: &mut Scope<'a>, dependency: &'a EventDependency) {
        let place = scope.place;
        let names = [scope.sensor, dependency.name.as_str()];
        let spot = scope.spot(NodeKind::Dependency);
        let id = self.node(spot, &names, &dependency_face(dependency));
        let (source, event) = (&dependency.event_source_name, &dependency.event_name);
        let mut events = self.events.matching(place, source, event);
        let kind = if events.is_empty() {
            EdgeKind::Broken
        } else {
            EdgeKind::Flow
        };
        if events.is_empty() {
            events.push(self.missing_event(place, source, event));
        }
        let bus = self.bus(place, None);
        self.edge(&bus, &id, "", kind);
        for event in &events {
            self.route(event, &id);
        }
        scope.names.push(&dependency.name);
        scope
            .dependencies
            .insert(key(&dependency.name), (id, false));
    }

    /// Leads the dependencies of a trigger to it: by way of a condition if there are several.
    pub(super) fn condition(&mut self, scope: &mut Scope<'a>, trigger: &'a Trigger, to: &str) {
        let template = trigger.template.as_deref();
        let written = template.map_or("", |template| template.conditions.trim());
        let resets = template.map(resets).unwrap_or_default();
        let shared = joined([written, &resets.join("\n")], "\n");
        let origin = if let Some(origin) = scope.conditions.get(&shared) {
            origin.clone()
        } else {
            let origin = self.origin(scope, written, resets);
            scope.conditions.insert(shared, origin.clone());
            origin
        };
        if let Some((from, kind)) = origin {
            self.edge(&from, to, "", kind);
        }
    }

    /// Where the events of a trigger come from.
    fn origin(
        &mut self,
        scope: &mut Scope<'a>,
        written: &str,
        resets: Vec<String>,
    ) -> Option<(String, EdgeKind)> {
        let (title, names) = if written.is_empty() {
            (scope.names.join(" && "), scope.names.clone())
        } else {
            (spaced(written), names(written))
        };
        match names[..] {
            [] => None,
            [name] => Some(self.dependency_of(scope, name)),
            [..] => {
                let id = self.condition_node(scope, &title, &names, resets);
                Some((id, EdgeKind::Flow))
            }
        }
    }

    fn condition_node(
        &mut self,
        scope: &mut Scope<'a>,
        condition: &str,
        names: &[&str],
        badges: Vec<String>,
    ) -> String {
        let tag = match (condition.contains("&&"), condition.contains("||")) {
            (true, false) => "all of",
            (false, true) => "any of",
            _ => "condition",
        };
        let (tag, title) = (tag.to_owned(), condition.to_owned());
        let face = Face {
            tag,
            title,
            detail: String::new(),
            badges,
        };
        let spot = scope.spot(NodeKind::Condition);
        let id = self.node(spot, &[scope.sensor, condition], &face);
        for name in names {
            let (from, kind) = self.dependency_of(scope, name);
            self.edge(&from, &id, "", kind);
        }
        id
    }

    /// The dependency that a condition names, made up if it is not there.
    fn dependency_of(&mut self, scope: &mut Scope<'a>, name: &str) -> (String, EdgeKind) {
        if let Some((id, is_missing)) = scope.dependencies.get(&key(name)) {
            let kind = if *is_missing {
                EdgeKind::Broken
            } else {
                EdgeKind::Flow
            };
            return (id.clone(), kind);
        }
        let spot = Spot {
            is_missing: true,
            ..scope.spot(NodeKind::Dependency)
        };
        let id = self.node(spot, &[scope.sensor, name], &not_found("dependency", name));
        scope.dependencies.insert(key(name), (id.clone(), true));
        (id, EdgeKind::Broken)
    }
}

/// What conditions know a dependency by: they do not distinguish `-` from `_`, and know no spaces.
fn key(name: &str) -> String {
    name.chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| if c == '-' { '_' } else { c })
        .collect()
}

/// A condition with a space on both sides of each operator, and no other.
fn spaced(condition: &str) -> String {
    let dense: String = condition.chars().filter(|c| !c.is_whitespace()).collect();
    dense.replace("&&", " && ").replace("||", " || ")
}

/// The dependencies that a condition speaks of, each once.
fn names(condition: &str) -> Vec<&str> {
    let mut seen = HashSet::new();
    condition
        .split(['&', '|', '(', ')'])
        .map(str::trim)
        .filter(|name| !name.is_empty() && !CONSTANTS.contains(name))
        .filter(|name| seen.insert(*name))
        .collect()
}

fn resets(template: &TriggerTemplate) -> Vec<String> {
    let by_time = template
        .conditions_reset
        .iter()
        .filter_map(|reset| reset.by_time.as_ref());
    by_time
        .map(|time| format!("reset {}", joined([&time.cron, &time.timezone], " ")))
        .collect()
}

fn dependency_face(dependency: &EventDependency) -> Face {
    let mut badges = Vec::new();
    if let Some(transform) = &dependency.transform {
        if !transform.jq.is_empty() {
            badges.push("jq".to_owned());
        } else if !transform.script.is_empty() {
            badges.push("Lua".to_owned());
        }
    }
    if let Some(filters) = &dependency.filters {
        let count = filter_count(filters);
        if count > 0 {
            let operator = LogicalOperator::from_name(&dependency.filters_logical_operator);
            let is_any = count > 1 && operator == Some(LogicalOperator::Or);
            let any = if is_any { " (any)" } else { "" };
            badges.push(counted(count, "filter") + any);
        }
    }
    Face {
        tag: "dependency".to_owned(),
        title: dependency.name.to_string(),
        detail: joined(
            [&dependency.event_source_name, &dependency.event_name],
            " / ",
        ),
        badges,
    }
}

fn filter_count(filters: &EventDependencyFilter) -> usize {
    filters.data.as_ref().map_or(0, Vec::len)
        + filters.exprs.as_ref().map_or(0, Vec::len)
        + usize::from(filters.time.is_some())
        + usize::from(filters.context.is_some())
        + usize::from(!filters.script.is_empty())
}
