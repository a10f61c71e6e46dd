//! What a Lease says, and what is written into it. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, OwnerReference};
use kube::core::ObjectMeta;
use tokio::time::Instant;

/// A lease, and since when it has been as it is.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) lease: Lease,
    since: Instant,
}

impl Known {
    /// Takes note of a lease as it was found: its time starts again only if it was written to.
    pub(super) fn seen(before: Option<Self>, lease: Option<Lease>, now: Instant) -> Option<Self> {
        let lease = lease?;
        let since = match before {
            Some(known) if known.lease.spec == lease.spec => known.since,
            _ => now,
        };
        Some(Self { lease, since })
    }

    pub(super) fn holder(&self) -> &str {
        holder(&self.lease)
    }

    pub(super) fn version(&self) -> &str {
        let version = &self.lease.metadata.resource_version;
        version.as_deref().unwrap_or_default()
    }

    /// Whether `identity` may take it: nobody holds it, or it does itself, or its holder has shown no
    /// heartbeat for as long as it said it would be waited for.
    pub(super) fn is_free(&self, identity: &str, now: Instant) -> bool {
        let holder = self.holder();
        holder.is_empty() || holder == identity || now >= self.free_at()
    }

    /// When its holder has been waited for long enough.
    pub(super) fn free_at(&self) -> Instant {
        let spec = self.lease.spec.as_ref();
        let seconds = spec.and_then(|spec| spec.lease_duration_seconds);
        let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        self.since + Duration::from_secs(seconds.unwrap_or_default())
    }
}

/// Who holds it; empty if nobody does.
pub(super) fn holder(lease: &Lease) -> &str {
    let spec = lease.spec.as_ref();
    spec.and_then(|spec| spec.holder_identity.as_deref())
        .unwrap_or_default()
}

/// A lease that nobody held before.
pub(super) fn new(
    namespace: &str,
    name: &str,
    identity: &str,
    duration: Duration,
    now: Timestamp,
) -> Lease {
    let lease = Lease {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        spec: None,
    };
    let mut lease = taken(&lease, identity, duration, now);
    spec(&mut lease).lease_transitions = Some(0);
    lease
}

/// The lease in the hands of `identity`.
pub(super) fn taken(lease: &Lease, identity: &str, duration: Duration, now: Timestamp) -> Lease {
    let is_ours = holder(lease) == identity;
    let mut lease = lease.clone();
    let spec = spec(&mut lease);
    if !is_ours {
        spec.holder_identity = Some(identity.to_owned());
        spec.acquire_time = Some(MicroTime(now));
        spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0).saturating_add(1));
    }
    spec.lease_duration_seconds = Some(seconds(duration));
    spec.renew_time = Some(MicroTime(now));
    lease
}

/// Makes the lease go with its owner. One of the same name before is an owner no longer.
pub(super) fn own(lease: &mut Lease, owner: Option<&OwnerReference>) {
    if let Some(owner) = owner {
        lease.metadata.owner_references = Some(vec![owner.clone()]);
    }
}

/// The lease with another heartbeat.
pub(super) fn renewed(lease: &Lease, now: Timestamp) -> Lease {
    let mut lease = lease.clone();
    spec(&mut lease).renew_time = Some(MicroTime(now));
    lease
}

/// The lease in nobody's hands.
pub(super) fn released(lease: &Lease, now: Timestamp) -> Lease {
    let mut lease = lease.clone();
    let spec = spec(&mut lease);
    spec.holder_identity = Some(String::new());
    spec.lease_duration_seconds = Some(1);
    spec.renew_time = Some(MicroTime(now));
    spec.acquire_time = Some(MicroTime(now));
    lease
}

fn spec(lease: &mut Lease) -> &mut LeaseSpec {
    lease.spec.get_or_insert_default()
}

/// Whole seconds, as the API has them; rounded up, so that nobody waits for too short.
fn seconds(duration: Duration) -> i32 {
    let seconds = duration.as_millis().div_ceil(1_000).max(1);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DURATION: Duration = Duration::from_secs(15);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn of(identity: &str) -> Lease {
        new("ns", "sensor-s", identity, DURATION, at(100))
    }

    #[test]
    fn a_lease_that_changes_hands_counts_it() {
        let lease = taken(&of("a"), "b", DURATION, at(200));
        let spec = lease.spec.unwrap();
        assert_eq!(spec.holder_identity.as_deref(), Some("b"));
        assert_eq!(spec.lease_transitions, Some(1));
        assert_eq!(spec.acquire_time, Some(MicroTime(at(200))));
        assert_eq!(spec.lease_duration_seconds, Some(15));
    }

    #[test]
    fn a_lease_goes_with_the_owner_of_now() {
        let owner = |uid: &str| OwnerReference {
            name: "s".to_owned(),
            uid: uid.to_owned(),
            ..OwnerReference::default()
        };
        let mut lease = of("a");
        own(&mut lease, None);
        assert_eq!(lease.metadata.owner_references, None);
        own(&mut lease, Some(&owner("1")));
        own(&mut lease, Some(&owner("2")));
        assert_eq!(lease.metadata.owner_references, Some(vec![owner("2")]));
    }

    #[test]
    fn whoever_takes_its_own_lease_again_has_had_it_since() {
        let spec = taken(&of("a"), "a", DURATION, at(200)).spec.unwrap();
        assert_eq!(spec.lease_transitions, Some(0));
        assert_eq!(spec.acquire_time, Some(MicroTime(at(100))));
        assert_eq!(spec.renew_time, Some(MicroTime(at(200))));
    }

    #[test]
    fn a_lease_is_free_after_its_time_without_a_change_whatever_its_clock_says() {
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        let held = Known::seen(None, Some(of("a")), start).unwrap();
        assert!(!held.is_free("b", start));
        assert!(held.is_free("a", start));
        let same = Known::seen(Some(held), Some(of("a")), later(14)).unwrap();
        assert!(!same.is_free("b", later(14)));
        assert!(same.is_free("b", later(15)));
        let renewed = Known::seen(Some(same), Some(renewed(&of("a"), at(1))), later(15)).unwrap();
        assert!(!renewed.is_free("b", later(29)));
        assert!(renewed.is_free("b", later(30)));
    }

    #[test]
    fn a_lease_that_was_given_back_is_free_at_once() {
        let start = Instant::now();
        let free = Known::seen(None, Some(released(&of("a"), at(101))), start).unwrap();
        assert!(free.is_free("b", start));
        assert_eq!(free.lease.spec.unwrap().lease_transitions, Some(0));
    }
}
