//! A port of this machine that leads to a pod, through the API server.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Portforwarder};
use tiphys_api::message::with_causes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy, split};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Error;
use super::cluster::answered;

/// How long a pod may be silent: a client of NATS asks every ten seconds whether it is still there. Between the
/// API server and a pod a connection can break without either of them saying so.
const SILENCE: Duration = Duration::from_secs(30);

/// How much is handed on at a time.
const CHUNK: usize = 16 << 10;

/// Where connections lead.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) pods: Api<Pod>,
    /// The labels of the pods.
    pub(super) labels: String,
    pub(super) namespace: String,
    pub(super) port: u16,
}

/// A port that is open as long as this is kept.
pub(super) struct Forward {
    address: SocketAddr,
    failure: Failure,
    _tasks: JoinSet<()>,
}

/// Why the last connection could not be forwarded.
type Failure = Arc<Mutex<Option<String>>>;

impl Forward {
    /// Opens a port. Each connection to it leads to a pod that is ready then.
    pub(super) async fn open(target: Target) -> Result<Self, Error> {
        // Said at once, and not as a connection that breaks.
        target.pod().await?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(Error::Port)?;
        let address = listener.local_addr().map_err(Error::Port)?;
        let failure = Failure::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, target, Arc::clone(&failure)));
        Ok(Self {
            address,
            failure,
            _tasks: tasks,
        })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Why the last connection could not be forwarded.
    pub(super) fn failure(&self) -> Option<String> {
        let failure = self.failure.lock();
        failure.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(listener: TcpListener, target: Target, failure: Failure) {
    let mut connections = JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let (target, failure) = (target.clone(), Arc::clone(&failure));
        connections.spawn(async move {
            let opened = target.open().await;
            note(&failure, opened.as_ref().err());
            if let Ok(mut forwarder) = opened {
                if let Some(stream) = forwarder.take_stream(target.port) {
                    hand_on(connection, stream).await;
                }
                forwarder.abort();
            }
        });
    }
}

fn note(failure: &Failure, error: Option<&Error>) {
    let mut last = failure.lock().unwrap_or_else(PoisonError::into_inner);
    *last = error.map(|error| with_causes(error));
}

/// Hands on what both sides send, until one of them goes or the pod is silent: the client connects again then.
async fn hand_on(
    client: impl AsyncRead + AsyncWrite + Send,
    pod: impl AsyncRead + AsyncWrite + Send,
) {
    let (mut from_client, mut to_client) = split(client);
    let (mut from_pod, mut to_pod) = split(pod);
    let answers = async {
        let mut bytes = vec![0; CHUNK];
        while let Ok(Ok(length @ 1..)) = timeout(SILENCE, from_pod.read(&mut bytes)).await {
            if to_client.write_all(&bytes[..length]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        _ = copy(&mut from_client, &mut to_pod) => {}
        () = answers => {}
    }
}

impl Target {
    /// Has the API server forward to a pod that is ready.
    async fn open(&self) -> Result<Portforwarder, Error> {
        let pod = self.pod().await?;
        let act = format!("forward to pod {}/{pod}", self.namespace);
        let right = ("create pods/portforward", &*self.namespace);
        answered(act, right, self.pods.portforward(&pod, &[self.port])).await
    }

    /// A pod that is ready.
    async fn pod(&self) -> Result<String, Error> {
        let act = format!(
            "find a pod of the bus ({}) in {}",
            self.labels, self.namespace
        );
        let wanted = ListParams::default().labels(&self.labels);
        let right = ("list pods", &*self.namespace);
        let pods = answered(act.clone(), right, self.pods.list(&wanted)).await?;
        let ready = pods.iter().find(|pod| is_ready(pod));
        ready
            .map(kube::ResourceExt::name_any)
            .ok_or_else(|| Error::Cluster {
                act,
                reason: format!("none of {} is ready", pods.items.len()),
                hint: Some(format!(
                    "`kubectl get pods -l {} -n {}` shows them",
                    self.labels, self.namespace
                )),
            })
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|conditions| {
        let mut conditions = conditions.iter();
        conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    /// Both ends of a connection that is handed on, and the task that does it.
    fn handed_on() -> (DuplexStream, DuplexStream, JoinSet<()>) {
        let (client, near) = duplex(64);
        let (pod, far) = duplex(64);
        let mut tasks = JoinSet::new();
        tasks.spawn(hand_on(near, far));
        (client, pod, tasks)
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_that_is_silent_ends_the_connection() {
        let (mut client, mut pod, _tasks) = handed_on();
        for _ in 0..5 {
            client.write_all(b"PING").await.unwrap();
            let mut asked = [0; 4];
            pod.read_exact(&mut asked).await.unwrap();
            tokio::time::sleep(Duration::from_secs(10)).await;
            pod.write_all(b"PONG").await.unwrap();
            let mut answer = [0; 4];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!((&asked, &answer), (b"PING", b"PONG"));
        }
        // It was replaced, and nobody says so: what is sent arrives nowhere.
        client.write_all(b"PING").await.unwrap();
        assert_eq!(client.read(&mut [0; 4]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_goes_takes_the_other_side_along() {
        let (client, mut pod, mut tasks) = handed_on();
        drop(client);
        assert_eq!(pod.read(&mut [0; 4]).await.unwrap(), 0);
        tasks.join_next().await.unwrap().unwrap();
        let (mut client, pod, mut tasks) = handed_on();
        drop(pod);
        assert_eq!(client.read(&mut [0; 4]).await.unwrap(), 0);
        tasks.join_next().await.unwrap().unwrap();
    }
}
