//! What a human can do about a fault of pods, whose words are those of Kubernetes (pure).

use tiphys_api::ConditionStatus;
use tiphys_base::Reason;

use super::Conditions;

/// Whose pods they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The label that the pods carry, with its value.
    pub selector: &'a str,
    /// The part of the spec that shapes the pods.
    pub template: &'static str,
}

impl Conditions {
    /// Adds to each condition that does not hold what a human can do, if its reason alone tells.
    pub(crate) fn advise(&mut self, subject: &Subject<'_>) {
        let failing = self
            .found
            .iter_mut()
            .filter(|found| found.verdict.status == ConditionStatus::False);
        for found in failing {
            if let Some(advice) = advice(found.verdict.reason.as_str(), subject) {
                let message = &mut found.verdict.message;
                let message = std::mem::take(message);
                found.verdict.message = match message.as_str() {
                    "" => advice,
                    message => format!("{message}; {advice}"),
                };
            }
        }
    }
}

fn advice(reason: &str, subject: &Subject<'_>) -> Option<String> {
    const MISSING: &str = Reason::MissingKeys.as_str();
    const ENDED: &str = Reason::ContainerEnded.as_str();
    const QUOTA: &str = Reason::QuotaExceeded.as_str();
    const PODS: &str = Reason::PodsStarting.as_str();
    const SERVERS: &str = Reason::ServersStarting.as_str();
    const REPORT: &str = Reason::NoReport.as_str();
    let Subject {
        namespace,
        selector,
        template,
    } = subject;
    Some(match reason {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable" => format!(
            "check the image's name and tag in the settings of the controller, and that the nodes may \
             pull it ({template}.imagePullSecrets)"
        ),
        MISSING | "CreateContainerConfigError" => {
            "create what is missing, or correct the name and key in the spec".to_owned()
        }
        ENDED | "CrashLoopBackOff" | "RunContainerError" | "CreateContainerError" | "OOMKilled" => {
            format!("see `kubectl -n {namespace} logs -l {selector} --all-containers --previous`")
        }
        "Unschedulable" => format!(
            "add or free nodes, or ask for less in {template} (resources, nodeSelector, affinity, \
             tolerations, volumes)"
        ),
        QUOTA => format!(
            "see `kubectl -n {namespace} describe resourcequota`: raise it, or ask for less in \
             {template}"
        ),
        "FailedCreate" => format!(
            "correct what the message names (service account, quota, policy of the namespace), or \
             {template}"
        ),
        REPORT => {
            "the controller has to reach port 7777 of the pods: see whether a NetworkPolicy is in \
                   the way"
                .to_owned()
        }
        PODS | SERVERS | "ProgressDeadlineExceeded" => format!(
            "this lasts longer than usual: see `kubectl -n {namespace} describe pods -l {selector}` \
             and `kubectl -n {namespace} logs -l {selector}`"
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
