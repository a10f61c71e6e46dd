//! The floor of a firing: two API writes and two watch hops, and nothing else.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::cluster::{Cluster, Watch};

/// A plain loop: whenever an object appears in one place, another is created in the second place.
pub(crate) struct Floor {
    cluster: Cluster,
    first: Place,
    arrivals: Watch,
    _relay: JoinSet<()>,
}

/// A collection, and what is created in it.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) path: String,
    pub(crate) manifest: Value,
}

impl Place {
    /// A ConfigMap: the least that can be written.
    pub(crate) fn config_maps(namespace: &str) -> Self {
        Self {
            path: format!("/api/v1/namespaces/{namespace}/configmaps"),
            manifest: json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}, "data": {"a": "b"}}),
        }
    }

    /// The object under this name.
    pub(crate) fn object(&self, name: &str) -> Value {
        let mut object = self.manifest.clone();
        object["metadata"]["name"] = name.into();
        object
    }
}

impl Floor {
    pub(crate) async fn start(
        cluster: &Cluster,
        first: Place,
        second: Place,
    ) -> anyhow::Result<Self> {
        let mut firsts = cluster.watch(&first.path).await?;
        let arrivals = cluster.watch(&second.path).await?;
        let client = cluster.clone();
        let mut relay = JoinSet::new();
        relay.spawn(async move {
            let mut writes = JoinSet::new();
            while let Some(arrival) = firsts.next().await {
                let (client, second) = (client.clone(), second.clone());
                writes.spawn(async move {
                    client
                        .create(&second.path, &second.object(&arrival.name))
                        .await
                });
                while writes.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            cluster: cluster.clone(),
            first,
            arrivals,
            _relay: relay,
        })
    }

    /// From just before the first write to the arrival of the second object.
    pub(crate) async fn once(&mut self, name: &str) -> anyhow::Result<Duration> {
        let start = Instant::now();
        self.cluster
            .create(&self.first.path, &self.first.object(name))
            .await?;
        Ok(self.arrivals.seen(name).await?.duration_since(start))
    }

    /// The same for many at once: until the last one has arrived.
    pub(crate) async fn all(&mut self, names: &[String]) -> anyhow::Result<Duration> {
        let start = Instant::now();
        create_all(&self.cluster, &self.first, names).await?;
        let mut last = start;
        for name in names {
            last = last.max(self.arrivals.seen(name).await?);
        }
        Ok(last.duration_since(start))
    }
}

/// Creates objects side by side.
pub(crate) async fn create_all(
    cluster: &Cluster,
    place: &Place,
    names: &[String],
) -> anyhow::Result<()> {
    let writes = names.iter().map(|name| {
        let object = place.object(name);
        async move { cluster.create(&place.path, &object).await }
    });
    futures::future::try_join_all(writes).await.map(drop)
}
