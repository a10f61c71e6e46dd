//! The `Sensor` object: which events it waits for and what they trigger.

use std::collections::BTreeMap;

use crate::condition::Status;
use crate::filter::EventDependencyFilter;
use crate::given::{Given, object};
use crate::template::Template;
use crate::trigger::Trigger;

object! {
    /// Waits for events and runs triggers.
    #[derive(kube::CustomResource)]
    #[kube(
        group = "argoproj.io",
        version = "v1alpha1",
        kind = "Sensor",
        doc = "Waits for events and runs triggers.",
        namespaced,
        shortname = "sn",
        status = "Status",
        derive = "Default",
        derive = "PartialEq"
    )]
    pub struct SensorSpec {
        /// The events the sensor waits for. At least one.
        dependencies: Given<Vec<EventDependency>>,
        /// What the events trigger. At least one.
        triggers: Given<Vec<Trigger>>,
        /// The pod that runs the sensor.
        template: Option<Template>,
        /// Accepted for compatibility; has no effect.
        error_on_failed_round: Given<bool>,
        /// Name of the `EventBus` in the same namespace. Default: `default`.
        event_bus_name: Given<String>,
        /// Number of pods, one of which is active. Default: 1, also for 0 and less: what pauses a Sensor is
        /// the annotation `events.argoproj.io/paused: "true"`.
        replicas: Option<i32>,
        /// Old ReplicaSets the Deployment keeps. Default: that of Kubernetes (10).
        revision_history_limit: Option<i32>,
        /// Fields added to each line that the sensor logs.
        logging_fields: Given<BTreeMap<String, String>>,
    }
}

object! {
    /// An event the sensor waits for.
    pub struct EventDependency {
        /// Name by which triggers speak of the dependency.
        name: Given<String>,
        /// Name of the `EventSource`.
        event_source_name: Given<String>,
        /// Name of the event in the `EventSource`.
        event_name: Given<String>,
        /// Which of the events count. Default: all.
        filters: Option<EventDependencyFilter>,
        /// Changes the event before the filters see it.
        transform: Option<EventDependencyTransformer>,
        /// How the filters are combined: `and` (the default) or `or`.
        filters_logical_operator: Given<String>,
    }
}

object! {
    /// A program that changes the data of an event.
    pub struct EventDependencyTransformer {
        /// jq program; its first result becomes the data. Goes before `script`.
        jq: Given<String>,
        /// Lua program; the table it returns becomes the data.
        script: Given<String>,
    }
}

impl SensorSpec {
    /// Name of the `EventBus`, `default` if none is given.
    pub fn bus_name(&self) -> &str {
        if self.event_bus_name.is_empty() {
            "default"
        } else {
            &self.event_bus_name
        }
    }

    /// Number of pods, at least one.
    pub fn replica_count(&self) -> i32 {
        self.replicas.unwrap_or(1).max(1)
    }

    /// The dependency of a name.
    pub fn dependency(&self, name: &str) -> Option<&EventDependency> {
        self.dependencies
            .iter()
            .find(|dependency| dependency.name == name)
    }
}
