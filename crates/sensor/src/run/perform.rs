//! Carries one firing out: renders the action, waits for its turn, performs it, tries again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tiphys_api::message::with_causes;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::Round;
use crate::trigger::{Action, Caller, PerformError, Trigger};

use super::Runner;
use super::status::Waiting;

/// The first wait while a target is unavailable.
const AWAY_FIRST: Duration = Duration::from_millis(100);

/// The longest wait while a target is unavailable.
const AWAY_LAST: Duration = Duration::from_secs(15);

/// The longest wait that a target may ask for.
const AWAY_ASKED: Duration = Duration::from_mins(5);

/// Unused time that a rate limit saves up, as Argo Events' limiter does.
const SAVED_PERMITS: u32 = 10;

/// Why a firing was not carried out.
#[derive(Debug)]
pub(super) enum Failure {
    /// It cannot succeed as it is.
    GaveUp {
        error: String,
        attempts: u32,
        action: Option<String>,
    },
    /// The process stops before it was carried out, or, if it `may_be_done`, meanwhile.
    Interrupted {
        action: Option<String>,
        may_be_done: bool,
    },
}

/// Lets a trigger fire at most so often; shared by its firings.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    next: Mutex<Option<Instant>>,
}

impl Limiter {
    /// When the caller may fire: each call takes one permit.
    fn turn(&self, interval: Duration, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let saved = interval * SAVED_PERMITS;
        let turn = match *next {
            None => now,
            Some(next) => next.max(now.checked_sub(saved).unwrap_or(next)),
        };
        *next = Some(turn + interval);
        turn.max(now)
    }
}

/// One firing.
pub(super) struct Firing<'f> {
    pub(super) runner: &'f Runner,
    pub(super) trigger: &'f Trigger,
    pub(super) round: &'f Round,
    /// `None`: it may fire at any time.
    pub(super) limiter: Option<&'f Limiter>,
    pub(super) metrics: &'f crate::metrics::TriggerMetrics,
    /// Ends everything.
    pub(super) shutdown: &'f CancellationToken,
    /// Ends waiting; never, for what has to be finished here.
    pub(super) yields: Option<&'f CancellationToken>,
}

impl Firing<'_> {
    /// Renders the action. The same events fail the same way again, so a failure is final.
    pub(super) fn render(&self) -> Result<Action, Failure> {
        let sensor = &self.runner.sensor;
        self.trigger
            .fire(self.round, &sensor.name, &sensor.namespace)
            .map_err(|error| {
                self.metrics.attempt(Duration::ZERO, false);
                Failure::GaveUp {
                    error: with_causes(&error),
                    attempts: 1,
                    action: None,
                }
            })
    }

    /// Performs the action, as often as the trigger's retry strategy says.
    pub(super) async fn perform(&self, action: &Action) -> Result<(), Failure> {
        if let (Some(rate), Some(limiter)) = (self.trigger.rate(), self.limiter) {
            let turn = limiter.turn(rate.interval, Instant::now());
            self.sleep(turn.saturating_duration_since(Instant::now()), action)
                .await?;
        }
        let policy = self.trigger.retry();
        let mut wait = policy.duration;
        let mut attempt = 1;
        loop {
            let error = match self.attempt_until_answered(action).await? {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if attempt >= policy.attempts {
                self.metrics.gave_up();
                return Err(Failure::GaveUp {
                    error,
                    attempts: attempt,
                    action: print(action),
                });
            }
            let share = policy.jitter * fraction();
            self.sleep(scale(wait, 1.0 + share), action).await?;
            wait = scale(wait, policy.factor);
            attempt += 1;
        }
    }

    /// Attempts until whoever should act gives an answer: an absence is no failed attempt.
    async fn attempt_until_answered(&self, action: &Action) -> Result<Result<(), String>, Failure> {
        let mut wait = AWAY_FIRST;
        let mut waiting = None;
        loop {
            let start = Instant::now();
            let caller = Caller {
                sensor: &self.runner.sensor.name,
                trigger: self.trigger.name(),
            };
            let result = self.attempt(action, caller).await?;
            self.metrics.attempt(start.elapsed(), result.is_ok());
            match result {
                Ok(()) => return Ok(Ok(())),
                Err(PerformError::Refused(error)) => return Ok(Err(error)),
                Err(PerformError::Unavailable {
                    message,
                    hint,
                    retry_after,
                }) => {
                    if waiting.is_none() {
                        waiting = Some(self.tell(&message, hint.as_deref()));
                    }
                    let asked = retry_after.map(|asked| asked.min(AWAY_ASKED));
                    self.sleep(asked.unwrap_or(wait), action).await?;
                    wait = scale(wait, 2.0).min(AWAY_LAST);
                }
            }
        }
    }

    /// Performs the action once; a stop cuts it short.
    async fn attempt(
        &self,
        action: &Action,
        caller: Caller<'_>,
    ) -> Result<Result<(), PerformError>, Failure> {
        if self.shutdown.is_cancelled() {
            return Err(Failure::Interrupted {
                action: print(action),
                may_be_done: false,
            });
        }
        tokio::select! {
            biased;
            result = self.runner.executors.perform(action, caller) => Ok(result),
            () = self.shutdown.cancelled() => {
                Err(Failure::Interrupted { action: print(action), may_be_done: true })
            }
        }
    }

    fn tell(&self, message: &str, hint: Option<&str>) -> Waiting<'_> {
        let hint = hint.unwrap_or("tried again until it is back; events wait on the bus");
        tracing::warn!(
            sensorName = %self.runner.sensor.name,
            triggerName = %self.trigger.name(),
            triggerType = self.trigger.kind().log_name(),
            error = message,
            hint,
            "Failed to execute a trigger"
        );
        self.runner.status.waits(self.trigger.name(), message, hint)
    }

    async fn sleep(&self, time: Duration, action: &Action) -> Result<(), Failure> {
        if time.is_zero() {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = self.interrupted() => {
                Err(Failure::Interrupted { action: print(action), may_be_done: false })
            }
        }
    }

    /// Resolves when waiting has to end.
    async fn interrupted(&self) {
        let Some(yields) = self.yields else {
            return self.shutdown.cancelled().await;
        };
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = yields.cancelled() => {}
        }
    }
}

fn print(action: &Action) -> Option<String> {
    serde_json::to_string(action).ok()
}

/// A duration times a factor; what is too long for a duration is a day.
fn scale(duration: Duration, factor: f64) -> Duration {
    const LONGEST: Duration = Duration::from_hours(24);
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).map_or(LONGEST, |d| d.min(LONGEST))
}

/// A random number from 0 to 1, good enough to spread retries.
pub(crate) fn fraction() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let hash = RandomState::new().hash_one(());
    f64::from(u32::try_from(hash >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limiter_saves_ten_permits() {
        let limiter = Limiter::default();
        let interval = Duration::from_secs(1);
        let start = Instant::now();
        assert_eq!(limiter.turn(interval, start), start);
        assert_eq!(limiter.turn(interval, start), start + interval);
        let later = start + Duration::from_secs(100);
        for _ in 0..=10 {
            assert_eq!(limiter.turn(interval, later), later);
        }
        assert_eq!(limiter.turn(interval, later), later + interval);
    }
}
