//! Status conditions, as all three kinds carry them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::given::{Given, object};
use crate::schema;

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody has found out yet.
    #[default]
    Unknown,
}

object! {
    /// One aspect of an object's state.
    pub struct Condition {
        /// What the condition is about, for example `Deployed`.
        r#type: Given<String>,
        /// `True`, `False` or `Unknown`.
        status: Given<ConditionStatus>,
        /// When `status` changed last.
        #[schemars(schema_with = "schema::kubernetes::<Time>")]
        last_transition_time: Option<Time>,
        /// One word for the cause, for programs.
        reason: Given<String>,
        /// The cause in words.
        message: Given<String>,
        /// The generation of the object that this was found for.
        observed_generation: Option<i64>,
    }
}

object! {
    /// What the controller and the running processes report.
    pub struct Status {
        /// The aspects of the object's state, sorted by type.
        conditions: Given<Vec<Condition>>,
        /// The generation of the object that the rest was found for.
        observed_generation: Option<i64>,
        /// When the last event was published or received.
        #[schemars(schema_with = "schema::kubernetes::<Time>")]
        last_event_time: Option<Time>,
        /// How many events wait on the bus for the triggers.
        lag: Option<i64>,
        /// How many events became dead letters, because they cannot succeed, since the pods started.
        dead_lettered: Option<i64>,
        /// The last attempt that failed.
        last_error: Option<String>,
    }
}

impl Status {
    /// The condition of a type.
    pub fn condition(&self, condition_type: &str) -> Option<&Condition> {
        self.conditions
            .iter()
            .find(|condition| condition.r#type == condition_type)
    }

    /// True if there is a condition and all are `True`.
    pub fn is_ready(&self) -> bool {
        !self.conditions.is_empty()
            && self
                .conditions
                .iter()
                .all(|condition| *condition.status == ConditionStatus::True)
    }

    /// Puts a condition in its place. One that differs in time only changes nothing.
    ///
    /// Returns whether the status changed.
    pub fn set(&mut self, condition: Condition) -> bool {
        let existing = self
            .conditions
            .iter()
            .position(|c| *c.r#type == *condition.r#type);
        if let Some(index) = existing {
            let mut same_time = condition.clone();
            same_time
                .last_transition_time
                .clone_from(&self.conditions[index].last_transition_time);
            if same_time == self.conditions[index] {
                return false;
            }
            if self.conditions[index].status == condition.status {
                self.conditions[index] = same_time;
            } else {
                self.conditions[index] = condition;
            }
        } else {
            self.conditions.push(condition);
            self.conditions
                .sort_by(|a, b| a.r#type.as_str().cmp(b.r#type.as_str()));
        }
        true
    }
}
