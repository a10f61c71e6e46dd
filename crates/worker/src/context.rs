//! What the objects of a process share: the cluster, what performs actions, metrics, log fields, buses.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tiphys_clients::values::{ClusterValues, MountedValues, NoValues, Values};
use tiphys_http::Ports;
use tiphys_runtime::cluster::{Cluster, User};
use tiphys_runtime::election::Timing;
use tiphys_runtime::logging::LoggingFields;
use tiphys_sensor::run::Budget;
use tiphys_sensor::trigger::Executors;
use tiphys_sensor::trigger::log::Sink;
use tokio::sync::Notify;

use crate::Error;
use crate::buses::Buses;
use crate::spec::Spec;

/// What the objects of a process share.
pub(crate) struct Context {
    pub(crate) sensor_metrics: tiphys_sensor::Metrics,
    pub(crate) source_metrics: tiphys_eventsource::Metrics,
    pub(crate) logging: LoggingFields,
    pub(crate) buses: Buses,
    /// Where event sources are called.
    pub(crate) ports: Ports,
    /// What all sensors may do at a time.
    pub(crate) budget: Budget,
    /// `None`: this process is the only one, and needs no leases.
    pub(crate) candidate: Option<Candidate>,
    /// An object shows something else than before.
    pub(crate) changed: Notify,
    sink: Arc<dyn Sink>,
    cluster: Option<Cluster>,
    values: Origin,
    executors: Mutex<HashMap<Actor, Weak<Executors>>>,
}

/// A namespace, and who acts there: what performs actions is shared while somebody uses it.
type Actor = (Arc<str>, String);

/// Who stands for election.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Who holds the leases: the name of the pod.
    pub(crate) identity: String,
    /// The namespace of leases; `None`: that of the object.
    pub(crate) namespace: Option<String>,
    pub(crate) timing: Timing,
}

/// Where the values of Secrets and `ConfigMaps` are found.
#[derive(Debug)]
pub(crate) enum Origin {
    /// In a folder.
    Mounted(PathBuf),
    /// In the cluster, as whoever asks for them may see them.
    Cluster,
}

/// What is said where log triggers print, and what lines are given besides.
pub(crate) struct Outlets {
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) logging: LoggingFields,
}

impl Context {
    /// Also returns where it counts.
    pub(crate) fn new(
        outlets: Outlets,
        cluster: Option<Cluster>,
        values: Origin,
        (buses, ports): (Buses, Ports),
        candidate: Option<Candidate>,
    ) -> (Self, Registry) {
        let mut registry = Registry::default();
        // Shown as `build_info`.
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program that runs", version);
        buses.register(&mut registry);
        let context = Self {
            sensor_metrics: tiphys_sensor::Metrics::register(&mut registry),
            source_metrics: tiphys_eventsource::Metrics::register(&mut registry),
            logging: outlets.logging,
            buses,
            ports,
            budget: Budget::of_a_process(),
            candidate,
            changed: Notify::new(),
            sink: outlets.sink,
            cluster,
            values,
            executors: Mutex::default(),
        };
        (context, registry)
    }

    /// How long work may go on after the lease was lost.
    pub(crate) fn time_to_stop(&self) -> Duration {
        let candidate = self.candidate.as_ref();
        candidate.map_or(Duration::ZERO, |candidate| candidate.timing.time_to_stop())
    }

    /// Who this process is to servers that tell its like apart: the name of the pod.
    pub(crate) fn pod(&self) -> Arc<str> {
        let candidate = self.candidate.as_ref();
        candidate
            .map_or("tiphys", |candidate| &candidate.identity)
            .into()
    }

    /// Who acts for an object, if there is a cluster to act on.
    ///
    /// # Errors
    /// If no client can be made for it.
    pub(crate) fn user(&self, spec: &Spec) -> Result<Option<User>, Error> {
        let Some(cluster) = &self.cluster else {
            return Ok(None);
        };
        Ok(Some(cluster.user(&spec.key.namespace, &spec.account)?))
    }

    /// Values of Secrets and `ConfigMaps`, as one user may see them.
    pub(crate) fn values(&self, user: Option<&User>) -> Arc<dyn Values> {
        match (&self.values, user) {
            (Origin::Mounted(folder), _) => Arc::new(MountedValues::new(folder)),
            (Origin::Cluster, Some(user)) => Arc::new(ClusterValues::new(user.client.clone())),
            (Origin::Cluster, None) => Arc::new(NoValues),
        }
    }

    /// What performs the actions of an object.
    ///
    /// # Errors
    /// If no client can be made for it.
    pub(crate) fn executors(&self, spec: &Spec) -> Result<Arc<Executors>, Error> {
        let user = self.user(spec)?;
        let identity = user.as_ref().map(|user| user.identity.clone());
        // What is remembered in it by the name of a sensor is of one namespace.
        let key = (
            Arc::clone(&spec.key.namespace),
            identity.unwrap_or_default(),
        );
        let mut known = self
            .executors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(executors) = known.get(&key).and_then(Weak::upgrade) {
            return Ok(executors);
        }
        let values = self.values(user.as_ref());
        let client = user.map(|user| user.client);
        let sink = Arc::clone(&self.sink);
        let executors = Arc::new(Executors::new(client, values, sink, Timestamp::now));
        known.retain(|_, executors| executors.strong_count() > 0);
        known.insert(key, Arc::downgrade(&executors));
        Ok(executors)
    }
}
