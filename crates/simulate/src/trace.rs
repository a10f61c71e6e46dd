//! Follows an event through every stage of every sensor, and notes what each stage made of it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tiphys_api::message::with_causes;
use tiphys_check::link::Publishers;
use tiphys_eventbus::{Context, Event};
use tiphys_sensor::Compiled;
use tiphys_sensor::engine::{
    self, Arrived, Attempt, Content, Fired, Limits, Member, Now, Outcome, Plan, Round,
    TriggerState, object_key,
};
use tiphys_sensor::filter::{self, Verdict};
use tiphys_sensor::trigger::{Action, ParameterStep, Trigger};

use crate::absent::{self, Absent, Listener};
use crate::faulty::Faulty;
use crate::{Arrival, Error, Objects, input};

type Wake = engine::Wake<Arc<Action>>;
type Effect = engine::Effect<Arc<Action>>;

/// One event after the other.
const LIMITS: Limits = Limits {
    in_flight: 1,
    // An action is performed as soon as it is rendered while half of it are free.
    running: 2,
    waiting: 0,
    given_back: 0,
};

/// Sensors, with the states of their triggers.
pub(super) struct World<'o> {
    objects: &'o Objects<'o>,
    publishers: Publishers<'o>,
    triggers: HashMap<(usize, usize), Rehearsal>,
    sequence: u64,
    /// When an event happens that does not say so.
    now: Timestamp,
}

/// A trigger in virtual time: its bus stores everything, and its targets refuse nothing.
struct Rehearsal {
    state: TriggerState<Arc<Action>>,
    start: Timestamp,
    now: Now,
}

/// What became of one event.
pub struct Report<'o> {
    /// Where it came from.
    pub(super) arrival: Arrival<'o>,
    /// What each sensor that waits for it made of it.
    pub(super) sensors: Vec<SensorReport>,
    /// Sensors that do not wait for it, and why.
    pub(super) absent: Vec<Absent>,
}

/// What one sensor made of an event.
pub(super) struct SensorReport {
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) dependencies: Vec<DependencyReport>,
    pub(super) triggers: Vec<TriggerReport>,
    /// What of it cannot be followed.
    pub(super) faulty: Faulty,
}

/// What one dependency made of an event.
pub(super) struct DependencyReport {
    pub(super) index: usize,
    pub(super) name: Arc<str>,
    /// The event after the transform, if there is one.
    pub(super) transformed: Option<Result<Event, String>>,
    /// What each entry of the filters says, and its file and line.
    pub(super) filters: Vec<(filter::Step, String)>,
    /// How the event was before the transform, if there is one.
    pub(super) arrived: Option<Event>,
    /// What they say together, if the transform gave an event.
    pub(super) verdict: Option<Verdict>,
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
    /// The `dlqTrigger` that took over, if one did.
    pub(super) dlq: Option<Arc<str>>,
    pub(super) parameters: Vec<ParameterStep>,
    pub(super) action: Result<Arc<Action>, Unfired>,
}

impl Unfired {
    /// In short, without the place.
    pub(super) fn why(&self) -> &str {
        let parameter = self.parameter.as_ref();
        parameter.map_or(&self.text, |(_, why)| why)
    }

    /// In short, with the file and line of what is to be mended.
    pub(super) fn short(&self) -> String {
        let Some((field, why)) = &self.parameter else {
            return self.text.clone();
        };
        // The line says in which trigger.
        let place = &self.place;
        let parts = ["parameters[", "payload[", "dynamicHeaders["];
        let begin = parts.iter().find_map(|part| field.rfind(part));
        let field = begin.map_or(field.as_str(), |begin| &field[begin..]);
        format!("{place}: {field}: {why}")
    }
}

