//! Servers that are not made: a quota, a policy of the namespace or a volume claim is in the way.
//!
//! The status of a StatefulSet does not say so, unlike that of a Deployment: only the Events of its
//! controller do. They are asked for only while pods are missing.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::Api;
use kube::api::ListParams;
use tiphys_base::Reason;

use super::deploy::stateful_set;
use super::names::Names;
use super::servers::{Servers, Trouble};
use crate::Context;
use crate::condition::Cause;
use crate::error::OVER_QUOTA;

/// How often the API server is asked while pods are missing.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(5);

/// How the controller of StatefulSets calls its failure.
const FAILED_CREATE: &str = "FailedCreate";

/// Each pod may have some: the newest is wanted, and the API server does not sort.
const MOST: u32 = 100;

/// True if there are fewer pods than there should be, and none says why.
pub(super) fn is_likely(names: &Names, context: &Context, servers: &Servers) -> bool {
    let pods = context
        .pods
        .of_stateful_set(&names.namespace, &names.stateful_set);
    let is_made = context.children.get(&stateful_set(names)).is_some();
    let pods = i32::try_from(pods.len()).unwrap_or(i32::MAX);
    is_made && servers.troubles.is_empty() && pods < servers.wanted
}

/// Why pods are not made, as the controller of StatefulSets has said last. What cannot be asked is not
/// known.
pub(super) async fn trouble(names: &Names, context: &Context) -> Option<Trouble> {
    let uid = context.children.get(&stateful_set(names))?.uid.clone();
    let events: Api<Event> = Api::namespaced(context.client.clone(), &names.namespace);
    let params = ListParams::default()
        .fields(&format!("involvedObject.uid={uid},reason={FAILED_CREATE}"))
        .limit(MOST);
    let found = events.list(&params).await.ok()?.items;
    let newest = found.into_iter().max_by_key(last_seen)?;
    Some(trouble_of(names, newest.message.unwrap_or_default()))
}

fn trouble_of(names: &Names, message: String) -> Trouble {
    let reason = if message.contains(OVER_QUOTA) {
        Reason::QuotaExceeded.into()
    } else {
        Cause::kubernetes(FAILED_CREATE)
    };
    Trouble {
        subject: format!("StatefulSet {}", names.stateful_set),
        reason,
        message,
    }
}

fn last_seen(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref();
    let series = series.and_then(|series| series.last_observed_time.as_ref());
    let micro = series.or(event.event_time.as_ref());
    let seconds = event.last_timestamp.as_ref().map(|Time(at)| *at);
    micro.map(|MicroTime(at)| *at).max(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, expected: &str) {
        let trouble = trouble_of(&Names::of("eb", "ns"), message.to_owned());
        assert_eq!(trouble.reason.as_str(), expected);
        assert_eq!(trouble.subject, "StatefulSet eventbus-eb-js");
        assert_eq!(trouble.message, message);
    }

    #[test]
    fn a_used_up_quota_is_told_from_other_refusals() {
        check(
            "create Pod eventbus-eb-js-0 in StatefulSet eventbus-eb-js failed error: pods \
             \"eventbus-eb-js-0\" is forbidden: exceeded quota: few, requested: pods=1",
            "QuotaExceeded",
        );
        check(
            "create Pod eventbus-eb-js-0 in StatefulSet eventbus-eb-js failed error: pods \
             \"eventbus-eb-js-0\" is forbidden: violates PodSecurity \"restricted:latest\"",
            "FailedCreate",
        );
    }

    #[test]
    fn an_event_was_seen_last_when_its_series_says() {
        let event: Event = serde_json::from_value(serde_json::json!({
            "metadata": {}, "involvedObject": {}, "lastTimestamp": "2026-01-01T00:00:05Z",
            "eventTime": "2026-01-01T00:00:01.000000Z",
            "series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:03.000000Z"},
        }))
        .unwrap();
        assert_eq!(last_seen(&event), "2026-01-01T00:00:05Z".parse().ok());
    }
}
