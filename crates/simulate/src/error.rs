//! Why a simulation does not say what would happen.

use std::error::Error as StdError;

/// What could not be simulated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was given does not say what is meant.
    #[error("{0}")]
    Given(String),
    /// Something could not be done with what was given.
    #[error("{act}")]
    Act {
        /// What, and with which part of it.
        act: String,
        /// Why not.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

/// Says what was attempted when it failed.
pub(crate) trait Act<T> {
    /// `act` names the attempt and its object.
    fn act(self, act: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T, E: Into<Box<dyn StdError + Send + Sync>>> Act<T> for Result<T, E> {
    fn act(self, act: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|error| Error::Act {
            act: act(),
            source: error.into(),
        })
    }
}
