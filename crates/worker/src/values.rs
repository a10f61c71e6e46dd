//! Values of Secrets and ConfigMaps for event sources, from where sensors have theirs.

use std::sync::Arc;

use async_trait::async_trait;
use tiphys_api::{ConfigMapKeySelector, SecretKeySelector};
use tiphys_clients::values::Values;
use tiphys_clients::{Error, KeyOf};
use tiphys_eventsource::{Reason, SourceError, Value};

/// The values of one namespace.
#[derive(Debug)]
pub(crate) struct SourceValues {
    pub(crate) namespace: String,
    pub(crate) values: Arc<dyn Values>,
}

#[async_trait]
impl tiphys_eventsource::Values for SourceValues {
    async fn secret(&self, key: &SecretKeySelector) -> Result<Value, SourceError> {
        let found = self.values.secret(&self.key(&key.name, &key.key)).await;
        found
            .map(|value| Value::new(value.bytes()))
            .map_err(|error| failed("Secret", &key.name, &key.key, error))
    }

    async fn config_map(&self, key: &ConfigMapKeySelector) -> Result<Value, SourceError> {
        let found = self.values.config_map(&self.key(&key.name, &key.key)).await;
        found
            .map(|value| Value::new(value.bytes()))
            .map_err(|error| failed("ConfigMap", &key.name, &key.key, error))
    }
}

impl SourceValues {
    fn key(&self, name: &str, key: &str) -> KeyOf {
        KeyOf {
            namespace: self.namespace.clone(),
            name: name.to_owned(),
            key: key.to_owned(),
        }
    }
}

fn failed(kind: &str, name: &str, key: &str, error: Error) -> SourceError {
    let act = format!("read key {key} of {kind} {name}");
    SourceError::new(Reason::Missing, act).because(error)
}
