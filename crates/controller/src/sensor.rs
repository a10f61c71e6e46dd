//! The `Sensor`: pods.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::runtime::controller::Action;
use tiphys_api::{KeyRef, KeyRefs, Problem, Sensor, SensorSpec, Service, Status, Template};
use tiphys_base::Reason;

use crate::workload::{self, Aspect, Awaited, Parts, Workload};
use crate::{Context, Error};

impl Workload for Sensor {
    const KIND: &'static str = "Sensor";
    const CONTROLLER: &'static str = "sensor-controller";
    const NAME_LABEL: &'static str = "sensor-name";
    const SUFFIX: &'static str = "-sensor";
    const ARGUMENT: &'static str = "sensor";
    const WHILE_PAUSED: &'static str = "its events wait on the bus";
    const FINALIZER: &'static str = "sensor-controller";

    type Spec = SensorSpec;

    fn spec(&self) -> &SensorSpec {
        &self.spec
    }

    fn template(&self) -> Option<&Template> {
        self.spec.template.as_ref()
    }

    fn replica_count(&self) -> i32 {
        self.spec.replica_count()
    }

    fn bus_name(&self) -> &str {
        self.spec.bus_name()
    }

    fn revision_history_limit(&self) -> Option<i32> {
        self.spec.revision_history_limit
    }

    fn service(&self) -> Option<&Service> {
        None
    }

    fn called_ports(&self) -> BTreeSet<u16> {
        BTreeSet::new()
    }

    /// Its pods share the work by a lease, whatever its triggers do.
    fn needs_token(&self) -> bool {
        true
    }

    fn key_refs(&self) -> Vec<KeyRef<'_>> {
        self.spec.key_refs()
    }

    fn awaited(&self) -> Vec<Awaited<'_>> {
        let dependencies = self.spec.dependencies.iter();
        dependencies
            .map(|dependency| Awaited {
                dependency: &dependency.name,
                source: &dependency.event_source_name,
                event: &dependency.event_name,
            })
            .collect()
    }

    fn status(&self) -> Option<&Status> {
        self.status.as_ref()
    }

    fn problems(&self) -> Vec<Problem> {
        tiphys_check::sensor(self).problems
    }

    fn aspects() -> &'static [Aspect] {
        &[
            Aspect {
                condition: "DependenciesProvided",
                reason: Reason::InvalidDependencies,
                field: "spec.dependencies",
            },
            Aspect {
                condition: "TriggersProvided",
                reason: Reason::InvalidTriggers,
                field: "spec.triggers",
            },
        ]
    }

    fn parts_condition() -> Parts {
        Parts {
            condition: "TriggersReady",
            part: "trigger",
            unreported_is_well: true,
        }
    }
}

/// Brings about what the object asks for, and writes its status.
///
/// # Errors
/// What may pass by itself: it is tried again.
pub(crate) async fn reconcile(object: Arc<Sensor>, context: Arc<Context>) -> Result<Action, Error> {
    Box::pin(workload::reconcile(&*object, &context)).await
}

#[cfg(test)]
mod tests;
