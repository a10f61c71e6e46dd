//! CEL rules of the CRDs: what the API server itself refuses, also where no webhook runs.
//!
//! Each rule refuses only what Argo Events' validation refuses too, or what makes its pods crash, so
//! that no object that works is ever refused: names that are missing, a bus that is none, unknown
//! operators. Unchanged parts of stored objects are not asked again (Kubernetes 1.30 and newer).
//!
//! A rule costs at most what one pass over its field costs. Comparing list items with one another,
//! for duplicate names and for names in conditions, would need bounds on lists and texts that objects
//! of today need not keep; a comparator of a data filter has too many names. These are left to the admission webhook.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};

use crate::{EventSourceKind, LogicalOperator};

/// Where a rule stands, and what it says.
struct Rule {
    /// The field: `[]` is any item of a list, `{}` any value of a map.
    at: &'static str,
    kind: Kind,
}

/// What a rule asks. `null` counts as left out.
enum Kind {
    /// A text below the field is given and not empty.
    Text(&'static str, &'static str),
    /// A field below is given.
    Present(&'static str, &'static str),
    /// A list below the field is given and not empty.
    Items(&'static str, &'static str),
    /// The text is empty or one of these. Not an `enum`, which has no way to let `null` through.
    OneOf(&'static [&'static str], &'static str),
    /// Any other expression.
    Holds(&'static str, &'static str),
    /// One of the kinds of event sources is given.
    AnySource(&'static str),
}

const fn rule(at: &'static str, kind: Kind) -> Rule {
    Rule { at, kind }
}

const EVENT_BUS: [Rule; 9] = [
    rule(
        "spec",
        Kind::Holds(
            "has(self.nats) || has(self.jetstream) || has(self.jetstreamExotic) || has(self.kafka)",
            "either nats, jetstream, jetstreamExotic or kafka needs to be specified",
        ),
    ),
    rule(
        "spec.jetstream",
        Kind::Text("version", "a version for jetstream needs to be specified"),
    ),
    rule(
        "spec.jetstream.replicas",
        Kind::Holds(
            "self == 1 || self >= 3",
            "a jetstream eventbus requires 1 replica or >= 3 replicas",
        ),
    ),
    rule(
        "spec.nats",
        Kind::Holds(
            "!has(self.native) || !has(self.exotic)",
            "native and exotic can not be defined together",
        ),
    ),
    rule(
        "spec.nats",
        Kind::Holds(
            "has(self.native) || has(self.exotic)",
            "either native or exotic must be defined",
        ),
    ),
    rule(
        "spec.nats.exotic",
        Kind::Text("clusterID", "clusterID is missing"),
    ),
    rule("spec.nats.exotic", Kind::Text("url", "url is missing")),
    rule("spec.kafka", Kind::Text("url", "url is missing")),
    rule("spec.jetstreamExotic", Kind::Text("url", "url is missing")),
];

const EVENT_SOURCE: [Rule; 7] = [
    rule(
        "spec",
        Kind::AnySource("no event source is configured, so there is nothing to run"),
    ),
    rule(
        "spec.resource{}",
        Kind::Text("version", "version must be specified"),
    ),
    rule(
        "spec.resource{}",
        Kind::Text("resource", "resource must be specified"),
    ),
    rule(
        "spec.resource{}",
        Kind::Present("eventTypes", "event types must be specified"),
    ),
    rule(
        "spec.calendar{}",
        Kind::Holds(
            "(has(self.schedule) && self.schedule != '') || (has(self.interval) && self.interval != '')",
            "must have either schedule or interval",
        ),
    ),
    rule(
        "spec.webhook{}",
        Kind::Text("endpoint", "endpoint can't be empty"),
    ),
    rule("spec.webhook{}", Kind::Text("port", "port can't be empty")),
];

const SENSOR: [Rule; 14] = [
    rule(
        "spec",
        Kind::Items("dependencies", "no event dependencies found"),
    ),
    rule("spec", Kind::Items("triggers", "no triggers found")),
    rule(
        "spec.dependencies[]",
        Kind::Text("name", "event dependency must define a name"),
    ),
    rule(
        "spec.dependencies[]",
        Kind::Text(
            "eventSourceName",
            "event dependency must define the EventSourceName",
        ),
    ),
    rule(
        "spec.dependencies[]",
        Kind::Text("eventName", "event dependency must define the EventName"),
    ),
    rule(
        "spec.dependencies[].filtersLogicalOperator",
        Kind::OneOf(&LogicalOperator::NAMES, "logical operator not supported"),
    ),
    rule(
        "spec.dependencies[].filters.dataLogicalOperator",
        Kind::OneOf(&LogicalOperator::NAMES, "logical operator not supported"),
    ),
    rule(
        "spec.dependencies[].filters.exprLogicalOperator",
        Kind::OneOf(&LogicalOperator::NAMES, "logical operator not supported"),
    ),
    rule(
        "spec.dependencies[].filters.data[]",
        Kind::Text("path", "a data filter needs a path"),
    ),
    rule(
        "spec.dependencies[].filters.data[]",
        Kind::Text("type", "a data filter needs a type"),
    ),
    rule(
        "spec.dependencies[].filters.data[]",
        Kind::Items("value", "a data filter needs values"),
    ),
    rule(
        "spec.triggers[]",
        Kind::Present("template", "trigger template can't be nil"),
    ),
    rule(
        "spec.triggers[].template",
        Kind::Text("name", "trigger must define a name"),
    ),
    rule(
        "spec.triggers[]",
        Kind::Holds(
            "!has(self.dlqTrigger) || (has(self.atLeastOnce) && self.atLeastOnce)",
            "to use dlqTrigger, trigger.atLeastOnce must be set to true",
        ),
    ),
];

/// Adds the rules of a kind to the schema of its objects.
pub(super) fn add(kind: &str, schema: &mut JSONSchemaProps) {
    let rules: &[Rule] = match kind {
        "EventBus" => &EVENT_BUS,
        "EventSource" => &EVENT_SOURCE,
        "Sensor" => &SENSOR,
        _ => &[],
    };
    for rule in rules {
        if let Some(field) = field(schema, rule.at) {
            let rules = field.x_kubernetes_validations.get_or_insert_default();
            rules.push(rule.kind.validation());
        }
    }
}

/// The schema of a field.
fn field<'s>(schema: &'s mut JSONSchemaProps, path: &str) -> Option<&'s mut JSONSchemaProps> {
    let mut schema = schema;
    for step in path.split('.') {
        let name = step.trim_end_matches("[]").trim_end_matches("{}");
        schema = schema.properties.as_mut()?.get_mut(name)?;
        if step.ends_with("[]") {
            let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items else {
                return None;
            };
            schema = items;
        } else if step.ends_with("{}") {
            let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties
            else {
                return None;
            };
            schema = values;
        }
    }
    Some(schema)
}

