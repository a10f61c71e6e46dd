//! Executors: they perform actions. Everything they decide is in the action already.

pub mod k8s;
pub mod log;

use std::time::Duration;

use crate::action::Action;

/// The executors of a process.
#[derive(Debug)]
pub struct Executors {
    /// Acts on a cluster; `None` where there is none.
    pub k8s: Option<k8s::Executor>,
    /// Prints events.
    pub log: log::Executor,
}

/// Why an action was not performed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Whoever should have done it is away, busy, or not allowed to yet: not an answer, so it is
    /// tried again without counting.
    #[error("{message}")]
    Away {
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

impl Executors {
    /// Performs an action once.
    ///
    /// # Errors
    /// If it was not performed. See [`Error`] for whether that counts.
    ///
    /// # Cancellation
    /// The action may have been performed or not.
    pub async fn perform(&self, action: &Action, caller: Caller<'_>) -> Result<(), Error> {
        match action {
            Action::K8s(action) => match &self.k8s {
                Some(executor) => executor.perform(action).await,
                None => Err(Error::Away {
                    message: "there is no cluster to act on".to_owned(),
                    hint: Some("set KUBECONFIG, or pass --kubeconfig".to_owned()),
                    retry_after: None,
                }),
            },
            Action::Log(action) => {
                self.log.perform(action, caller);
                Ok(())
            }
        }
    }
}
