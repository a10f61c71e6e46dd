//! What the API server refuses by the rules in the CRDs, `check` refuses too, at the same field.

use std::collections::BTreeSet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use tiphys_api::{crd, manifest};

/// Kind, what the rule says, a spec that breaks it, and the field.
type Row = (&'static str, &'static str, &'static str, &'static str);

const DEPENDENCY: &str = r#"{"name":"d","eventSourceName":"e","eventName":"v"}"#;
const TRIGGER: &str = r#"{"template":{"name":"t","log":{}}}"#;

const ROWS: [Row; 28] = [
    (
        "EventBus",
        "either nats, jetstream, jetstreamExotic or kafka needs to be specified",
        "{}",
        "spec",
    ),
    (
        "EventBus",
        "a version for jetstream needs to be specified",
        r#"{"jetstream":{}}"#,
        "spec.jetstream.version",
    ),
    (
        "EventBus",
        "a jetstream eventbus requires 1 replica or >= 3 replicas",
        r#"{"jetstream":{"version":"latest","replicas":2}}"#,
        "spec.jetstream.replicas",
    ),
    (
        "EventBus",
        "native and exotic can not be defined together",
        r#"{"nats":{"native":{},"exotic":{"clusterID":"c","url":"u"}}}"#,
        "spec.nats",
    ),
    (
        "EventBus",
        "either native or exotic must be defined",
        r#"{"nats":{}}"#,
        "spec.nats",
    ),
    (
        "EventBus",
        "clusterID is missing",
        r#"{"nats":{"exotic":{"url":"u"}}}"#,
        "spec.nats.exotic.clusterID",
    ),
    (
        "EventBus",
        "url is missing",
        r#"{"nats":{"exotic":{"clusterID":"c"}}}"#,
        "spec.nats.exotic.url",
    ),
    (
        "EventBus",
        "url is missing",
        r#"{"kafka":{}}"#,
        "spec.kafka.url",
    ),
    (
        "EventBus",
        "url is missing",
        r#"{"jetstreamExotic":{}}"#,
        "spec.jetstreamExotic.url",
    ),
    (
        "EventSource",
        "no event source is configured, so there is nothing to run",
        "{}",
        "spec",
    ),
    (
        "EventSource",
        "version must be specified",
        r#"{"resource":{"e":{"resource":"pods","eventTypes":["ADD"]}}}"#,
        "spec.resource.e.version",
    ),
    (
        "EventSource",
        "resource must be specified",
        r#"{"resource":{"e":{"version":"v1","eventTypes":["ADD"]}}}"#,
        "spec.resource.e.resource",
    ),
    (
        "EventSource",
        "event types must be specified",
        r#"{"resource":{"e":{"version":"v1","resource":"pods"}}}"#,
        "spec.resource.e.eventTypes",
    ),
    (
        "EventSource",
        "must have either schedule or interval",
        r#"{"calendar":{"e":{}}}"#,
        "spec.calendar.e",
    ),
    (
        "EventSource",
        "endpoint can't be empty",
        r#"{"webhook":{"e":{"port":"1","method":"POST"}}}"#,
        "spec.webhook.e.endpoint",
    ),
    (
        "EventSource",
        "port can't be empty",
        r#"{"webhook":{"e":{"endpoint":"/","method":"POST"}}}"#,
        "spec.webhook.e.port",
    ),
    (
        "Sensor",
        "no event dependencies found",
        r#"{"dependencies":[],"triggers":[TRIGGER]}"#,
        "spec.dependencies",
    ),
    (
        "Sensor",
        "no triggers found",
        r#"{"dependencies":[DEPENDENCY]}"#,
        "spec.triggers",
    ),
    (
        "Sensor",
        "event dependency must define a name",
        r#"{"dependencies":[{"eventSourceName":"e","eventName":"v"}],"triggers":[TRIGGER]}"#,
        "spec.dependencies[0].name",
    ),
    (
        "Sensor",
        "event dependency must define the EventSourceName",
        r#"{"dependencies":[{"name":"d","eventName":"v"}],"triggers":[TRIGGER]}"#,
        "spec.dependencies[0].eventSourceName",
    ),
    (
        "Sensor",
        "event dependency must define the EventName",
        r#"{"dependencies":[{"name":"d","eventSourceName":"e"}],"triggers":[TRIGGER]}"#,
        "spec.dependencies[0].eventName",
    ),
    (
        "Sensor",
        "logical operator not supported: one of and, or",
        r#"{"dependencies":[{"name":"d","eventSourceName":"e","eventName":"v","filtersLogicalOperator":"xor"}],"triggers":[TRIGGER]}"#,
        "spec.dependencies[0].filtersLogicalOperator",
    ),
    (
        "Sensor",
        "a data filter needs a path",
        r#"{"dependencies":[{"name":"d","eventSourceName":"e","eventName":"v","filters":{"data":[{"type":"string","value":["a"]}]}}],"triggers":[TRIGGER]}"#,
        "spec.dependencies[0].filters.data[0]",
    ),
    (
        "Sensor",
        "a data filter needs a type",
        r#"{"dependencies":[{"name":"d","eventSourceName":"e","eventName":"v","filters":{"data":[{"path":"a","value":["a"]}]}}],"triggers":[TRIGGER]}"#,
        "spec.dependencies[0].filters.data[0]",
    ),
    (
        "Sensor",
        "a data filter needs values",
        r#"{"dependencies":[{"name":"d","eventSourceName":"e","eventName":"v","filters":{"data":[{"path":"a","type":"string"}]}}],"triggers":[TRIGGER]}"#,
        "spec.dependencies[0].filters.data[0]",
    ),
    (
        "Sensor",
        "trigger template can't be nil",
        r#"{"dependencies":[DEPENDENCY],"triggers":[{}]}"#,
        "spec.triggers[0].template",
    ),
    (
        "Sensor",
        "trigger must define a name",
        r#"{"dependencies":[DEPENDENCY],"triggers":[{"template":{"log":{}}}]}"#,
        "spec.triggers[0].template.name",
    ),
    (
        "Sensor",
        "to use dlqTrigger, trigger.atLeastOnce must be set to true",
        r#"{"dependencies":[DEPENDENCY],"triggers":[{"template":{"name":"t","log":{}},"dlqTrigger":{"template":{"name":"u","log":{}},"atLeastOnce":true}}]}"#,
        "spec.triggers[0]",
    ),
];

