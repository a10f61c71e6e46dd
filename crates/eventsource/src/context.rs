//! Everything that a running event may touch.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::compile::CompiledEvent;
use crate::cursor::Cursor;
use crate::error::{Reason, SourceError};
use crate::outlet::Outlet;
use crate::pump::Publisher;
use crate::status::Condition;
use crate::values::Values;

/// Everything that a running event may touch. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct SourceContext {
    pub(crate) outlet: Outlet,
    pub(crate) publisher: Publisher,
    pub(crate) values: Arc<dyn Values>,
    pub(crate) cluster: Option<Cluster>,
    pub(crate) leads: Leads,
    pub(crate) shutdown: CancellationToken,
}

/// The cluster, as one user.
#[derive(Clone)]
pub struct Cluster {
    /// Asks it.
    pub client: kube::Client,
    /// Who `client` is, such as `system:serviceaccount:playground:watcher`, for hints; may be empty.
    pub identity: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// Whether this pod holds the lease of its event source.
#[derive(Debug, Clone)]
pub(crate) struct Leads(pub(crate) watch::Receiver<bool>);

impl Leads {
    /// Whether it holds the lease now.
    pub(crate) fn now(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it holds the lease, or no longer does. If nobody tells any more, it stays as it is.
    pub(crate) async fn become_equal(&mut self, leads: bool) {
        if self.0.wait_for(|now| *now == leads).await.is_err() && self.now() != leads {
            std::future::pending::<()>().await;
        }
    }
}

impl SourceContext {
    /// Which event this is.
    pub(crate) fn event(&self) -> &CompiledEvent {
        &self.outlet.event
    }

    /// Where its events go.
    pub(crate) fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// What it keeps on the bus.
    ///
    /// # Errors
    /// If the bus is out of reach.
    pub(crate) async fn cursor(&self) -> Result<Cursor, SourceError> {
        Cursor::open(&self.outlet.bus, self.event()).await
    }

    /// The values of Secrets and ConfigMaps; read them when they are needed.
    pub(crate) fn values(&self) -> &dyn Values {
        &*self.values
    }

    /// The cluster.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn cluster(&self) -> Result<&Cluster, SourceError> {
        self.cluster.as_ref().ok_or_else(|| {
            SourceError::new(Reason::Missing, "there is no cluster")
                .with_hint("set KUBECONFIG, or pass --kubeconfig")
        })
    }

    /// How the event is, for the object's conditions.
    pub(crate) fn condition(&self, condition: Condition) {
        self.outlet.reporter.condition(condition);
    }

    /// The upstream said something that cannot become an event, and was told so.
    pub(crate) fn refused(&self, error: &str) {
        self.outlet.metrics.processing_failed();
        self.outlet.reporter.failed(error);
    }

    /// Something failed that is tried again, and does not keep the event from working.
    pub(crate) fn failed(&self, error: &str) {
        self.outlet.reporter.failed(error);
    }

    /// The time of day.
    pub(crate) fn clock(&self) -> &Clock {
        &self.outlet.clock
    }

    /// Whether this pod holds the lease: what exists once for all pods, such as a hook at an upstream, is
    /// for the pod that does.
    pub(crate) fn leads(&self) -> Leads {
        self.leads.clone()
    }

    /// Cancelled when the event is to end.
    pub(crate) fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }
}
