//! Backoff of retries: what a spec says, and what it comes to.

use std::time::Duration;

use crate::duration::{DurationError, parse_duration};
use crate::given::{Given, object};
use crate::scalar::{Amount, Int64OrString};

object! {
    /// How often and how fast something is tried again.
    pub struct Backoff {
        /// Wait after the first failure: a Go duration such as `2s`, or a number of nanoseconds.
        /// Default: `1s`.
        duration: Option<Int64OrString>,
        /// What the wait is multiplied with after each failure. Default: 1.
        factor: Option<Amount>,
        /// Up to this share of the wait is added at random. Default: 1; 0 switches it off.
        jitter: Option<Amount>,
        /// Attempts altogether, the first one included. Default: 5, also for 0 and less.
        steps: Given<i32>,
    }
}

/// A backoff with its defaults filled in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// The wait after the first failure.
    pub duration: Duration,
    /// What the wait is multiplied with after each failure.
    pub factor: f64,
    /// The share of the wait that is added at random at most.
    pub jitter: f64,
    /// Attempts altogether.
    pub attempts: u32,
}

/// Why a backoff cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BackoffError {
    /// The duration is not one.
    #[error("read duration")]
    Duration(#[source] DurationError),
    /// The wait would be before now.
    #[error("duration is negative")]
    NegativeDuration,
    /// `factor` or `jitter` is not a number that makes sense.
    #[error("{field} {token} is not a number of 0 or more")]
    Number {
        /// The name of the field.
        field: &'static str,
        /// What stands there.
        token: String,
    },
}

impl BackoffError {
    /// The field of the backoff that is wrong.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Duration(_) | Self::NegativeDuration => "duration",
            Self::Number { field, .. } => field,
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(1),
            factor: 1.0,
            jitter: 1.0,
            attempts: 5,
        }
    }
}

impl Backoff {
    /// The backoff with its defaults filled in. Numbers in quotes count.
    ///
    /// # Errors
    /// If a field holds something that is no duration or number.
    pub fn policy(&self) -> Result<RetryPolicy, BackoffError> {
        let defaults = RetryPolicy::default();
        Ok(RetryPolicy {
            duration: match &self.duration {
                None => defaults.duration,
                Some(Int64OrString::Int(nanos)) => u64::try_from(*nanos)
                    .map(Duration::from_nanos)
                    .map_err(|_| BackoffError::NegativeDuration)?,
                Some(Int64OrString::String(text)) => parse_duration(text)
                    .map_err(BackoffError::Duration)?
                    .try_into()
                    .map_err(|_| BackoffError::NegativeDuration)?,
            },
            factor: number("factor", self.factor.as_ref(), defaults.factor)?,
            jitter: number("jitter", self.jitter.as_ref(), defaults.jitter)?,
            attempts: match u32::try_from(*self.steps) {
                Ok(0) | Err(_) => defaults.attempts,
                Ok(steps) => steps,
            },
        })
    }
}

fn number(field: &'static str, amount: Option<&Amount>, default: f64) -> Result<f64, BackoffError> {
    let Some(amount) = amount else {
        return Ok(default);
    };
    amount
        .as_f64()
        .filter(|number| *number >= 0.0)
        .ok_or_else(|| BackoffError::Number {
            field,
            token: amount.token().to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(json: &str) -> Result<RetryPolicy, BackoffError> {
        serde_json::from_str::<Backoff>(json).unwrap().policy()
    }

    #[test]
    fn missing_fields_have_argos_defaults() {
        let one_second = Duration::from_secs(1);
        assert_eq!(
            policy("{}"),
            Ok(RetryPolicy {
                duration: one_second,
                factor: 1.0,
                jitter: 1.0,
                attempts: 5
            })
        );
        assert_eq!(policy(r#"{"steps":-1}"#).unwrap().attempts, 5);
        assert_eq!(policy(r#"{"steps":1}"#).unwrap().attempts, 1);
    }

    #[test]
    fn numbers_are_nanoseconds_and_texts_are_go_durations() {
        let text = policy(r#"{"duration":"2s","factor":2,"steps":3,"jitter":0}"#);
        assert_eq!(
            text,
            Ok(RetryPolicy {
                duration: Duration::from_secs(2),
                factor: 2.0,
                jitter: 0.0,
                attempts: 3
            })
        );
        let number = policy(r#"{"duration":1000000000}"#).unwrap();
        assert_eq!(number.duration, Duration::from_secs(1));
        assert_eq!(
            policy(r#"{"duration":"1000000000"}"#).unwrap_err().field(),
            "duration"
        );
    }

    #[test]
    fn a_number_in_quotes_counts_and_nonsense_is_named() {
        assert_eq!(policy(r#"{"factor":"2"}"#).unwrap().factor.to_string(), "2");
        assert_eq!(policy(r#"{"jitter":"x"}"#).unwrap_err().field(), "jitter");
        assert_eq!(policy(r#"{"factor":-1}"#).unwrap_err().field(), "factor");
    }
}
