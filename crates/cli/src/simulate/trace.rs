//! Follows an event through every stage of every sensor, and notes what each stage made of it.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use tiphys_api::message::with_causes;
use tiphys_eventbus::Event;
use tiphys_sensor::Compiled;
use tiphys_sensor::engine::{Member, Outcome, Rounds, Seen, Step, object_key};
use tiphys_sensor::filter;
use tiphys_sensor::trigger::{Action, ParameterStep, Trigger};

use super::Arrival;
use crate::files::{Loaded, Program};

/// The sensors of the files, with what their triggers keep between events.
pub(super) struct World<'l> {
    sensors: Vec<&'l Compiled>,
    triggers: HashMap<(usize, usize), Memory>,
    sequence: u64,
}

/// What a trigger remembers.
struct Memory {
    rounds: Rounds,
    seen: Seen,
}

/// What became of one event.
pub(super) struct Report {
    /// Where it came from.
    pub(super) arrival: Arrival,
    /// What each sensor that waits for it made of it.
    pub(super) sensors: Vec<SensorReport>,
}

/// What one sensor made of an event.
pub(super) struct SensorReport {
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) dependencies: Vec<DependencyReport>,
    pub(super) triggers: Vec<TriggerReport>,
}

/// What one dependency made of an event.
pub(super) struct DependencyReport {
    pub(super) index: usize,
    pub(super) name: Arc<str>,
    /// The event after the transform, if there is one.
    pub(super) transformed: Option<Result<Event, String>>,
    /// Each filter's verdict.
    pub(super) filters: Vec<filter::Step>,
    /// The event as the triggers see it.
    pub(super) taken: Option<Event>,
}

/// What one trigger made of an event.
pub(super) struct TriggerReport {
    pub(super) name: Arc<str>,
    pub(super) kind: &'static str,
    pub(super) firings: Vec<Firing>,
    /// The dependencies whose events it keeps, if it waits for more.
    pub(super) kept: Vec<Arc<str>>,
    /// What its round still needs.
    pub(super) conditions: String,
    pub(super) outcome: Outcome,
}

/// A firing, with what each parameter did.
pub(super) struct Firing {
    pub(super) parameters: Vec<ParameterStep>,
    pub(super) action: Result<Action, String>,
}

impl DependencyReport {
    /// The event as triggers would see it, whether the filters take it or not; or why the transform
    /// gave none. `arrived` is the event before the transform.
    pub(super) fn seen<'r>(&'r self, arrived: &'r Event) -> Result<&'r Event, &'r str> {
        match &self.transformed {
            None => Ok(arrived),
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(error),
        }
    }
}

impl<'l> World<'l> {
    pub(super) fn new(loaded: &'l Loaded) -> Self {
        let sensors = loaded
            .objects
            .iter()
            .filter_map(|loadable| match &loadable.program {
                Some(Program::Sensor(sensor)) => Some(&**sensor),
                _ => None,
            });
        Self {
            sensors: sensors.collect(),
            triggers: HashMap::new(),
            sequence: 0,
        }
    }

    /// Follows an event to its end.
    pub(super) fn follow(&mut self, arrival: Arrival) -> Report {
        self.sequence += 1;
        let mut sensors = Vec::new();
        if let Some(event) = &arrival.event {
            for (place, sensor) in self.sensors.clone().into_iter().enumerate() {
                let namespace = arrival.namespace.as_deref();
                if namespace.is_none_or(|namespace| *namespace == *sensor.namespace) {
                    sensors.extend(self.follow_sensor(place, sensor, event));
                }
            }
        }
        Report { arrival, sensors }
    }

    fn follow_sensor(
        &mut self,
        place: usize,
        sensor: &Compiled,
        event: &Event,
    ) -> Option<SensorReport> {
        let waiting = sensor.dependencies.iter().enumerate();
        let waiting = waiting.filter(|(_, dependency)| dependency.matches(&event.context));
        let dependencies: Vec<DependencyReport> = waiting
            .map(|(index, _)| follow_dependency(sensor, index, event))
            .collect();
        if dependencies.is_empty() {
            return None;
        }
        let triggers = sensor.triggers.iter().enumerate();
        let triggers = triggers.filter_map(|(index, trigger)| {
            self.follow_trigger((place, index), sensor, trigger, event, &dependencies)
        });
        let triggers = triggers.collect();
        let (namespace, name) = (Arc::clone(&sensor.namespace), Arc::clone(&sensor.name));
        Some(SensorReport {
            namespace,
            name,
            dependencies,
            triggers,
        })
    }

