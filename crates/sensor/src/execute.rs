//! Executors: they perform actions. Everything they decide is in the action already.

mod artifact;
mod clients;
pub mod http;
pub mod k8s;
pub mod log;
pub mod nats;
pub mod values;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::action::Action;
use artifact::Fetcher;
use clients::Clients;
use values::Values;

/// The executors of a process.
#[derive(Debug)]
pub struct Executors {
    /// Acts on a cluster; `None` where there is none.
    k8s: Option<k8s::Executor>,
    http: http::Executor,
    nats: nats::Executor,
    log: log::Executor,
}

/// Why an action was not performed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Whoever should have done it is unavailable, busy, or not allowed to yet: not an answer, so it
    /// is tried again without counting.
    #[error("{message}")]
    Unavailable {
        /// What was attempted, and what is wrong.
        message: String,
        /// What a human can do, if it does not pass by itself.
        hint: Option<String>,
        /// When to try again, if the other side said so.
        retry_after: Option<Duration>,
    },
    /// The action was refused: an answer, counted as a failed attempt.
    #[error("{0}")]
    Refused(String),
}

/// Who an action is performed for.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'c> {
    /// The sensor.
    pub sensor: &'c str,
    /// The trigger.
    pub trigger: &'c str,
}

impl Error {
    /// Somebody is unavailable, and there is nothing more to say about it.
    fn unavailable(message: String) -> Self {
        Self::Unavailable {
            message,
            hint: None,
            retry_after: None,
        }
    }

    /// The same, with what a human can do about an absence.
    fn with_hint(mut self, text: String) -> Self {
        if let Self::Unavailable { hint, .. } = &mut self {
            *hint = Some(text);
        }
        self
    }
}

impl Executors {
    /// Acts on the cluster of `client`, with the Secrets and `ConfigMaps` of `values`; prints to
    /// `sink`. `now` stamps what is created and signed.
    pub fn new(
        client: Option<kube::Client>,
        values: Arc<dyn Values>,
        sink: Arc<dyn log::Sink>,
        now: fn() -> Timestamp,
    ) -> Self {
        let clients = Arc::new(Clients::default());
        let fetcher = Fetcher::new(Arc::clone(&clients), Arc::clone(&values), now);
        Self {
            k8s: client.map(|client| k8s::Executor::new(client, fetcher, now)),
            http: http::Executor::new(clients, Arc::clone(&values)),
            nats: nats::Executor::new(values),
            log: log::Executor::new(sink),
        }
    }

    /// Performs an action once.
    ///
    /// # Errors
    /// If it was not performed. See [`Error`] for whether that counts.
    ///
    /// # Cancellation
    /// The action may have been performed or not.
    pub async fn perform(&self, action: &Action, caller: Caller<'_>) -> Result<(), Error> {
        match action {
            Action::K8s(action) => self.cluster()?.perform(action).await,
            Action::ArgoWorkflow(action) => self.cluster()?.perform_workflow(action).await,
            Action::Http(action) => self.http.perform(action, caller).await,
            Action::Nats(action) => self.nats.perform(action).await,
            Action::Log(action) => {
                self.log.perform(action, caller);
                Ok(())
            }
        }
    }

    fn cluster(&self) -> Result<&k8s::Executor, Error> {
        self.k8s.as_ref().ok_or_else(|| Error::Unavailable {
            message: "there is no cluster to act on".to_owned(),
            hint: Some("set KUBECONFIG, or pass --kubeconfig".to_owned()),
            retry_after: None,
        })
    }
}