/// What the rules of a schema say.
fn messages(schema: &JSONSchemaProps, found: &mut BTreeSet<String>) {
    for rule in schema.x_kubernetes_validations.iter().flatten() {
        found.extend(rule.message.clone());
    }
    for property in schema.properties.iter().flat_map(|fields| fields.values()) {
        messages(property, found);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        messages(items, found);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        messages(values, found);
    }
}

#[test]
fn what_the_api_server_refuses_is_an_error_at_its_field() {
    for (kind, message, spec, field) in ROWS {
        let spec = spec
            .replace("DEPENDENCY", DEPENDENCY)
            .replace("TRIGGER", TRIGGER);
        let text = format!(
            r#"{{"apiVersion":"argoproj.io/v1alpha1","kind":"{kind}","metadata":{{"name":"n"}},"spec":{spec}}}"#
        );
        let mut manifest = manifest::read("f.json", &text);
        let object = manifest.objects.pop().unwrap();
        let errors = tiphys_check::object(&object, "default").problems;
        let mut paths = errors
            .iter()
            .filter(|p| p.is_error())
            .map(|p| &p.field_path);
        assert!(
            paths.any(|path| path.starts_with(field)),
            "{kind}: {message}: {errors:#?}"
        );
    }
}

#[test]
fn every_rule_of_the_api_server_is_tried() {
    for definition in crd::crds() {
        let kind = definition.spec.names.kind.clone();
        let mut said = BTreeSet::new();
        for version in &definition.spec.versions {
            if let Some(schema) = version
                .schema
                .as_ref()
                .and_then(|s| s.open_api_v3_schema.as_ref())
            {
                messages(schema, &mut said);
            }
        }
        let tried = ROWS
            .iter()
            .filter(|row| row.0 == kind)
            .map(|row| row.1.to_owned());
        assert_eq!(said, tried.collect(), "{kind}");
    }
}
