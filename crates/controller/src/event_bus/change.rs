//! Which changes of a running bus can be made, and why the others cannot.
//!
//! A change that would lose events is not made at all, not even the part of it that could be: the
//! bus goes on as it was, and the condition says what to do.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use tiphys_base::Reason;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaimSpec;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::resources::amount;

/// Why a change is not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// One word, for programs.
    pub(super) reason: Reason,
    /// The field, why not, and what to do.
    pub(super) message: String,
}

/// How a change that can be made is made.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// The StatefulSet takes it.
    Plain,
    /// The volumes grow first, and the StatefulSet is made anew around its pods.
    Grow(Quantity),
}

/// What to do where a bus has to be replaced.
const MOVE: &str = "create another EventBus and move EventSources and Sensors to it";

/// Looks at what a bus is and what it should be.
///
/// # Errors
/// If the change would lose events or cannot be made.
pub(super) fn check(live: &StatefulSet, desired: &StatefulSet) -> Result<Change, Refusal> {
    let (Some(live), Some(desired)) = (&live.spec, &desired.spec) else {
        return Ok(Change::Plain);
    };
    let volume = |spec: &k8s_openapi::api::apps::v1::StatefulSetSpec| {
        let claim = spec.volume_claim_templates.iter().flatten().next();
        claim.and_then(|claim| claim.spec.clone())
    };
    let (stored, wanted) = (volume(live), volume(desired));
    servers(
        live.replicas.unwrap_or(1),
        desired.replicas.unwrap_or(1),
        stored.is_some(),
    )?;
    match (stored, wanted) {
        (None, None) => Ok(Change::Plain),
        (Some(stored), Some(wanted)) => volumes(&stored, &wanted),
        (stored, _) => Err(Refusal {
            reason: Reason::ImmutablePersistence,
            message: format!(
                "spec.jetstream.persistence: cannot be {} while the bus exists: put it back, or \
                 {MOVE}",
                if stored.is_some() { "removed" } else { "added" }
            ),
        }),
    }
}

/// A bus with servers of its own becomes another kind of bus.
pub(super) fn other_kind() -> Refusal {
    Refusal {
        reason: Reason::ImmutableSpec,
        message: format!(
            "spec: Can not change event bus implementation: the servers of spec.jetstream hold \
             events: put it back, or {MOVE}"
        ),
    }
}

fn servers(live: i32, desired: i32, is_stored: bool) -> Result<(), Refusal> {
    let refused = |why: &str| {
        let message = format!(
            "spec.jetstream.replicas: cannot change from {live} to {desired}: {why}: put it back, \
             or {MOVE}"
        );
        Err(Refusal {
            reason: Reason::ScalingRefused,
            message,
        })
    };
    if desired < live {
        return refused(
            "servers that leave take their votes and their copies of streams with them",
        );
    }
    if live == 1 && desired > 1 && is_stored {
        return refused("a server that joins a cluster deletes the streams that it had alone");
    }
    Ok(())
}

fn volumes(
    stored: &PersistentVolumeClaimSpec,
    wanted: &PersistentVolumeClaimSpec,
) -> Result<Change, Refusal> {
    let refused = |field: &str, from: &str, to: &str, what: &str| {
        let message = format!(
            "spec.jetstream.persistence.{field}: cannot change from {from} to {to}{what}: put it \
             back, or {MOVE}"
        );
        Err(Refusal {
            reason: Reason::ImmutablePersistence,
            message,
        })
    };
    if stored.storage_class_name != wanted.storage_class_name {
        let name = |spec: &PersistentVolumeClaimSpec| {
            let name = spec.storage_class_name.as_ref();
            name.map_or("the default".to_owned(), |name| format!("\"{name}\""))
        };
        return refused("storageClassName", &name(stored), &name(wanted), "");
    }
    if stored.access_modes != wanted.access_modes {
        let modes = |spec: &PersistentVolumeClaimSpec| {
            spec.access_modes.clone().unwrap_or_default().join(", ")
        };
        return refused("accessMode", &modes(stored), &modes(wanted), "");
    }
    let (from, to) = (size(stored), size(wanted));
    if from == to {
        return Ok(Change::Plain);
    }
    let order = amount(&from)
        .zip(amount(&to))
        .and_then(|(before, after)| before.partial_cmp(&after));
    match order {
        Some(Ordering::Equal) => Ok(Change::Plain),
        Some(Ordering::Less) => Ok(Change::Grow(to)),
        _ => refused(
            "volumeSize",
            &from.0,
            &to.0,
            ", since volumes do not shrink",
        ),
    }
}

