//! Conditions: a whole list is computed, then compared with the one that is written.

mod advice;
mod wait;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tiphys_api::message::shortened;
use tiphys_api::{Condition, ConditionStatus, Problem};
use tiphys_base::Reason;

pub(crate) use advice::Subject;
pub(crate) use wait::{Waits, says_for_what};

/// The aggregate of all other conditions but [`ASIDES`].
pub(crate) const READY: &str = "Ready";

/// Whether the dead letters of the bus have room: events are worked on all the same.
pub(crate) const DEAD_LETTER_ROOM: &str = "DeadLetterRoom";

/// Whether somebody publishes what a sensor waits for: it works all the same.
pub(crate) const EVENTS_PUBLISHED: &str = "EventsPublished";

/// What a human should know of an object that is ready.
pub(crate) const ASIDES: [&str; 2] = [DEAD_LETTER_ROOM, EVENTS_PUBLISHED];

/// The longest a text of a status gets, in characters.
pub(crate) const LONGEST_MESSAGE: usize = 1_500;

/// What a reconcile has found out about an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Conditions {
    found: Vec<Found>,
}

/// How many problems a condition names: nobody reads more at a time.
const NAMED: usize = 5;

#[derive(Clone, Debug, PartialEq)]
struct Found {
    r#type: &'static str,
    verdict: Verdict,
}

/// How one aspect of an object is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// Whether the condition holds.
    pub status: ConditionStatus,
    /// The cause in one word.
    pub reason: Cause,
    /// The cause in words; empty if there is none.
    pub message: String,
}

/// The cause of a condition, in one word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    /// There is nothing to say.
    #[default]
    None,
    /// What we found.
    Found(Reason),
    /// What Kubernetes says of a pod, a container or a Deployment: its words are open.
    Kubernetes(String),
}

impl Cause {
    /// What Kubernetes says, if it says something.
    pub fn kubernetes(word: &str) -> Self {
        match word {
            "" => Self::Found(Reason::Failed),
            word => Self::Kubernetes(word.to_owned()),
        }
    }

    /// The word; empty if there is none.
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "",
            Self::Found(reason) => reason.as_str(),
            Self::Kubernetes(word) => word,
        }
    }
}

impl From<Reason> for Cause {
    fn from(reason: Reason) -> Self {
        Self::Found(reason)
    }
}

impl Verdict {
    /// It holds.
    pub(crate) fn holds() -> Self {
        Self {
            status: ConditionStatus::True,
            reason: Cause::None,
            message: String::new(),
        }
    }

    /// It holds, and what that means.
    pub(crate) fn is_well(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            message: message.into(),
            ..Self::holds()
        }
    }

    /// It does not hold.
    pub(crate) fn fails(reason: impl Into<Cause>, message: impl Into<String>) -> Self {
        Self {
            status: ConditionStatus::False,
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// What is wrong with a part of a spec: errors, or else warnings, which it holds with.
    pub(crate) fn of_spec(reason: Reason, problems: impl IntoIterator<Item = Problem>) -> Self {
        let (errors, warnings): (Vec<_>, Vec<_>) =
            problems.into_iter().partition(Problem::is_error);
        if errors.is_empty() {
            let message = match warnings.as_slice() {
                [] => "the spec is valid".to_owned(),
                warnings => listed(warnings),
            };
            Self::is_well(Reason::Valid, message)
        } else {
            Self::fails(reason, listed(&errors))
        }
    }

    /// Nobody knows yet.
    pub(crate) fn unknown(reason: impl Into<Cause>, message: impl Into<String>) -> Self {
        Self {
            status: ConditionStatus::Unknown,
            reason: reason.into(),
            message: message.into(),
        }
    }
}

impl Conditions {
    /// Sets a condition, in the order in which a human should read them: the first one that does not
    /// hold is the reason why the object is not ready. A message is cut to what a human reads.
    pub(crate) fn set(&mut self, r#type: &'static str, mut verdict: Verdict) {
        verdict.message = shortened(&verdict.message, LONGEST_MESSAGE);
        match self.found.iter_mut().find(|found| found.r#type == r#type) {
            Some(found) => found.verdict = verdict,
            None => self.found.push(Found { r#type, verdict }),
        }
    }

    /// How a condition is.
    pub(crate) fn get(&self, r#type: &str) -> Option<&Verdict> {
        let found = self.found.iter().find(|found| found.r#type == r#type)?;
        Some(&found.verdict)
    }

    /// Adds `Ready`: false if one condition does not hold, true if all do. Its cause is that of the first
    /// one that says what the cause is. `reason` is what is said when all hold.
    #[must_use]
    pub(crate) fn with_ready(mut self, reason: Reason, message: impl Into<String>) -> Self {
        let verdicts = self
            .found
            .iter()
            .filter(|found| !ASIDES.contains(&found.r#type))
            .map(|found| &found.verdict)
            .filter(|verdict| verdict.status != ConditionStatus::True);
        let first = verdicts.min_by_key(|verdict| {
            let is_known = verdict.status == ConditionStatus::False;
            (!is_known, wait::is_vague(verdict.reason.as_str()))
        });
        let verdict = match first {
            Some(verdict) => verdict.clone(),
            None => Verdict::is_well(reason, message),
        };
        self.set(READY, verdict);
        self
    }

    /// The list as it is written, sorted by type. A condition whose status is as in `old` keeps its
    /// time.
    pub(crate) fn written(
        &self,
        old: &[Condition],
        generation: Option<i64>,
        now: Timestamp,
    ) -> Vec<Condition> {
        let mut conditions: Vec<Condition> = self
            .found
            .iter()
            .map(|Found { r#type, verdict }| {
                let before = old.iter().find(|condition| *condition.r#type == *r#type);
                let since = before
                    .filter(|before| *before.status == verdict.status)
                    .and_then(|before| before.last_transition_time.clone());
                Condition {
                    r#type: (*r#type).into(),
                    status: verdict.status.into(),
                    last_transition_time: Some(since.unwrap_or(Time(now))),
                    reason: verdict.reason.as_str().into(),
                    message: verdict.message.as_str().into(),
                    observed_generation: generation,
                }
            })
            .collect();
        conditions.sort_by(|a, b| a.r#type.as_str().cmp(b.r#type.as_str()));
        conditions
    }
}

/// The first few problems, and how many more there are.
fn listed(problems: &[Problem]) -> String {
    let texts: Vec<String> = problems.iter().map(Problem::text).collect();
    joined(&texts)
}

/// The first few messages, and how many more there are.
pub(crate) fn joined(messages: &[String]) -> String {
    let first: Vec<&str> = messages.iter().take(NAMED).map(String::as_str).collect();
    let text = first.join("; ");
    match messages.len().saturating_sub(NAMED) {
        0 => text,
        more => format!("{text}; and {more} more"),
    }
}
