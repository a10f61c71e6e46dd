//! The state of the rollout (pure): what the Deployment, the kubelet and the pods report, as
//! conditions.

use tiphys_api::message::shortened;
use tiphys_api::worker::{Health, Report, Role};
use tiphys_base::Reason;

use super::Parts;
use crate::condition::{Cause, Conditions, LONGEST_MESSAGE, Verdict, joined};
use crate::error::OVER_QUOTA;
use crate::index::children::{Child, Workload as Progress};
use crate::index::pods::Pod;

/// Whether everything is made that the object consists of.
pub(super) const DEPLOYED: &str = "Deployed";

/// Whether enough pods run, with the spec as it is.
pub(super) const AVAILABLE: &str = "Available";

/// Whether the pods reach their bus.
pub(super) const BUS_CONNECTED: &str = "BusConnected";

/// What is known of an object's pods.
pub(super) struct Rollout<'a> {
    pub(super) deployment: Option<&'a Child>,
    pub(super) pods: &'a [Pod],
    /// How many pods there should be.
    pub(super) replicas: i32,
    /// The generation that they should run; `None` if they should not run the current one.
    pub(super) generation: Option<i64>,
}

/// The numbers of a status.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) last_event_time: Option<String>,
    pub(super) lag: i64,
    pub(super) dead_lettered: i64,
    pub(super) last_error: Option<String>,
}

