//! What is about to come, and how long it is waited for before that is a fault (pure).
//!
//! While it is waited for, the condition is `Unknown`, its reason says for what, and nobody is warned.
//! After the usual time the condition is `False`, with the reason of the fault.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tiphys_api::{Condition, ConditionStatus};
use tiphys_base::Reason;

use super::{Conditions, Verdict};

/// For objects that come with the same `kubectl apply`, which sends one after the other, and for what the
/// controllers of Kubernetes try again by themselves within some seconds.
const APPLIED: Duration = Duration::from_secs(10);

/// For servers that answer: a name that did not exist when it was asked for is forgotten after 30 s
/// (by `CoreDNS`), an attempt to open a bus takes at most 9 s with the wait before it, an election some
/// seconds, a node that has failed is replaced among its peers in less.
const ANSWERED: Duration = Duration::from_mins(1);

/// For pods, whose images are pulled: Kubernetes waits as long for those of a Deployment
/// (`progressDeadlineSeconds`).
const STARTED: Duration = Duration::from_mins(10);

/// Something that is waited for.
struct Wait {
    /// What it is called as a fault.
    fault: &'static str,
    /// What it is called until then; `None`: the same.
    waiting: Option<Reason>,
    /// How long that is usual.
    usual: Duration,
}

/// Everything that is waited for. What is not here does not come by waiting.
const WAITS: [Wait; 18] = [
    named(
        Reason::EventBusNotFound,
        Reason::WaitingForEventBus,
        APPLIED,
    ),
    named(
        Reason::EventBusNotReady,
        Reason::WaitingForEventBus,
        ANSWERED,
    ),
    named(
        Reason::NobodyPublishes,
        Reason::WaitingForEventSource,
        APPLIED,
    ),
    named(Reason::MissingKeys, Reason::WaitingForKeys, APPLIED),
    of_kubernetes(
        "CreateContainerConfigError",
        Reason::WaitingForKeys,
        APPLIED,
    ),
    of_kubernetes("FailedCreate", Reason::WaitingForPods, APPLIED),
    of_kubernetes("Unschedulable", Reason::WaitingForNode, ANSWERED),
    vague(Reason::Connecting, ANSWERED),
    named(
        Reason::ConnectionFailed,
        Reason::WaitingForConnection,
        ANSWERED,
    ),
    named(Reason::Disconnected, Reason::WaitingForConnection, ANSWERED),
    named(Reason::StreamFailed, Reason::WaitingForStream, ANSWERED),
    named(
        Reason::NotSubscribed,
        Reason::WaitingForSubscription,
        ANSWERED,
    ),
    named(Reason::Unreachable, Reason::WaitingForServer, ANSWERED),
    named(
        Reason::TargetUnavailable,
        Reason::WaitingForTarget,
        ANSWERED,
    ),
    vague(Reason::PodsStarting, STARTED),
    vague(Reason::ServersStarting, STARTED),
    vague(Reason::NoReport, STARTED),
    vague(Reason::SpecOutdated, STARTED),
];

/// Reasons that say only that something else has to come first.
const FOLLOWING: [&str; 3] = [
    Reason::Starting.as_str(),
    Reason::NotDeployed.as_str(),
    "ProgressDeadlineExceeded",
];

const fn named(fault: Reason, waiting: Reason, usual: Duration) -> Wait {
    of_kubernetes(fault.as_str(), waiting, usual)
}

const fn of_kubernetes(fault: &'static str, waiting: Reason, usual: Duration) -> Wait {
    Wait {
        fault,
        waiting: Some(waiting),
        usual,
    }
}

const fn vague(fault: Reason, usual: Duration) -> Wait {
    Wait {
        fault: fault.as_str(),
        waiting: None,
        usual,
    }
}

/// Since when the conditions of an object wait, and how long that is usual.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Waits(BTreeMap<&'static str, (Duration, Timestamp)>);

impl Waits {
    /// Parts what is waited for from what is a fault. `old` is what was written: a fault is none again
    /// only when something else is waited for. Returns when the next wait becomes a fault.
    pub(crate) fn judge(
        &mut self,
        conditions: &mut Conditions,
        old: &[Condition],
        now: Timestamp,
    ) -> Option<Duration> {
        let mut next: Option<Duration> = None;
        for found in &mut conditions.found {
            let r#type = found.r#type;
            let Some(wait) = Wait::of(&found.verdict) else {
                self.0.remove(r#type);
                continue;
            };
            let known = self.0.get(r#type).filter(|(usual, _)| *usual == wait.usual);
            let since = known.map_or(now, |(_, since)| *since);
            self.0.insert(r#type, (wait.usual, since));
            let waited = now.duration_since(since).unsigned_abs();
            let left = wait.usual.saturating_sub(waited);
            if left.is_zero() || was_fault(old, r#type, wait.usual) {
                found.verdict.status = ConditionStatus::False;
                continue;
            }
            found.verdict.status = ConditionStatus::Unknown;
            if let Some(waiting) = wait.waiting {
                found.verdict.reason = waiting.into();
            }
            next = Some(next.map_or(left, |next| next.min(left)));
        }
        next
    }
}

impl Wait {
    fn of(verdict: &Verdict) -> Option<&'static Self> {
        let holds = verdict.status == ConditionStatus::True;
        Self::named(verdict.reason.as_str()).filter(|_| !holds)
    }

    fn named(fault: &str) -> Option<&'static Self> {
        WAITS.iter().find(|wait| wait.fault == fault)
    }
}

/// True if a condition was a fault of the same sort: a connection that cannot be made now for this reason
/// and now for that one does not begin to wait anew.
fn was_fault(old: &[Condition], r#type: &str, usual: Duration) -> bool {
    let mut faults = old.iter().filter(|condition| {
        *condition.r#type == *r#type && *condition.status == ConditionStatus::False
    });
    faults.any(|fault| Wait::named(&fault.reason).is_some_and(|wait| wait.usual == usual))
}

/// True if a reason says what is waited for.
pub(crate) fn says_for_what(reason: &str) -> bool {
    WAITS
        .iter()
        .filter_map(|wait| wait.waiting)
        .any(|waiting| waiting.as_str() == reason)
}

/// True if a reason says that something does not work yet, and nothing of the cause.
pub(crate) fn is_vague(reason: &str) -> bool {
    FOLLOWING.contains(&reason) || Wait::named(reason).is_some_and(|wait| wait.waiting.is_none())
}

#[cfg(test)]
mod tests;
