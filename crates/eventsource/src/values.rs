//! Values of Secrets and ConfigMaps that a spec names, read when they are needed, so that a rotated
//! one counts at once.

use std::fmt;

use async_trait::async_trait;
use tiphys_api::{ConfigMapKeySelector, SecretKeySelector};

use crate::error::{Reason, SourceError};

/// A value that does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Value(Vec<u8>);

impl Value {
    /// Takes a value.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The value.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value")
    }
}

/// Knows the values of Secrets and ConfigMaps of the event source's namespace.
#[async_trait]
pub trait Values: fmt::Debug + Send + Sync {
    /// The value of a key of a Secret, without one trailing line break.
    ///
    /// # Errors
    /// If it cannot be read now.
    async fn secret(&self, key: &SecretKeySelector) -> Result<Value, SourceError>;

    /// The value of a key of a ConfigMap, without one trailing line break.
    ///
    /// # Errors
    /// If it cannot be read now.
    async fn config_map(&self, key: &ConfigMapKeySelector) -> Result<Value, SourceError>;
}

/// No values, where there is neither a cluster nor a mount.
#[derive(Debug)]
pub struct NoValues;

#[async_trait]
impl Values for NoValues {
    async fn secret(&self, key: &SecretKeySelector) -> Result<Value, SourceError> {
        let act = format!("read key {} of Secret {}", &*key.key, &*key.name);
        Err(SourceError::new(Reason::Missing, act))
    }

    async fn config_map(&self, key: &ConfigMapKeySelector) -> Result<Value, SourceError> {
        let act = format!("read key {} of ConfigMap {}", &*key.key, &*key.name);
        Err(SourceError::new(Reason::Missing, act))
    }
}
