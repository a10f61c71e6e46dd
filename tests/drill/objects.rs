//! The objects that a drill runs beside the example.

use serde_json::Value;
use tiphys_tests::{harbour, stored_object};

use crate::receiver::Receiver;
use crate::schedule::Attack;

/// Where everything is.
pub(crate) const NAMESPACE: &str = "default";

/// The event source of the example, which runs in `tiphys run`.
pub(crate) const EXAMPLE_SOURCE: &str = "ingress-es";

/// The sensor of the example, which runs there, too.
pub(crate) const EXAMPLE_SENSOR: &str = "ingress-sn";

/// The event source that runs in two pods.
pub(crate) const SOURCE: &str = "audit-es";

/// The sensor that runs in two pods.
pub(crate) const SENSOR: &str = "audit";

/// What publishes the events of the hostile sensor, and that sensor.
pub(crate) const HOSTILE: &str = "hostile";

/// The bus, among those that are interrupted.
pub(crate) const BUS: &str = "bus";

/// The trigger of the example that prints: it acts at most once.
pub(crate) const LOG: &str = "log";

/// The triggers of the sensor in pods, which act at least once.
pub(crate) const PRINT: &str = "print";
pub(crate) const CALL: &str = "call";

/// The event source of the example, for two pods.
pub(crate) fn source() -> Value {
    let yaml = harbour::event_source(NAMESPACE);
    let mut object = stored_object(NAMESPACE, &yaml);
    object["metadata"]["name"] = SOURCE.into();
    object["spec"]["replicas"] = 2.into();
    object
}

/// The sensor for two pods, in its first edition.
pub(crate) fn sensor(receiver: &Receiver) -> Value {
    let object = stored_object(
        NAMESPACE,
        &format!(
            "
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {{name: {SENSOR}}}
spec:
  replicas: 2
  dependencies: [{{name: service, eventSourceName: {SOURCE}, eventName: ingress}}]
  triggers:
  - template: {{name: {PRINT}, log: {{}}}}
    atLeastOnce: true
  - template:
      name: {CALL}
      http:
        url: ''
        method: POST
        payload: [{{src: {{dependencyName: service, contextKey: id}}, dest: id}}]
    atLeastOnce: true
"
        ),
    );
    edited(&object, 1, receiver)
}

/// An edition of this sensor; where it calls says the edition.
pub(crate) fn edited(sensor: &Value, edition: usize, receiver: &Receiver) -> Value {
    let mut object = sensor.clone();
    object["metadata"]["generation"] = edition.into();
    let call = &mut object["spec"]["triggers"][1]["template"]["http"];
    call["url"] = receiver.url(&path_of(edition)).into();
    object
}

/// The path that an edition of the sensor calls.
pub(crate) fn path_of(edition: usize) -> String {
    format!("/edition/{edition}")
}

/// A sensor whose events do harm where it is let; `hanging` and `away` are where its targets are.
pub(crate) fn hostile(hanging: u16, away: u16) -> String {
    format!(
        "
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {{name: {HOSTILE}, namespace: {NAMESPACE}}}
spec:
  dependencies:
  - name: burn
    eventSourceName: {HOSTILE}
    eventName: burn
    transform: {{script: 'while true do end'}}
  - name: hoard
    eventSourceName: {HOSTILE}
    eventName: hoard
    transform: {{jq: '[range(1e9)]'}}
  - name: panic
    eventSourceName: {HOSTILE}
    eventName: panic
    transform: {{script: 'return {{v=string.format(\"%.\"..event.digits..\"f\", event.price)}}'}}
  - {{name: fail, eventSourceName: {HOSTILE}, eventName: fail}}
  - {{name: hang, eventSourceName: {HOSTILE}, eventName: hang}}
  - {{name: away, eventSourceName: {HOSTILE}, eventName: away}}
  triggers:
  - {{template: {{name: burn, conditions: burn, log: {{}}}}, atLeastOnce: true}}
  - {{template: {{name: hoard, conditions: hoard, log: {{}}}}, atLeastOnce: true}}
  - {{template: {{name: panic, conditions: panic, log: {{}}}}, atLeastOnce: true}}
  - template:
      name: fail
      conditions: fail
      k8s:
        operation: create
        source: {{resource: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: ''}}}}}}
        parameters: [{{src: {{dependencyName: fail, dataKey: name}}, dest: metadata.name}}]
  - template:
      name: hang
      conditions: hang
      http: {{url: 'http://127.0.0.1:{hanging}/', method: POST, timeout: 2}}
    atLeastOnce: true
  - template:
      name: away
      conditions: away
      http:
        url: http://127.0.0.1:{away}/
        method: POST
        payload: [{{src: {{dependencyName: away, contextKey: id}}, dest: id}}]
    atLeastOnce: true
"
    )
}

/// The data of an event of an attack.
pub(crate) fn data(attack: Attack) -> &'static str {
    match attack {
        Attack::Panic => r#"{"digits": 70000, "price": 1.5}"#,
        Attack::Fail => r#"{"name": "Not A Name!"}"#,
        _ => "{}",
    }
}