impl Rollout<'_> {
    /// Sets the conditions of the pods.
    pub(super) fn set_conditions(&self, parts: Parts, conditions: &mut Conditions) {
        conditions.set(AVAILABLE, self.available());
        conditions.set(BUS_CONNECTED, self.bus_connected());
        conditions.set(parts.condition, self.parts_work(parts));
    }

    /// The sums over all pods that work; `None` if no pod has reported.
    pub(super) fn counts(&self) -> Option<Counts> {
        let mut reports = self.reports().peekable();
        reports.peek()?;
        let mut counts = Counts::default();
        for part in reports.flat_map(|report| &report.parts) {
            counts.lag = counts.lag.saturating_add_unsigned(part.lag);
            counts.dead_lettered = counts
                .dead_lettered
                .saturating_add_unsigned(part.dead_lettered);
            counts.last_event_time = counts.last_event_time.max(part.last_event_time.clone());
            if let Some(error) = &part.last_error {
                counts.last_error = Some(shortened(
                    &format!("{}: {error}", part.name),
                    LONGEST_MESSAGE,
                ));
            }
        }
        Some(counts)
    }

    /// Whether the dead letters of the bus have room, if a pod says so.
    pub(super) fn dead_letter_room(&self) -> Option<Verdict> {
        let mut known = None;
        for report in self.all_reports() {
            match report.dead_letters.ok {
                Some(false) => return Some(failed("", &report.dead_letters)),
                Some(true) => {
                    let message = "the dead letters of the bus have room";
                    known = Some(Verdict::is_well(Reason::HasRoom, message));
                }
                None => {}
            }
        }
        known
    }

    fn available(&self) -> Verdict {
        let counts = self
            .deployment
            .and_then(|deployment| deployment.workload.as_ref());
        let is_rolled_out = counts.is_some_and(|counts| self.is_rolled_out(counts));
        if let Some(refused) = self.refused() {
            return refused;
        }
        if is_rolled_out {
            return self.spec_is_run();
        }
        if let Some((pod, trouble)) = self.troubled() {
            let message = format!("pod {}: {}", pod.name, trouble.message);
            return Verdict::fails(trouble.reason.clone(), message);
        }
        if let Some(failure) = counts.and_then(failure) {
            return failure;
        }
        Verdict::unknown(Reason::PodsStarting, self.ready())
    }

    /// How many pods are ready, in words.
    fn ready(&self) -> String {
        let ready = self
            .pods
            .iter()
            .filter(|pod| pod.is_ready && !pod.is_ending)
            .count();
        format!("{ready} of {} pods are ready", self.replicas)
    }

    /// All pods are of the Deployment's present form, and enough of them work: one of several may be
    /// missing, as its disruption budget says.
    fn is_rolled_out(&self, counts: &Progress) -> bool {
        let generation = self.deployment.and_then(|deployment| deployment.generation);
        counts.observed_generation >= generation.unwrap_or_default()
            && counts.updated_replicas >= self.replicas
            && counts.replicas <= counts.updated_replicas
            && counts.available_replicas >= (self.replicas - 1).max(1)
    }

    /// The pods that work run the current spec.
    fn spec_is_run(&self) -> Verdict {
        let ready = self.ready();
        let well = || Verdict::is_well(Reason::PodsReady, ready.clone());
        let Some(wanted) = self.generation else {
            return well();
        };
        let Some(report) = self.reports().min_by_key(|report| report.generation) else {
            return Verdict::unknown(Reason::NoReport, "no pod that works has reported yet");
        };
        match report.generation {
            Some(generation) if generation >= wanted => well(),
            _ if !report.faults.is_empty() => {
                Verdict::fails(Reason::SpecNotRun, joined(&report.faults))
            }
            Some(generation) => Verdict::unknown(
                Reason::SpecOutdated,
                format!("the pods run generation {generation}, not {wanted} yet"),
            ),
            None => Verdict::unknown(Reason::SpecOutdated, "the pods do not run a spec yet"),
        }
    }

    /// Several pods without the right to agree which one works.
    fn refused(&self) -> Option<Verdict> {
        let refused = self
            .all_reports()
            .find(|report| report.role == Role::Refused)?;
        let message = &refused.lease.message;
        let known = (!message.is_empty()).then_some(message.as_str());
        let message = known.unwrap_or("the pods may not use leases, so that none of them works");
        Some(Verdict::fails(Reason::LeaseForbidden, message))
    }

    fn bus_connected(&self) -> Verdict {
        let mut unknown = None;
        let mut well = Verdict::is_well(Reason::Connected, "the pods are connected to their bus");
        for report in self.all_reports() {
            match report.bus.ok {
                // What the stream has not taken keeps nothing from working.
                Some(true) => {
                    if let Some(reason) = report.bus.reason {
                        well = Verdict::is_well(reason, &report.bus.message);
                    }
                }
                Some(false) => return failed("", &report.bus),
                None => unknown = Some(&report.bus),
            }
        }
        match unknown {
            Some(bus) => waiting(Reason::Connecting, bus),
            None if self.all_reports().next().is_none() => no_report(),
            None => well,
        }
    }

    fn parts_work(&self, parts: Parts) -> Verdict {
        let mut failing: Vec<(String, &Health)> = Vec::new();
        let mut unknown = None;
        for part in self.reports().flat_map(|report| &report.parts) {
            match part.health.ok {
                Some(true) => {}
                Some(false) => {
                    failing.push((format!("{} {}: ", parts.part, part.name), &part.health));
                }
                None => unknown = Some(&part.health),
            }
        }
        if let Some((_, first)) = failing.first() {
            let messages: Vec<String> = failing
                .iter()
                .map(|(name, health)| failed(name, health).message)
                .collect();
            let reason = failed("", first).reason;
            return Verdict::fails(reason, joined(&messages));
        }
        match unknown {
            Some(health) if !parts.unreported_is_well => waiting(Reason::Starting, health),
            _ if self.reports().next().is_none() => no_report(),
            _ => Verdict::is_well(Reason::Working, format!("each {} works", parts.part)),
        }
    }

    fn troubled(&self) -> Option<(&Pod, &crate::index::pods::Trouble)> {
        let mut pods = self.pods.iter().filter(|pod| !pod.is_ending);
        pods.find_map(|pod| Some((pod, pod.trouble.as_ref()?)))
    }

    /// The reports of all pods.
    fn all_reports(&self) -> impl Iterator<Item = &Report> {
        let alive = self.pods.iter().filter(|pod| !pod.is_ending);
        alive.filter_map(|pod| pod.report.as_deref())
    }

    /// The reports of the pods that work.
    fn reports(&self) -> impl Iterator<Item = &Report> {
        self.all_reports()
            .filter(|report| report.role == Role::Active)
    }
}

/// Why the Deployment gets no pods.
fn failure(counts: &Progress) -> Option<Verdict> {
    let failure = counts
        .conditions
        .iter()
        .find(|condition| condition.r#type == "ReplicaFailure" && condition.status == "True");
    let late = counts
        .conditions
        .iter()
        .find(|condition| condition.r#type == "Progressing" && condition.status == "False");
    let condition = failure.or(late)?;
    let reason = if condition.message.contains(OVER_QUOTA) {
        Reason::QuotaExceeded.into()
    } else {
        Cause::kubernetes(&condition.reason)
    };
    Some(Verdict::fails(reason, condition.message.clone()))
}

fn no_report() -> Verdict {
    Verdict::unknown(Reason::NoReport, "no pod has reported yet")
}

fn failed(name: &str, health: &Health) -> Verdict {
    let reason = health.reason.unwrap_or(Reason::Failed);
    Verdict::fails(reason, format!("{name}{}", health.message))
}

fn waiting(reason: Reason, health: &Health) -> Verdict {
    Verdict::unknown(health.reason.unwrap_or(reason), health.message.clone())
}

#[cfg(test)]
mod tests;
