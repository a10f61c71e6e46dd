//! Parts of sensors that have errors: they are named, and the rest is followed.

use tiphys_api::manifest::Fault;
use tiphys_api::{Code, Trigger, field_path};

use crate::absent::Listener;

/// What of a sensor that waits for an event cannot be followed.
#[derive(Debug, Default)]
pub(super) struct Faulty {
    /// Errors of its dependencies, or of the whole.
    pub(super) sensor: Vec<String>,
    /// Its triggers that have errors, or wait for what has some.
    pub(super) triggers: Vec<FaultyTrigger>,
}

/// A trigger that cannot be followed.
#[derive(Debug)]
pub(super) struct FaultyTrigger {
    pub(super) name: String,
    /// Its kind, if it has one.
    pub(super) kind: &'static str,
    /// Its own errors; none if those of the sensor concern it.
    pub(super) faults: Vec<String>,
    /// It is sound, and only not run here: why.
    pub(super) not_run: Option<String>,
}

impl Listener<'_> {
    /// Whether a dependency, by its place, has errors.
    pub(super) fn is_faulty_dependency(&self, index: usize) -> bool {
        let mut faults = self.faults.iter();
        faults.any(|fault| element(fault, "spec.dependencies") == Some(index))
    }

    /// What cannot be followed of what waits for one of these dependencies.
    pub(super) fn faulty(&self, dependencies: &[&str]) -> Faulty {
        if self.faults.is_empty() {
            return Faulty::default();
        }
        let own = |fault: &&&Fault| element(fault, "spec.triggers").is_none();
        let sensor = self.faults.iter().filter(own);
        let triggers = self.object.spec.triggers.iter().enumerate();
        let triggers = triggers
            .filter(|(_, trigger)| concerns(trigger, dependencies))
            .filter_map(|(index, trigger)| self.faulty_trigger(index, trigger));
        Faulty {
            sensor: sensor.map(ToString::to_string).collect(),
            triggers: triggers.collect(),
        }
    }

    fn faulty_trigger(&self, index: usize, trigger: &Trigger) -> Option<FaultyTrigger> {
        let faults = self.faults.iter();
        let faults = faults.filter(|fault| element(fault, "spec.triggers") == Some(index));
        let faults: Vec<&Fault> = faults.copied().collect();
        let is_not_run = |fault: &&Fault| fault.problem.code == Code::NotRun;
        let not_run = faults.first().filter(|_| faults.iter().all(is_not_run));
        let not_run = not_run.map(|fault| fault.problem.message.clone());
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let template = trigger.template.as_deref();
        let name = template.map_or("", |template| &template.name);
        // One whose action is none is followed, and fails.
        let field = field_path::index("spec.triggers", index);
        let compiled = self.compiled.iter();
        let mut compiled = compiled.flat_map(|compiled| &compiled.triggers);
        if compiled.any(|compiled| compiled.field() == field) {
            return None;
        }
        let kind = template.and_then(|template| template.kind().ok());
        Some(FaultyTrigger {
            name: if name.is_empty() {
                field_path::index("triggers", index)
            } else {
                name.to_owned()
            },
            kind: kind.map_or("no action", tiphys_api::TriggerKind::log_name),
            faults,
            not_run,
        })
    }
}

fn element(fault: &Fault, list: &str) -> Option<usize> {
    field_path::element(&fault.problem.field_path, list)
}

/// Whether a trigger waits for one of these dependencies, as far as its conditions tell.
fn concerns(trigger: &Trigger, dependencies: &[&str]) -> bool {
    let conditions = trigger
        .template
        .as_ref()
        .map_or("", |template| template.conditions.trim());
    conditions.is_empty() || dependencies.iter().any(|name| conditions.contains(name))
}
