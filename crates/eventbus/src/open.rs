//! Opens a bus, as often as it takes.

use std::time::Duration;

use tiphys_api::message::with_causes;
use tiphys_base::{Backoff, Reason};
use tracing::{info, warn};

use crate::{BusConfig, Error, EventBus, StreamReport, connect};

/// The first and the longest wait before a server that is unavailable is asked again: it may come up
/// at any moment, and everything waits for it.
const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// How long the first and later attempts may take. A server that is starting may leave a question
/// unanswered that it answers when it is asked again.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));

/// So many attempts are short: servers that are still electing their leader never answer what they
/// were asked before, and elections take some seconds.
const IMPATIENT: u32 = 6;

/// Why a bus is not open yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenError {
    /// [`Reason::ConnectionFailed`] or [`Reason::StreamFailed`] for what may pass by itself; otherwise
    /// what a human has to mend.
    pub reason: Reason,
    /// What was attempted, and what is wrong.
    pub message: String,
}

impl OpenError {
    /// An attempt that failed; `None`: nobody answered. `passing` is its reason if it may pass by itself.
    fn new(error: Option<&Error>, passing: Reason) -> Self {
        let Some(error) = error else {
            return Self {
                reason: passing,
                message: "no answer".to_owned(),
            };
        };
        let reason = match error.reason() {
            reason @ (Reason::Unauthorized
            | Reason::InvalidCertificate
            | Reason::BusFull
            | Reason::Configuration
            | Reason::StreamSettings
            | Reason::Replicas) => reason,
            _ => passing,
        };
        Self {
            reason,
            message: with_causes(error),
        }
    }
}

/// Connects to a bus and makes sure of its stream; reports each attempt that failed.
pub async fn open(config: &BusConfig, report: impl Fn(OpenError)) -> (EventBus, StreamReport) {
    let bus = connected(config, &report).await;
    let stream = set_up(&bus, config.stream.as_deref(), &report).await;
    (bus, stream)
}

async fn connected(config: &BusConfig, report: impl Fn(OpenError)) -> EventBus {
    let mut waits = Waits::new();
    loop {
        let error = match waits.attempt(connect(config)).await {
            Some(Ok(bus)) => {
                info!(url = %config.server, "Connected to the event bus");
                return bus;
            }
            Some(Err(error)) => Some(error),
            None => None,
        };
        let error = OpenError::new(error.as_ref(), Reason::ConnectionFailed);
        let text = &error.message;
        warn!(url = %config.server, error = text, "Waiting for the event bus: is the server up?");
        report(error);
        waits.pause().await;
    }
}

async fn set_up(
    bus: &EventBus,
    settings: Option<&str>,
    report: impl Fn(OpenError),
) -> StreamReport {
    let mut waits = Waits::new();
    loop {
        let error = match waits.attempt(bus.events.ensure_stream(settings)).await {
            Some(Ok(report)) => {
                log(&report);
                return report;
            }
            Some(Err(error)) => Some(error),
            None => None,
        };
        let error = OpenError::new(error.as_ref(), Reason::StreamFailed);
        warn!(error = error.message, "The event bus has no stream yet");
        report(error);
        waits.pause().await;
    }
}

/// Growing waits.
struct Waits {
    backoff: Backoff,
    patience: Duration,
    /// How many attempts have got no answer.
    unanswered: u32,
}

impl Waits {
    fn new() -> Self {
        Self {
            backoff: Backoff::new(WAIT.0, WAIT.1),
            patience: PATIENCE.0,
            unanswered: 0,
        }
    }

    async fn attempt<T>(
        &mut self,
        attempt: impl Future<Output = Result<T, Error>>,
    ) -> Option<Result<T, Error>> {
        let attempt = tokio::time::timeout(self.patience, attempt).await;
        if attempt.is_err() {
            self.unanswered += 1;
            if self.unanswered > IMPATIENT {
                self.patience = (self.patience * 2).min(PATIENCE.1);
            }
        }
        attempt.ok()
    }

    async fn pause(&mut self) {
        tokio::time::sleep(self.backoff.wait()).await;
    }
}

fn log(report: &StreamReport) {
    if report.created {
        info!(stream = "default", "Created the stream");
    }
    if !report.changed.is_empty() {
        info!(settings = report.changed.join(","), "Changed the stream");
    }
    for (setting, reason) in &report.refused {
        warn!(setting, reason, "The stream keeps its setting");
    }
}
