//! Everything that a running event may touch.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use tiphys_api::{BasicAuth, SecretKeySelector, TlsConfig};
use tiphys_clients::tls::Tls;
use tiphys_clients::values::Value;
use tiphys_clients::{BoxError, Clients, TlsRef, ValueRef};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::compile::CompiledEvent;
use crate::cursor::Cursor;
use crate::error::{Reason, SourceError};
use crate::outlet::Outlet;
use crate::pump::Publisher;
use crate::served::rotation::Rotation;
use crate::status::{Condition, chain};

/// Everything that a running event may touch. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct SourceContext {
    pub(crate) outlet: Outlet,
    pub(crate) publisher: Publisher,
    pub(crate) clients: Arc<Clients>,
    pub(crate) cluster: Option<Cluster>,
    pub(crate) leads: Leads,
    pub(crate) pod: Arc<str>,
    pub(crate) shutdown: CancellationToken,
    /// What its callers sign with.
    pub(crate) rotation: Rotation,
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

    /// Clients of other programs, and the values of Secrets and ConfigMaps.
    pub(crate) fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The value of a key of a Secret in the event source's namespace; read it when it is needed, so
    /// that a rotated one counts.
    ///
    /// # Errors
    /// If it cannot be read now.
    pub(crate) async fn secret(&self, key: &SecretKeySelector) -> Result<Value, SourceError> {
        let reference = ValueRef::secret(key, &self.event().namespace);
        self.clients.values.find(&reference).await.map_err(|error| {
            let act = format!("read key {} of Secret {}", &*key.key, &*key.name);
            SourceError::new(Reason::Missing, act).because(error)
        })
    }

    /// The same as text; empty if no key is named.
    ///
    /// # Errors
    /// If it cannot be read now.
    pub(crate) async fn text(
        &self,
        key: Option<&SecretKeySelector>,
    ) -> Result<String, SourceError> {
        match key {
            Some(key) => Ok(self.secret(key).await?.text()),
            None => Ok(String::new()),
        }
    }

    /// User and password.
    ///
    /// # Errors
    /// If one of them cannot be read now.
    pub(crate) async fn user(&self, auth: &BasicAuth) -> Result<(String, String), SourceError> {
        let name = self.text(auth.username.as_ref()).await?;
        Ok((name, self.text(auth.password.as_ref()).await?))
    }

    /// How a connection is encrypted, by the field `tls` of the event.
    ///
    /// # Errors
    /// If a certificate cannot be read now.
    pub(crate) async fn tls(&self, spec: Option<&TlsConfig>) -> Result<Option<Tls>, SourceError> {
        let Some(spec) = spec else {
            return Ok(None);
        };
        let event = self.event();
        let failed = |reason, error: BoxError| {
            let act = format!(
                "read what spec.{}.{}.tls names",
                event.kind.field(),
                event.name
            );
            SourceError::new(reason, act).because(error)
        };
        let names = TlsRef::of(spec, &event.namespace)
            .map_err(|error| failed(Reason::Configuration, error.into()))?;
        let resolved = names.resolve(&*self.clients.values).await;
        let tls = resolved.map_err(|error| failed(Reason::Missing, error.into()))?;
        Ok(Some(tls))
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

    /// It does not work, and is tried again without another start.
    pub(crate) fn tried_again(&self, error: &SourceError, wait: Duration) {
        self.condition(Condition::Failed {
            reason: error.reason(),
            message: chain(error),
            hint: error.hint().to_owned(),
        });
        let event = self.event();
        let cause: &dyn StdError = error;
        tracing::warn!(
            namespace = %event.namespace,
            eventSourceName = %event.source,
            eventName = %event.name,
            reason = error.reason().as_str(),
            error = cause,
            hint = error.hint(),
            retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            "An event source could not ask its upstream, and asks again"
        );
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

    /// Who this process is among those that run the event source; the same after a restart.
    pub(crate) fn pod(&self) -> &str {
        &self.pod
    }

    /// Cancelled when the event is to end.
    pub(crate) fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }
}
