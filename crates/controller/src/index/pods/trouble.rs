//! Why a pod does not start, in the words of the kubelet and the scheduler.

use tiphys_base::Reason;

use super::{ContainerStatus, PodStatus};
use crate::condition::Cause;

/// Why a pod does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// One word, as a rule that of Kubernetes.
    pub reason: Cause,
    /// In words.
    pub message: String,
}

/// A container that waits for one of these is on its way.
const ON_ITS_WAY: [&str; 3] = ["", "ContainerCreating", "PodInitializing"];

pub(super) fn of(status: &PodStatus) -> Option<Trouble> {
    let starting = status.init_container_statuses.iter();
    let unfinished = starting.filter(|container| !is_done(container));
    unfinished
        .chain(&status.container_statuses)
        .find_map(of_container)
        .or_else(|| unscheduled(status))
}

/// A container that prepares the pod has done so.
fn is_done(container: &ContainerStatus) -> bool {
    let ended = container.state.terminated.as_ref();
    ended.is_some_and(|ended| ended.exit_code == 0)
}

fn of_container(container: &ContainerStatus) -> Option<Trouble> {
    if container.state.running.is_some() {
        return None;
    }
    let last = container
        .state
        .terminated
        .as_ref()
        .or(container.last_state.terminated.as_ref());
    let last = last.map(|last| {
        let message = last.message.trim();
        let colon = if message.is_empty() { "" } else { ": " };
        format!(
            "it ended with exit code {} ({}){colon}{message}",
            last.exit_code, last.reason
        )
    });
    if let Some(waiting) = &container.state.waiting {
        if ON_ITS_WAY.contains(&waiting.reason.as_str()) {
            return None;
        }
        let mut message = waiting.message.clone();
        if let Some(last) = last {
            message = format!("{last}; {message}");
        }
        return Some(Trouble {
            reason: Cause::kubernetes(&waiting.reason),
            message,
        });
    }
    last.map(|message| Trouble {
        reason: Reason::ContainerEnded.into(),
        message: format!("{message}; restarted {} times", container.restart_count),
    })
}

fn unscheduled(status: &PodStatus) -> Option<Trouble> {
    let scheduled = status
        .conditions
        .iter()
        .find(|condition| condition.r#type == "PodScheduled" && condition.status == "False")?;
    Some(Trouble {
        reason: Cause::kubernetes(&scheduled.reason),
        message: scheduled.message.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: &str, expected: Option<(&str, &str)>) {
        let status: PodStatus = serde_json::from_str(status).unwrap();
        let trouble =
            of(&status).map(|trouble| (trouble.reason.as_str().to_owned(), trouble.message));
        let expected = expected.map(|(reason, message)| (reason.to_owned(), message.to_owned()));
        assert_eq!(trouble, expected);
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_trouble() {
        check(
            r#"{"phase":"Pending","containerStatuses":[{"name":"main","restartCount":0,
                "state":{"waiting":{"reason":"ImagePullBackOff","message":"Back-off pulling x"}}}]}"#,
            Some(("ImagePullBackOff", "Back-off pulling x")),
        );
    }

    #[test]
    fn a_container_that_prepares_the_pod_is_in_trouble_unless_it_has_done_its_work() {
        let status = |state: &str| {
            format!(
                r#"{{"phase":"Pending","initContainerStatuses":[{{"restartCount":0,"state":{state}}}],
                    "containerStatuses":[{{"state":{{"waiting":{{"reason":"PodInitializing"}}}}}}]}}"#
            )
        };
        check(
            &status(r#"{"waiting":{"reason":"ErrImagePull","message":"no such image"}}"#),
            Some(("ErrImagePull", "no such image")),
        );
        check(
            &status(r#"{"terminated":{"exitCode":0,"reason":"Completed"}}"#),
            None,
        );
    }

    #[test]
    fn a_crash_is_told_with_its_cause() {
        check(
            r#"{"phase":"Running","containerStatuses":[{"restartCount":4,
                "lastState":{"terminated":{"exitCode":1,"reason":"Error","message":"tiphys: no spec\n"}},
                "state":{"waiting":{"reason":"CrashLoopBackOff","message":"back-off 40s"}}}]}"#,
            Some((
                "CrashLoopBackOff",
                "it ended with exit code 1 (Error): tiphys: no spec; back-off 40s",
            )),
        );
    }

    #[test]
    fn a_missing_key_and_a_missing_node_are_trouble() {
        check(
            r#"{"containerStatuses":[{"state":{"waiting":{"reason":"CreateContainerConfigError",
                "message":"secret \"s\" not found"}}}]}"#,
            Some(("CreateContainerConfigError", "secret \"s\" not found")),
        );
        check(
            r#"{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False",
                "reason":"Unschedulable","message":"0/1 nodes are available"}]}"#,
            Some(("Unschedulable", "0/1 nodes are available")),
        );
    }

    #[test]
    fn a_pod_that_starts_or_runs_is_in_no_trouble() {
        check(
            r#"{"containerStatuses":[{"state":{"waiting":{"reason":"ContainerCreating"}}}]}"#,
            None,
        );
        check(
            r#"{"phase":"Running","containerStatuses":[{"restartCount":1,
                "lastState":{"terminated":{"exitCode":1,"reason":"Error"}},
                "state":{"running":{"startedAt":"2026-01-01T00:00:00Z"}}}]}"#,
            None,
        );
    }
}
