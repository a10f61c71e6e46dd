//! What event sources and sensors have in common: each is a Deployment of pods that run one object,
//! found in a ConfigMap.
//!
//! [`desired()`](desired::desired) computes what there should be, the rest of this module brings it about and writes its
//! status.

mod bus;
mod check;
mod desired;
mod explain;
mod missing;
mod mounts;
mod pause;
mod pod;
mod publishers;
mod reconcile;
mod rollout;
mod spec;
mod status;

use std::collections::BTreeSet;
use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tiphys_api::{KeyRef, Problem, Service, Status, Template};

use tiphys_base::Reason;

use crate::name;

#[cfg(test)]
pub(crate) use check::set as set_spec_conditions;
#[cfg(test)]
pub(crate) use desired::{Desired, desired};
pub(crate) use publishers::Awaited;
pub(crate) use reconcile::reconcile;

/// An object that is run by pods of its own.
pub(crate) trait Workload:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + Default
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// Its kind.
    const KIND: &'static str;
    /// The label [`crate::CONTROLLER_LABEL`] of everything that is made for it.
    const CONTROLLER: &'static str;
    /// The label with its name.
    const NAME_LABEL: &'static str;
    /// What the names of its Deployment and ConfigMap end with.
    const SUFFIX: &'static str;
    /// The subcommand of the pods' program.
    const ARGUMENT: &'static str;
    /// What a pause means for its events.
    const WHILE_PAUSED: &'static str;
    /// Argo Events' finalizer, which has nothing to do.
    const FINALIZER: &'static str;

    /// The type of its spec.
    type Spec: Serialize;

    /// Its spec.
    fn spec(&self) -> &Self::Spec;
    /// The pod, as far as the user shapes it.
    fn template(&self) -> Option<&Template>;
    /// The number of pods, unless it is paused.
    fn replica_count(&self) -> i32;
    /// The name of its bus.
    fn bus_name(&self) -> &str;
    /// How many old ReplicaSets are kept.
    fn revision_history_limit(&self) -> Option<i32>;
    /// The Service in front of the pods, if it is to have one.
    fn service(&self) -> Option<&Service>;
    /// The ports on which its pods are called.
    fn called_ports(&self) -> BTreeSet<u16>;
    /// Whether its pods may have something to ask of the API server, the lease included.
    fn needs_token(&self) -> bool;
    /// The keys of Secrets and ConfigMaps that its pods read.
    fn key_refs(&self) -> Vec<KeyRef<'_>>;
    /// What it waits for, if it waits for events.
    fn awaited(&self) -> Vec<Awaited<'_>>;
    /// What is written about it.
    fn status(&self) -> Option<&Status>;
    /// What is wrong with it: why it cannot run, and what else its author should know.
    fn problems(&self) -> Vec<Problem>;
    /// The conditions of its spec: which faults belong to which, and Argo Events' reasons.
    fn aspects() -> &'static [Aspect];
    /// The condition that says whether its parts work.
    fn parts_condition() -> Parts;
}

/// What the pods of the object with this uid are asked for their report with: who may not see the object
/// does not know it, and nothing has to be kept.
pub(crate) fn report_key(uid: &str) -> String {
    name::hash(format!("report of {uid}"))
}

/// A condition of a part of a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aspect {
    /// The condition.
    pub condition: &'static str,
    /// Its reason if there are faults.
    pub reason: Reason,
    /// The part of the spec; other faults belong to the last aspect.
    pub field: &'static str,
}

/// The condition that says whether the events or triggers work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The condition.
    pub condition: &'static str,
    /// What one part is called.
    pub part: &'static str,
    /// A part that has reported nothing yet is well: a trigger that never ran.
    pub unreported_is_well: bool,
}
