//! The API server, asked with as little between as there can be: raw requests, raw watch lines.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{AsyncBufReadExt as _, TryStreamExt as _};
use http::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How long anything may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// More than any figure has on its way.
const ARRIVALS: usize = 4096;

/// A client of the admin.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: Client,
}

/// An object that appeared.
pub(crate) struct Arrival {
    pub(crate) name: String,
    pub(crate) at: Instant,
}

/// A watch: what appears, with the moment it was seen.
pub(crate) struct Watch {
    arrivals: mpsc::Receiver<Arrival>,
    early: HashMap<String, Instant>,
    _reader: JoinSet<()>,
}

#[derive(Deserialize)]
struct Line {
    r#type: String,
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: String,
    resource_version: String,
}

#[derive(Deserialize)]
struct List {
    metadata: Metadata,
    items: Vec<Object>,
}

impl Cluster {
    pub(crate) async fn connect(kubeconfig: &Path) -> anyhow::Result<Self> {
        let file = Kubeconfig::read_from(kubeconfig)?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        Ok(Self {
            client: Client::try_from(config)?,
        })
    }

    /// Creates an object in the collection at `path`.
    pub(crate) async fn create(&self, path: &str, object: &Value) -> anyhow::Result<()> {
        let request = Request::post(path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(serde_json::to_vec(object)?)?;
        self.client
            .request_text(request)
            .await
            .with_context(|| format!("create in {path}"))?;
        Ok(())
    }

    /// What is at `path`.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let request = Request::get(path).body(Vec::new())?;
        let answer = self.client.request(request).await;
        answer.with_context(|| format!("get {path}"))
    }

    /// Changes the object at `path` by a JSON patch.
    pub(crate) async fn patch(&self, path: &str, changes: &Value) -> anyhow::Result<()> {
        let request = Request::patch(path)
            .header(http::header::CONTENT_TYPE, "application/json-patch+json")
            .body(serde_json::to_vec(changes)?)?;
        let answer = self.client.request_text(request).await;
        answer.with_context(|| format!("patch {path}")).map(drop)
    }

    /// Deletes the object at `path`.
    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<()> {
        let request = Request::delete(path).body(Vec::new())?;
        let answer = self.client.request_text(request).await;
        answer.with_context(|| format!("delete {path}")).map(drop)
    }

    /// The names of the objects at `path`.
    pub(crate) async fn names(&self, path: &str) -> anyhow::Result<Vec<String>> {
        let list = self.list(path).await?;
        Ok(list
            .items
            .into_iter()
            .map(|object| object.metadata.name)
            .collect())
    }

    async fn list(&self, path: &str) -> anyhow::Result<List> {
        let request = Request::get(path).body(Vec::new())?;
        self.client
            .request(request)
            .await
            .with_context(|| format!("list {path}"))
    }

    /// Watches the collection at `path` from now on.
    pub(crate) async fn watch(&self, path: &str) -> anyhow::Result<Watch> {
        let from = self.list(path).await?.metadata.resource_version;
        let query = format!("{path}?watch=true&resourceVersion={from}");
        let stream = self
            .client
            .request_stream(Request::get(query).body(Vec::new())?)
            .await?;
        let mut lines = Box::pin(stream).lines();
        let (sender, arrivals) = mpsc::channel(ARRIVALS);
        let mut reader = JoinSet::new();
        reader.spawn(async move {
            while let Ok(Some(line)) = lines.try_next().await {
                let at = Instant::now();
                let Ok(line) = serde_json::from_str::<Line>(&line) else {
                    continue;
                };
                let name = line.object.metadata.name;
                if line.r#type == "ADDED" && sender.send(Arrival { name, at }).await.is_err() {
                    return;
                }
            }
        });
        Ok(Watch {
            arrivals,
            early: HashMap::new(),
            _reader: reader,
        })
    }
}

impl Watch {
    /// The next object; `None` if the watch has ended.
    pub(crate) async fn next(&mut self) -> Option<Arrival> {
        self.arrivals.recv().await
    }

    /// When the object `name` appeared.
    pub(crate) async fn seen(&mut self, name: &str) -> anyhow::Result<Instant> {
        loop {
            if let Some(at) = self.early.remove(name) {
                return Ok(at);
            }
            let arrival = tokio::time::timeout(PATIENCE, self.next()).await;
            let arrival = arrival.with_context(|| format!("{name} does not appear"))?;
            let arrival = arrival.context("the watch ended")?;
            self.early.insert(arrival.name, arrival.at);
        }
    }
}
