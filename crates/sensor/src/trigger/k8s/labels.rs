//! Waits until an object has the labels that mean success.

use std::time::Duration;

use tiphys_clients::Error;
use tiphys_clients::kubernetes::Target;
use tiphys_lang::json::Value;

use super::{Executor, LabelPolicy};

/// The longest wait between two looks.
const LONGEST: Duration = Duration::from_hours(24);

impl Executor<'_> {
    /// Looks at an object, as often as the policy says, until it has the labels.
    ///
    /// # Cancellation
    /// Nothing is changed.
    pub(in crate::trigger) async fn wait_for_labels(
        &self,
        target: &Target,
        policy: &LabelPolicy,
    ) -> Result<(), Error> {
        let mut wait = policy.wait;
        for attempt in 1..=policy.attempts {
            let Some(live) = self.cluster.get(target).await? else {
                return Err(Error::refused(format!(
                    "look at the labels of {target}: it does not exist"
                )));
            };
            if has_labels(&live, policy) {
                return Ok(());
            }
            if attempt < policy.attempts {
                tokio::time::sleep(stretch(wait, 1.0 + policy.jitter * fastrand::f64())).await;
                wait = stretch(wait, policy.factor);
            }
        }
        if policy.error_on_timeout {
            let message = "failed to determine status of the triggered resource. setting trigger state as failed";
            return Err(Error::refused(format!(
                "{message}: {target} does not get the labels"
            )));
        }
        Ok(())
    }
}

/// Whether an object has all labels of a policy, with their values.
fn has_labels(object: &Value, policy: &LabelPolicy) -> bool {
    let labels = object
        .get("metadata")
        .and_then(|metadata| metadata.get("labels"));
    policy.labels.iter().all(|(name, value)| {
        let label = labels.and_then(|labels| labels.get(name));
        matches!(label, Some(Value::String(label)) if label == value)
    })
}

fn stretch(duration: Duration, factor: f64) -> Duration {
    let stretched = Duration::try_from_secs_f64(duration.as_secs_f64() * factor);
    stretched.map_or(LONGEST, |duration| duration.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use tiphys_lang::json;

    #[test]
    fn all_labels_have_to_be_there_with_their_values() {
        let policy = LabelPolicy {
            labels: BTreeMap::from([("a".into(), "1".into()), ("b.c/d".into(), String::new())]),
            attempts: 1,
            wait: Duration::ZERO,
            factor: 1.0,
            jitter: 0.0,
            error_on_timeout: false,
        };
        for (object, expected) in [
            (
                r#"{"metadata":{"labels":{"a":"1","b.c/d":"","x":"y"}}}"#,
                true,
            ),
            (r#"{"metadata":{"labels":{"a":"1"}}}"#, false),
            (r#"{"metadata":{"labels":{"a":"2","b.c/d":""}}}"#, false),
            (r#"{"metadata":{}}"#, false),
            ("{}", false),
        ] {
            let object = json::from_slice(object.as_bytes()).unwrap();
            assert_eq!(
                has_labels(&object, &policy),
                expected,
                "{}",
                object.to_go_json()
            );
        }
    }
}
