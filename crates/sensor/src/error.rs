//! Why a sensor does not run.

use std::sync::Arc;

/// What a running sensor could not do. Each is tried again by the sensor itself as long as that
/// can help; what reaches the caller needs a human.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The trigger's deliveries could not be opened.
    #[error("subscribe trigger {trigger}")]
    Subscribe {
        /// Name of the trigger.
        trigger: Arc<str>,
        /// Why not.
        #[source]
        source: tiphys_eventbus::Error,
    },
    /// The trigger's kept events could not be read.
    #[error("read the kept events of trigger {trigger}")]
    State {
        /// Name of the trigger.
        trigger: Arc<str>,
        /// Why not.
        #[source]
        source: tiphys_eventbus::Error,
    },
    /// The task of a trigger ended by itself.
    #[error("task of a trigger")]
    Task(#[from] tokio::task::JoinError),
}

impl Error {
    /// A closed set of names: metric label, condition reason.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Subscribe { .. } => "Subscribe",
            Self::State { .. } => "State",
            Self::Task(_) => "Task",
        }
    }
}
