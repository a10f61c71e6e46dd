//! Opens a bus on a NATS server, as often as it takes.

use std::sync::Arc;
use std::time::Duration;

use tiphys_api::message::with_causes;
use tiphys_eventbus::jetstream::{Config, JetStream};
use tiphys_eventbus::{Error, EventBus, StreamReport};
use tracing::{info, warn};

/// The first and the longest wait before a server that is unavailable is asked again: it may come up at any
/// moment, and everything waits for it.
const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// How long the first and later attempts may take. A server that is starting may leave a question
/// unanswered that it answers when it is asked again.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));

/// What hinders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hindrance {
    /// No server answers, or it does not let us in.
    Connect(String),
    /// The stream is not there and cannot be made, or cannot be looked at.
    Stream(String),
}

/// So many attempts are short: servers that are still electing their leader never answer what they
/// were asked before, and elections take some seconds.
const IMPATIENT: u32 = 6;

/// Opens the server; tells `tell` of each attempt that failed.
pub(crate) async fn connect(config: &Config, tell: impl Fn(Hindrance)) -> Arc<dyn EventBus> {
    let mut waits = Waits::new();
    loop {
        let error = match waits.attempt(JetStream::connect(config)).await {
            Some(Ok(bus)) => {
                info!(url = config.shown_url(), "Connected to the event bus");
                return Arc::new(bus);
            }
            Some(Err(error)) => with_causes(&error),
            None => "no answer".to_owned(),
        };
        warn!(
            url = config.shown_url(),
            error, "Waiting for the event bus: is the server up?"
        );
        tell(Hindrance::Connect(error));
        waits.pause().await;
    }
}

/// Makes sure of the stream; tells `tell` of each attempt that failed.
pub(crate) async fn set_up(
    bus: &dyn EventBus,
    settings: Option<&str>,
    tell: impl Fn(Hindrance),
) -> StreamReport {
    let mut waits = Waits::new();
    loop {
        let error = match waits.attempt(bus.ensure_stream(settings)).await {
            Some(Ok(report)) => {
                log(&report);
                return report;
            }
            Some(Err(error)) => with_causes(&error),
            None => "no answer".to_owned(),
        };
        warn!(error, "The event bus has no stream yet");
        tell(Hindrance::Stream(error));
        waits.pause().await;
    }
}

/// Growing waits.
struct Waits {
    pause: Duration,
    patience: Duration,
    /// How many attempts have got no answer.
    unanswered: u32,
}

impl Waits {
    fn new() -> Self {
        Self {
            pause: WAIT.0,
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
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(WAIT.1);
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
