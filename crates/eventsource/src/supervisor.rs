//! Runs all events of an event source where they belong, and starts again what ended by itself.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tiphys_base::Backoff;
use tiphys_clients::Clients;
use tiphys_eventbus::EventBus;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::compile::{Compiled, CompiledEvent};
use crate::context::{Cluster, Leads, SourceContext};
use crate::error::{Reason, SourceError};
use crate::metrics::{EventLabels, EventMetrics, Metrics};
use crate::outlet::Outlet;
use crate::pump::Pump;
use crate::served::rotation::Rotation;
use crate::served::{HttpServer, Served};
use crate::source::Placement;
use crate::status::{Condition, Reporter, Status, chain};

/// Waits before an event is started again.
const RESTART: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// An event that ran for so long was healthy: its next failure is a first one.
const HEALTHY_AFTER: Duration = Duration::from_mins(1);

/// How long the end may take altogether.
const STOP_WITHIN: Duration = Duration::from_millis(3900);

/// How long what was received may go on as before when the end begins.
const FINISH_WITHIN: Duration = Duration::from_secs(1);

/// How long the bus then has to confirm what it was handed. The rest is given back.
const DRAIN_WITHIN: Duration = Duration::from_millis(2500);

/// An event source and everything it needs to run.
#[derive(Debug, Clone)]
pub struct Runner {
    /// What to run.
    pub source: Arc<Compiled>,
    /// Where its events go.
    pub bus: EventBus,
    /// What it watches, if there is any.
    pub cluster: Option<Cluster>,
    /// Clients of other programs, with the values of Secrets and ConfigMaps.
    pub clients: Arc<Clients>,
    /// What answers HTTP requests, if this process does.
    pub server: Option<Arc<dyn HttpServer>>,
    /// Who this process is among those that run the event source: the name of the pod.
    pub pod: Arc<str>,
    /// Whether this pod holds the lease. Events that one pod has to run are run while it does.
    pub leads: watch::Receiver<bool>,
    /// How long those events may go on after the lease was lost: then another pod may begin.
    pub time_to_stop: Duration,
    /// What it counts.
    pub metrics: Metrics,
    /// Tells the time.
    pub clock: Clock,
    /// What it says of itself.
    pub status: Arc<Status>,
}

/// An event between its attempts.
struct Attempt {
    event: Arc<CompiledEvent>,
    metrics: EventMetrics,
    backoff: Backoff,
    began: Instant,
}

/// What one attempt is made with.
struct Launch {
    runner: Runner,
    outlet: Outlet,
    has_started: Arc<AtomicBool>,
    shutdown: CancellationToken,
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
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), SourceError> {
        let mut tasks = JoinSet::new();
        let mut running = HashMap::new();
        let has_started = Arc::new(AtomicBool::new(false));
        for event in &self.source.events {
            let metrics = self.metrics.event(EventLabels {
                namespace: self.source.namespace.to_string(),
                eventsource_name: self.source.name.to_string(),
                event_name: event.name.to_string(),
            });
            self.reporter(event).condition(Condition::Opening);
            let attempt = Attempt {
                event: event.clone(),
                metrics,
                backoff: Backoff::new(RESTART.0, RESTART.1),
                began: Instant::now(),
            };
            let launch = self.launch(&attempt, &has_started, &shutdown);
            start(attempt, launch, Duration::ZERO, &mut tasks, &mut running);
        }
        while !running.is_empty() && !shutdown.is_cancelled() {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                Some(ended) = tasks.join_next_with_id() => {
                    let (id, ended) = match ended {
                        Ok((id, ended)) => (id, ended),
                        Err(error) => (error.id(), Err(task_ended(error))),
                    };
                    let Some(mut attempt) = running.remove(&id) else {
                        continue;
                    };
                    if shutdown.is_cancelled() {
                        continue;
                    }
                    let wait = self.wait(&mut attempt, ended);
                    let launch = self.launch(&attempt, &has_started, &shutdown);
                    start(attempt, launch, wait, &mut tasks, &mut running);
                }
            }
        }
        let stopping = async { while tasks.join_next().await.is_some() {} };
        if timeout(STOP_WITHIN, stopping).await.is_err() {
            self.say_unconfirmed();
        }
        Ok(())
    }

    /// Reports why an event ended, and how long to wait before it is started again.
    fn wait(&self, attempt: &mut Attempt, ended: Result<(), SourceError>) -> Duration {
        if attempt.began.elapsed() > HEALTHY_AFTER {
            attempt.backoff.reset();
        }
        let wait = attempt.backoff.wait();
        if let Err(error) = ended {
            self.reporter(&attempt.event).condition(Condition::Failed {
                reason: error.reason(),
                message: chain(&error),
                hint: error.hint().to_owned(),
            });
            let (reason, hint) = (error.reason().as_str(), error.hint());
            let error: &dyn StdError = &error;
            tracing::warn!(
                namespace = %self.source.namespace,
                eventSourceName = %self.source.name,
                eventName = %attempt.event.name,
                eventSourceType = attempt.event.kind.event_type(),
                reason,
                error,
                hint,
                retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "An event stopped and is started again"
            );
        }
        wait
    }

    fn reporter(&self, event: &CompiledEvent) -> Reporter {
        Reporter::new(self.status.clone(), event.name.clone())
    }

    fn launch(
        &self,
        attempt: &Attempt,
        has_started: &Arc<AtomicBool>,
        shutdown: &CancellationToken,
    ) -> Launch {
        Launch {
            runner: self.clone(),
            outlet: Outlet {
                event: attempt.event.clone(),
                bus: self.bus.clone(),
                metrics: attempt.metrics.clone(),
                reporter: self.reporter(&attempt.event),
                clock: self.clock.clone(),
            },
            has_started: has_started.clone(),
            shutdown: shutdown.clone(),
        }
    }

    fn say_unconfirmed(&self) {
        tracing::warn!(
            namespace = %self.source.namespace,
            eventSourceName = %self.source.name,
            "Not everything on its way to the bus was confirmed in time: the next start finds out"
        );
    }
}