fn size(claim: &PersistentVolumeClaimSpec) -> Quantity {
    let none = BTreeMap::new();
    let resources = claim.resources.as_ref();
    let requests = resources.and_then(|resources| resources.requests.as_ref());
    let size = requests.unwrap_or(&none).get("storage").cloned();
    size.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bus(replicas: i32, volume: Option<(&str, Option<&str>, &str)>) -> StatefulSet {
        let claims = volume.map(|(size, class, mode)| {
            json!([{
                "metadata": {"name": "v"},
                "spec": {
                    "accessModes": [mode],
                    "storageClassName": class,
                    "resources": {"requests": {"storage": size}},
                },
            }])
        });
        serde_json::from_value(json!({
            "metadata": {},
            "spec": {
                "replicas": replicas, "selector": {}, "serviceName": "s", "template": {},
                "volumeClaimTemplates": claims,
            },
        }))
        .unwrap()
    }

    const RWO: &str = "ReadWriteOnce";

    fn check(live: &StatefulSet, desired: &StatefulSet) -> Result<Change, (&'static str, String)> {
        super::check(live, desired).map_err(|refusal| (refusal.reason.as_str(), refusal.message))
    }

    #[test]
    fn a_cluster_grows_and_does_not_shrink() {
        assert_eq!(check(&bus(3, None), &bus(5, None)), Ok(Change::Plain));
        let message = |from, to, why| {
            format!(
                "spec.jetstream.replicas: cannot change from {from} to {to}: {why}: put it back, \
                 or create another EventBus and move EventSources and Sensors to it"
            )
        };
        let leave = "servers that leave take their votes and their copies of streams with them";
        for (from, to) in [(3, 1), (5, 3)] {
            let refused = check(&bus(from, None), &bus(to, None));
            assert_eq!(refused, Err(("ScalingRefused", message(from, to, leave))));
        }
        let stored = Some(("20Gi", None, RWO));
        let alone = "a server that joins a cluster deletes the streams that it had alone";
        let refused = check(&bus(1, stored), &bus(3, stored));
        assert_eq!(refused, Err(("ScalingRefused", message(1, 3, alone))));
        assert_eq!(check(&bus(1, None), &bus(3, None)), Ok(Change::Plain));
    }

    #[test]
    fn volumes_only_grow() {
        let of = |volume| bus(3, volume);
        let live = of(Some(("20Gi", Some("fast"), RWO)));
        for (volume, change) in [
            (("20480Mi", Some("fast"), RWO), Change::Plain),
            (
                ("40Gi", Some("fast"), RWO),
                Change::Grow(Quantity("40Gi".to_owned())),
            ),
        ] {
            assert_eq!(check(&live, &of(Some(volume))), Ok(change));
        }
        let put_back =
            "put it back, or create another EventBus and move EventSources and Sensors to it";
        for (volume, message) in [
            (
                Some(("10Gi", Some("fast"), RWO)),
                "persistence.volumeSize: cannot change from 20Gi to 10Gi, since volumes do not \
                 shrink: ",
            ),
            (
                Some(("20Gi", None, RWO)),
                "persistence.storageClassName: cannot change from \"fast\" to the default: ",
            ),
            (
                Some(("20Gi", Some("fast"), "ReadWriteMany")),
                "persistence.accessMode: cannot change from ReadWriteOnce to ReadWriteMany: ",
            ),
            (
                None,
                "persistence: cannot be removed while the bus exists: ",
            ),
        ] {
            let message = format!("spec.jetstream.{message}{put_back}");
            assert_eq!(
                check(&live, &of(volume)),
                Err(("ImmutablePersistence", message))
            );
        }
    }
}
