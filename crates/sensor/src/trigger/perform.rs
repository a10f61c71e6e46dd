//! Performs actions. Everything they decide is in the action already.

use std::sync::Arc;

use jiff::Timestamp;
use tiphys_clients::Clients;
use tiphys_clients::values::Values;
use tiphys_eventbus::EventBus;

use super::artifact::Fetcher;
use super::log::{Printer, Sink};
use super::slack::Threads;
use super::{Action, PerformError, Trigger};

/// Performs the actions of a process, as one user.
#[derive(Debug)]
pub struct Executors {
    context: Context,
}

/// Everything that performing an action may touch.
#[derive(Debug)]
pub(super) struct Context {
    /// Clients of other programs.
    pub(super) clients: Arc<Clients>,
    /// Gets objects that are kept elsewhere.
    pub(super) fetcher: Fetcher,
    /// Prints lines.
    pub(super) printer: Printer,
    /// Which thread a message belongs to.
    pub(super) threads: Threads,
    /// Stamps what is created.
    pub(super) now: fn() -> Timestamp,
}

/// Who an action is performed for.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'c> {
    /// The bus that its events come from.
    pub bus: Option<&'c EventBus>,
    /// The namespace of the sensor.
    pub namespace: &'c str,
    /// The sensor.
    pub sensor: &'c str,
    /// The trigger.
    pub trigger: &'c str,
}

impl Executors {
    /// Acts on the cluster of `client`, with the Secrets and `ConfigMaps` of `values`; prints to
    /// `sink`. `now` stamps what is created and signed.
    pub fn new(
        client: Option<kube::Client>,
        values: Arc<dyn Values>,
        sink: Arc<dyn Sink>,
        now: fn() -> Timestamp,
    ) -> Self {
        let clients = Arc::new(Clients::new(client, values));
        let context = Context {
            fetcher: Fetcher::new(Arc::clone(&clients), now),
            printer: Printer::new(sink),
            threads: Threads::default(),
            clients,
            now,
        };
        Self { context }
    }

    /// Opens what the first action of a trigger would have to wait for, and of the one that takes over
    /// from it. `namespace` is the Sensor's.
    ///
    /// # Cancellation
    /// What is not opened yet is opened by the first action.
    pub async fn warm(&self, trigger: &Trigger, namespace: &str) {
        let successors =
            std::iter::successors(Some(trigger), |trigger| trigger.dlq().map(|dlq| &**dlq));
        for trigger in successors {
            if let Some(template) = trigger.template.fixed() {
                template.warm(&self.context, namespace).await;
            }
        }
    }

    /// Performs an action once.
    ///
    /// # Errors
    /// If it was not performed. See [`PerformError`] for whether that counts.
    ///
    /// # Cancellation
    /// The action may have been performed or not.
    pub async fn perform(&self, action: &Action, caller: Caller<'_>) -> Result<(), PerformError> {
        action.perform(&self.context, caller).await
    }
}