    fn follow_trigger(
        &mut self,
        key: (usize, usize),
        sensor: &Compiled,
        trigger: &Trigger,
        event: &Event,
        dependencies: &[DependencyReport],
    ) -> Option<TriggerReport> {
        let mut concerned: Vec<&DependencyReport> = Vec::new();
        for index in trigger.dependencies() {
            concerned.extend(dependencies.iter().find(|report| report.index == *index));
        }
        if concerned.is_empty() {
            return None;
        }
        let memory = self.triggers.entry(key).or_insert_with(|| Memory {
            rounds: Rounds::new(Arc::clone(trigger.conditions())),
            seen: Seen::default(),
        });
        let mut report = TriggerReport {
            name: Arc::clone(trigger.name()),
            kind: trigger.kind().log_name(),
            firings: Vec::new(),
            kept: Vec::new(),
            conditions: trigger.conditions().expression().to_owned(),
            outcome: Outcome::Filtered,
        };
        if !memory.seen.insert(&event.context, Timestamp::now()) {
            report.outcome = Outcome::Deduplicated;
            return Some(report);
        }
        for dependency in concerned {
            let outcome = match (&dependency.taken, &dependency.transformed) {
                (Some(taken), _) => {
                    let member = Member {
                        event: Arc::new(taken.clone()),
                        sequence: self.sequence,
                        // Simulated events are stored when they happen.
                        stored_at: event.context.time.unwrap_or_default(),
                        object: object_key(event),
                    };
                    arrive(
                        sensor,
                        trigger,
                        memory,
                        dependency.index,
                        member,
                        &mut report.firings,
                    )
                }
                (None, Some(Err(_))) => Outcome::DeadLettered,
                (None, _) => Outcome::Filtered,
            };
            report.outcome = report.outcome.min(outcome);
        }
        let names = trigger.dependency_names();
        report.kept = memory
            .rounds
            .kept()
            .map(|(index, _)| Arc::clone(&names[index]))
            .collect();
        Some(report)
    }
}

fn arrive(
    sensor: &Compiled,
    trigger: &Trigger,
    memory: &mut Memory,
    dependency: usize,
    member: Member,
    firings: &mut Vec<Firing>,
) -> Outcome {
    if let Some(reset) = trigger.resets().last(member.stored_at) {
        memory.rounds.forget_before(reset);
    }
    match memory
        .rounds
        .arrive(dependency, member, trigger.dependency_names())
    {
        Step::Keep { .. } => Outcome::Waiting,
        Step::Fire { round, .. } => {
            let mut parameters = Vec::new();
            let events = round.iter().map(|(index, member)| (*index, &*member.event));
            let action = trigger.explain(events, &sensor.name, &sensor.namespace, &mut parameters);
            let outcome = if action.is_ok() {
                Outcome::Fired
            } else {
                Outcome::DeadLettered
            };
            let action = action.map_err(|error| with_causes(&error));
            firings.push(Firing { parameters, action });
            outcome
        }
    }
}

fn follow_dependency(sensor: &Compiled, index: usize, event: &Event) -> DependencyReport {
    let dependency = &sensor.dependencies[index];
    let outcome = dependency
        .transform(event.clone())
        .map_err(|error| with_causes(&error));
    let mut report = DependencyReport {
        index,
        name: Arc::clone(dependency.name()),
        transformed: None,
        filters: Vec::new(),
        taken: None,
    };
    if let Ok(event) = &outcome {
        let passes = dependency.filters().is_none_or(|filters| {
            report.filters = filters.explain(event);
            filters.check(event).passes()
        });
        report.taken = passes.then(|| event.clone());
    }
    if dependency.transforms() {
        report.transformed = Some(outcome);
    }
    report
}
