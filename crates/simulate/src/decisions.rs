//! Events of a bus on their way through objects: what each trigger makes of each.
//!
//! Nothing of this is recorded anywhere: it is decided again, by the state machine that decides in a
//! running sensor. So it is what the objects at hand make of the events at hand: what happened before the first of
//! them, and by earlier specs, is not known here.

use std::fmt;

use jiff::Timestamp;
use tiphys_eventbus::Event;
use tiphys_sensor::engine::Outcome;
use tiphys_sensor::filter::Verdict;
use tiphys_sensor::trigger::Action;

use crate::error::Act as _;
use crate::expect::{self, Done};
use crate::text;
use crate::trace::{DependencyReport, Report, SensorReport, TriggerReport, World};
use crate::{Error, Objects};

/// Objects, and the events that they have seen so far.
pub struct Decisions<'o> {
    world: World<'o>,
}

/// What one trigger made of an event.
pub struct Decision<'r> {
    sensor: &'r SensorReport,
    trigger: &'r TriggerReport,
}

impl<'o> Decisions<'o> {
    /// Decisions of these objects. `now` is when those events happen that do not say so.
    pub fn new(objects: &'o Objects<'o>, now: Timestamp) -> Self {
        Self {
            world: World::new(objects, now),
        }
    }

    /// Reads an event: a `CloudEvent`, or `{"eventSourceName", "eventName", "data"}`.
    ///
    /// # Errors
    /// If it is neither.
    pub fn read(&self, json: &str) -> Result<Event, Error> {
        self.world.read(json)
    }

    /// Follows an event to its end: a report for each event source that may have published it, and one where
    /// none is known.
    pub fn follow(&mut self, event: Event) -> Vec<Report<'o>> {
        let arrivals = self.world.arrivals(event);
        let follow = |arrival| self.world.follow(arrival);
        arrivals.into_iter().map(follow).collect()
    }

    /// Whether later events are decided by what came of this one, apart from its own repetitions: a trigger
    /// waits for it beside others.
    pub fn is_remembered(&self, event: &Event) -> bool {
        self.world.is_remembered(&event.context)
    }
}

impl Report<'_> {
    /// The event, unless the event source makes none.
    pub fn event(&self) -> Option<&Event> {
        self.arrival.event.as_ref().ok()
    }

    /// What each trigger made of it that waits for it.
    pub fn decisions(&self) -> impl Iterator<Item = Decision<'_>> {
        self.sensors.iter().flat_map(|sensor| {
            let triggers = sensor.triggers.iter();
            triggers.map(move |trigger| Decision { sensor, trigger })
        })
    }

    /// Why a sensor of this name does not wait for it, if it nearly does.
    pub fn why_not(&self, sensor: &str) -> Option<&str> {
        let mut absent = self.absent.iter();
        let found = absent.find(|absent| {
            let name = absent.sensor.rsplit_once('/');
            name.map_or(&*absent.sensor, |(_, name)| name) == sensor
        })?;
        Some(&found.reason)
    }

    /// Why nothing came of it, where no trigger was asked.
    pub fn unanswered(&self) -> Option<String> {
        if let Err(why) = &self.arrival.event {
            let source = self.arrival.source.as_ref();
            let source =
                source.map_or_else(String::new, |(_, name)| format!("event source {name}: "));
            return Some(format!("{source}{why}"));
        }
        if !self.sensors.is_empty() {
            return None;
        }
        let absent = self.absent.iter();
        let absent = absent.map(|absent| format!("; sensor {}: {}", absent.sensor, absent.reason));
        Some(format!(
            "no sensor waits for it{}",
            absent.collect::<String>()
        ))
    }
}

impl<'r> Decision<'r> {
    /// The namespace of the sensor.
    pub fn namespace(&self) -> &'r str {
        &self.sensor.namespace
    }

    /// The name of the sensor.
    pub fn sensor(&self) -> &'r str {
        &self.sensor.name
    }

    /// The name of the trigger.
    pub fn trigger(&self) -> &'r str {
        &self.trigger.name
    }

    /// What became of the event.
    pub fn outcome(&self) -> Outcome {
        self.trigger.outcome
    }

    /// The actions that would be performed.
    pub fn actions(&self) -> impl Iterator<Item = &'r Action> {
        let firings = self.trigger.firings.iter();
        firings.filter_map(|firing| firing.action.as_deref().ok())
    }

    /// What became of it, and each action as JSON: what is equal is printed alike.
    pub(crate) fn printed(&self) -> Result<String, Error> {
        let mut text = format!("{self} {}", self.trigger.outcome);
        for action in self.actions() {
            text += &serde_json::to_string(action).act(|| "print the action".to_owned())?;
        }
        Ok(text)
    }

    /// Adds what it does, or could not do.
    pub(crate) fn add_to(&self, done: &mut Done) -> Result<(), Error> {
        done.add_trigger(self.sensor, self.trigger)
    }

    /// What is done, or why nothing is, in one line.
    pub fn reason(&self) -> String {
        match self.trigger.outcome {
            Outcome::Fired => {
                let acts = self.actions().map(expect::in_words);
                acts.collect::<Vec<_>>().join("; ")
            }
            Outcome::Filtered => {
                let of_it = self.sensor.dependencies.iter();
                let refused = of_it.filter_map(refusal).collect::<Vec<_>>();
                refused.join("; ")
            }
            Outcome::DeadLettered => {
                let error = text::last_error(self.trigger);
                let transform = self.sensor.dependencies.iter().find_map(|dependency| {
                    let transformed = dependency.transformed.as_ref()?;
                    let error = transformed.as_ref().err()?;
                    Some(format!(
                        "dependency {}: transform: {error}",
                        dependency.name
                    ))
                });
                error.or(transform).unwrap_or_default()
            }
            Outcome::Waiting => text::waits(self.trigger),
            Outcome::Deduplicated => "it has had this event".to_owned(),
            Outcome::InFlight => "it is at work".to_owned(),
        }
    }
}

impl fmt::Display for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (namespace, sensor) = (self.namespace(), self.sensor());
        write!(f, "sensor {namespace}/{sensor}, trigger {}", self.trigger())
    }
}

/// Why a dependency does not take the event, if it does not.
fn refusal(dependency: &DependencyReport) -> Option<String> {
    let verdict = dependency.verdict.as_ref()?;
    let (Verdict::Reject(reason) | Verdict::Fail(reason)) = verdict else {
        return None;
    };
    let failed = dependency.filters.iter();
    let mut failed = failed.filter(|(step, _)| !step.verdict.passes());
    let why = match failed.next() {
        Some((step, place)) => text::filter(step, place),
        None => reason.clone(),
    };
    Some(format!("dependency {}: {why}", dependency.name))
}