/// Why a firing gave no action.
#[derive(Debug, Clone)]
pub(super) struct Unfired {
    pub(super) text: String,
    /// In short, with the parameter that could not be applied by its path in the Sensor.
    pub(super) parameter: Option<(String, String)>,
    /// The file and line of the parameter.
    pub(super) place: String,
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

impl<'o> World<'o> {
    /// `now` is when events happen that do not say so.
    pub(super) fn new(objects: &'o Objects<'o>, now: Timestamp) -> Self {
        Self {
            objects,
            publishers: objects.publishers(),
            triggers: HashMap::new(),
            sequence: 0,
            now,
        }
    }

    /// Reads an event.
    pub(super) fn read(&self, json: &str) -> Result<Event, Error> {
        input::event(json, &self.publishers, self.now)
    }

    /// An event as those make it that may have published it.
    pub(super) fn arrivals(&self, event: Event) -> Vec<Arrival<'o>> {
        input::published(event, &self.publishers, self.objects)
    }

    /// Follows an event to its end.
    pub(super) fn follow(&mut self, arrival: Arrival<'o>) -> Report<'o> {
        self.sequence += 1;
        let objects = self.objects;
        let (mut sensors, mut absent) = (Vec::new(), Vec::new());
        if let Ok(event) = &arrival.event {
            let source = arrival.source.as_ref().map(|(source, _)| *source);
            for (place, sensor) in objects.sensors.iter().enumerate() {
                let hears = source.is_none_or(|source| sensor.place().meets(source.place));
                let report = if hears {
                    self.follow_sensor(place, sensor, event)
                } else {
                    None
                };
                if let Some(report) = report {
                    sensors.push(report);
                } else if let Some(reason) =
                    absent::why(sensor, &event.context, source, &self.publishers)
                {
                    let sensor = sensor.full_name(objects.default);
                    absent.push(Absent { sensor, reason });
                }
            }
            if sensors.is_empty() && absent.is_empty() {
                absent = absent::others(&objects.sensors, objects.default);
            }
        }
        Report {
            arrival,
            sensors,
            absent,
        }
    }

    /// Whether a trigger keeps such an event for a round with others.
    pub(super) fn is_remembered(&self, context: &Context) -> bool {
        let compiled = self.objects.sensors.iter();
        compiled.filter_map(|sensor| sensor.compiled).any(|sensor| {
            let waiting = sensor.dependencies.iter().enumerate();
            let mut waiting = waiting.filter(|(_, dependency)| dependency.matches(context));
            waiting.any(|(index, _)| {
                let mut triggers = sensor.triggers.iter();
                triggers.any(|trigger| {
                    let all = trigger.dependencies();
                    all.len() > 1 && all.contains(&index)
                })
            })
        })
    }

    fn follow_sensor(
        &mut self,
        place: usize,
        listener: &Listener<'_>,
        event: &Event,
    ) -> Option<SensorReport> {
        let sensor = listener.compiled?;
        let waiting = sensor.dependencies.iter().enumerate();
        let waiting: Vec<_> = waiting
            .filter(|(_, dependency)| dependency.matches(&event.context))
            .collect();
        if waiting.is_empty() {
            return None;
        }
        let names: Vec<&str> = waiting.iter().map(|(_, found)| &**found.name()).collect();
        let faulty = listener.faulty(&names);
        let sound = waiting.iter().map(|(index, _)| *index);
        let sound = sound.filter(|index| !listener.is_faulty_dependency(*index));
        let dependencies: Vec<DependencyReport> = sound
            .map(|index| follow_dependency(listener, sensor, index, event))
            .collect();
        let triggers = sensor.triggers.iter().enumerate();
        let triggers = triggers.filter_map(|(index, trigger)| {
            self.follow_trigger((place, index), sensor, trigger, event, &dependencies)
        });
        let mut triggers: Vec<TriggerReport> = triggers.collect();
        let firings = triggers.iter_mut().flat_map(|trigger| &mut trigger.firings);
        for unfired in firings.filter_map(|firing| firing.action.as_mut().err()) {
            if let Some((field, _)) = &unfired.parameter {
                unfired.place = listener.line_of(field);
            }
        }
        let (namespace, name) = (Arc::clone(&sensor.namespace), Arc::clone(&sensor.name));
        Some(SensorReport {
            namespace,
            name,
            dependencies,
            triggers,
            faulty,
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
        // Simulated events are stored when they happen.
        let stored_at = event.context.time.unwrap_or(self.now);
        let rehearsal = self.triggers.entry(key);
        let rehearsal = rehearsal.or_insert_with(|| Rehearsal::new(trigger, stored_at));
        let object = object_key(event);
        let member = |taken: &Event| Member {
            event: Arc::new(taken.clone()),
            sequence: self.sequence,
            stored_at,
            object,
            replay: None,
        };
        let arrivals = concerned
            .iter()
            .map(|dependency| (dependency.index, dependency.arrival(member)));
        let arrived = Arrived {
            sequence: self.sequence,
            weight: 1,
            content: Content::Event {
                context: event.context.clone(),
                replay: None,
                arrivals: arrivals.collect(),
            },
        };
        let mut report = TriggerReport {
            name: Arc::clone(trigger.name()),
            kind: trigger.kind().log_name(),
            firings: Vec::new(),
            kept: Vec::new(),
            conditions: trigger.conditions().expression().to_owned(),
            outcome: Outcome::InFlight,
        };
        rehearsal.pass_to(stored_at, sensor, trigger, &mut report);
        rehearsal.follow(Wake::Delivered(arrived), sensor, trigger, &mut report);
        if report.outcome != Outcome::Deduplicated {
            let names = trigger.dependency_names();
            let kept = rehearsal.state.kept();
            report.kept = kept.map(|(index, _)| Arc::clone(&names[index])).collect();
        }
        Some(report)
    }
}

impl DependencyReport {
    /// What the trigger's state has to know of it.
    fn arrival(&self, member: impl Fn(&Event) -> Member) -> engine::Arrival {
        match (&self.taken, &self.transformed, &self.verdict) {
            (Some(taken), ..) => engine::Arrival::Taken(member(taken)),
            (None, Some(Err(error)), _) => engine::Arrival::Failed(error.clone().into()),
            (None, _, verdict) => {
                let verdict = verdict.clone().unwrap_or(Verdict::Pass);
                engine::Arrival::Filtered(verdict)
            }
        }
    }
}

impl Rehearsal {
    fn new(trigger: &Trigger, start: Timestamp) -> Self {
        let now = Now {
            time: start,
            uptime: Duration::ZERO,
        };
        // Nothing is left to chance: no target refuses.
        let state = TriggerState::new(Plan::of(trigger), LIMITS, 0, now);
        Self { state, start, now }
    }

    /// Lets time pass, with everything that falls due in it.
    fn pass_to(
        &mut self,
        time: Timestamp,
        sensor: &Compiled,
        trigger: &Trigger,
        report: &mut TriggerReport,
    ) {
        let end = Duration::try_from(time.duration_since(self.start)).unwrap_or_default();
        while let Some(due) = self.state.next_due(self.now).filter(|due| *due <= end) {
            self.set(due.max(self.now.uptime));
            self.follow(Wake::Deadline, sensor, trigger, report);
        }
        self.set(end.max(self.now.uptime));
    }

    fn set(&mut self, uptime: Duration) {
        let passed = SignedDuration::try_from(uptime).unwrap_or_default();
        let time = self.start.checked_add(passed).unwrap_or(self.now.time);
        self.now = Now { time, uptime };
    }

    /// Follows what happened to its end. What waits for a moment has it come at once.
    fn follow(
        &mut self,
        wake: Wake,
        sensor: &Compiled,
        trigger: &Trigger,
        report: &mut TriggerReport,
    ) {
        let mut wakes = VecDeque::from([wake]);
        loop {
            while let Some(wake) = wakes.pop_front() {
                let effects: Vec<Effect> = self.state.on(wake, self.now).collect();
                for effect in effects {
                    wakes.extend(carry_out(effect, sensor, trigger, report));
                }
            }
            let in_hand = self.state.tally().count(Outcome::InFlight);
            let Some(due) = self.state.next_due(self.now).filter(|_| in_hand > 0) else {
                return;
            };
            self.set(due.max(self.now.uptime));
            wakes.push_back(Wake::Deadline);
        }
    }
}

/// Does what is asked for, as if the world did it; returns what that leads to.
fn carry_out(
    effect: Effect,
    sensor: &Compiled,
    trigger: &Trigger,
    report: &mut TriggerReport,
) -> Option<Wake> {
    match effect {
        Effect::Keep { work, .. }
        | Effect::Forget { work, .. }
        | Effect::DeadLetter { work, .. } => {
            let is_stored = true;
            Some(Wake::Stored { work, is_stored })
        }
        Effect::Confirm { sequence } => Some(Wake::Confirmed {
            sequence,
            is_confirmed: true,
        }),
        Effect::Fire {
            work,
            level,
            round,
            performs,
            ..
        } => {
            let firing = fire(sensor, trigger, level, &round)?;
            let fired = match firing.action.clone() {
                Err(error) => Fired::NotRendered(error.text.into()),
                Ok(action) if performs.includes(action.is_repeatable()) => {
                    Fired::Performed(action, Attempt::Done)
                }
                Ok(action) => Fired::Rendered(action),
            };
            report.firings.push(firing);
            Some(Wake::Fired { work, fired })
        }
        Effect::Perform { work, .. } => {
            let attempt = Attempt::Done;
            Some(Wake::Performed { work, attempt })
        }
        Effect::Decided(decision) => {
            // Of several, the last is about the event itself.
            report.outcome = decision.outcome;
            None
        }
        _ => None,
    }
}

fn fire(sensor: &Compiled, trigger: &Trigger, level: usize, round: &Round) -> Option<Firing> {
    let mut chain = std::iter::successors(Some(trigger), |trigger| trigger.dlq().map(|dlq| &**dlq));
    let trigger = chain.nth(level)?;
    let mut parameters = Vec::new();
    let events = round.iter().map(|(index, member)| (*index, &*member.event));
    let action = trigger.explain(events, &sensor.name, &sensor.namespace, &mut parameters);
    Some(Firing {
        dlq: (level > 0).then(|| Arc::clone(trigger.name())),
        parameters,
        action: action.map(Arc::new).map_err(|error| Unfired {
            place: String::new(),
            text: with_causes(&error),
            parameter: error
                .parameter(trigger.kind())
                .map(|(parameter, why)| (format!("{}.{parameter}", trigger.field()), why)),
        }),
    })
}

fn follow_dependency(
    listener: &Listener<'_>,
    sensor: &Compiled,
    index: usize,
    event: &Event,
) -> DependencyReport {
    let dependency = &sensor.dependencies[index];
    let outcome = dependency
        .transform(event.clone())
        .map_err(|error| with_causes(&error));
    let mut report = DependencyReport {
        index,
        name: Arc::clone(dependency.name()),
        transformed: None,
        filters: Vec::new(),
        arrived: dependency.transforms().then(|| event.clone()),
        verdict: None,
        taken: None,
    };
    if let Ok(event) = &outcome {
        let filters = dependency.filters();
        let field = format!("spec.dependencies[{index}].filters");
        let steps = filters
            .map(|filters| filters.explain(event))
            .unwrap_or_default();
        let placed = steps.into_iter().map(|step| {
            let place = listener.line_of(&format!("{field}.{}", step.filter));
            (step, place)
        });
        report.filters = placed.collect();
        let verdict = filters.map_or(Verdict::Pass, |filters| filters.check(event));
        report.taken = verdict.passes().then(|| event.clone());
        report.verdict = Some(verdict);
    }
    if dependency.transforms() {
        report.transformed = Some(outcome);
    }
    report
}