impl Kind {
    fn validation(&self) -> ValidationRule {
        match *self {
            Self::Text(name, message) => needed(name, &format!("self.{name} != ''"), message),
            Self::Items(name, message) => needed(name, &format!("size(self.{name}) > 0"), message),
            Self::Present(name, message) => needed(name, "", message),
            Self::OneOf(names, message) => {
                // `self in [...]` would say the same, at twice the cost.
                let equal = names.iter().map(|name| format!("self == '{name}'"));
                let rule = std::iter::once("self == ''".to_owned()).chain(equal);
                plain(
                    rule.collect::<Vec<_>>().join(" || "),
                    &format!("{message}: one of {}", names.join(", ")),
                )
            }
            Self::Holds(rule, message) => plain(rule.to_owned(), message),
            Self::AnySource(message) => {
                let given = EventSourceKind::ALL
                    .iter()
                    .map(|kind| format!("has(self.{})", kind.field()));
                plain(given.collect::<Vec<_>>().join(" || "), message)
            }
        }
    }
}

fn plain(rule: String, message: &str) -> ValidationRule {
    ValidationRule {
        rule,
        message: Some(message.to_owned()),
        ..ValidationRule::default()
    }
}

/// The field `name` is there and, if that says anything, fulfils a condition.
fn needed(name: &str, condition: &str, message: &str) -> ValidationRule {
    let mut rule = format!("has(self.{name})");
    if !condition.is_empty() {
        rule.push_str(" && ");
        rule.push_str(condition);
    }
    ValidationRule {
        field_path: Some(format!(".{name}")),
        reason: Some("FieldValueRequired".to_owned()),
        ..plain(rule, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd;

    #[test]
    fn every_rule_finds_its_field() {
        let kinds = [
            (crd::event_bus(), EVENT_BUS.as_slice()),
            (crd::event_source(), &EVENT_SOURCE),
            (crd::sensor(), &SENSOR),
        ];
        for (definition, rules) in kinds {
            let mut schema = crd::schema(definition).unwrap();
            for rule in rules {
                assert!(field(&mut schema, rule.at).is_some(), "{}", rule.at);
            }
        }
    }
}
