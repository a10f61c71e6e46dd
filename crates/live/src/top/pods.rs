//! The metrics of the pods of sensors, through the API server's port-forward.

use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::metrics::Durations;
use crate::reach::{Error, refused};

/// Where pods serve their metrics.
const PORT: u16 = 7777;

/// The pods of sensors have this label.
const LABEL: &str = "sensor-name";

/// So much is read of a pod's metrics.
const LARGEST: u64 = 16 << 20;

/// How long a pod may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// So many pods are asked at a time.
const AT_A_TIME: usize = 8;

/// What the pods of the sensors of a namespace count, and how many of them gave no answer.
///
/// # Errors
/// If the API server does not let us list pods.
pub async fn durations(client: &Client, namespace: &str) -> Result<(Durations, usize), Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let wanted = ListParams::default().labels(LABEL);
    let found = pods.list(&wanted).await.map_err(|error| {
        let act = format!("find the pods of sensors in {namespace}");
        refused(act, "list pods", namespace, &error)
    })?;
    let names = found.items.iter().map(ResourceExt::name_any);
    let texts = futures::stream::iter(names.collect::<Vec<_>>())
        .map(|pod| {
            let pods = pods.clone();
            async move {
                let answer = tokio::time::timeout(PATIENCE, metrics(&pods, &pod)).await;
                answer.ok().flatten()
            }
        })
        .buffer_unordered(AT_A_TIME);
    let texts: Vec<Option<String>> = texts.collect().await;
    let mut durations = Durations::default();
    for text in texts.iter().flatten() {
        durations.add(text);
    }
    let silent = texts.iter().filter(|text| text.is_none()).count();
    Ok((durations, silent))
}

/// What a pod says, if it does.
async fn metrics(pods: &Api<Pod>, pod: &str) -> Option<String> {
    let mut forwarder = pods.portforward(pod, &[PORT]).await.ok()?;
    let mut stream = forwarder.take_stream(PORT)?;
    // In this version, what is behind the head is the answer as it is, up to its end.
    let request = b"GET /metrics HTTP/1.0\r\nHost: pod\r\n\r\n";
    stream.write_all(request).await.ok()?;
    let mut answer = Vec::new();
    stream.take(LARGEST).read_to_end(&mut answer).await.ok()?;
    forwarder.abort();
    let answer = String::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?;
    (status == "200").then(|| body.to_owned())
}
