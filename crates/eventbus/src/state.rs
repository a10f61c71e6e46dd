//! State as the rest of the program sees it: small values under keys, in buckets.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Bucket, Error, PublishAck};

/// The buckets of state that a bus keeps.
#[async_trait]
pub trait StateStore: fmt::Debug + Send + Sync {
    /// Opens the state kept under `bucket`, creating it if it is missing.
    ///
    /// # Errors
    /// If the server is out of reach.
    async fn open(&self, bucket: &Bucket) -> Result<Arc<dyn State>, Error>;
}

/// Where the bucket of a sensor says whose it is. Keys of rounds have a slash in them, and Argo Events
/// has none of this name.
const OWNER: &str = "Namespace";

/// Opens what a sensor keeps of its rounds.
///
/// It lies under Argo Events' name, which is the sensor's, so that it survives a switch between the
/// programs. That name says no namespace: on a bus that serves several, it belongs to the first that
/// asks for it, and sensors of that name in others keep theirs under a name with their namespace.
///
/// # Errors
/// If the server is out of reach.
pub async fn open_rounds(
    store: &dyn StateStore,
    namespace: &str,
    sensor: &str,
) -> Result<Arc<dyn State>, Error> {
    let shared = store.open(&Bucket::sensor(sensor)).await?;
    let owner = shared.create(OWNER, Bytes::copy_from_slice(namespace.as_bytes()));
    if owner.await? == namespace.as_bytes() {
        return Ok(shared);
    }
    store.open(&Bucket::sensor_of(namespace, sensor)).await
}

/// Small values under keys, kept by the bus: rounds of sensors, positions of event sources.
#[async_trait]
pub trait State: fmt::Debug + Send + Sync {
    /// The value of `key`.
    ///
    /// # Errors
    /// If the server is out of reach.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error>;

    /// Sets `key` if it has no value; returns the value that it has then. Of several who ask at the
    /// same time, one is the first.
    ///
    /// # Errors
    /// If the server is out of reach, or the key or the value is not storable.
    async fn create(&self, key: &str, value: Bytes) -> Result<Bytes, Error>;

    /// Sets `key`, and returns at once what resolves when the value is stored. Writes of one caller
    /// are stored in the order of the calls.
    ///
    /// # Errors
    /// If the key or the value is not storable.
    async fn put(&self, key: &str, value: Bytes) -> Result<PublishAck, Error>;

    /// Removes `key`, and returns at once what resolves when that is stored.
    ///
    /// # Errors
    /// If the key is not valid.
    async fn delete(&self, key: &str) -> Result<PublishAck, Error>;

    /// All keys with their values.
    ///
    /// # Errors
    /// If the server is out of reach.
    async fn entries(&self) -> Result<Vec<StateEntry>, Error>;
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateEntry {
    /// The key, as it was given to [`State::put`].
    pub key: String,
    /// Its value.
    pub value: Bytes,
}