fn start(
    attempt: Attempt,
    launch: Launch,
    wait: Duration,
    tasks: &mut JoinSet<Result<(), SourceError>>,
    running: &mut HashMap<Id, Attempt>,
) {
    let task = tasks.spawn(async move {
        tokio::select! {
            () = launch.shutdown.cancelled() => return Ok(()),
            () = sleep(wait) => {}
        }
        Box::pin(launch.run()).await
    });
    let attempt = Attempt {
        began: Instant::now() + wait,
        ..attempt
    };
    running.insert(task.id(), attempt);
}

fn task_ended(error: tokio::task::JoinError) -> SourceError {
    SourceError::new(Reason::Task, "task of an event").because(error)
}

impl Launch {
    /// Runs the event until the end, and while this pod is the one to do it.
    async fn run(&self) -> Result<(), SourceError> {
        let is_led = self.outlet.event.placement() == Placement::LeaseHolder;
        let mut leads = Leads(self.runner.leads.clone());
        loop {
            if is_led && !leads.now() {
                self.outlet.reporter.condition(Condition::Standby);
                tokio::select! {
                    biased;
                    () = self.shutdown.cancelled() => return Ok(()),
                    () = leads.become_equal(true) => {}
                }
                self.outlet.reporter.condition(Condition::Opening);
            }
            if !self.has_started.swap(true, Ordering::Relaxed) {
                // Argo Events' users and tests wait for this line.
                tracing::info!(
                    namespace = %self.runner.source.namespace,
                    eventSourceName = %self.runner.source.name,
                    "Eventing server started."
                );
            }
            let stop = self.shutdown.child_token();
            let mut work = Box::pin(self.work(stop.clone()));
            let is_lost = async {
                if is_led {
                    leads.become_equal(false).await;
                } else {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                ended = &mut work => return ended,
                () = self.shutdown.cancelled() => {}
                () = is_lost => stop.cancel(),
            }
            let time = if self.shutdown.is_cancelled() {
                STOP_WITHIN
            } else {
                STOP_WITHIN.min(self.runner.time_to_stop)
            };
            match timeout(time, work).await {
                Ok(ended) if self.shutdown.is_cancelled() => return ended,
                // Another pod does it now, and finds what failed.
                Ok(_) => {}
                Err(_) => self.runner.say_unconfirmed(),
            }
        }
    }

    /// Runs the event until `stop`, with the pump beside it.
    async fn work(&self, stop: CancellationToken) -> Result<(), SourceError> {
        let event = &self.outlet.event;
        let _running = self.outlet.metrics.running();
        let (mut pump, publisher) = Pump::new(self.outlet.clone(), event.config.hold_limit());
        let context = SourceContext {
            outlet: self.outlet.clone(),
            publisher,
            clients: self.runner.clients.clone(),
            cluster: self.runner.cluster.clone(),
            leads: Leads(self.runner.leads.clone()),
            pod: self.runner.pod.clone(),
            shutdown: stop.clone(),
            rotation: Rotation::default(),
        };
        let mut running = Box::pin(self.receive(context));
        let is_time_up = async {
            stop.cancelled().await;
            sleep(FINISH_WITHIN).await;
        };
        let ended = tokio::select! {
            ended = &mut running => Some(ended),
            never = pump.run() => match never {},
            () = is_time_up => None,
        };
        // What has no verdict gets one now, and who waits for it can end.
        let rest = async {
            match ended {
                Some(ended) => ended,
                None => running.await,
            }
        };
        tokio::join!(rest, pump.drain(DRAIN_WITHIN)).0
    }

    /// Receives: by itself, and over HTTP.
    async fn receive(&self, context: SourceContext) -> Result<(), SourceError> {
        let source = &self.outlet.event.config;
        let served = Served::open(self.runner.server.as_deref(), source, &context).await?;
        let mut served = Box::pin(served.keep());
        let mut running = source.run(&context);
        tokio::select! {
            ended = &mut running => {
                ended?;
                served.await;
                Ok(())
            }
            () = &mut served => running.await,
        }
    }
}
