//! The report of a worker: made of what its parts say, and published when it has changed.

use std::time::Duration;

use bytes::Bytes;
use tiphys_api::worker::{Health, PartReport, Report};
use tiphys_base::Reason;
use tiphys_eventsource::{Condition, EventStatus};
use tiphys_sensor::engine::Outcome;
use tiphys_sensor::run::TriggerStatus;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often a report is published at most.
const EVERY: Duration = Duration::from_secs(1);

/// What a human can do about a bus that takes nothing.
const MAKE_ROOM: &str = "events wait until there is room: raise maxBytes or maxMsgs in the streamConfig of \
     the EventBus, let its oldest events give way (discard: 0), or give its servers larger volumes";

/// Publishes reports.
pub(crate) struct Reports {
    lines: watch::Sender<Bytes>,
    published: Report,
    published_at: Option<Instant>,
}

impl Reports {
    /// Also returns where the newest report is found, as a line of JSON.
    pub(crate) fn new() -> (Self, watch::Receiver<Bytes>) {
        let published = Report::default();
        let (lines, latest) = watch::channel(line(&published));
        let reports = Self {
            lines,
            published,
            published_at: None,
        };
        (reports, latest)
    }

    /// Whether a report would be published now.
    pub(crate) fn is_due(&self) -> bool {
        self.published_at.is_none_or(|at| at.elapsed() >= EVERY)
    }

    /// Publishes a report if it says something that the last one did not.
    pub(crate) fn publish(&mut self, report: Report) {
        if report != self.published {
            self.lines.send_replace(line(&report));
            self.published = report;
            self.published_at = Some(Instant::now());
        }
    }
}

fn line(report: &Report) -> Bytes {
    let mut line = serde_json::to_vec(report).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

/// What an event says.
pub(crate) fn event(name: &str, status: EventStatus) -> PartReport {
    let EventStatus {
        condition,
        published,
        dead_lettered,
        last_event,
        last_error,
        bus_full,
    } = status;
    PartReport {
        name: name.to_owned(),
        health: match condition {
            Condition::Opening | Condition::Standby => Health::default(),
            Condition::Working => match bus_full {
                Some(message) => bad(Reason::BusFull, &message, MAKE_ROOM),
                None => good(),
            },
            Condition::Failed {
                reason,
                message,
                hint,
            }
            | Condition::Impaired {
                reason,
                message,
                hint,
            } => bad(reason, &message, &hint),
        },
        done: published,
        dead_lettered,
        lag: 0,
        last_event_time: last_event.map(|time| time.to_string()),
        last_error,
    }
}

/// What a trigger says.
pub(crate) fn trigger(name: &str, status: &TriggerStatus) -> PartReport {
    let health = match (&status.unavailable, status.is_listening, &status.last_error) {
        (Some(unavailable), ..) => bad(unavailable.reason, &unavailable.message, &unavailable.hint),
        (None, true, _) => good(),
        (None, false, Some(error)) => bad(Reason::NotSubscribed, error, ""),
        (None, false, None) => Health::default(),
    };
    let count = |outcome| status.tally.count(outcome);
    PartReport {
        name: name.to_owned(),
        health,
        done: count(Outcome::Fired),
        dead_lettered: count(Outcome::DeadLettered),
        lag: status.pending + count(Outcome::InFlight),
        last_event_time: status.last_event.map(|time| time.to_string()),
        last_error: status.last_error.clone(),
    }
}

fn good() -> Health {
    Health {
        ok: Some(true),
        ..Health::default()
    }
}

fn bad(reason: Reason, message: &str, hint: &str) -> Health {
    let separator = if hint.is_empty() { "" } else { "; " };
    Health {
        ok: Some(false),
        reason: Some(reason),
        message: format!("{message}{separator}{hint}"),
    }
}
