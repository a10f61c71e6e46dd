//! Two pods of one object: the one with the lease works.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use serde_json::Value;
use tiphys_tests::{Pod, Tiphys, eventually, pause};
use tokio::task::block_in_place;

use super::{Victim, ended_by_itself, freeze, stop};
use crate::books::Interruption;
use crate::notes::Notes;
use crate::objects::NAMESPACE;
use crate::schedule::Fault;

/// Two pods of an event source or a sensor.
pub(crate) struct Pods {
    pod: Arc<Pod>,
    /// The name of the event source or the sensor.
    object: &'static str,
    pub(crate) names: [String; 2],
    pub(crate) running: [Tiphys; 2],
    leases: Api<Lease>,
    lease: String,
    notes: Arc<Notes>,
}

impl Pods {
    /// Starts both; the first one works, the second one stands by.
    pub(crate) async fn start(
        pod: Arc<Pod>,
        kind: &str,
        object: &'static str,
        client: &Client,
        notes: &Arc<Notes>,
    ) -> Self {
        let names = [format!("{object}-0"), format!("{object}-1")];
        let first = pod.start(&names[0]);
        first.reported("work", is_at_work).await;
        let second = pod.start(&names[1]);
        let stands_by = |report: &Value| report["role"] == "Standby";
        second.reported("a standby", stands_by).await;
        Self {
            pod,
            object,
            names,
            running: [first, second],
            leases: Api::namespaced(client.clone(), NAMESPACE),
            lease: format!("{kind}-{object}"),
            notes: notes.clone(),
        }
    }

    /// What both have logged and printed in all their lives.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let lines = self.names.iter().map(|name| self.pod.lines(name));
        lines.flatten().collect()
    }

    /// When one of them began to work.
    pub(crate) fn takeovers(&self) -> Vec<Interruption> {
        let lines = self.lines();
        let taken = lines
            .iter()
            .filter(|line| line["msg"] == "Holding the lease");
        let moments = taken.filter_map(|line| line["ts"].as_str()?.parse().ok());
        moments
            .map(|at| Interruption {
                object: self.object,
                at,
            })
            .collect()
    }

    /// Notes ends that nobody brought about.
    pub(crate) fn ensure_running(&mut self) {
        for (name, tiphys) in self.names.iter().zip(&mut self.running) {
            if !tiphys.is_running() {
                self.notes.wrong(ended_by_itself(name, tiphys));
                *tiphys = self.pod.start(name);
            }
        }
    }

    /// Which of them has the lease, as soon as one has.
    async fn holder(&self) -> usize {
        eventually("somebody with the lease", || async {
            let lease = self.leases.get(&self.lease).await.ok()?;
            let holder = lease.spec?.holder_identity?;
            self.names.iter().position(|name| *name == holder)
        })
        .await
    }
}

impl Victim for Pods {
    async fn suffer(&mut self, fault: Fault, lasts: Duration) {
        self.ensure_running();
        let holder = self.holder().await;
        let (name, tiphys) = (&self.names[holder], &mut self.running[holder]);
        match fault {
            Fault::Killed => {
                block_in_place(|| tiphys.kill());
                pause(lasts).await;
                *tiphys = self.pod.start(name);
            }
            Fault::Stopped => {
                stop(name, tiphys, &self.notes).await;
                pause(lasts).await;
                *tiphys = self.pod.start(name);
            }
            Fault::Frozen => freeze(tiphys, lasts, self.object, &self.notes).await,
            fault => unreachable!("a pod is never {fault}"),
        }
    }
}

fn is_at_work(report: &Value) -> bool {
    report["role"] == "Active"
        && report["bus"]["ok"] == true
        && report["parts"][0]["health"]["ok"] == true
}
