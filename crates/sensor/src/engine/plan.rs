//! What a trigger's state machine has to know of its trigger.

use std::sync::Arc;
use std::time::Duration;

use tiphys_api::RetryPolicy;
use tiphys_lang::expr::conditions::Conditions;

use super::Resets;
use crate::trigger::Trigger;

/// What is to come together, and how often and how fast it is acted on.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What has to come together.
    pub conditions: Arc<Conditions>,
    /// The names of all dependencies of the sensor.
    pub names: Arc<[Arc<str>]>,
    /// When kept events are forgotten.
    pub resets: Resets,
    /// The trigger, its `dlqTrigger`, the `dlqTrigger` of that, and so on: at least one.
    pub levels: Vec<Level>,
}

/// How one trigger of a chain is tried.
#[derive(Debug, Clone)]
pub struct Level {
    /// Its name.
    pub name: Arc<str>,
    /// How often an action that fails is tried.
    pub retry: RetryPolicy,
    /// The least time between two firings.
    pub interval: Option<Duration>,
    /// How long an action waits for a target that is unavailable.
    pub patience: Duration,
    /// Its action is performed before its events are acknowledged, whatever it is.
    pub at_least_once: bool,
}

/// How much one trigger may do at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Deliveries that are not settled.
    pub in_flight: usize,
    /// Actions that are being rendered or performed.
    pub running: usize,
    /// The weight of deliveries that wait for a target and stay in memory; more of them are given back
    /// to the bus meanwhile.
    pub waiting: usize,
    /// Deliveries that are given back so at most.
    pub given_back: usize,
}

/// The unit of [`Arrived::weight`](super::Arrived::weight), in bytes of payload.
pub const WEIGHT: usize = 16 << 10;

/// The weight of a delivery with a payload of so many bytes: 1 at least.
pub fn weight(payload: usize) -> usize {
    payload.div_ceil(WEIGHT).max(1)
}

impl Plan {
    /// The plan of a compiled trigger.
    pub fn of(trigger: &Trigger) -> Self {
        let chain = std::iter::successors(Some(trigger), |trigger| trigger.dlq().map(|dlq| &**dlq));
        let levels = chain.enumerate().map(|(place, trigger)| Level {
            name: Arc::clone(trigger.name()),
            retry: trigger.retry(),
            // A trigger that takes over is not limited, as in Argo Events.
            interval: trigger
                .rate()
                .filter(|_| place == 0)
                .map(|rate| rate.interval),
            patience: trigger.patience(),
            at_least_once: trigger.at_least_once(),
        });
        Self {
            conditions: Arc::clone(trigger.conditions()),
            names: trigger.dependency_names().into(),
            resets: trigger.resets().clone(),
            levels: levels.collect(),
        }
    }
}
