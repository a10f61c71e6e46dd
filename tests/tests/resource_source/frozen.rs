//! A bus that can stop taking state, while it takes events: so a process is killed between a publish
//! and what it notes of it.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use tiphys_eventbus::{Bucket, Error, EventBus, PublishAck, State, StateEntry, StateStore};

/// Stops and starts what is written to the state of a bus.
#[derive(Debug, Clone, Default)]
pub(crate) struct Freezer(Arc<AtomicBool>);

#[derive(Debug)]
struct Store {
    inner: Arc<dyn StateStore>,
    freezer: Freezer,
}

#[derive(Debug)]
struct Frozen {
    inner: Arc<dyn State>,
    freezer: Freezer,
}

impl Freezer {
    /// The same bus; what is written to its state goes by this freezer.
    pub(crate) fn around(&self, bus: EventBus) -> EventBus {
        let store = Store {
            inner: bus.state,
            freezer: self.clone(),
        };
        EventBus {
            state: Arc::new(store),
            ..bus
        }
    }

    /// From now on nothing that is written arrives, and nothing says so.
    pub(crate) fn freeze(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    async fn pass(&self) {
        if self.0.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
    }
}

#[async_trait]
impl StateStore for Store {
    async fn open(&self, bucket: &Bucket) -> Result<Arc<dyn State>, Error> {
        Ok(Arc::new(Frozen {
            inner: self.inner.open(bucket).await?,
            freezer: self.freezer.clone(),
        }))
    }
}

#[async_trait]
impl State for Frozen {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.inner.get(key).await
    }

    async fn create(&self, key: &str, value: Bytes) -> Result<Bytes, Error> {
        self.freezer.pass().await;
        self.inner.create(key, value).await
    }

    async fn put(&self, key: &str, value: Bytes) -> Result<PublishAck, Error> {
        self.freezer.pass().await;
        self.inner.put(key, value).await
    }

    async fn delete(&self, key: &str) -> Result<PublishAck, Error> {
        self.freezer.pass().await;
        self.inner.delete(key).await
    }

    async fn entries(&self) -> Result<Vec<StateEntry>, Error> {
        self.inner.entries().await
    }
}
