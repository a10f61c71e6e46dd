//! Whether an edit of a bus would be refused by its reconciler: asked before the edit is stored.

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use tiphys_api::{JetStreamBus, Problem};
use tiphys_base::Reason;

use super::change;
use super::desired::Plan;
use super::names::Names;
use crate::settings::Versions;

/// Reasons of conditions that say that the bus is not what its spec says: an edit of that spec is
/// compared with nothing.
pub(crate) const REFUSED: [Reason; 3] = [
    Reason::ImmutablePersistence,
    Reason::ScalingRefused,
    Reason::ImmutableSpec,
];

/// Why the servers would stay as they are.
pub(crate) fn refused(before: &JetStreamBus, after: &JetStreamBus) -> Option<Problem> {
    let names = Names::of("", "");
    let version = Versions::default();
    let resources = ResourceRequirements::default();
    let servers = |spec: &JetStreamBus| {
        let plan = Plan {
            names: &names,
            bus: "",
            labels: None,
            owner: OwnerReference::default(),
            spec,
            version: &version,
            default_settings: "",
            resources: &resources,
            secrets_hash: "",
        };
        plan.objects().stateful_set
    };
    let refusal = change::check(&servers(before), &servers(after)).err()?;
    let (field, message) = refusal.message.split_once(": ")?;
    Some(Problem::error(field, message))
}
