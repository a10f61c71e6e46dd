//! Runs all events of an event source, and starts again what ended by itself.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use tiphys_eventbus::EventBus;
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::backoff::Backoff;
use crate::compile::{Compiled, CompiledEvent, Config};
use crate::metrics::{EventLabels, EventMetrics, Metrics};
use crate::source::resource::{self, Surroundings};
use crate::status::{Reporter, Status, chain};

/// Waits before an event is started again.
const RESTART: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// An event that ran for so long was healthy: its next failure is a first one.
const HEALTHY_AFTER: Duration = Duration::from_mins(1);

/// How long the end may take altogether.
const STOP_WITHIN: Duration = Duration::from_millis(3900);

/// An event source and everything it needs to run.
#[derive(Clone)]
pub struct Runner {
    /// What to run.
    pub source: Arc<Compiled>,
    /// Where its events go.
    pub bus: Arc<dyn EventBus>,
    /// What it watches with.
    pub client: Client,
    /// What it counts.
    pub metrics: Metrics,
    /// Tells the time.
    pub now: fn() -> Timestamp,
    /// Who `client` is, such as `system:serviceaccount:playground:watcher`, for hints; may be empty.
    pub identity: String,
    /// What it says of itself.
    pub status: Arc<Status>,
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("source", &self.source.name)
            .finish_non_exhaustive()
    }
}

/// An event between its attempts.
struct Attempt {
    event: Arc<CompiledEvent>,
    metrics: EventMetrics,
    backoff: Backoff,
    began: Instant,
}

impl Runner {
    /// Runs until `shutdown`; then finishes what is on its way, for at most 4 s, and returns. An event
    /// that fails is started again, however often.
    ///
    /// # Errors
    /// None yet: all that can fail is tried again.
    ///
    /// # Cancellation
    /// What was on its way may have been published; the next run finds out.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        let mut tasks = JoinSet::new();
        let mut running = HashMap::new();
        for event in &self.source.events {
            let metrics = self.metrics.event(EventLabels {
                namespace: self.source.namespace.to_string(),
                eventsource_name: self.source.name.to_string(),
                event_name: event.name.to_string(),
            });
            metrics.started();
            let backoff = Backoff::new(RESTART.0, RESTART.1);
            let attempt = Attempt {
                event: event.clone(),
                metrics,
                backoff,
                began: Instant::now(),
            };
            self.start(attempt, Duration::ZERO, &mut tasks, &mut running, &shutdown);
        }
        tracing::info!(eventSourceName = %self.source.name, "Eventing server started.");
        while !running.is_empty() && !shutdown.is_cancelled() {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                Some(ended) = tasks.join_next_with_id() => {
                    let (id, ended) = match ended {
                        Ok((id, ended)) => (id, ended),
                        Err(error) => (error.id(), Err(Error::Task(error))),
                    };
                    if let Some(attempt) = running.remove(&id) {
                        self.ended(attempt, &ended, &mut tasks, &mut running, &shutdown);
                    }
                }
            }
        }
        let stopping = async { while tasks.join_next().await.is_some() {} };
        if timeout(STOP_WITHIN, stopping).await.is_err() {
            tracing::warn!(
                eventSourceName = %self.source.name,
                "Not everything on its way to the bus was confirmed in time: the next start finds out"
            );
        }
        for attempt in running.values() {
            attempt.metrics.stopped();
        }
        Ok(())
    }

    /// Starts an event again, unless it was to end.
    fn ended(
        &self,
        mut attempt: Attempt,
        ended: &Result<(), Error>,
        tasks: &mut JoinSet<Result<(), Error>>,
        running: &mut HashMap<Id, Attempt>,
        shutdown: &CancellationToken,
    ) {
        if shutdown.is_cancelled() {
            attempt.metrics.stopped();
            return;
        }
        if attempt.began.elapsed() > HEALTHY_AFTER {
            attempt.backoff.reset();
        }
        let wait = attempt.backoff.wait();
        if let Err(error) = ended {
            Reporter::new(self.status.clone(), attempt.event.name.clone()).failed(&chain(error));
            let error: &dyn StdError = error;
            tracing::warn!(
                eventSourceName = %self.source.name,
                eventName = %attempt.event.name,
                error,
                retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "An event stopped and is started again"
            );
        }
        self.start(attempt, wait, tasks, running, shutdown);
    }

    fn start(
        &self,
        attempt: Attempt,
        wait: Duration,
        tasks: &mut JoinSet<Result<(), Error>>,
        running: &mut HashMap<Id, Attempt>,
        shutdown: &CancellationToken,
    ) {
        let event = attempt.event.clone();
        let around = Surroundings {
            bus: self.bus.clone(),
            client: self.client.clone(),
            metrics: attempt.metrics.clone(),
            now: self.now,
            identity: self.identity.clone(),
            reporter: Reporter::new(self.status.clone(), event.name.clone()),
        };
        let shutdown = shutdown.clone();
        let task = tasks.spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = sleep(wait) => {}
            }
            match &event.config {
                Config::Resource(_) => {
                    Box::pin(resource::run(event.clone(), around, shutdown)).await
                }
            }
        });
        let attempt = Attempt {
            began: Instant::now() + wait,
            ..attempt
        };
        running.insert(task.id(), attempt);
    }
}
